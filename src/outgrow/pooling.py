"""Several supervisors' labels as one set. numpy only.

Legend: S supervisors, N rows, K options.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from outgrow.errors import StepError
from outgrow.examples import Labels
from outgrow.transforms import entropy


def mean(supervisors: Sequence[Labels]) -> Labels:
    """Return the plain mean of the supervisors' probabilities."""
    dense_SNK = _aligned(supervisors)
    return Labels.from_dense(supervisors[0].ids, dense_SNK.mean(0))


def entropy_weighted(supervisors: Sequence[Labels]) -> Labels:
    """Return sum_s w_s p_s for every row, with w_s = e^-H(p_s) / sum_r e^-H(p_r): who is surer of the row counts more.

    H is the entropy in nats, so weights of two supervisors of two options differ by a factor of 2 at most.
    """
    dense_SNK = _aligned(supervisors)
    certainty_SN = np.exp(-np.stack([entropy(each) for each in dense_SNK]))
    weight_SN = certainty_SN / certainty_SN.sum(0)
    return Labels.from_dense(supervisors[0].ids, (weight_SN[:, :, None] * dense_SNK).sum(0))


def _aligned(supervisors: Sequence[Labels]) -> np.ndarray:
    if len(supervisors) < 2:
        raise StepError("an ensemble of supervisors needs at least two of them")
    if len({each.num_options for each in supervisors}) > 1:
        raise StepError("the supervisors' labels are over different numbers of options")
    ids = supervisors[0].ids
    return np.stack([each.take(ids).dense().astype(np.float64) for each in supervisors])


POOLS: Mapping[str, Callable[[Sequence[Labels]], Labels]] = {"mean": mean, "entropy": entropy_weighted}
