"""A step's working place: its rows (`Desk`), its model, the tokens of its texts. What the model steps do alike."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from outgrow.dag.work import Context
from outgrow.errors import StepError
from outgrow.examples import Examples, Labels
from outgrow.free_text import TextLabels
from outgrow.models.adapters import Adapter
from outgrow.models.catalog import local_folder
from outgrow.models.heads import Head, load_scorer, load_tokenizer, quiet
from outgrow.models.weights import load_head, save_trained
from outgrow.seeds import derive
from outgrow.steps.desk import Desk
from outgrow.training.batches import Inputs, encode
from outgrow.training.chat import as_chat
from outgrow.training.inference import features, predict
from outgrow.training.sharded import held, here, shard, whole_state


class Bench(Desk):
    """The task and model that a step's spec names, with one thread to compute on."""

    def __init__(self, context: Context, *, head: Head | None = None) -> None:
        super().__init__(context)
        torch.set_num_threads(context.runtime.threads)
        quiet()
        self.device = context.runtime.device
        if self.device != "cpu" and not torch.cuda.is_available():
            raise StepError(f"torch finds no GPU for --device {self.device}: outgrow doctor tells what it finds")
        _exactly(self.device)
        self.share = here()
        self._settings = self.spec["training"]
        folder = local_folder(context.places["model"], self.spec["model"]["fingerprint"])
        language = context.inputs.get("generative")
        self.scorer = load_scorer(
            folder,
            head=head or self._head(),
            options=self.task.options(),
            verbalizer=self.task.verbalizer if self._settings["head"] == "unembedding" else (),
            adapter=self._adapter(),
            dropout=self._settings["dropout"],
            language=language.path("weights.safetensors") if language else None,
            device=self.device if self.share.world == 1 else "cpu",  # from where its parts move when it is spread
        )
        if "probe" in context.inputs:
            load_head(self.scorer, context.inputs["probe"].path("weights.safetensors"))
        self._tokenizer = load_tokenizer(folder)
        self.cut: Mapping[str, float] = {}
        """Of the rows that were read last, the shares that lost their beginning; nothing where none did."""
        self.packed = self.task.family != "chess"
        """Whether nothing is spent on padding. The chess ladder's numbers were made with padding."""

    def examples(self, *splits: str) -> Examples:
        """Return the rows of these splits as the model is to read them."""
        rows = super().examples(*splits)
        wanted = self._settings.get("chat_template", False)
        wanted = bool(self._tokenizer.chat_template) if wanted == "auto" else wanted
        return as_chat(self._tokenizer, rows) if wanted else rows

    def spread(self) -> None:
        """Leave in each process its part of the model, where there are several. What is loaded, is loaded before."""
        if self.share.world > 1:
            shard(self.scorer, self.share)

    def keep_weights(self) -> None:
        """Write what training changed to weights.safetensors."""
        path = self.context.folder / "weights.safetensors"
        if self.share.world == 1:
            save_trained(self.scorer, path)
            return
        whole = whole_state(self.scorer)
        if self.share.rank == 0:
            save_trained(self.scorer, path, whole=whole)

    def computed(self) -> dict[str, Any]:
        """Return what a record says of the processes and the GPUs that a model was computed on, if there is any."""
        device, found = next(self.scorer.parameters()).device, dict[str, Any]()
        if self.share.world > 1:
            found |= {"processes": self.share.world, "parameters_held": self.share.each(held(self.scorer), device)}
        if device.type == "cuda":
            found["peak_gpu_bytes"] = max(self.share.each(torch.cuda.max_memory_allocated(device), device))
        return found

    def _head(self) -> Head:
        if self._settings["head"] == "completion" or self.task.head == "text":
            return "completion"
        return self.task.head

    def _adapter(self) -> Adapter | None:
        if self._settings["tuning"] != "lora":
            return None
        seed = derive(self.spec["seed"], "adapter", self.task.name)
        return Adapter(self._settings["lora_rank"], self._settings["lora_alpha"], seed=seed)

    def inputs(self, examples: Examples, *, num_options: int | None = None) -> Inputs:
        """Return the tokens of the rows, of as many options as the task has at most unless told otherwise."""
        return encode(
            self._tokenizer,
            examples,
            head=self.scorer.kind,
            limit=self.scorer.limit(self._settings["max_tokens"]),
            num_options=self.task.num_options if num_options is None else num_options,
        )

    def probabilities(self, examples: Examples) -> np.ndarray:
        """Return what the scorer gives these rows, probabilities_NK."""
        return self._computed(predict, examples)

    def features_of(self, examples: Examples) -> np.ndarray:
        """Return what the head would read of these rows, features_ND; where options are texts features_NKD."""
        return self._computed(features, examples)

    def _computed(self, function: Callable[..., np.ndarray], examples: Examples) -> np.ndarray:
        inputs = self.inputs(examples)
        self.cut = inputs.cut
        return function(self.scorer, inputs, precision=self._settings["precision"], packed=self.packed)

    def predict(self, examples: Examples, *, file: str) -> Labels | TextLabels:
        """Predict the rows and write their labels to this file."""
        return self.write(examples, self.probabilities(examples), file=file)

    def test(self, split: str = "test") -> dict[str, Any]:
        """Predict a fixed split into test.parquet; return what a record keeps of it."""
        return self.score(split, self.probabilities) | dict(self.cut)


def _exactly(device: str) -> None:
    """Have fp32 computed as fp32 on a GPU, and its memory measured from here on."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    if device != "cpu":
        torch.cuda.init()  # type: ignore[no-untyped-call]
        torch.cuda.reset_peak_memory_stats(device)
