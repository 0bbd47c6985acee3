"""Label transforms: each against a short numpy reference, blind to the truth unless it says otherwise."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax

from outgrow.errors import StepError
from outgrow.examples import Labels
from outgrow.methods import METHODS
from outgrow.seeds import generator
from outgrow.transforms import TRANSFORMS, Given, Transform, Weighted, transformed

OPTIONS = {name: options for method in METHODS.values() for name, options in method.transforms} | {
    "sharpen": {"power": 2.0}
}


def made(size=40, num_options=2, *, seed=0, **given):
    """Return labels, of which three quarters are right, and what a transform may know of the rows."""
    rng = np.random.default_rng(seed)
    ids = [f"row-{i}" for i in rng.permutation(size)]
    truth_N = rng.integers(0, num_options, size)
    dense_NK = rng.dirichlet(np.ones(num_options), size)
    top_N = np.where(np.arange(size) % 4 > 0, truth_N, (truth_N + 1) % num_options)
    rows = np.arange(size)
    first_N = dense_NK.argmax(1)
    dense_NK[rows, first_N], dense_NK[rows, top_N] = dense_NK[rows, top_N], dense_NK[rows, first_N]
    known = {"shared": True, "features_ND": rng.normal(size=(size, 6)), "truth_N": truth_N} | given
    return Labels.from_dense(ids, dense_NK), Given(ids, generator(seed, "transforms"), **known)


def applied(name, labels, given, **options):
    return transformed(labels, [(TRANSFORMS[name], options or OPTIONS[name])], given)


def reordered(labels, given, order):
    """Return the same rows in another order, with a fresh generator of the same seed."""
    ids = [labels.ids[i] for i in order]
    parts = {
        name: value[order] for name, value in vars(given).items() if name.endswith(("_N", "_ND")) and value is not None
    }
    return labels.take(ids), Given(ids, generator(0, "transforms"), given.shared, balanced=given.balanced, **parts)


def test_every_transform_has_options_that_a_method_or_this_test_gives():
    assert set(OPTIONS) == set(TRANSFORMS)


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("num_options", [2, 5])
def test_what_comes_out_are_labels_of_rows_that_went_in_with_weights_of_mean_one(name, num_options):
    labels, given = made(60, num_options)
    found = applied(name, labels, given)
    kept = [each for each in labels.ids if each in set(found.labels.ids)]
    assert list(found.labels.ids) == kept  # in order
    np.testing.assert_allclose(found.labels.dense().sum(1), 1, atol=1e-6)
    assert (found.labels.dense() >= 0).all()
    assert len(found.weight_N) == len(found.labels)
    assert found.weight_N.mean() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_order_of_the_rows_changes_nothing(name):
    labels, given = made(50, balanced=True)
    first = applied(name, labels, given)
    second = applied(name, *reordered(labels, given, np.random.default_rng(5).permutation(50)))
    assert set(first.labels.ids) == set(second.labels.ids)
    np.testing.assert_allclose(second.labels.take(first.labels.ids).dense(), first.labels.dense(), atol=2e-5)
    weights = dict(zip(second.labels.ids, second.weight_N, strict=True))
    np.testing.assert_allclose([weights[each] for each in first.labels.ids], first.weight_N, rtol=1e-5)


@pytest.mark.parametrize("name", [name for name, each in TRANSFORMS.items() if not each.sees_truth])
def test_an_honest_transform_is_blind_to_the_truth(name):
    labels, given = made(50)
    _, other = made(50)
    first = applied(name, labels, given)
    second = applied(name, labels, Given(**vars(other) | {"truth_N": 1 - given.truth_N}))
    assert first.labels.ids == second.labels.ids
    np.testing.assert_array_equal(first.labels.dense(), second.labels.dense())

    seen = []
    spy = Transform(lambda labels, given: seen.append(given.truth_N) or Weighted(labels, np.ones(len(labels))))
    transformed(labels, [(spy, {})], given)
    assert seen == [None]


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_transform_that_sees_truth_says_so_and_is_refused_without_it(name):
    labels, given = made()
    blind = Given(**vars(given) | {"truth_N": None})
    if TRANSFORMS[name].sees_truth:
        assert TRANSFORMS[name].told(**OPTIONS[name])
        with pytest.raises(StepError, match="sees the truth"):
            applied(name, labels, blind)
    else:
        assert applied(name, labels, blind).labels.ids


def test_the_share_of_truth_is_said_in_words():
    assert TRANSFORMS["truth-mix"].told(share=0.1) == "trained on the truth of 10% of its rows"


def test_transforms_that_need_features_are_refused_without_them():
    labels, given = made()
    for name, each in TRANSFORMS.items():
        if each.needs_features:
            with pytest.raises(StepError, match="works on features"):
                applied(name, labels, Given(**vars(given) | {"features_ND": None}))


def test_transforms_follow_one_another_and_their_weights_multiply():
    labels, given = made(20)
    steps = [(TRANSFORMS["confidence-filter"], {"keep": 0.5}), (TRANSFORMS["confidence-weights"], {"power": 1.0})]
    found = transformed(labels, [*steps, steps[1]], given)
    confidence_N = labels.dense().max(1)
    kept = sorted(np.argsort(-confidence_N)[:10])
    assert found.labels.ids == tuple(labels.ids[row] for row in kept)
    square_N = (2 * confidence_N[kept] - 1) ** 2
    np.testing.assert_allclose(found.weight_N, square_N / square_N.mean(), rtol=1e-5)


def test_the_filter_keeps_the_surest_of_each_class_where_classes_are_balanced():
    ones_N = np.array([0.95, 0.9, 0.85, 0.8, 0.45, 0.4, 0.3, 0.35])
    labels = Labels.from_dense("abcdefgh", np.stack([1 - ones_N, ones_N], 1))
    kept = {}
    for balanced in (False, True):
        given = Given("abcdefgh", generator(0), shared=True, balanced=balanced)
        kept[balanced] = applied("confidence-filter", labels, given, keep=0.5).labels.ids
    assert kept == {False: tuple("abcd"), True: tuple("abgh")}


def test_the_filter_breaks_ties_by_id_and_keeps_at_least_one_row():
    labels = Labels.from_dense(["c", "a", "b"], np.full((3, 2), 0.5))
    given = Given(["c", "a", "b"], generator(0), shared=False)
    assert applied("confidence-filter", labels, given, keep=2 / 3).labels.ids == ("a", "b")
    assert applied("confidence-filter", labels, given, keep=0.01).labels.ids == ("a",)
    assert applied("confidence-filter", labels, given, keep=1.0).labels.ids == ("c", "a", "b")


def test_weights_are_the_lead_of_the_first_option():
    dense_NK = np.array([[0.6, 0.3, 0.1], [0.4, 0.4, 0.2], [0.1, 0.1, 0.8]])
    labels, given = Labels.from_dense("abc", dense_NK), Given("abc", generator(0), shared=False)
    np.testing.assert_allclose(applied("confidence-weights", labels, given).weight_N, [0.9, 0.0, 2.1], atol=1e-6)
    ties = Labels.from_dense("abc", np.full((3, 2), 0.5))
    with pytest.raises(StepError, match="every weak label is a tie"):
        applied("confidence-weights", ties, given)


def test_sharpening():
    labels, given = Labels.from_dense("ab", np.array([[0.8, 0.2], [1.0, 0.0]])), Given("ab", generator(0), shared=True)
    expected = [[0.64 / 0.68, 0.04 / 0.68], [1, 0]]
    np.testing.assert_allclose(applied("sharpen", labels, given, power=2).labels.dense(), expected, rtol=1e-6)
    flat = applied("sharpen", labels, given, power=0.5).labels.dense()
    np.testing.assert_allclose(flat[0], np.sqrt([0.8, 0.2]) / np.sqrt([0.8, 0.2]).sum(), rtol=1e-6)
    assert flat[1].tolist() == [1, 0]


@pytest.mark.parametrize("num_options", [2, 7])
def test_noise_turns_exactly_its_share_of_the_labels_and_nothing_else(num_options):
    labels, given = made(200, num_options)
    found = applied("label-noise", labels, given, share=0.1).labels
    turned = found.predicted() != labels.predicted()
    assert turned.sum() == 20
    np.testing.assert_array_equal(np.sort(found.dense(), 1), np.sort(labels.dense(), 1))
    np.testing.assert_array_equal(found.dense()[~turned], labels.dense()[~turned])


def test_noise_gives_no_row_an_option_that_it_lacks():
    labels = Labels.from_dense([f"r{i}" for i in range(300)], np.tile([1.0, 0, 0, 0], (300, 1)))
    given = Given(labels.ids, generator(0), shared=False, counts_N=np.full(300, 2))
    assert set(applied("label-noise", labels, given, share=1.0).labels.predicted()) == {1}
    with pytest.raises(StepError, match="a single option"):
        applied("label-noise", labels, Given(labels.ids, generator(0), shared=False, counts_N=np.ones(300, int)))


def test_the_majority_is_that_of_the_weak_labels():
    labels = Labels.from_dense("abcde", np.array([[0.9, 0.1], [0.45, 0.55], [0.4, 0.6], [0.2, 0.8], [1, 0]]))
    given = Given("abcde", generator(0), shared=True)
    assert applied("majority-class", labels, given).labels.dense().tolist() == [[0, 1]] * 5
    with pytest.raises(StepError, match="no majority class"):
        applied("majority-class", labels, Given("abcde", generator(0), shared=False))


@pytest.mark.parametrize("num_options", [2, 4])
def test_random_labels_keep_the_confusion_matrix_and_nothing_of_the_rows(num_options):
    labels, given = made(400, num_options)
    found = applied("random-labels", labels, given).labels

    def confusion(predicted_N):
        return np.histogram2d(given.truth_N, predicted_N, bins=num_options)[0].tolist()

    assert confusion(found.predicted()) == confusion(labels.predicted())
    wrong_N, wrong_before_N = found.predicted() != given.truth_N, labels.predicted() != given.truth_N
    assert wrong_N.sum() == wrong_before_N.sum() == 100
    assert 10 < (wrong_N & wrong_before_N).sum() < 45  # 25 by chance
    assert (found.dense().max(1) == 1).all()


def test_random_labels_of_exchangeable_options_keep_the_accuracy():
    labels, given = made(400, 6, shared=False)
    found = applied("random-labels", labels, given).labels
    wrong_N = found.predicted() != given.truth_N
    assert wrong_N.sum() == 100
    assert len(set((found.predicted() - given.truth_N)[wrong_N] % 6)) == 5  # any other option


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 1.0])
def test_truth_takes_the_place_of_its_share_of_the_labels(share):
    labels, given = made(200, 3)
    found = applied("truth-mix", labels, given, share=share).labels
    changed = np.flatnonzero((found.dense() != labels.dense()).any(1))
    assert len(changed) == round(share * 200)
    np.testing.assert_array_equal(found.dense()[changed], np.eye(3)[given.truth_N[changed]])


@pytest.mark.parametrize("size", [30, 1_500])  # within a block of rows, and beyond it
def test_cleaning_by_neighbours(size):
    labels, given = made(size, 3)
    found = applied("knn-cleaning", labels, given, neighbours=5).labels.dense()
    standard_ND = (given.features_ND - given.features_ND.mean(0)) / given.features_ND.std(0)
    for row in (0, 7, size - 1):
        distance_N = np.linalg.norm(standard_ND - standard_ND[row], axis=1)
        nearest = [each for each in np.argsort(distance_N) if each != row][:5]
        np.testing.assert_allclose(found[row], labels.dense()[nearest].mean(0), atol=1e-6)


def test_cleaning_by_more_neighbours_than_there_are_gives_the_mean_of_all_others():
    labels, given = made(4)
    found = applied("knn-cleaning", labels, given, neighbours=50).labels.dense()
    np.testing.assert_allclose(found[0], labels.dense()[1:].mean(0), atol=1e-6)


def test_logistic_cleaning_predicts_each_fold_from_the_others():
    labels, given = made(60, 3)
    found = applied("logistic-cleaning", labels, given, l2=0.01, folds=2).labels.dense()
    standard_ND = (given.features_ND - given.features_ND.mean(0)) / given.features_ND.std(0)
    order = np.argsort(np.asarray(given.ids))
    parts = np.array_split(generator(0, "transforms").permutation(order), 2)
    for part, others in (parts, parts[::-1]):

        def value(flat, others=others):
            log_f_NK = log_softmax(standard_ND[others] @ flat[3:].reshape(6, 3) + flat[:3], axis=1)
            return -(labels.dense()[others] * log_f_NK).sum(1).mean() + 0.005 * (flat[3:] ** 2).sum()

        best = minimize(value, np.zeros(21), options={"gtol": 1e-7}).x
        expected = np.exp(log_softmax(standard_ND[part] @ best[3:].reshape(6, 3) + best[:3], axis=1))
        np.testing.assert_allclose(found[part], expected, atol=1e-4)


def test_cleaning_mends_labels_where_features_tell_the_truth():
    labels, given = made(400)
    clear = Given(**vars(given) | {"features_ND": given.truth_N[:, None] + 0.1 * given.features_ND})
    for name in ("knn-cleaning", "logistic-cleaning"):
        assert (applied(name, labels, clear).labels.predicted() == given.truth_N).mean() > 0.95 > 0.76


def test_a_feature_that_never_varies_is_no_matter():
    labels, given = made(40)
    for name in ("knn-cleaning", "logistic-cleaning"):
        dull = Given(**vars(given) | {"features_ND": np.ones((40, 3), np.float32)})
        assert np.isfinite(applied(name, labels, dull).labels.dense()).all()
