"""Weak-to-strong generalization on one page, with torch and transformers alone.

A weak model learns from ground truth on one half of the rows and labels the other half; a strong model learns from
those labels. PGR says how much of the gap between the weak model and the strong model's own ceiling it recovers
(Burns et al. 2023, arXiv 2312.09390). Nothing here imports `outgrow`; a test holds both to the same numbers.

    python examples/minimal_rows.py > rows.jsonl      # rows of the shipped task chess-blunder, as text
    python examples/minimal.py --rows rows.jsonl

Each row of the file: {"text": ..., "truth": 0 or 1 or ..., "split": "supervisor" or "student" or "test"}.
Legend: N rows, B rows of a batch, T tokens, D width, K classes.
"""

import argparse
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

LADDER = Path(__file__).parents[1] / "src/outgrow/assets/ladders/chess"

Tokens = list[list[int]]
Batches = Callable[[int, int], Iterable[np.ndarray]]  # (rows, steps) -> the row numbers of every step


class Classifier(torch.nn.Module):
    """A pretrained language model with a linear head, zero at first, on its last real token."""

    def __init__(self, folder: Path, num_classes: int) -> None:
        super().__init__()
        self.backbone = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).base_model
        self.head = torch.nn.Linear(self.backbone.config.hidden_size, num_classes)
        for parameter in self.head.parameters():
            torch.nn.init.zeros_(parameter)

    def forward(self, tokens: Tokens) -> torch.Tensor:
        """Return logits_BK. Padding is on the right of a causal model, so no real token sees it."""
        length_B = torch.tensor([len(row) for row in tokens])
        tokens_BT = torch.zeros(len(tokens), int(length_B.max()), dtype=torch.long)
        for row, ids in enumerate(tokens):
            tokens_BT[row, : len(ids)] = torch.tensor(ids)
        hidden_BTD = self.backbone(tokens_BT, use_cache=False).last_hidden_state
        logits_BK: torch.Tensor = self.head(hidden_BTD[torch.arange(len(tokens)), length_B - 1])
        return logits_BK


def finetune(model: Classifier, tokens: Tokens, labels_N: np.ndarray, steps: int, lr: float, batches: Batches) -> None:
    """Train all weights with cross-entropy: AdamW, its rate rising over a tenth of the steps, then falling to 0."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.0)
    for step, rows_B in enumerate(batches(len(tokens), steps)):
        done = (step + 0.5) / steps
        optimizer.param_groups[0]["lr"] = lr * min(done / 0.1, (1 - done) / 0.9)
        loss = torch.nn.functional.cross_entropy(model([tokens[r] for r in rows_B]), torch.from_numpy(labels_N[rows_B]))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


@torch.no_grad()
def predict(model: Classifier, tokens: Tokens) -> np.ndarray:
    """Return probabilities_NK."""
    parts = [model(tokens[first : first + 256]).softmax(-1) for first in range(0, len(tokens), 256)]
    probabilities_NK: np.ndarray = torch.cat(parts).numpy()
    return probabilities_NK


def weak_to_strong(
    weak: Path, strong: Path, rows: list[dict[str, object]], *, epochs: int, batch: int, lr: float, batches: Batches
) -> dict[str, np.ndarray]:
    """Return the test predictions, probabilities_NK, of the weak model, the student and its ceiling."""
    splits = {name: [row for row in rows if row["split"] == name] for name in ("supervisor", "student", "test")}
    truth = {name: np.array([row["truth"] for row in split]) for name, split in splits.items()}
    num_classes = 1 + max(int(truth_N.max()) for truth_N in truth.values())

    def trained(folder: Path, split: str, labels_N: np.ndarray) -> Callable[[str], np.ndarray]:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        texts = {name: [row["text"] for row in part] for name, part in splits.items()}
        tokens = {name: tokenizer(part, add_special_tokens=False)["input_ids"] for name, part in texts.items()}
        model, steps = Classifier(folder, num_classes), max(1, round(epochs * len(labels_N) / batch))
        finetune(model, tokens[split], labels_N, steps, lr, batches)
        return lambda name: predict(model, tokens[name])

    supervisor = trained(weak, "supervisor", truth["supervisor"])  # 1. a weak model learns from truth
    weak_labels_N = supervisor("student").argmax(1)  # 2. it labels rows that it has not seen
    student = trained(strong, "student", weak_labels_N)  # 3. a strong model learns from these labels
    ceiling = trained(strong, "student", truth["student"])  # 4. and, to compare, from truth on the same rows
    return {"weak": supervisor("test"), "student": student("test"), "ceiling": ceiling("test")}


def main() -> None:
    """Run it on a file of rows and print the three accuracies and PGR."""
    parser = argparse.ArgumentParser(description="Weak-to-strong generalization on one page.")
    parser.add_argument("--rows", type=Path, required=True, help="JSONL with text, truth and split")
    parser.add_argument("--weak", type=Path, default=LADDER / "25k", help="folder of a Hugging Face model")
    parser.add_argument("--strong", type=Path, default=LADDER / "0.34M", help="folder of a larger one")
    for name, default in (("epochs", 3), ("batch", 32), ("lr", 1e-3), ("seed", 0)):
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
