"""A step's working place where labels are free text: predictions are what the model writes, greedily."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from outgrow.dag.work import Context
from outgrow.errors import StepError
from outgrow.examples import Examples
from outgrow.free_text import TextLabels
from outgrow.models.heads import Head
from outgrow.steps.bench import Bench
from outgrow.steps.scored import scored_texts
from outgrow.tables import write_texts
from outgrow.tasks import task_of
from outgrow.training.generation import as_completion, generate
from outgrow.training.inference import log_probabilities


class WritingBench(Bench):
    """A bench whose model answers with a text of its own, and learns from texts token by token."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, head="completion")

    def answered(self, examples: Examples, texts: Sequence[str]) -> Examples:
        """Return the rows with these texts as what is to be written: the only completion of each."""
        return replace(examples, completions=tuple((as_completion(self._tokenizer, text),) for text in texts))

    def predict(self, examples: Examples, *, file: str) -> TextLabels:
        """Let the model write an answer to every row, and write them to this file."""
        texts = generate(
            self.scorer,
            self._tokenizer,
            examples.texts,
            limit=self.scorer.limit(self._settings["max_tokens"]),
            max_new_tokens=self.task.max_new_tokens,
            precision=self._settings["precision"],
            packed=self.packed,
        )
        labels = TextLabels.of(examples.ids, texts)
        write_texts(self.context.folder / file, labels)
        return labels

    def test(self, split: str = "test") -> dict[str, Any]:
        """Let the model answer a fixed split into test.parquet; return what a record keeps of it.

        The log loss is that of the true texts, in nats a row.
        """
        examples = self.examples(split)
        told = self.inputs(self.answered(examples, examples.answers))
        log_f_N1 = log_probabilities(self.scorer, told, precision=self._settings["precision"], packed=self.packed)
        if not np.isfinite(log_f_N1).all():
            raise StepError("the model's predictions are not finite: lower training.lr")
        found = scored_texts(self.task, self.predict(examples, file="test.parquet"), examples)
        return found | {"log_loss": float(-log_f_N1.mean(dtype=np.float64))}


def bench_of(context: Context, *, head: Head | None = None) -> Bench:
    """Return the bench that the task of the step's spec needs."""
    return WritingBench(context) if task_of(context.spec).head == "text" else Bench(context, head=head)
