"""The recipe of Burns et al. 2023 for text, said literally on one page with torch and transformers alone.

A class head on a pretrained language model starts at the unembedding rows of the tokens "0" and "1"; a weak model
learns from ground truth, its probabilities (soft labels) are what a strong model learns from, and the strong model's
ceiling learns from ground truth on the same rows. Every row passes the model by itself: no batch, no padding, nothing
to get wrong. Nothing here imports `outgrow`; a test holds both to the same probabilities, row by row.

    python examples/minimal_text.py --rows rows.jsonl --weak FOLDER --strong FOLDER

Each row of the file: {"text": ..., "truth": 0 or 1, "split": "supervisor" or "student" or "test"}.
Legend: N rows, B rows of a batch, T tokens, D width, K = 2 classes.
"""

import argparse
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

Batches = Callable[[int, int], Iterable[np.ndarray]]  # (rows, steps) -> the row numbers of every step
LIMIT = 512


class Classifier(torch.nn.Module):
    """A pretrained language model, read at its last token by two rows of its own unembedding."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        answers = [self.tokenizer(word, add_special_tokens=False)["input_ids"][-1] for word in ("0", "1")]
        unembedding_VD = model.get_output_embeddings().weight.detach()
        self.backbone = model.base_model
        self.head = torch.nn.Linear(unembedding_VD.shape[1], 2)
        self.head.weight.data = unembedding_VD[answers].clone()
        self.head.bias.data.zero_()

    def forward(self, text: str) -> torch.Tensor:
        """Return logits_K of one row. A text that is too long loses its beginning, never its special first token."""
        ids, bare = self.tokenizer(text)["input_ids"], self.tokenizer(text, add_special_tokens=False)["input_ids"]
        special = ids[: len(ids) - len(bare)]
        ids = special + bare[-(LIMIT - len(special)) :]
        hidden_1TD = self.backbone(torch.tensor([ids]), use_cache=False).last_hidden_state
        logits_K: torch.Tensor = self.head(hidden_1TD[0, -1])
        return logits_K


def finetune(
    model: Classifier, texts: list[str], labels_NK: np.ndarray, steps: int, lr: float, batches: Batches
) -> None:
    """Train all weights with cross-entropy on soft labels: AdamW, its rate rising over a tenth, then falling to 0."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.0)
    model.eval()  # no dropout
    for step, rows_B in enumerate(batches(len(texts), steps)):
        done = (step + 0.5) / steps
        optimizer.param_groups[0]["lr"] = lr * min(done / 0.1, (1 - done) / 0.9)
        optimizer.zero_grad()
        for row in rows_B:
            log_probabilities_K = model(texts[row]).log_softmax(0)
            loss = -(torch.from_numpy(labels_NK[row]) * log_probabilities_K).sum() / len(rows_B)
            loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


@torch.no_grad()
def predict(model: Classifier, texts: list[str]) -> np.ndarray:
    """Return probabilities_NK."""
    probabilities_NK: np.ndarray = torch.stack([model(text).softmax(0) for text in texts]).numpy()
    return probabilities_NK


def weak_to_strong(
    weak: Path, strong: Path, rows: list[dict[str, object]], *, epochs: int, batch: int, lr: float, batches: Batches
) -> dict[str, np.ndarray]:
    """Return the test predictions, probabilities_NK, of the weak model, the student and its ceiling."""
    splits = {name: [row for row in rows if row["split"] == name] for name in ("supervisor", "student", "test")}
    texts = {name: [str(row["text"]) for row in split] for name, split in splits.items()}
    truth = {name: np.eye(2, dtype=np.float32)[[row["truth"] for row in split]] for name, split in splits.items()}

    def trained(folder: Path, split: str, labels_NK: np.ndarray) -> Callable[[str], np.ndarray]:
        model, steps = Classifier(folder), max(1, round(epochs * len(labels_NK) / batch))
        finetune(model, texts[split], labels_NK, steps, lr, batches)
        return lambda name: predict(model, texts[name])

    supervisor = trained(weak, "supervisor", truth["supervisor"])  # 1. a weak model learns from truth
    weak_labels_NK = supervisor("student")  # 2. it labels rows that it has not seen, softly
    student = trained(strong, "student", weak_labels_NK)  # 3. a strong model learns from these labels
    ceiling = trained(strong, "student", truth["student"])  # 4. and, to compare, from truth on the same rows
    return {"weak": supervisor("test"), "student": student("test"), "ceiling": ceiling("test")}


def main() -> None:
    """Run it on a file of rows and print the three accuracies and PGR."""
    parser = argparse.ArgumentParser(description="The recipe of Burns et al. 2023 for text, on one page.")
    parser.add_argument("--rows", type=Path, required=True, help="JSONL with text, truth and split")
    parser.add_argument("--weak", type=Path, required=True, help="folder of a Hugging Face model")
    parser.add_argument("--strong", type=Path, required=True, help="folder of a larger one")
    for name, default in (("epochs", 2), ("batch", 32), ("lr", 1e-5), ("seed", 0)):
        parser.add_argument(f"--{name}", type=type(default), default=default)
    args = parser.parse_args()

    def batches(num_rows: int, steps: int) -> Iterable[np.ndarray]:
        rng = np.random.default_rng(args.seed)
        passes = [rng.permutation(num_rows) for _ in range(1 + args.batch * steps // num_rows)]
        return np.concatenate(passes)[: args.batch * steps].reshape(steps, args.batch)

    rows = [json.loads(line) for line in args.rows.read_text(encoding="utf-8").splitlines()]
    settings = {"epochs": args.epochs, "batch": args.batch, "lr": args.lr, "batches": batches}
    predictions = weak_to_strong(args.weak, args.strong, rows, **settings)
    truth_N = np.array([row["truth"] for row in rows if row["split"] == "test"])
    accuracy = {who: float((found_NK.argmax(1) == truth_N).mean()) for who, found_NK in predictions.items()}
    print("  ".join(f"{who} {value:.1%}" for who, value in accuracy.items()))
    gain, gap = (accuracy[who] - accuracy["weak"] for who in ("student", "ceiling"))
    print(f"PGR {gain / gap:.2f}" if gap > 0 else "PGR: none, there is no gap")


if __name__ == "__main__":
    main()
