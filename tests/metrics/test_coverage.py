"""The simulation test of the PGR interval: drawn again and again, its set holds the true PGR as often as it says.

Shapes: D draws, M models (weak, student, ceiling), S seeds, N rows, G groups.
"""

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import ndtri

from outgrow.metrics import PgrInterval, pgr_interval
from outgrow.metrics.intervals import critical_value, mean_squares, variance_and_df
from outgrow.seeds import generator

Floats = npt.NDArray[np.float64]

NUM_DRAWS = 2000
NUM_CHECKED = 50
TRUE_PGR = 0.4
PLACES_M = np.array([0.0, TRUE_PGR, 1.0])  # of weak, student and ceiling in the gap
# At 2,000 draws the standard error of a coverage of 90% is 0.7%.
LEAST_COVERAGE = {3: 0.90, 5: 0.92}

NUM_GROUPS = 60
SIZES_G = np.resize([1, 2, 4, 1, 3], NUM_GROUPS)
GROUPS_N = np.repeat(np.arange(NUM_GROUPS), SIZES_G)

# Shares of the variance of a model's mean that come from seeds, test groups and their interaction.
SHARES = {
    "seed": (0.9, 0.05, 0.05),
    "row": (0.05, 0.9, 0.05),
    "interaction": (0.05, 0.05, 0.9),
    "even": (0.34, 0.33, 0.33),
}


def effects(rng: np.random.Generator, *shape: int) -> Floats:
    """Standard normal effects (D, M, *shape); half their variance is common to the models, as difficulty is."""
    return np.sqrt(0.5) * (rng.normal(size=(NUM_DRAWS, 1, *shape)) + rng.normal(size=(NUM_DRAWS, 3, *shape)))


def latents(rng: np.random.Generator, *, dominant: str, num_seeds: int) -> Floats:
    """Scores (D, M, S, N) of mean 0 and variance 1, the sum of seed, group and interaction effects."""
    counts = np.array([num_seeds, NUM_GROUPS, num_seeds * NUM_GROUPS])
    variances = np.array(SHARES[dominant]) * counts
    seed, group, interaction = np.sqrt(variances / variances.sum())
    return (
        seed * effects(rng, num_seeds, 1)
        + group * effects(rng, 1, NUM_GROUPS)[..., GROUPS_N]
        + interaction * effects(rng, num_seeds, len(GROUPS_N))
    )


def gaussian(rng: np.random.Generator, *, errors: float, dominant: str, num_seeds: int) -> Floats:
    """Scores (D, M, S, N) whose true gap, ceiling - weak, is `errors` standard errors."""
    latent_DMSN = latents(rng, dominant=dominant, num_seeds=num_seeds)
    gap = errors * (latent_DMSN[:, 2] - latent_DMSN[:, 0]).mean(axis=(1, 2)).std()
    return latent_DMSN + gap * PLACES_M[:, None, None]


def bernoulli(rng: np.random.Generator, *, errors: float, dominant: str, num_seeds: int) -> Floats:
    """Correctness, 0 or 1, with the same gap: a standard normal latent is right below the quantile of the accuracy.

    A tenth of the latent's variance belongs to model and seed; the rest is the row's difficulty, common to all.
    """
    difficulty = rng.normal(size=(NUM_DRAWS, 1, 1, len(GROUPS_N)))
    latent_DMSN = np.sqrt(0.9) * difficulty + np.sqrt(0.1) * latents(rng, dominant=dominant, num_seeds=num_seeds)
    right = (latent_DMSN < ndtri(0.55)).astype(np.float64)
    gap = errors * (right[:, 2] - right[:, 0]).mean(axis=(1, 2)).std()
    accuracies_M = 0.55 + gap * PLACES_M
    assert accuracies_M[2] < 0.95
    return (latent_DMSN < ndtri(accuracies_M)[:, None, None]).astype(np.float64)


def holds_truth(values_DMSN: Floats) -> npt.NDArray[np.bool_]:
    """Whether the set of each draw holds the true PGR, by the set's definition."""
    weak, student, ceiling = values_DMSN.transpose(1, 0, 2, 3)
    contrast_DSN = (student - weak) - TRUE_PGR * (ceiling - weak)
    starts_G = np.cumsum(SIZES_G) - SIZES_G
    cells_DSG = np.add.reduceat(contrast_DSN, starts_G, axis=-1) / SIZES_G
    squares_3D = mean_squares(cells_DSG, SIZES_G / SIZES_G.mean())
    variance_D, df_D = variance_and_df(squares_3D, num_seeds=cells_DSG.shape[1], num_groups=NUM_GROUPS)
    return np.abs(contrast_DSN.mean(axis=(1, 2))) <= critical_value(df_D, level=0.95) * np.sqrt(variance_D)


def holds(found: PgrInterval, theta: float) -> bool:
    if found.low is None or found.high is None:
        return found.kind == "everything"
    between = found.low <= theta <= found.high
    return between if found.kind == "interval" else not between


@pytest.mark.parametrize("num_seeds", [3, 5])
@pytest.mark.parametrize("dominant", list(SHARES))
@pytest.mark.parametrize("errors", [1, 5])
@pytest.mark.parametrize("draw", [gaussian, bernoulli])
def test_set_holds_the_true_pgr_as_often_as_it_says(draw, errors, dominant, num_seeds):
    rng = generator(0, "coverage", draw.__name__, errors, dominant, num_seeds)
    values_DMSN = draw(rng, errors=errors, dominant=dominant, num_seeds=num_seeds)
    held_D = holds_truth(values_DMSN)
    assert held_D.mean() >= LEAST_COVERAGE[num_seeds]
    for held, (weak, student, ceiling) in list(zip(held_D, values_DMSN, strict=True))[:NUM_CHECKED]:
        found = pgr_interval(weak_SN=weak, student_SN=student, ceiling_SN=ceiling, groups_N=GROUPS_N)
        assert holds(found, TRUE_PGR) == held
