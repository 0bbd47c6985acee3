"""Label transforms: what is done to weak labels before a student trains on them. No torch.

A transform may leave rows out; those it keeps stay in order, and the student trains on them alone. Weights have mean 1.
What is drawn at random depends on the rows' ids and the generator, never on the order of the rows.

Legend: N rows, K options, D features, M neighbours.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from outgrow.errors import StepError
from outgrow.examples import Labels


@dataclass(frozen=True)
class Given:
    """What a transform may know beside the labels. Row n belongs to the labels' row n.

    `truth_N` is there only for transforms that say that they see it, `features_ND` only for those that need them.
    `counts_N`: how many options each row has, where rows differ in that.
    """

    ids: Sequence[str]
    rng: np.random.Generator
    shared: bool
    features_ND: np.ndarray | None = None
    truth_N: np.ndarray | None = None
    balanced: bool = False
    counts_N: np.ndarray | None = None


@dataclass(frozen=True)
class Weighted:
    """Labels to train on and the weight of each row: the loss of a batch is sum(weight x loss) / B."""

    labels: Labels
    weight_N: np.ndarray


@dataclass(frozen=True)
class Transform:
    """A function (labels, given, **options) -> Weighted, and what it takes. `confession` fills in the options."""

    apply: Callable[..., Weighted]
    confession: str = ""
    needs_features: bool = False

    @property
    def sees_truth(self) -> bool:
        """Say whether the transform is told any of the truth of the rows."""
        return bool(self.confession)

    def told(self, **options: float) -> str:
        """Return what of the truth the student was thereby told: the words for record and report."""
        return self.confession.format(**options)


def transformed(labels: Labels, transforms: Sequence[tuple[Transform, Mapping[str, float]]], given: Given) -> Weighted:
    """Return the labels after all transforms, in order; weights multiply and are brought to mean 1 again."""
    weight_N = np.ones(len(labels), np.float32)
    for transform, options in transforms:
        now = _for_rows(given, labels.ids, transform)
        made = transform.apply(labels, now, **options)
        if not len(made.labels) or not np.isfinite(made.weight_N).all() or made.weight_N.sum() <= 0:
            raise StepError("after the method's label transforms no row is left to train on")
        place = {each: row for row, each in enumerate(labels.ids)}
        weight_N = weight_N[[place[each] for each in made.labels.ids]] * made.weight_N
        labels, weight_N = made.labels, (weight_N / weight_N.mean(dtype=np.float64)).astype(np.float32)
    return Weighted(labels, weight_N)


def _for_rows(given: Given, ids: Sequence[str], transform: Transform) -> Given:
    """Return what is given for these rows; the truth only where the transform says that it sees it."""
    place = {each: row for row, each in enumerate(given.ids)}
    rows = [place[each] for each in ids]

    def of(array: np.ndarray | None) -> np.ndarray | None:
        return None if array is None else array[rows]

    truth_N = of(given.truth_N) if transform.sees_truth else None
    if transform.sees_truth and truth_N is None:
        raise StepError("a transform that sees the truth was not given it")
    if transform.needs_features and given.features_ND is None:
        raise StepError("a transform that works on features was not given them")
    return Given(ids, given.rng, given.shared, of(given.features_ND), truth_N, given.balanced, of(given.counts_N))


def confidence_filter(labels: Labels, given: Given, *, keep: float) -> Weighted:
    """Keep the share `keep` of the rows whose most probable option is the most probable, ties by id.

    Where classes are shared and balanced: that share of the rows of each predicted class (Burns et al. 2023, B).
    """
    groups_N = labels.predicted() if given.shared and given.balanced else np.zeros(len(labels), np.int32)
    confidence_N = labels.probabilities_NT[:, 0]
    kept: list[int] = []
    for group in np.unique(groups_N):
        rows = np.flatnonzero(groups_N == group).tolist()
        ranked = sorted(rows, key=lambda row: (-confidence_N[row], given.ids[row]))
        kept += ranked[: max(1, round(keep * len(rows)))]
    return _plain(labels.take([given.ids[row] for row in sorted(kept)]))


def confidence_weights(labels: Labels, given: Given, *, power: float) -> Weighted:
    """Weigh every row by (p_1 - p_2)^power, p_1 and p_2 the probabilities of its two most probable options."""
    del given
    stored_NT = labels.probabilities_NT.astype(np.float64)  # most probable first
    left_N1 = np.clip(1 - stored_NT[:, :1], 0, None) / max(labels.num_options - 1, 1)  # a lone stored option's others
    margin_N = (stored_NT[:, 0] - np.hstack([stored_NT, left_N1])[:, 1]) ** power
    if not margin_N.any():
        raise StepError("every weak label is a tie: there is no confidence to weigh rows by")
    return Weighted(labels, (margin_N / margin_N.mean()).astype(np.float32))


def sharpen(labels: Labels, given: Given, *, power: float) -> Weighted:
    """Raise every probability to this power and renormalise: above 1 sharpens, below 1 flattens."""
    dense_NK = labels.dense().astype(np.float64)
    powers_NK = np.where(dense_NK > 0, dense_NK, 0.0) ** power * (dense_NK > 0)
    return _relabelled(given, powers_NK / powers_NK.sum(1, keepdims=True))


def label_noise(labels: Labels, given: Given, *, share: float) -> Weighted:
    """Swap, in this share of the rows, the most probable option's probability with that of another one at random."""
    dense_NK, rows = labels.dense(), _drawn(given, share)
    first_R = labels.predicted()[rows]
    _swap(dense_NK, rows, first_R, _others(first_R, given, rows, labels.num_options))
    return _relabelled(given, dense_NK)


def majority_class(labels: Labels, given: Given) -> Weighted:
    """Give every row the class that the weak labels name most often, the first of them at a tie."""
    if not given.shared:
        raise StepError("exchangeable options have no majority class")
    counts_K = np.bincount(labels.predicted(), minlength=labels.num_options)
    return _relabelled(given, _one_hot(np.full(len(labels), counts_K.argmax()), labels.num_options))


def random_labels(labels: Labels, given: Given) -> Weighted:
    """Keep how many weak labels are right, and choose at random which: hard labels whose errors mean nothing.

    Shared classes: the predictions are dealt out anew among the rows of each true class, so the confusion matrix stays.
    Exchangeable options: as many rows as before are right, the others get a wrong option at random.
    """
    truth_N, predicted_N = _truth(given), labels.predicted().astype(np.int64)
    order = np.argsort(np.asarray(given.ids))
    dealt_N = truth_N.astype(np.int64)
    if given.shared:
        for each in np.unique(truth_N):
            rows = order[truth_N[order] == each]
            dealt_N[rows] = given.rng.permutation(np.sort(predicted_N[rows]))
    else:
        wrong = given.rng.permutation(order)[: int((predicted_N != truth_N).sum())]
        dealt_N[wrong] = _others(dealt_N[wrong], given, wrong, labels.num_options)
    return _relabelled(given, _one_hot(dealt_N, labels.num_options))


def truth_mix(labels: Labels, given: Given, *, share: float) -> Weighted:
    """Replace the weak label by the ground truth in this share of the rows, drawn at random."""
    dense_NK, rows = labels.dense(), _drawn(given, share)
    dense_NK[rows] = _one_hot(_truth(given)[rows], labels.num_options)
    return _relabelled(given, dense_NK)


def knn_cleaning(labels: Labels, given: Given, *, neighbours: float) -> Weighted:
    """Replace every label by the mean label of its nearest other rows on features, by Euclidean distance."""
    features_ND = _features(given)
    count = min(int(neighbours), len(labels) - 1)
    if count < 1:
        raise StepError("cleaning by neighbours needs at least two rows")
    square_N = (features_ND**2).sum(1)
    dense_NK = labels.dense().astype(np.float64)
    cleaned_NK = np.empty_like(dense_NK)
    for start in range(0, len(labels), 1024):  # a block of rows at a time: N x N would not fit for large N
        rows = np.arange(start, min(start + 1024, len(labels)))
        distance_RN = square_N - 2 * features_ND[rows] @ features_ND.T  # the row's own square changes no rank
        distance_RN[np.arange(len(rows)), rows] = np.inf
        nearest_RM = np.argpartition(distance_RN, count - 1, axis=1)[:, :count]
        cleaned_NK[rows] = dense_NK[nearest_RM].mean(1)
    return _relabelled(given, cleaned_NK)


def logistic_cleaning(labels: Labels, given: Given, *, l2: float, folds: float) -> Weighted:
    """Replace every label by what a logistic regression on features, fit to the labels of the other folds, predicts.

    The penalty is l2 / 2 x |W|^2 beside the mean cross-entropy, on standardised features.
    """
    features_ND, dense_NK = _features(given), labels.dense().astype(np.float64)
    parts = np.array_split(given.rng.permutation(np.argsort(np.asarray(given.ids))), min(int(folds), len(labels)))
    if len(parts) < 2:
        raise StepError("cleaning by logistic regression needs at least two folds and two rows")
    to_weights_DD = _evenly_curved(features_ND, num_options=labels.num_options, l2=l2)  # sees features of all folds
    cleaned_NK = np.empty_like(dense_NK)
    for part in parts:
        others = np.setdiff1d(np.arange(len(labels)), part)
        weight_DK, bias_K = _fit_logistic(features_ND[others], dense_NK[others], to_weights_DD, l2=l2)
        cleaned_NK[part] = np.exp(_log_softmax(features_ND[part] @ weight_DK + bias_K))
    return _relabelled(given, cleaned_NK)


def _evenly_curved(features_ND: np.ndarray, *, num_options: int, l2: float) -> np.ndarray:
    """Return C_DD such that the loss of weights C V is about equally curved in all directions of V: a short search."""
    width = features_ND.shape[1]
    curvature_DD = features_ND.T @ features_ND / (len(features_ND) * num_options) + (l2 + 1e-6) * np.eye(width)
    inverse_DD: np.ndarray = np.linalg.inv(np.linalg.cholesky(curvature_DD)).T
    return inverse_DD


def _fit_logistic(
    features_ND: np.ndarray, targets_NK: np.ndarray, to_weights_DD: np.ndarray, *, l2: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return weight_DK and bias_K that minimise mean CE(f, t) + l2 / 2 x |W|^2; the bias is not penalised."""
    from scipy.optimize import minimize  # slow to import, and planning reads this module for its names only

    (num_rows, width), num_options = features_ND.shape, targets_NK.shape[1]
    turned_ND = features_ND @ to_weights_DD

    def value(flat: np.ndarray) -> tuple[float, np.ndarray]:
        turned_DK, bias_K = flat[num_options:].reshape(width, num_options), flat[:num_options]
        weight_DK = to_weights_DD @ turned_DK
        log_f_NK = _log_softmax(turned_ND @ turned_DK + bias_K)
        error_NK = (np.exp(log_f_NK) - targets_NK) / num_rows
        slope_DK = turned_ND.T @ error_NK + l2 * to_weights_DD.T @ weight_DK
        loss = -(targets_NK * log_f_NK).sum() / num_rows + l2 / 2 * (weight_DK**2).sum()
        return float(loss), np.concatenate([error_NK.sum(0), slope_DK.ravel()])

    options = {"maxiter": 500, "ftol": 1e-12, "gtol": 1e-6}
    found = minimize(value, np.zeros(num_options * (width + 1)), jac=True, method="L-BFGS-B", options=options)
    return to_weights_DD @ found.x[num_options:].reshape(width, num_options), found.x[:num_options]


def entropy(probabilities_NK: np.ndarray) -> np.ndarray:
    """Return the entropy of every row in nats, (N,); 0 log 0 is 0."""
    safe_NK = np.where(probabilities_NK > 0, probabilities_NK, 1.0)
    entropy_N: np.ndarray = -(safe_NK * np.log(safe_NK)).sum(1)
    return entropy_N


def _log_softmax(logits_NK: np.ndarray) -> np.ndarray:
    shifted_NK = logits_NK - logits_NK.max(1, keepdims=True)
    log_f_NK: np.ndarray = shifted_NK - np.log(np.exp(shifted_NK).sum(1, keepdims=True))
    return log_f_NK


def _plain(labels: Labels) -> Weighted:
    return Weighted(labels, np.ones(len(labels), np.float32))


def _relabelled(given: Given, probabilities_NK: np.ndarray) -> Weighted:
    return _plain(Labels.from_dense(given.ids, probabilities_NK))


def _one_hot(options_N: np.ndarray, num_options: int) -> np.ndarray:
    one_hot_NK: np.ndarray = np.eye(num_options, dtype=np.float32)[options_N]
    return one_hot_NK


def _truth(given: Given) -> np.ndarray:
    assert given.truth_N is not None  # `transformed` has seen to it
    return given.truth_N


def _features(given: Given) -> np.ndarray:
    """Return the features, each with mean 0 and deviation 1, so that none counts more for its scale."""
    assert given.features_ND is not None  # `transformed` has seen to it
    features_ND = given.features_ND.astype(np.float64)
    deviation_D = features_ND.std(0)
    standard_ND: np.ndarray = (features_ND - features_ND.mean(0)) / np.where(deviation_D > 0, deviation_D, 1.0)
    return standard_ND


def _drawn(given: Given, share: float) -> np.ndarray:
    """Return round(share x N) row numbers, drawn by id."""
    by_id = np.argsort(np.asarray(given.ids))
    return given.rng.permutation(by_id)[: round(share * len(by_id))]


def _others(options_R: np.ndarray, given: Given, rows: np.ndarray, num_options: int) -> np.ndarray:
    """Return for each of these rows an option that it has and that is not the one named, at random."""
    counts_R = np.full(len(rows), num_options) if given.counts_N is None else given.counts_N[rows]
    if (counts_R < 2).any():
        raise StepError("a row with a single option has no other one to be wrong with")
    drawn_R = given.rng.integers(0, counts_R - 1)
    return drawn_R + (drawn_R >= options_R)


def _swap(dense_NK: np.ndarray, rows: np.ndarray, first_R: np.ndarray, second_R: np.ndarray) -> None:
    dense_NK[rows, first_R], dense_NK[rows, second_R] = dense_NK[rows, second_R], dense_NK[rows, first_R]


TRANSFORMS: Mapping[str, Transform] = {
    "confidence-filter": Transform(confidence_filter),
    "confidence-weights": Transform(confidence_weights),
    "sharpen": Transform(sharpen),
    "label-noise": Transform(label_noise),
    "majority-class": Transform(majority_class),
    "random-labels": Transform(random_labels, confession="control: was told how many weak labels are right, not which"),
    "truth-mix": Transform(truth_mix, confession="trained on the truth of {share:.0%} of its rows"),
    "knn-cleaning": Transform(knn_cleaning, needs_features=True),
    "logistic-cleaning": Transform(logistic_cleaning, needs_features=True),
}
