"""The table of methods: what each is made of, what it refuses, and what it says of the truth it sees."""

import hashlib
import inspect
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from outgrow.errors import StepError, UsageError
from outgrow.examples import Labels
from outgrow.methods import METHODS, Method, check_method, find_method, own_module
from outgrow.pooling import POOLS
from outgrow.seeds import generator
from outgrow.spec import Training
from outgrow.tasks import find_task
from outgrow.training.losses import LOSSES
from outgrow.transforms import TRANSFORMS, Given, transformed

DOCS = Path(__file__).parents[1] / "docs"
PUZZLE, BLUNDER = find_task("chess-puzzle"), find_task("chess-blunder")


@pytest.mark.parametrize("name", METHODS)
def test_every_method_names_things_that_exist(name):
    method = METHODS[name]
    assert method.name == name
    assert method.about.endswith(".")
    assert method.source
    assert method.loss in LOSSES
    assert not method.control or METHODS[method.control].labels == method.labels
    assert {each for each, _ in method.transforms} <= set(TRANSFORMS)
    assert method.pool in ("", *POOLS)
    assert not method.module
    assert Training.model_validate(dict(method.training))


@pytest.mark.parametrize("name", METHODS)
def test_every_method_gives_its_functions_the_options_they_take(name):
    method = METHODS[name]
    loss = LOSSES[method.loss]
    taken = {each for part in (loss.rows, loss.target) if part for each in _options(part)}
    assert set(method.loss_options) == taken
    for each, options in method.transforms:
        assert set(options) == set(_options(TRANSFORMS[each].apply))


def _options(function):
    return [name for name, each in inspect.signature(function).parameters.items() if each.kind == each.KEYWORD_ONLY]


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_explained_with_its_formula_and_source(name):
    page = (DOCS / "explanation" / "methods.md").read_text(encoding="utf-8")
    assert f"\n- `{name}`: " in page


def test_the_page_explains_no_method_that_there_is_not():
    page = (DOCS / "explanation" / "methods.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^- `([\w-]+)`: ", page, re.MULTILINE)) == set(METHODS)


def test_methods_say_what_they_require():
    for method in METHODS.values():
        needs_features = any(TRANSFORMS[name].needs_features for name, _ in method.transforms)
        probes = method.tuning.startswith("probe")
        assert ("features" in method.requires) == (needs_features or probes), method.name
        assert ("several-supervisors" in method.requires) == bool(method.pool)
        assert ("models-between" in method.requires) == (method.chain or method.links)
        assert ("words" in method.requires) == (method.tuning == "none")
        assert ("can-harden" in method.requires) == (method.loss == "confidence")


def test_every_chain_has_a_control_that_trains_on_the_same_rows():
    chains = [method for method in METHODS.values() if method.chain]
    assert chains
    assert all(METHODS[method.control].links for method in chains)


def test_the_confidence_losses_have_the_weights_of_the_paper():
    assert METHODS["confidence"].loss_options == {"weight": 0.5, "warmup": 0.2}
    assert METHODS["confidence-75"].loss_options == {"weight": 0.75, "warmup": 0.2}
    assert METHODS["confidence-release"].loss_options == {"weight": 0.5, "warmup": 0.1}


def test_methods_that_see_truth_say_what_they_see_and_no_other_does():
    told = {name: method.told for name, method in METHODS.items() if method.told}
    assert told == {
        "truth-10": ("trained on the truth of 10% of its rows",),
        "truth-25": ("trained on the truth of 25% of its rows",),
        "truth-50": ("trained on the truth of 50% of its rows",),
        "stop-truth": ("stopped on the truth of student_validation",),
        "few-shot-truth": ("was shown the truth of 5 rows",),
        "random-labels": ("control: was told how many weak labels are right, not which",),
    }


def test_a_misspelt_method_is_refused_with_the_nearest_name():
    with pytest.raises(UsageError, match="unknown method 'confidnce': did you mean confidence"):
        find_method("confidnce")


@pytest.mark.parametrize(
    ("name", "task", "message"),
    [
        ("confidence-release", PUZZLE, "confidence-release needs the same classes .* chess-puzzle has exchangeable"),
        ("knn-cleaning", PUZZLE, "knn-cleaning needs the same classes"),
        ("l2-confidence", PUZZLE, r"l2-confidence needs two options; chess-puzzle has 1,\d+"),
        ("confidence", replace(BLUNDER, options=lambda: tuple("abc")), "confidence needs two .* has 3 shared classes"),
        ("zero-shot-prompt", replace(BLUNDER, words=()), "zero-shot-prompt needs answer words"),
        ("knn-cleaning", replace(BLUNDER, head="reward"), "knn-cleaning needs one feature vector a row"),
        ("ensemble-mean", BLUNDER, "ensemble-mean needs several supervisors; .* names 1"),
    ],
)
def test_a_method_is_refused_where_the_study_lacks_what_it_requires(name, task, message):
    with pytest.raises(UsageError, match=message):
        check_method(find_method(name), task)


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("confidence-release", BLUNDER),
        ("confidence", BLUNDER),
        ("confidence", PUZZLE),
        ("linear-probe", PUZZLE),
        ("few-shot-weak", replace(BLUNDER, words=("no", "yes"))),
        ("ensemble-mean", BLUNDER),
    ],
)
def test_and_is_not_where_it_is_there(name, task):
    check_method(find_method(name), task, num_supervisors=2)


def test_reading_the_table_takes_neither_torch_nor_scipy():
    code = "import sys, outgrow.methods; assert not {'torch', 'scipy'} & set(sys.modules), 'slow'"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def own_file(tmp_path):
    """Return a function that writes a method file and returns its path."""

    def write(text):
        path = tmp_path / "mine.py"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def documented():
    """Return the example of the how-to."""
    page = (DOCS / "howto" / "method.md").read_text(encoding="utf-8")
    return re.search(r"<!-- file: agreeing\.py -->\n```python\n(.*?)```", page, re.DOTALL)[1]


def test_the_documented_method_works_and_is_short(own_file):
    import torch

    from outgrow.training.losses import Moment

    assert len(documented().splitlines()) < 50
    path = own_file(documented())
    method = find_method(path)
    assert (method.name, method.module, method.loss) == ("agreeing", str(Path(path).resolve()), "own")
    check_method(method, BLUNDER)

    own = own_module(method.module, sha256(path))
    assert own.method == method
    assert own.rows is None
    labels = Labels.from_dense("abc", np.array([[0.9, 0.1], [0.55, 0.45], [0.3, 0.7]]))
    made = transformed(
        labels, [(own.transform, dict(method.transforms)["own"])], Given("abc", generator(0), shared=True)
    )
    assert made.labels.ids == ("a", "c")

    logits_BK, targets_BK = torch.tensor([[2.0, 0.0], [2.0, 0.0]]), torch.tensor(made.labels.dense())
    aim_BK = own.target(logits_BK, targets_BK, Moment(0.1, shared=True), **method.loss_options)
    torch.testing.assert_close(aim_BK, torch.tensor([[0.925, 0.075], [0.3, 0.7]]))


def test_reading_the_documented_method_takes_no_torch(own_file):
    code = f"import sys; from outgrow.methods import find_method; find_method({own_file(documented())!r})"
    subprocess.run([sys.executable, "-c", code + "; assert 'torch' not in sys.modules"], check=True)


PLAIN = "from outgrow.methods import Method\n\nMETHOD = Method('mine', 'About.', 'me'{})\n"


def test_a_method_of_ones_own_may_be_data_alone(own_file):
    path = own_file(PLAIN.format(", loss='reverse-kl', transforms=(('sharpen', {'power': 2.0}),)"))
    assert find_method(path) == Method(
        "mine", "About.", "me", loss="reverse-kl", transforms=(("sharpen", {"power": 2.0}),), module=path
    )
    assert own_module(path, sha256(path)).transform is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", "mine.py defines no METHOD"),
        ("x = 1\n\nMETHOD = 'naive'\n", "mine.py, line 3: METHOD is a str"),
        ("METHOD: dict = {}\n", "mine.py, line 1: METHOD is a dict"),
        ("x = 1\ny = (\n", r"mine.py, line 2: '\(' was never closed"),
        ("\x00", "mine.py"),
        ("x = 1\nimport no_such_module\n", "mine.py, line 2: ModuleNotFoundError: No module named 'no_such_module'"),
        ("from outgrow.methods import Method\nMETHOD = Method(nam='x')\n", "mine.py, line 2: TypeError"),
        (PLAIN.format("").replace("mine", "confidence"), "line 3: there is a built-in method 'confidence'"),
        (PLAIN.format(", labels='softt'"), "line 3: labels is 'softt': choose one of 'soft', 'hard'"),
        (PLAIN.format(", tuning='probes'"), "tuning is 'probes': choose one of '', 'full'"),
        (PLAIN.format(", loss='confidense'"), "there is no loss 'confidense': choose 'own' or one of cross-entropy"),
        (PLAIN.format(", loss='own'"), "line 3: loss='own' and a function rows or target belong together"),
        (PLAIN.format("") + "def rows(*a, **o): ...\n", "loss='own' and a function rows or target belong together"),
        (PLAIN.format(", transforms=(('own', {}),)"), "'own' and a function transform belong together"),
        (PLAIN.format(", transforms=(('knn', {}),)"), "there is no label transform 'knn'"),
        (PLAIN.format(", requires=('feature',)"), "there is no requirement 'feature': choose from shared-options"),
        (PLAIN.format(", control='naiv'"), "control is 'naiv'"),
        (PLAIN.format(", training={'weight_deca': 0.1}"), r"training\.weight_deca: Extra inputs"),
        (PLAIN.format(", training={'ema': 2}"), r"training\.ema: Input should be less than 1"),
        (
            PLAIN.format(", transforms=(('sharpen', {'pow': 2}),)"),
            "the transform 'sharpen' cannot be called .* 'power'",
        ),
        (
            PLAIN.format(", loss='own'") + "def rows(a, b, c, *, x, **_): ...\n",
            "rows cannot be called .* argument: 'x'",
        ),
    ],
)
def test_a_method_file_that_is_wrong_is_refused_with_its_name_and_line(own_file, text, message):
    with pytest.raises(UsageError, match=message):
        find_method(own_file(text))


def test_a_method_file_that_is_not_there_is_refused():
    with pytest.raises(UsageError, match=r"no method file .*nowhere\.py"):
        find_method("nowhere.py")


def test_a_worker_refuses_a_file_that_changed_since_planning(own_file):
    path = own_file(PLAIN.format(""))
    planned = sha256(path)
    own_file(PLAIN.format("") + "# a thought\n")
    with pytest.raises(StepError, match="has changed since the study was planned"):
        own_module(path, planned)
    Path(path).unlink()
    with pytest.raises(StepError, match="not there any more"):
        own_module(path, planned)


def test_a_transform_of_ones_own_that_sees_truth_says_so(own_file):
    text = PLAIN.format(", transforms=(('own', {'share': 0.2}),)")
    text += "SEES_TRUTH = 'chose {share:.0%} of its rows by truth'\ndef transform(labels, given, *, share): ...\n"
    path = own_file(text)
    own = own_module(path, sha256(path))
    assert own.transform.sees_truth
    assert own.told == ("chose 20% of its rows by truth",)
