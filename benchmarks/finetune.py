"""Speed and memory of finetuning: the library's loop against a plain one that pads, in the same run.

    python benchmarks/finetune.py                                      # a random Llama of 10M, one CPU thread
    python benchmarks/finetune.py --model FOLDER --steps 4             # a real model
    python benchmarks/finetune.py --model gpt2-124m --device cuda --precisions fp32 bf16 --steps 100

Lengths are log-normal (sigma 0.5) around 35 and 140 tokens, the batch is 32. Every measurement is a process of its
own; loops take turns, and the median counts. On a CPU the time is that of the process (time.process_time), which other
processes on the machine disturb less; on a GPU it is the clock's. `limit`: share of the arithmetic limit,
6 x non-embedding parameters x real tokens over what a large matrix product reaches in the same process.
`gain` is the speed over the plain loop's in fp32; padding allows 1 / (1 - padded share).
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

BATCH, SIGMA, CLASSES, VOCABULARY = 32, 0.5, 2, 8192
RANDOM_MODELS = {
    "llama-10m": ("LlamaConfig", {"hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 10}),
    "gpt2-124m": ("GPT2Config", {}),
}
MAX_TOKENS = 512


def make_model(name: str, folder: Path) -> Path:
    """Return the folder of a model: one of this name made here from random numbers, or the one named."""
    if name not in RANDOM_MODELS:
        return Path(name).expanduser()
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    kind, sizes = RANDOM_MODELS[name]
    small = {"vocab_size": VOCABULARY, "num_attention_heads": 4} if kind == "LlamaConfig" else {}
    config = getattr(transformers, kind)(**sizes, **small)
    torch.manual_seed(0)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


def draw(center: int, steps: int, vocabulary: int):
    """Return rows of tokens with log-normal lengths, soft labels, and as many rows as the steps need."""
    rng = np.random.default_rng(center)
    lengths = np.clip(np.exp(rng.normal(np.log(center), SIGMA, BATCH * steps)).round(), 2, MAX_TOKENS).astype(np.int64)
    tokens = [rng.integers(5, vocabulary, length) for length in lengths]
    one_N = np.array([(each[-1] % 2) * 0.8 + 0.1 for each in tokens], np.float32)
    return tokens, np.stack([1 - one_N, one_N], 1)


def plain_loop(folder, tokens, labels_NK, steps, loss, precision, device, tick):
    """Train as a plain script does: padded batches, one forward and one backward pass. Return the losses."""
    import torch
    from transformers import AutoModel

    torch.manual_seed(0)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).to(device).train()
    head = torch.nn.Linear(model.config.hidden_size, CLASSES).to(device)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    parameters = [*model.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.0, fused=True)
    losses = []
    for step in range(steps):
        rows = range(step * BATCH, (step + 1) * BATCH)
        length_B = torch.tensor([len(tokens[row]) for row in rows], device=device)
        padded = [torch.from_numpy(tokens[row]) for row in rows]
        tokens_BT = torch.nn.utils.rnn.pad_sequence(padded, batch_first=True).to(device)
        for group in optimizer.param_groups:
            group["lr"] = 1e-4 * (1 - (step + 0.5) / steps)
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
            hidden_BTD = model(tokens_BT, use_cache=False).last_hidden_state
            logits_BK = head(hidden_BTD[torch.arange(BATCH, device=device), length_B - 1]).float()
        targets_BK = torch.from_numpy(labels_NK[list(rows)]).to(device)
        if loss == "confidence":
            a, margin_B = 0.5 * min(1.0, step / steps / 0.2), (logits_BK[:, 1] - logits_BK[:, 0]).detach()
            ones = torch.argsort(margin_B, descending=True, stable=True)[: BATCH // 2]
            one_B = torch.zeros(BATCH, device=device).index_fill(0, ones, 1.0)
            targets_BK = (1 - a) * targets_BK + a * torch.stack([1 - one_B, one_B], 1)
        value = torch.nn.functional.cross_entropy(logits_BK, targets_BK)
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(value))
        tick()
    return losses


def library_loop(folder, tokens, labels_NK, steps, loss, precision, device, tick):
    """Train with the library on the same rows in the same order. Return the losses."""
    from outgrow.examples import Labels
    from outgrow.models.heads import load_scorer
    from outgrow.training import finetune as loop
    from outgrow.training.batches import Inputs
    from outgrow.training.losses import LOSSES, Moment

    scorer = load_scorer(folder, head="class", options=("no", "yes"), device=device)
    start = np.concatenate([[0], np.cumsum([len(each) for each in tokens])])
    inputs = Inputs(np.concatenate(tokens), start, np.arange(len(start)), np.zeros(len(tokens), np.int64), 0)
    loop.batch_stream = lambda num, *, batch, steps, rng: iter(np.arange(batch * steps).reshape(steps, batch))
    trained = loop.finetune(
        scorer,
        inputs,
        Labels.from_dense([str(i) for i in range(len(tokens))], labels_NK),
        schedule=loop.Schedule(steps=steps, batch=BATCH, lr=1e-4, weight_decay=0.0, warmup=0.0),
        loss=LOSSES[loss],
        loss_options={"weight": 0.5, "warmup": 0.2},
        moment=Moment(0.0, shared=True),
        rng=np.random.default_rng(0),
        compute=loop.Compute(precision, packed=True),
        progress=lambda *_: tick(),
    )
    assert trained.batching == "packed", trained.batching
    return trained.losses


def product_rate(device: str, precision: str) -> float:
    """Return the floating-point operations a second of a large matrix product."""
    import torch

    size = 8192 if device == "cuda" else 1024
    one = torch.randn(size, size, device=device, dtype=torch.bfloat16 if precision == "bf16" else torch.float32)
    rates = []
    for _ in range(5):
        begin = now(device)
        one @ one
        rates.append(2 * size**3 / (now(device) - begin))
    return max(rates)


def now(device: str) -> float:
    """Return the seconds that count: the process's on a CPU, the clock's on a GPU that has finished its work."""
    if device == "cpu":
        return time.process_time()
    import torch

    torch.cuda.synchronize()
    return time.perf_counter()


def measure(args) -> dict[str, object]:
    """Run one loop and return what is said of it; the first two steps are not timed."""
    import torch
    from transformers import AutoConfig
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    warm = 2 if args.device == "cpu" else min(20, args.steps // 2)
    tokens, labels_NK = draw(args.center, args.steps + warm, AutoConfig.from_pretrained(args.model).vocab_size)
    ticks: list[float] = []
    loop = plain_loop if args.loop == "plain" else library_loop

    def tick() -> None:
        at_an_end = len(ticks) in (warm - 1, warm + args.steps - 1)  # in between nobody waits for the GPU
        ticks.append(now(args.device) if at_an_end else 0.0)

    losses = loop(Path(args.model), tokens, labels_NK, args.steps + warm, args.loss, args.precision, args.device, tick)
    seconds = ticks[-1] - ticks[warm - 1]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if args.device == "cuda":
        memory = torch.cuda.max_memory_allocated()
    lengths = np.array([len(each) for each in tokens[warm * BATCH :]]).reshape(-1, BATCH)
    return {
        "rows": BATCH * args.steps / seconds,
        "tokens": float(lengths.sum() / seconds),
        "memory": memory,
        "padded": float(1 - lengths.sum() / (lengths.max(1) * BATCH).sum()),
        "peak": product_rate(args.device, args.precision),
        "losses": losses,
    }


def parameters_of(folder: Path) -> int:
    """Return the number of non-embedding parameters."""
    from outgrow.models.catalog import count_parameters

    return sum(count_parameters(path) for path in folder.glob("*.safetensors"))


def main() -> None:
    """Measure every loop at every length, in turns, and print the table."""
    parser = argparse.ArgumentParser(description="Speed of finetuning.")
    parser.add_argument("--model", default="llama-10m", help="a folder, llama-10m or gpt2-124m")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--lengths", type=int, nargs="+", default=[35, 140])
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--losses", nargs="+", default=["cross-entropy"], choices=("cross-entropy", "confidence"))
    parser.add_argument("--precisions", nargs="+", default=["fp32"], choices=("fp32", "bf16"))
    for name, kind in (("loop", str), ("center", int), ("loss", str), ("precision", str)):
        parser.add_argument(f"--{name}", type=kind, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.loop:
        print(json.dumps(measure(args)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = make_model(args.model, Path(scratch))
        table(args, folder, parameters_of(folder))


def table(args, folder: Path, parameters: int) -> None:
    """Print a line for every loop, loss and length."""
    print(f"{args.model}, {parameters / 1e6:.1f}M non-embedding parameters, {args.device}, batch {BATCH}")
    print("tokens loss          loop     prec.   rows/s  tokens/s  limit  memory  gain")
    for center in args.lengths:
        for loss in args.losses:
            kinds = [("plain", "fp32"), *(("library", each) for each in args.precisions)]
            runs: dict[tuple[str, str], list[dict[str, object]]] = {kind: [] for kind in kinds}
            for _ in range(args.repeats):
                for loop, precision in kinds:
                    runs[loop, precision].append(run_apart(args, folder, loop, center, loss, precision))
            report(center, loss, runs, parameters)


def run_apart(args, folder: Path, loop: str, center: int, loss: str, precision: str) -> dict[str, object]:
    """Measure in a process of its own."""
    options = {"model": folder, "device": args.device, "steps": args.steps}
    options |= {"loop": loop, "center": center, "loss": loss, "precision": precision}
    command = [
        sys.executable,
        __file__,
        *(str(part) for name, value in options.items() for part in (f"--{name}", value)),
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def report(center: int, loss: str, runs, parameters: int) -> None:
    """Print the lines of one length: medians over repeats, and how far the losses of the loops are apart."""
    plain = median(each["rows"] for each in runs["plain", "fp32"])
    for (loop, precision), found in runs.items():
        rows, tokens = (median(each[name] for each in found) for name in ("rows", "tokens"))
        limit = 6 * parameters * tokens / median(each["peak"] for each in found)
        memory = max(each["memory"] for each in found) / 2**30
        print(
            f"{center:6} {loss:13} {loop:8} {precision:5} {rows:8.1f} {tokens:9.0f} {limit:6.1%} {memory:5.2f}GB  "
            f"{rows / plain:.2f}",
            flush=True,
        )
    first = runs["plain", "fp32"][0]
    allowed = 1 / (1 - first["padded"])
    for (loop, precision), found in runs.items():
        if loop == "library":
            apart = np.abs(np.subtract(found[0]["losses"], first["losses"])).max()
            gain = median(each["rows"] for each in found) / plain
            print(
                f"       padded {first['padded']:.1%}, so {allowed:.2f} is allowed: {gain / allowed:.0%} of it reached "
                f"in {precision}; final losses {first['losses'][-1]:.5f} and {found[0]['losses'][-1]:.5f}, "
                f"all within {apart:.1e}",
                flush=True,
            )


if __name__ == "__main__":
    main()
