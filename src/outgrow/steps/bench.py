"""A step's working place: its task, its model, the tokens of its texts. What the model steps do alike."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from outgrow.dag.work import Context
from outgrow.errors import StepError
from outgrow.examples import Examples, Labels, cut, joined, seeded_order
from outgrow.models.catalog import fingerprint
from outgrow.models.heads import load_scorer, load_tokenizer, quiet
from outgrow.steps.scored import scored
from outgrow.tables import read_examples, read_labels, write_labels
from outgrow.tasks import find_task
from outgrow.training.batches import Tokens, tokenize
from outgrow.training.inference import predict

MAX_TOKENS = 512
FIXED_SPLITS = ("test", "tune_fit", "tune_score")


class Bench:
    """The task and model that a step's spec names, with one thread to compute on."""

    def __init__(self, context: Context) -> None:
        torch.set_num_threads(context.runtime.threads)
        quiet()
        self.context, self.spec, self.device = context, context.spec, context.runtime.device
        self.task = find_task(self.spec["task"])
        folder = Path(context.places["model"])
        if fingerprint(folder) != self.spec["model"]["fingerprint"]:
            raise StepError(f"the model in {folder} has changed since the study was planned: run the study again")
        self.scorer = load_scorer(folder, head=self.task.head, options=self.task.options()).to(self.device)
        self._tokenizer = load_tokenizer(folder)
        self._limit = min(getattr(self.scorer.backbone.config, "max_position_embeddings", MAX_TOKENS), MAX_TOKENS)

    def examples(self, *splits: str) -> Examples:
        """Return the rows of these splits: fixed ones, or those that the spec's seed deals out."""
        source = self.context.inputs["task"]
        if splits[0] in FIXED_SPLITS:
            return read_examples(source.path(f"{splits[0]}.parquet"))
        pool = read_examples(source.path("pool.parquet"))
        order = seeded_order(pool.groups, seed=self.spec["seed"], purpose=self.task.name)
        classes = self.task.num_options if self.task.balanced else 0
        ids = cut(pool, self.spec["splits"], order=order, balanced_classes=classes)
        return pool.take([each for split in splits for each in ids[split]])

    def tokens(self, examples: Examples) -> Tokens:
        """Return the tokens of the rows."""
        return tokenize(self._tokenizer, examples.texts, limit=self._limit)

    def weak_labels(self) -> Labels:
        """Return the labels of every input named `labels...`, as one."""
        parts = [each for name, each in sorted(self.context.inputs.items()) if name.startswith("labels")]
        return joined([read_labels(part.path("labels.parquet")) for part in parts])

    def predict(self, examples: Examples, *, file: str) -> Labels:
        """Predict the rows and write their labels to this file."""
        probabilities_NK = predict(self.scorer, self.tokens(examples), device=self.device)
        if not np.isfinite(probabilities_NK).all():
            raise StepError("the model's predictions are not finite: lower training.lr")
        labels = Labels.from_dense(examples.ids, probabilities_NK)
        write_labels(self.context.folder / file, labels)
        return labels

    def test(self, split: str = "test") -> dict[str, Any]:
        """Predict a fixed split into test.parquet; return what a record keeps of it."""
        examples = self.examples(split)
        return scored(self.task, self.predict(examples, file="test.parquet"), examples)
