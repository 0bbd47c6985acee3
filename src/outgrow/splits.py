"""Which rows each split of a task holds, read from the step that read the task. No torch."""

from collections.abc import Mapping, Sequence

from outgrow.dag.store import Artefact
from outgrow.examples import Examples, cut, seeded_order
from outgrow.tables import read_examples
from outgrow.tasks import Task

FIXED_SPLITS = ("test", "tune_fit", "tune_score", "natural", "pool")
"""The same rows for every seed."""


def split_rows(
    source: Artefact, splits: Sequence[str], *, task: Task, sizes: Mapping[str, int], seed: int | None
) -> Examples:
    """Return the rows of these splits: of a fixed one, or of those that the seed deals out from the pool.

    `sizes`: of every split dealt out up to the last one wanted, in the order in which they are. `seed` is not looked
    at for fixed splits. StepError where the pool is too small.
    """
    if splits[0] in FIXED_SPLITS:
        return read_examples(source.path(f"{splits[0]}.parquet"))
    if seed is None:
        raise ValueError(f"the split {splits[0]} is dealt out by a seed, and none is given")
    pool = read_examples(source.path("pool.parquet"))
    order = seeded_order(pool.groups, seed=seed, purpose=task.name)
    ids = cut(pool, sizes, order=order, balanced_classes=task.num_options if task.balanced else 0)
    return pool.take([each for split in splits for each in ids[split]])
