"""A step's working place: its rows (`Desk`), its model, the tokens of its texts. What the model steps do alike."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from outgrow.dag.work import Context
from outgrow.errors import StepError
from outgrow.examples import Examples, Labels
from outgrow.models.catalog import fingerprint
from outgrow.models.heads import load_scorer, load_tokenizer, quiet
from outgrow.steps.desk import Desk
from outgrow.training.batches import Tokens, tokenize
from outgrow.training.inference import predict

MAX_TOKENS = 512


class Bench(Desk):
    """The task and model that a step's spec names, with one thread to compute on."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        torch.set_num_threads(context.runtime.threads)
        quiet()
        self.device = context.runtime.device
        folder = Path(context.places["model"])
        if fingerprint(folder) != self.spec["model"]["fingerprint"]:
            raise StepError(f"the model in {folder} has changed since the study was planned: run the study again")
        self.scorer = load_scorer(folder, head=self.task.head, options=self.task.options()).to(self.device)
        self._tokenizer = load_tokenizer(folder)
        self._limit = min(getattr(self.scorer.backbone.config, "max_position_embeddings", MAX_TOKENS), MAX_TOKENS)

    def tokens(self, examples: Examples) -> Tokens:
        """Return the tokens of the rows."""
        return tokenize(self._tokenizer, examples.texts, limit=self._limit)

    def probabilities(self, examples: Examples) -> np.ndarray:
        """Return what the scorer gives these rows, probabilities_NK."""
        return predict(self.scorer, self.tokens(examples), device=self.device)

    def predict(self, examples: Examples, *, file: str) -> Labels:
        """Predict the rows and write their labels to this file."""
        return self.write(examples, self.probabilities(examples), file=file)

    def test(self, split: str = "test") -> dict[str, Any]:
        """Predict a fixed split into test.parquet; return what a record keeps of it."""
        return self.score(split, self.probabilities)
