import pytest

from outgrow import words
from outgrow.results import Results
from outgrow.spec import Study
from outgrow.words import findings, headline, sentence, shifts, task_notes


@pytest.fixture
def results_of(study, store, fill):
    """Return a function: accuracies by the first word of a step's title -> results."""
    return lambda accuracies: Results(fill(accuracies), store)


def told(results, method, task="chess-puzzle"):
    return next(sentence(each) for each in results.comparisons if (each.task, each.method) == (task, method))


def test_a_gain_is_called_one_with_its_interval(results_of):
    text = told(results_of({"naive-hard": 0.7}), "naive-hard")
    assert "gain. 20.0 points above its supervisor [" in text
    assert "66.7% of the way to the ceiling" in text
    assert "no gain" not in text


def test_an_interval_that_covers_zero_is_no_gain(results_of):
    text = told(results_of({"naive-hard": 0.505}), "naive-hard")
    assert "no gain. +0.5 points against its supervisor" in text
    assert "covers 0" in text


def test_a_loss_is_called_one(results_of):
    text = told(results_of({"naive-hard": 0.4}), "naive-hard")
    assert "no gain but a loss. 10.0 points below its supervisor" in text


def test_a_student_below_its_zero_shot_accuracy_was_harmed_even_if_pgr_is_positive(results_of):
    results = results_of({"zero-shot": 0.7, "naive-hard": 0.6})
    comparison = results.comparisons[0]
    text = told(results, "naive-hard")
    assert comparison.summary.pgr.pgr > 0
    assert "its own zero-shot accuracy" in text
    assert "harm" in text
    assert "no gain but a loss. 10.0 points below" in text


def test_an_unbounded_pgr_is_said_to_be_so(results_of):
    text = told(results_of({"ceiling": 0.505}), "naive-hard")
    assert "PGR is unbounded" in text


def test_no_gap_is_said_to_be_none(results_of):
    assert "there is no gap to recover" in told(results_of({"ceiling": 0.4}), "naive-hard")


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [
        ({"bootstrapping-hard": 0.75}, "bootstrapping-hard beats its compute control: +10.0 points"),
        ({"bootstrapping-hard": 0.55}, "bootstrapping-hard falls behind its compute control: -10.0 points"),
        ({"bootstrapping-hard": 0.655}, "bootstrapping-hard cannot be told from its compute control: +0.5 points"),
        ({"confidence": 0.75}, "confidence beats naive: +10.0 points"),
        ({"confidence": 0.655}, "confidence cannot be told from naive"),
    ],
)
def test_a_method_is_held_against_the_one_it_has_to_beat(results_of, accuracies, expected):
    assert any(expected in each for each in findings(results_of(accuracies)))


def test_a_method_that_changes_supervisor_and_ceiling_too_tells_all_three(results_of, study):
    study.write_text(study.read_text().replace("naive, confidence", "naive, confidence, generative, generative-all"))
    found = findings(results_of({"generative": 0.75, "generative-all": 0.75}))
    names = ("confidence", "generative beats", "generative-all beats")
    told = {name: next(each for each in found if f": {name} " in each) for name in names}
    assert "its ceiling" not in told["confidence"]
    assert "its supervisor" not in told["generative beats"]
    assert "; its ceiling " in told["generative beats"]
    assert "beats naive: +10.0 points [" in told["generative-all beats"]
    assert "; its supervisor " in told["generative-all beats"]
    assert "; its ceiling " in told["generative-all beats"]


def test_the_headline_counts_gains_and_losses(results_of):
    results = results_of({"naive-hard": 0.4, "confidence": 0.5})
    assert "in 3 of 6 comparisons; no gain in 1; a loss in 2" in headline(results.comparisons)


def test_the_headline_says_no_gain_where_there_is_none(results_of):
    names = ("naive", "naive-hard", "confidence", "bootstrapping-hard", "bootstrapping-control-hard")
    results = results_of(dict.fromkeys(names, 0.5))
    assert headline(results.comparisons).startswith("No gain: in none of 6 comparisons")


def test_what_holds_everywhere_is_said_once(results_of):
    text = "\n".join(findings(results_of({"ceiling": 0.4})))
    assert text.count("there is no gap to recover") == 1
    assert "In every comparison" in text
    assert "ratio of mean gains undefined" in text


def test_nothing_finished_is_said_to_be_nothing(study, store, fill):
    plan = fill(skip=lambda step: True)
    assert findings(Results(plan, store)) == ["No comparison is finished yet, so there is nothing to show."]


@pytest.fixture
def many(monkeypatch):
    """Have six comparisons count as too many for a sentence each."""
    monkeypatch.setattr(words, "MOST_LISTED", 5)


@pytest.mark.usefixtures("many")
def test_a_large_study_is_told_by_task_and_method(results_of):
    told = findings(results_of({"naive-hard": 0.7, "bootstrapping-hard": 0.4, "naive": 0.5}))
    assert "chess-puzzle, naive-hard: gain in 2 of 2 pairs. Median PGR 66.7%, median net PGR 66.7%." in told
    assert any(
        each.startswith("chess-puzzle, bootstrapping-hard: no gain in any of 1 pair, a loss in 1.") for each in told
    )
    assert any(each.startswith("chess-blunder, naive: no gain in any of 1 pair.") for each in told)
    assert not any("->" in each for each in told)
    assert len(told) == 2 + 5 + 3 + 1
    assert "of 6 intervals" in told[1]


@pytest.mark.usefixtures("many")
def test_a_large_study_tells_contrasts_by_method_with_what_the_interval_says(results_of):
    told = findings(results_of({"bootstrapping-hard": 0.75, "confidence": 0.4}))
    contrast = next(each for each in told if each.startswith("bootstrapping-hard against its compute control"))
    assert (
        "bootstrapping-control-hard: beats it in 1 of 1 pair, cannot be told from it in 0, falls behind in 0"
        in contrast
    )
    assert "+10.0 points on average" in contrast
    assert any(
        "confidence against naive: beats it in 0 of 1 pair" in each and "falls behind in 1" in each for each in told
    )


@pytest.mark.usefixtures("many")
def test_a_large_study_tells_what_else_a_method_changes(results_of, study):
    study.write_text(study.read_text().replace("naive, confidence", "naive, generative"))
    told = next(each for each in findings(results_of({"generative": 0.75})) if each.startswith("generative against"))
    assert "; +10.0 points on average, its ceiling +0.0 (no interval)." in told


@pytest.mark.usefixtures("many")
def test_ratios_that_are_none_or_unbounded_are_counted(results_of):
    told = "\n".join(findings(results_of({"ceiling": 0.505, "zero-shot": 0.6})))
    assert "chess-puzzle, naive-hard: gain in 2 of 2 pairs. Median PGR 3,000% (2 unbounded), net PGR none." in told
    assert "In every comparison: " in told
    assert "PGR is unbounded" in told


def test_a_task_tested_elsewhere_is_named_and_explained():
    block = {"task": "sst2", "supervisors": ["a"], "students": ["b"], "methods": ["naive"], "test_on": ["wic"]}
    study = Study.model_validate({"name": "x", "comparisons": [block, block | {"label": "1 epoch"}]})
    assert shifts(study) == {"sst2 on wic": ("sst2", "wic"), "sst2, 1 epoch on wic": ("sst2, 1 epoch", "wic")}
    assert "trained on sst2, tested on rows of wic" in words.shift_told("sst2", "wic")


def test_what_form_alone_tells_stands_beside_the_supervisor(results_of, monkeypatch):
    results = results_of({})
    kept = {"shortcut": 0.55, "skipped": {"without a label": 3}}
    monkeypatch.setattr(Results, "outputs", lambda self, step: kept)
    assert task_notes(results, "chess-blunder") == [
        "A classifier on lengths and punctuation alone is right in 55.0%, no less than small.",
        "3 rows left out: without a label.",
    ]
    kept = {"shortcut": 0.45}
    assert task_notes(results, "chess-blunder")[0].endswith("is right in 45.0%.")
