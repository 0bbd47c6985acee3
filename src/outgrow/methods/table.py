"""The table of methods: data only. docs/explanation/methods.md has the formulas, the evidence and the sources."""

from typing import Any

from outgrow.methods.method import Method

BURNS = "Burns et al. 2023"
RELEASE = "openai/weak-to-strong"
ELEUTHER = "EleutherAI/w2s"
RISING: dict[str, float | str] = {"weight": 0.5, "warmup": 0.2}


def _chain(**choices: Any) -> list[Method]:
    """Return bootstrapping and its control, with soft or hard labels."""
    hard = choices.get("labels") == "hard"
    end, words = ("-hard", " with hard labels") if hard else ("", "")
    return [
        Method(
            f"bootstrapping{end}",
            "Bootstrapping with hard labels, as the paper does for chess."
            if hard
            else "A chain of models of growing size, each labelling fresh rows for the next.",
            f"{BURNS}, section 4.3.1",
            chain=True,
            control=f"bootstrapping-control{end}",
            requires=("models-between",),
            **choices,
        ),
        Method(
            f"bootstrapping-control{end}",
            f"Naive{words}, on all the rows that the chain uses"
            + ("." if hard else ": the same labels bought from the supervisor."),
            f"compute control of bootstrapping{end}",
            links=True,
            requires=("models-between",),
            **choices,
        ),
    ]


def _truth_mixed(percent: int) -> Method:
    return Method(
        f"truth-{percent}",
        f"Naive, with the ground truth in place of the weak label in {percent}% of the rows.",
        "the budget axis: what the same money spent on truth would buy",
        transforms=(("truth-mix", {"share": percent / 100}),),
    )


PLAIN = [
    Method("naive", "Cross-entropy on the soft weak labels.", f"{BURNS}, section 4.2"),
    Method("naive-hard", "Cross-entropy on the weak labels' most probable option.", BURNS, labels="hard"),
]

LOSSES_OF_THEIR_OWN = [
    Method(
        "confidence",
        "Weak labels mixed with the student's own hardened predictions, up to one half.",
        f"{BURNS}, appendix A.4",
        loss="confidence",
        loss_options=RISING,
        requires=("can-harden",),
    ),
    Method(
        "confidence-75",
        "The confidence loss with weight 0.75, the paper's choice for its largest students.",
        f"{BURNS}, appendix A.4",
        loss="confidence",
        loss_options=RISING | {"weight": 0.75},
        requires=("can-harden",),
    ),
    Method(
        "confidence-release",
        "The confidence loss as OpenAI's released code computes it.",
        RELEASE,
        loss="confidence-release",
        loss_options=RISING | {"warmup": 0.1},
        requires=("shared-options", "two-options"),
    ),
    Method(
        "product",
        "The target is the product of weak label and own prediction, renormalised.",
        f"{BURNS}, appendix B; {RELEASE}",
        loss="product",
        loss_options={"weak": 1.0, "student": 1.0},
    ),
    Method(
        "log-entropy",
        "Weak labels mixed with the student's own predictions as they are, not hardened.",
        ELEUTHER,
        loss="log-entropy",
        loss_options=RISING,
    ),
    Method(
        "confidence-window",
        "Cross-entropy only on rows of which the student is less than 65% sure.",
        ELEUTHER,
        loss="confidence-window",
        loss_options={"radius": 0.15},
    ),
    Method(
        "confidence-window-midweak",
        "Cross-entropy only on rows of which the student is less sure than the median weak label.",
        ELEUTHER,
        loss="confidence-window",
        loss_options={"radius": "midweak"},
    ),
    Method(
        "reverse-kl",
        "Reverse KL divergence: the student may leave options out that the supervisor finds likely.",
        "Yao et al. 2025, arXiv 2502.11107",
        loss="reverse-kl",
    ),
    Method(
        "reverse-ce",
        "Reverse cross-entropy: reverse KL without the student's entropy.",
        "Yao et al. 2025, arXiv 2502.11107",
        loss="reverse-ce",
    ),
    Method(
        "adaptive-confidence",
        "Weak label and own hardened prediction mixed by a weight of its own for every row.",
        "Guo et al. 2024, ggjy/vision_weak_to_strong",
        loss="adaptive-confidence",
    ),
    Method(
        "generalised-ce",
        "Generalised cross-entropy with q = 0.7: rows that the student finds wrong count less.",
        "Zhang and Sabuncu 2018; tried in appendix B of Burns et al. 2023",
        loss="generalised-ce",
        loss_options={"power": 0.7},
    ),
    Method(
        "l2-confidence",
        "Cross-entropy and a reward for predictions far from one half.",
        f"{BURNS}, appendix B",
        loss="l2-confidence",
        loss_options=RISING,
        requires=("two-options",),
    ),
    Method(
        "entropy-confidence",
        "Cross-entropy and a reward for predictions of low entropy.",
        f"{BURNS}, appendix B",
        loss="entropy-confidence",
        loss_options=RISING,
    ),
]

LABELS_CHANGED = [
    Method(
        "confidence-filter",
        "Naive on the half of the rows of which the supervisor is surest; half of each class where they are balanced.",
        f"{BURNS}, appendix B, keeping 50% instead of 5 to 20%",
        transforms=(("confidence-filter", {"keep": 0.5}),),
    ),
    Method(
        "confidence-weighting",
        "Naive, each row weighted by how far the supervisor's first choice lies ahead of the second.",
        "the weight of CW-PO, arXiv 2603.04968, for any number of options",
        transforms=(("confidence-weights", {"power": 1.0}),),
    ),
    Method(
        "knn-cleaning",
        "Naive hard, each label replaced by the vote of the 50 nearest rows in the untuned student's features.",
        ELEUTHER,
        labels="hard",
        transforms=(("knn-cleaning", {"neighbours": 50}),),
        requires=("features", "shared-options"),
    ),
    Method(
        "logistic-cleaning",
        "Naive, each label replaced by a logistic regression on the untuned student's features, fit without the row.",
        ELEUTHER,
        transforms=(("logistic-cleaning", {"l2": 0.1, "folds": 5}),),
        requires=("features", "shared-options"),
    ),
    Method(
        "label-noise",
        "Naive, with one label in ten swapped for a wrong one at random.",
        f"{BURNS}, appendix B",
        transforms=(("label-noise", {"share": 0.1}),),
    ),
    *(_truth_mixed(percent) for percent in (10, 25, 50)),
]

SEVERAL_SUPERVISORS = [
    Method(
        "ensemble-mean",
        "Naive on the mean of the supervisors' labels.",
        "the plain ensemble",
        pool="mean",
        requires=("several-supervisors",),
    ),
    Method(
        "ensemble-entropy",
        "Naive on the supervisors' labels, in every row weighted towards the supervisor of least entropy.",
        "entropy weighting, a baseline of the ensemble literature",
        pool="entropy",
        requires=("several-supervisors",),
    ),
]

HOW_IT_TRAINS = [
    Method(
        "stop-weak",
        "Naive, keeping the checkpoint that agrees most with the weak labels of held-out rows.",
        f"{BURNS}, appendix A.1",
        stop="weak",
    ),
    Method(
        "stop-truth",
        "Naive, keeping the checkpoint that is best on the truth of held-out rows. It cheats.",
        f"{BURNS}, section 5.1.1",
        stop="truth",
    ),
    Method(
        "linear-probe",
        "Naive, training only a linear layer on the student's features.",
        f"{BURNS}, appendix D.2",
        tuning="probe",
        requires=("features",),
    ),
    Method(
        "probe-then-finetune",
        "Naive: first a linear probe, then the whole model from there.",
        f"Kumar et al. 2022; tried in appendix B of {BURNS}",
        tuning="probe-then-full",
        requires=("features",),
    ),
    Method(
        "lora",
        "Naive, training low-rank additions to the linear layers.",
        f"Hu et al. 2021; tried in appendix B of {BURNS}",
        tuning="lora",
    ),
    Method(
        "ema",
        "Naive, keeping a running average of the weights.",
        f"{BURNS}, appendix B",
        training={"ema": 0.99},
    ),
    Method(
        "weight-decay",
        "Naive with a weight decay of 0.1.",
        f"{BURNS}, appendix B",
        training={"weight_decay": 0.1},
    ),
    Method(
        "dropout",
        "Naive with a dropout of 0.1.",
        f"{BURNS}, appendix B",
        training={"dropout": 0.1},
    ),
]

GENERATIVE = [
    Method(
        "generative",
        "Naive, after finetuning student and ceiling on the texts as language; the supervisor is not.",
        f"{BURNS}, section 5.2.2 and figure 10",
        generative="student",
    ),
    Method(
        "generative-all",
        "Naive, after finetuning supervisor, student and ceiling on the texts as language.",
        f"{BURNS}, figure 18",
        generative="all",
    ),
]

PROMPTS = [
    Method(
        "zero-shot-prompt",
        "No training: the model is asked in words.",
        f"{BURNS}, section 5.2.1",
        tuning="none",
        requires=("words",),
    ),
    Method(
        "few-shot-truth",
        "No training: the model is asked in words after five examples with their truth.",
        f"{BURNS}, section 5.2.1",
        tuning="none",
        shots=5,
        shot_labels="truth",
        control="zero-shot-prompt",
        requires=("words",),
    ),
    Method(
        "few-shot-weak",
        "No training: the model is asked in words after five examples with weak labels.",
        f"{BURNS}, section 5.2.1",
        tuning="none",
        shots=5,
        shot_labels="weak",
        control="zero-shot-prompt",
        requires=("words",),
    ),
]

CONTROLS = [
    Method(
        "random-labels",
        "Control: hard labels as accurate as the supervisor's, whose errors fall on rows at random.",
        "control: what of the result is the supervisor's own",
        labels="hard",
        transforms=(("random-labels", {}),),
    ),
    Method(
        "majority-class",
        "Control: every row gets the class that the weak labels name most often.",
        "control: what a prior alone gives",
        transforms=(("majority-class", {}),),
        requires=("shared-options",),
    ),
]

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        *PLAIN,
        *LOSSES_OF_THEIR_OWN,
        *_chain(),
        *_chain(labels="hard"),
        *LABELS_CHANGED,
        *SEVERAL_SUPERVISORS,
        *HOW_IT_TRAINS,
        *GENERATIVE,
        *PROMPTS,
        *CONTROLS,
    )
}
