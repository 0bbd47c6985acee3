"""The table of preference sets: where each lies and how its rows are read. None is shipped.

`verified` marks those that were tried on real rows.
"""

from dataclasses import replace

from outgrow.errors import UsageError
from outgrow.tasks import comparisons
from outgrow.tasks.base import Located, Task, Where
from outgrow.tasks.comparisons import RM_BENCH_STYLES
from outgrow.tasks.formats import class_of, plain_value
from outgrow.tasks.grouping import normal
from outgrow.tasks.pairs import accuracy_by_tag, length_control, margin_bands, together
from outgrow.tasks.preference import CHESS_PREFERENCE, PairSet
from outgrow.tasks.rows import Origin, Row
from outgrow.tasks.sets import TextSet

RM_BENCH_LEVELS = {
    f"{good}-{bad}": "hard" if i < j else "normal" if i == j else "easy"
    for i, good in enumerate(RM_BENCH_STYLES)
    for j, bad in enumerate(RM_BENCH_STYLES)
}
"""Hard: the wrong answer is in the more elaborate style; easy: the right one is; normal: both in one style."""

PAIR_SETS = (
    PairSet(
        Origin("hh_rlhf", "Anthropic/hh-rlhf", splits=("train", "test")),
        "Which last answer of a dialogue people prefer, helpful or harmless.",
        ("chosen", "rejected"),
        comparisons.hh_rlhf,
        verified=True,
    ),
    PairSet(
        Origin("hh_rlhf_helpful", "Anthropic/hh-rlhf", "helpful-base", ("train", "test")),
        "Which last answer of a dialogue people find more helpful.",
        ("chosen", "rejected"),
        comparisons.hh_rlhf,
    ),
    PairSet(
        Origin("hh_rlhf_harmless", "Anthropic/hh-rlhf", "harmless-base", ("train", "test")),
        "Which last answer of a dialogue people find less harmful.",
        ("chosen", "rejected"),
        comparisons.hh_rlhf,
        verified=True,
    ),
    PairSet(
        Origin("shp", "stanfordnlp/SHP", one_in=8),
        "Which of two comments on a Reddit post has more votes though it is no older. Of the hub's rows one in eight.",
        ("post_id", "history", "human_ref_A", "human_ref_B", "labels", "score_ratio"),
        comparisons.shp,
        diagnose=together(length_control, margin_bands(1.0, 2.0, 4.0)),
    ),
    PairSet(
        Origin("ultrafeedback", "HuggingFaceH4/ultrafeedback_binarized", splits=("train_prefs", "test_prefs")),
        "Which of two answers a language model marks higher.",
        ("prompt", "chosen", "rejected", "score_chosen", "score_rejected"),
        comparisons.ultrafeedback,
        diagnose=together(length_control, margin_bands(0.0, 1.0, 2.0, 4.0)),
    ),
    PairSet(
        Origin("helpsteer2", "nvidia/HelpSteer2", "preference"),
        "Which of two answers people prefer; ties left out.",
        ("prompt", "response_1", "response_2", "preference_strength"),
        comparisons.helpsteer2,
        diagnose=together(length_control, margin_bands(1.0, 2.0, 3.0)),
    ),
    PairSet(
        Origin("helpsteer3", "nvidia/HelpSteer3", "preference"),
        "Which of two answers to a dialogue people prefer; ties left out.",
        ("context", "response1", "response2", "overall_preference"),
        comparisons.helpsteer3,
        diagnose=together(length_control, margin_bands(1.0, 2.0, 3.0)),
    ),
    PairSet(
        Origin("summarize_from_feedback", "openai/summarize_from_feedback", "comparisons"),
        "Which of two summaries people prefer.",
        ("info", "summaries", "choice"),
        comparisons.summaries,
        dialogues=False,
    ),
    PairSet(
        Origin("reward_bench_2", "allenai/reward-bench-2"),
        "Which of four answers is the right one; the subset Ties left out.",
        ("prompt", "chosen", "rejected", "subset"),
        comparisons.reward_bench_2,
        options=("first", "second", "third", "fourth"),
    ),
    PairSet(
        Origin("rm_bench", "THU-KEG/RM-Bench"),
        "Which of two answers is right, in all nine pairs of three styles each.",
        ("prompt", "chosen", "rejected"),
        comparisons.rm_bench,
        diagnose=together(length_control, accuracy_by_tag(RM_BENCH_LEVELS)),
        verified=True,
    ),
    PairSet(
        Origin("rmb", "ilgee/RMB-Pairwise"),
        "Which of two answers to a dialogue is better, more helpful or less harmful.",
        ("chosen",),
        comparisons.rmb_pairs,
        further=("conversation_input", "conversation", "reject", "rejected"),
    ),
)


def _right(row: Row) -> int:
    """Tell whether an answer is right: true and false, or 1 and 0."""
    return class_of("label", (0, 1) if plain_value(row["label"]) in ("0", "1") else (False, True))(row)


AUTOMATED = "of the benchmark of automated weak-to-strong research; its splits are joined and cut anew"

AUTOMATED_CHAT = PairSet(
    Origin("aar_chat"),
    f"Which of two answers is better, {AUTOMATED}.",
    ("prompt", "first", "second", "label"),
    comparisons.labelled_pair,
)
AUTOMATED_CHECKS = tuple(
    TextSet(
        Origin(name),
        about=f"Is this {what} right? Rows {AUTOMATED}.",
        columns={"question": str, "choice": str, "label": (bool, int, str)},
        label=("label",),
        format=lambda row, _: f"Question: {row['question']}\nAnswer: {row['choice']}",
        truth=_right,
        group=lambda row: [normal(row["question"])],
        instruction="Say whether the answer to the question is right.",
    )
    for name, what in (("aar_math", "answer to a mathematical problem"), ("aar_code", "solution to a coding problem"))
)


def _of_files(task: Task) -> Task:
    """Return the task so that it asks for its files where the study names none: it is not on the hub."""

    def locate(where: Where) -> Located:
        if where.data is None and where.data_dir is None:
            raise UsageError(
                f"the task {task.name} is not on the hub: name the folder of its JSONL files under data, or put it "
                "under data_dir"
            )
        return task.locate(where)

    return replace(task, locate=locate, source="files of the user's own")


_HUB_NAMES = sorted({each.origin.hub for each in PAIR_SETS})
PREFERENCE_TASKS: tuple[Task, ...] = (
    CHESS_PREFERENCE,
    *(each.task(known=_HUB_NAMES) for each in PAIR_SETS),
    *map(_of_files, (AUTOMATED_CHAT.task(), *(each.task() for each in AUTOMATED_CHECKS))),
)
