"""An exponential moving average of a model's weights (EMA), kept beside the weights that are trained."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Average:
    """The average of a model's trained parameters: a = d a + (1 - d) w after every step, in fp32.

    `d` rises to its full value as (1 + t) / (10 + t), so that the start of a short run does not weigh on its end.
    A decay of 0 averages nothing.
    """

    def __init__(self, model: torch.nn.Module, decay: float) -> None:
        self._model, self._decay, self._steps = model, decay, 0
        self._weights = [each for each in model.parameters() if each.requires_grad] if decay else []
        self._averages = [each.detach().clone() for each in self._weights]

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights as they are now."""
        self._steps += 1
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps))
        for average, weight in zip(self._averages, self._weights, strict=True):
            average.lerp_(weight, 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the model's weights and their averages."""
        reshard = getattr(self._model, "reshard", None)
        if reshard is not None:  # a sharded model may still hold weights that it gathered, which would stay as they are
            reshard()
        for average, weight in zip(self._averages, self._weights, strict=True):
            kept = weight.clone()
            weight.copy_(average)
            average.copy_(kept)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the model have the averages as weights, as long as the context lasts."""
        self.swap()
        try:
            yield
        finally:
            self.swap()
