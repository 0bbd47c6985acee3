"""Print what the chess studies say about the ladder and about the paper's claims, as Markdown.

    python benchmarks/chess_claims.py [--store DIR] [--study chess-ceilings]

Reads finished studies only: run them first (`outgrow run chess-ceilings`, `outgrow run chess`).
"""

import argparse

import numpy as np

import outgrow
from outgrow.metrics import contrast_interval


def ceilings(results: outgrow.Results) -> None:
    """Print the paired difference of the largest and the smallest student's ceilings, task by task."""
    print("| task | smaller ceiling | larger ceiling | paired difference [95%] |\n|---|---|---|---|")
    for task in dict.fromkeys(each.task for each in results.comparisons):
        rows = [each for each in results.comparisons if each.task == task]
        small, large = rows[0], rows[-1]
        matrices = [correctness(results, each, "ceiling") for each in (small, large)]
        groups = results.cell(task, small.supervisor, small.student, small.method, small.seeds[0])["source"]
        difference = contrast_interval(matrices[1] - matrices[0], groups["test_groups"])
        print(
            f"| {task} | {small.student}: {percent(matrices[0].mean())} "
            f"| {large.student}: {percent(matrices[1].mean())} "
            f"| {percent(difference.mean)} [{percent(difference.low)}, {percent(difference.high)}] |"
        )


def correctness(results: outgrow.Results, row: outgrow.Comparison, role: str) -> np.ndarray:
    """Return correctness_SN of one role of a comparison."""
    texts = [
        results.cell(row.task, row.supervisor, row.student, row.method, seed)[role]["test"]["correct"]
        for seed in row.seeds
    ]
    return np.array([[int(each) for each in text] for text in texts])


def everything(results: outgrow.Results) -> None:
    """Print every comparison as one row."""
    print("| task | supervisor | student | method | weak | student | ceiling | zero-shot | PGR | net PGR | gain |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for each in results.comparisons:
        s = each.summary
        zero_shot = percent(s.zero_shot.mean) if s.zero_shot else "none"
        figures = [percent(value.mean) for value in (s.weak, s.student, s.ceiling)]
        gain = f"{percent(s.gain.mean)} [{percent(s.gain.low)}, {percent(s.gain.high)}]"
        names = [each.task, each.supervisor, each.student, each.method]
        print(f"| {' | '.join([*names, *figures, zero_shot, str(s.pgr), str(s.net_pgr or 'none'), gain])} |")


def percent(value: float) -> str:
    """Return a share in percent with one decimal."""
    return f"{100 * value:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", default="./outgrow-store")
    parser.add_argument("--study", default="chess-ceilings")
    arguments = parser.parse_args()
    plan = outgrow.make_plan(outgrow.load_study(arguments.study))
    results = outgrow.Results(plan, outgrow.Store(arguments.store))
    ceilings(results)
    print()
    everything(results)


if __name__ == "__main__":
    main()
