"""Step: what a frozen model's head would read, for every row of a task: one forward pass for all seeds and methods."""

from typing import Any

import numpy as np
from safetensors.numpy import save_file

from outgrow.dag.work import Context
from outgrow.splits import FIXED_SPLITS
from outgrow.steps.bench import Bench
from outgrow.steps.launch import in_every_process


@in_every_process
def features(context: Context) -> dict[str, Any]:
    """Write features.safetensors: for each fixed split, or the spec's `only`, features_ND in fp32, rows in order.

    Where options are texts features_NKD, zero for options that a row lacks. Rows of test that are among those of
    natural are not forwarded twice.
    """
    bench = Bench(context)
    bench.spread()
    wanted = context.spec.get("only") or [split for split in FIXED_SPLITS if bench.has(split)]
    once = dict.fromkeys("natural" if split == "test" and bench.has("natural") else split for split in wanted)
    rows = {split: bench.examples(split) for split in once}
    parts: dict[str, np.ndarray] = {}
    cut: dict[str, dict[str, float]] = {}
    for split, examples in rows.items():
        if len(examples):
            parts[split] = bench.features_of(examples)
            cut |= {split: dict(bench.cut)} if bench.cut else {}
    save_file(parts, context.folder / "features.safetensors")
    found = {"rows": {split: len(part) for split, part in parts.items()}, "width": next(iter(parts.values())).shape[-1]}
    return found | ({"cut": cut} if cut else {})
