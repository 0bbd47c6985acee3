"""Step: an untuned model asked in words, with or without examples in the prompt."""

from dataclasses import replace
from typing import Any

import numpy as np

from outgrow.dag.work import Context
from outgrow.examples import Examples
from outgrow.seeds import generator
from outgrow.steps.bench import Bench
from outgrow.steps.launch import in_every_process


@in_every_process
def prompt(context: Context) -> dict[str, Any]:
    """Predict the test split from the log-probability of each answer word (Burns et al. 2023, section 5.2.1)."""
    bench = Bench(context, head="completion")
    bench.spread()
    shots = _shots(bench) if context.spec["shots"] else []

    def predict(examples: Examples) -> np.ndarray:
        return bench.probabilities(asked(examples, bench.task.instruction, bench.task.words, shots))

    truth = context.spec["shots"] and context.spec["labels"] == "truth"
    cheating = [f"was shown the truth of {context.spec['shots']} rows"] if truth else []
    return {"test": bench.score("test", predict) | dict(bench.cut), "cheating": cheating}


def asked(examples: Examples, instruction: str, words: tuple[str, ...], shots: list[tuple[str, int]]) -> Examples:
    """Return the rows as prompts whose completions are the answer words, each after a blank."""
    answers = tuple(f" {word}" for word in words)
    solved = [f"{text}\nAnswer:{answers[option]}\n\n" for text, option in shots]
    head = f"{instruction}\n\n" + "".join(solved)
    texts = tuple(f"{head}{text}\nAnswer:" for text in examples.texts)
    return replace(examples, texts=texts, completions=(answers,) * len(examples))


def _shots(bench: Bench) -> list[tuple[str, int]]:
    """Return the spec's number of rows of the student's half with their labels, the same for every test row."""
    spec = bench.spec
    rows = bench.examples("student")
    rng = generator(spec["seed"], "shots", bench.task.name)
    chosen = rows.take([rows.ids[i] for i in rng.choice(len(rows), spec["shots"], replace=False)])
    if spec["labels"] == "truth":
        return list(zip(chosen.texts, chosen.truth_N.tolist(), strict=True))
    return list(zip(chosen.texts, bench.weak_labels().take(chosen.ids).predicted().tolist(), strict=True))
