"""The interval of a ratio of two means by Fieller's method, over crossed groups and seeds.

The set is {theta : |mean d| <= t(df) sqrt(V)} for d = numerator - theta * denominator, where V and df are those of
`outgrow.metrics.intervals` and depend on theta themselves. So it is no quadratic inequality, and is found
numerically. Knows nothing of accuracies.

theta is the tangent of an angle: up to scale, the contrasts cos(a) * numerator - sin(a) * denominator lie on a half
turn, on which theta = infinity is a point like any other. Angles are counted from that of the estimate, where the
mean is zero: one walk around the half turn starts and ends inside the set, and what is outside is a list of gaps.
Shapes: S seeds, N test rows, G test groups, P angles; D = 2 contrasts: the one at the estimate, the one at right
angles to it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from outgrow.metrics.intervals import (
    Floats,
    checked_values,
    contrast_interval,
    critical_value,
    crossed_effects,
    group_cells,
    variance_and_df,
)

Kind: TypeAlias = Literal["interval", "complement", "everything", "nothing"]
Excess: TypeAlias = Callable[[npt.ArrayLike], Floats]

# Steps from the estimate that find a set of any width, and even ones (0.1 degree) that find where it ends far away.
NEAR = np.geomspace(1e-12, np.pi / 2, 500)
EVEN = np.linspace(0.0, np.pi, 2001)


@dataclass(frozen=True)
class PgrInterval:
    """A ratio of mean gains (PGR) with its Fieller set; `pgr` is None where the mean denominator is exactly zero.

    kind says what the set is. "interval": all from low to high, the only kind that is `bounded`. "complement": all
    but what lies strictly between low and high. "everything", and "nothing" (the denominator is zero in every row,
    the numerator significant): low and high are None. A set in several pieces is shown as one of these that
    holds all of them. A ray would need a denominator exactly at its critical value; it shows as one huge end.
    """

    pgr: float | None
    low: float | None
    high: float | None
    bounded: bool
    kind: Kind

    def __str__(self) -> str:
        value = "none" if self.pgr is None else f"{self.pgr:.2f}"
        if self.bounded:
            return f"{value} [{self.low:.2f}, {self.high:.2f}]"
        return f"{value} [undefined]" if self.kind == "nothing" else f"{value} [unbounded]"


def fieller_interval(
    numerator_SN: npt.ArrayLike, denominator_SN: npt.ArrayLike, *, groups_N: npt.ArrayLike, level: float = 0.95
) -> PgrInterval:
    """Return mean numerator / mean denominator with its Fieller set, both paired by row and seed.

    numerator_SN, denominator_SN: a quantity per seed and row, say student - weak and ceiling - weak. groups_N: the
    group of each row, as integers. level: coverage. Raises ValueError as `contrast_interval` does, and for shapes
    that differ.
    Source: Fieller 1954, with the crossed variance in place of a sample covariance.
    """
    numerator, groups = checked_values(numerator_SN, groups_N)
    denominator, _ = checked_values(denominator_SN, groups_N)
    if numerator.shape != denominator.shape:
        raise ValueError(
            f"numerator_SN {numerator.shape} and denominator_SN {denominator.shape} must pair seed by seed"
        )
    if not denominator.any():
        estimate = contrast_interval(numerator, groups, level=level)
        return _unbounded(None, "everything" if estimate.low <= 0 <= estimate.high else "nothing")
    top, bottom = float(numerator.mean()), float(denominator.mean())
    angle = _half_turn(float(np.arctan2(top, bottom)))
    excess = _excess(numerator, denominator, groups_N=groups, angle=angle, level=level)
    return _described(top / bottom if bottom else None, angle=angle, gap=_gap(excess, infinity=np.pi / 2 - angle))


def _half_turn(angle: float) -> float:
    """Turn an angle into (-pi/2, pi/2], the range of the arc tangent."""
    if angle > np.pi / 2:
        return angle - np.pi
    return angle if angle > -np.pi / 2 else angle + np.pi


def _excess(
    numerator_SN: Floats, denominator_SN: Floats, *, groups_N: npt.NDArray[np.intp], angle: float, level: float
) -> Excess:
    """Return the function of the steps (P,) from `angle` that is t sqrt(V) - |mean|: not negative inside the set.

    Every mean square of a linear combination is a quadratic form in its two coefficients, so three 2 x 2 matrices
    hold the data. Taken at the estimate they keep their digits where V vanishes there (a student that is its ceiling
    row by row).
    """
    across = (np.cos(angle), np.sin(angle))
    contrasts = (
        across[0] * numerator_SN - across[1] * denominator_SN,
        -across[1] * numerator_SN - across[0] * denominator_SN,
    )
    cells = [group_cells(values_SN, groups_N) for values_SN in contrasts]
    weights_G = cells[0][1]
    effects = crossed_effects(np.stack([cells_SG for cells_SG, _ in cells]), weights_G)
    forms_3DD = np.stack([effect.reshape(2, -1) @ effect.reshape(2, -1).T for effect in effects])
    # The mean of the first contrast is zero by the choice of the angle.
    slope, num_seeds, num_groups = float(contrasts[1].mean()), len(numerator_SN), len(weights_G)

    def excess(steps_P: npt.ArrayLike) -> Floats:
        steps = np.asarray(steps_P, dtype=np.float64)
        # A half turn is the estimate again, exactly: sin(pi) in floating point is not zero.
        turned = np.where(steps > np.pi / 2, steps - np.pi, steps)
        mix_DP = np.stack([np.cos(turned), np.sin(turned)])
        squares_3P = np.maximum(np.einsum("d...,mde,e...->m...", mix_DP, forms_3DD, mix_DP), 0.0)
        variance, df = variance_and_df(squares_3P, num_seeds=num_seeds, num_groups=num_groups)
        difference: Floats = critical_value(df, level=level) * np.sqrt(variance) - np.abs(slope * mix_DP[1])
        return difference

    return excess


def _gap(excess: Excess, *, infinity: float) -> tuple[float, float, bool] | None:
    """Return the steps at which the set stops and begins again, and whether infinity lies between; None without a gap.

    Where there are several gaps it is the one around infinity, else the widest: the others are counted as inside.
    """
    grid_P = np.unique(np.concatenate([EVEN, NEAR, np.pi - NEAR, [infinity]]))
    # The ends are the estimate, whose mean is zero: inside, whatever the last digit says.
    outside = np.concatenate([[False], excess(grid_P[1:-1]) < 0, [False]])
    edges = np.flatnonzero(outside[1:] != outside[:-1]).reshape(-1, 2)
    if not len(edges):
        return None
    around = int(np.searchsorted(grid_P, infinity))
    holds_infinity = bool(outside[around])
    if holds_infinity:
        chosen = edges[int(np.flatnonzero((edges[:, 0] < around) & (around <= edges[:, 1]))[0])]
    else:
        chosen = edges[int(np.argmax(grid_P[edges[:, 1]] - grid_P[edges[:, 0]]))]
    left, right = (_root(excess, float(grid_P[edge]), float(grid_P[edge + 1])) for edge in chosen)
    return left, right, holds_infinity


def _root(excess: Excess, low: float, high: float) -> float:
    """Return where the set begins or ends between two steps: each round keeps one of 64 parts, ten end in one float.

    scipy.optimize would do it too, but its import takes longer than all else that shows a finished study.
    """
    for _ in range(10):
        parts_P = np.linspace(low, high, 65)
        outside = excess(parts_P) < 0
        change = int(np.argmax(outside != outside[0]))
        if change == 0:
            break
        low, high = float(parts_P[change - 1]), float(parts_P[change])
    return (low + high) / 2


def _described(pgr: float | None, *, angle: float, gap: tuple[float, float, bool] | None) -> PgrInterval:
    if gap is None:
        return _unbounded(pgr, "everything")
    left, right, holds_infinity = gap
    stops, begins = float(np.tan(angle + left)), float(np.tan(angle + right))
    if not holds_infinity:
        return PgrInterval(pgr=pgr, low=stops, high=begins, bounded=False, kind="complement")
    # Past infinity theta comes back from below. A set that is one point may miss the ratio by its last digit.
    assert pgr is not None  # infinity is outside, so it is not the estimate
    return PgrInterval(pgr=pgr, low=min(begins, pgr), high=max(stops, pgr), bounded=True, kind="interval")


def _unbounded(pgr: float | None, kind: Kind) -> PgrInterval:
    return PgrInterval(pgr=pgr, low=None, high=None, bounded=False, kind=kind)
