"""What one comparison shows: weak, student and ceiling accuracy, gain over the floor, PGR and net PGR, with intervals.

Works on correctness per seed and row; knows nothing of models, labels or tables.
Shapes: S seeds, N test rows, C comparisons.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from outgrow.metrics.fieller import PgrInterval, fieller_interval
from outgrow.metrics.intervals import Estimate, Floats, contrast_interval


@dataclass(frozen=True)
class Summary:
    """All figures of one comparison, which are only ever shown side by side.

    floor_name is whichever of weak and zero-shot has the higher mean over seeds (weak at a tie); gain = student -
    floor; net PGR = gain / (ceiling - floor), None with its reason where ceiling <= floor. The floor is held fixed
    inside the intervals.
    """

    weak: Estimate
    student: Estimate
    ceiling: Estimate
    zero_shot: Estimate | None
    floor_name: Literal["weak", "zero-shot"]
    gain: Estimate
    pgr: PgrInterval
    net_pgr: PgrInterval | None
    net_pgr_reason: str | None


class MedianPgr(NamedTuple):
    """The median of the PGRs that are defined, and how many were and were not; None where none is."""

    median: float | None
    num_counted: int
    num_left_out: int


def summarize(
    *,
    weak_SN: npt.ArrayLike,
    student_SN: npt.ArrayLike,
    ceiling_SN: npt.ArrayLike,
    zero_shot_N: npt.ArrayLike | None,
    groups_N: npt.ArrayLike,
    level: float = 0.95,
) -> Summary:
    """Return every figure of a comparison from the correctness of its models on the same test rows.

    weak_SN, student_SN, ceiling_SN: correctness (0/1 or a score) per seed and row, same seeds, same rows.
    zero_shot_N: the untuned student's, which has no seed; None where there is none. groups_N: the group of each row,
    as integers.
    Raises ValueError for shapes that differ, values that are not finite, and fewer than two groups.
    """
    weak, student, ceiling = _paired(weak_SN=weak_SN, student_SN=student_SN, ceiling_SN=ceiling_SN)
    floor_name: Literal["weak", "zero-shot"] = "weak"
    floor, zero_shot = weak, None
    if zero_shot_N is not None:
        zero_shot_1N = _zero_shot(zero_shot_N, num_rows=weak.shape[1])
        zero_shot = contrast_interval(zero_shot_1N, groups_N, level=level)
        if zero_shot.mean > weak.mean():
            floor, floor_name = np.broadcast_to(zero_shot_1N, weak.shape), "zero-shot"
    reason = None if ceiling.mean() > floor.mean() else f"the ceiling is not above the floor ({floor_name})"
    return Summary(
        weak=contrast_interval(weak, groups_N, level=level),
        student=contrast_interval(student, groups_N, level=level),
        ceiling=contrast_interval(ceiling, groups_N, level=level),
        zero_shot=zero_shot,
        floor_name=floor_name,
        gain=contrast_interval(student - floor, groups_N, level=level),
        pgr=fieller_interval(student - weak, ceiling - weak, groups_N=groups_N, level=level),
        net_pgr=None if reason else fieller_interval(student - floor, ceiling - floor, groups_N=groups_N, level=level),
        net_pgr_reason=reason,
    )


def pgr_interval(
    *,
    weak_SN: npt.ArrayLike,
    student_SN: npt.ArrayLike,
    ceiling_SN: npt.ArrayLike,
    groups_N: npt.ArrayLike,
    level: float = 0.95,
) -> PgrInterval:
    """Return PGR = (student - weak) / (ceiling - weak) of the means over seeds and rows, with its Fieller set.

    Arguments and errors as for `summarize`. Source: Burns et al. 2023, section 3 (PGR); Fieller 1954 (the set).
    """
    weak, student, ceiling = _paired(weak_SN=weak_SN, student_SN=student_SN, ceiling_SN=ceiling_SN)
    return fieller_interval(student - weak, ceiling - weak, groups_N=groups_N, level=level)


def ratio_of_mean_gains(
    *, weaks: Sequence[float], students: Sequence[float], ceilings: Sequence[float]
) -> float | None:
    """Return sum(student - weak) / sum(ceiling - weak) over all comparisons, or None where the latter is zero.

    The three hold one mean accuracy per comparison (C,). Raises ValueError for no comparison, lengths that differ, or
    a value that is not finite.
    """
    weak, student, ceiling = (np.asarray(means, dtype=np.float64) for means in (weaks, students, ceilings))
    if weak.ndim != 1 or not len(weak) or not weak.shape == student.shape == ceiling.shape:
        raise ValueError(
            f"weaks {weak.shape}, students {student.shape} and ceilings {ceiling.shape} must be of one length"
        )
    if not all(np.isfinite(means).all() for means in (weak, student, ceiling)):
        raise ValueError("weaks, students and ceilings must be finite: leave a failed comparison out, and say so")
    gap = float((ceiling - weak).sum())
    return float((student - weak).sum()) / gap if gap else None


def median_pgr(pgrs: Sequence[float | None]) -> MedianPgr:
    """Return the median over comparisons of the PGRs that are defined, with how many were counted and left out.

    The paper's aggregate. Raises ValueError for a PGR that is not finite: undefined is None.
    """
    defined = [pgr for pgr in pgrs if pgr is not None]
    if not np.isfinite(defined).all():
        raise ValueError("pgrs holds a value that is not finite: an undefined PGR is None")
    median = float(np.median(defined)) if defined else None
    return MedianPgr(median=median, num_counted=len(defined), num_left_out=len(pgrs) - len(defined))


def _paired(**matrices: npt.ArrayLike) -> list[Floats]:
    arrays = {name: np.asarray(values, dtype=np.float64) for name, values in matrices.items()}
    shapes = {name: values.shape for name, values in arrays.items()}
    if len(set(shapes.values())) != 1 or any(values.ndim != 2 for values in arrays.values()):
        raise ValueError(f"the models must share seeds and rows, shape (S, N): {shapes}")
    return list(arrays.values())


def _zero_shot(zero_shot_N: npt.ArrayLike, *, num_rows: int) -> Floats:
    values = np.asarray(zero_shot_N, dtype=np.float64)
    if values.shape != (num_rows,):
        raise ValueError(f"zero_shot_N has shape {values.shape}: give one value for each of {num_rows} rows")
    return values[None, :]
