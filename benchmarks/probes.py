"""How long linear probes take: every method x seeds on features of one width, beside the time of their extraction.

python benchmarks/probes.py [--rows 1000] [--width 576] [--seeds 10] [--device cpu] [--extraction SECONDS]

Features are random, with a spectrum that falls like that of a language model's hidden states (the k-th direction has
deviation 1 / k). Fixed targets go to LBFGS, targets that move with the student to Adam. One thread.
"""

import argparse
import platform
import time

import numpy as np
import torch

from outgrow.examples import Labels
from outgrow.methods import METHODS, Method
from outgrow.training.losses import LOSSES, cross_entropy, moment_at_start
from outgrow.training.probes import fit_probe
from outgrow.transforms import TRANSFORMS, Given, transformed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000)
    parser.add_argument("--width", type=int, default=576)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--extraction", type=float, default=0.0, help="seconds that extracting the features took")
    options = parser.parse_args()
    torch.set_num_threads(1)
    seconds = {name: 0.0 for name, method in METHODS.items() if _is_probe(method)}
    for seed in range(options.seeds):
        features_ND, labels, truth_N = _rows(options.rows, options.width, seed)
        for name in seconds:
            seconds[name] += _timed(METHODS[name], features_ND, labels, truth_N, seed, options.device)
    print(f"{options.rows} rows x {options.width} features, {options.seeds} seeds, {options.device}, "
          f"torch {torch.__version__}, {platform.processor() or platform.machine()}")  # fmt: skip
    print(f"{'method':28} {'target':7} {'s a probe':>9} {'s in all':>9}")
    for name, total in seconds.items():
        kind = "fixed" if _fixed(METHODS[name]) else "moving"
        print(f"{name:28} {kind:7} {total / options.seeds:9.3f} {total:9.2f}")
    for kind, fixed in (("fixed", True), ("moving", False)):
        total = sum(each for name, each in seconds.items() if _fixed(METHODS[name]) == fixed)
        share = f", {total / options.extraction:.2f} x the extraction" if options.extraction else ""
        print(f"{kind}: {total:.1f} s in all{share}")


def _is_probe(method: Method) -> bool:
    """Say whether a linear probe can be made by this method from one supervisor's labels."""
    elsewhere = method.tuning or method.pool or method.stop or method.training or method.chain or method.links
    return not elsewhere


def _fixed(method: Method) -> bool:
    loss = LOSSES[method.loss]
    return loss.target is None and loss.rows is cross_entropy


def _rows(num_rows: int, width: int, seed: int) -> tuple[np.ndarray, Labels, np.ndarray]:
    rng = np.random.default_rng(seed)
    scale_D = 1 / np.arange(1, width + 1)
    mixing_DD = np.random.default_rng(0).normal(size=(width, width))
    features_ND = ((rng.normal(size=(num_rows, width)) * scale_D) @ mixing_DD).astype(np.float32)
    score_N = features_ND @ mixing_DD[3] / np.linalg.norm(mixing_DD[3])
    truth_N = (score_N > np.median(score_N)).astype(np.int64)
    noisy_N = 1 / (1 + np.exp(-(2 * truth_N - 1 + 1.5 * rng.normal(size=num_rows))))
    ids = tuple(f"row-{i}" for i in range(num_rows))
    return features_ND, Labels.from_dense(ids, np.stack([1 - noisy_N, noisy_N], 1)), truth_N


def _timed(
    method: Method, features_ND: np.ndarray, labels: Labels, truth_N: np.ndarray, seed: int, device: str
) -> float:
    rng = np.random.default_rng(seed)
    start = time.perf_counter()
    given = Given(labels.ids, rng, True, features_ND, truth_N, balanced=True)
    made = transformed(labels, [(TRANSFORMS[name], options) for name, options in method.transforms], given)
    kept = made.labels.hard() if method.labels == "hard" else made.labels
    rows = [int(each.removeprefix("row-")) for each in kept.ids]
    fit_probe(
        features_ND[rows],
        kept.dense(),
        made.weight_N,
        loss=LOSSES[method.loss],
        loss_options=method.loss_options,
        moment=moment_at_start(kept, shared=True, balanced=True),
        l2=0.1,
        rng=rng,
        device=device,
    )
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
