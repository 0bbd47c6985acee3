"""Several supervisors' labels as one set. numpy only.

Legend: S supervisors, N rows, K options.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from outgrow.errors import StepError
from outgrow.examples import Labels
from outgrow.transforms import entropy


def mean(supervisors: Sequence[Labels], *, rank_NK: np.ndarray | None = None) -> Labels:
    """Return the plain mean of the supervisors' probabilities; `rank_NK` decides between options that tie."""
    _check(supervisors)
    return _sum(supervisors, np.full((len(supervisors), len(supervisors[0])), 1 / len(supervisors)), rank_NK)


def entropy_weighted(supervisors: Sequence[Labels], *, rank_NK: np.ndarray | None = None) -> Labels:
    """Return sum_s w_s p_s for every row, with w_s = e^-H(p_s) / sum_r e^-H(p_r): who is surer of the row counts more.

    H is the entropy in nats, so weights of two supervisors of two options differ by a factor of 2 at most.
    """
    _check(supervisors)
    ids = supervisors[0].ids
    certainty_SN = np.stack([np.exp(-entropy(each.take(ids).dense().astype(np.float64))) for each in supervisors])
    return _sum(supervisors, certainty_SN / certainty_SN.sum(0), rank_NK)


def _sum(supervisors: Sequence[Labels], weight_SN: np.ndarray, rank_NK: np.ndarray | None) -> Labels:
    ids = supervisors[0].ids
    total_NK = np.zeros((len(ids), supervisors[0].num_options))
    for each, weight_N in zip(supervisors, weight_SN, strict=True):  # one at a time: N x K may be large
        total_NK += weight_N[:, None] * each.take(ids).dense()
    return Labels.from_dense(ids, total_NK, rank_NK=rank_NK)


def _check(supervisors: Sequence[Labels]) -> None:
    if len(supervisors) < 2:
        raise StepError("an ensemble of supervisors needs at least two of them")
    if len({each.num_options for each in supervisors}) > 1:
        raise StepError("the supervisors' labels are over different numbers of options")


POOLS: Mapping[str, Callable[..., Labels]] = {"mean": mean, "entropy": entropy_weighted}
