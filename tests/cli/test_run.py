import json
import os
import subprocess
import sys
import types

import pytest

from outgrow.api import DEFAULT_STORE
from outgrow.cli import app, call, running
from outgrow.dag.scheduler import Summary
from outgrow.dag.work import Outcome
from outgrow.errors import StepError

HEAVY = ("torch", "transformers", "pandas", "datasets")


@pytest.fixture
def finished(study, store, fill):
    """Return the options of a study whose every step is in the store."""
    fill()
    return [study, "--store", store.root]


def test_a_finished_study_is_shown_from_the_store_alone(outgrow, finished, monkeypatch):
    monkeypatch.setattr("outgrow.dag.journal.run_graph", None)
    code, out, err = outgrow("run", *finished)
    assert code == 0
    assert err == ""
    assert "all 52 steps were cached" in out
    assert str(finished[-1]) in out
    for figure in ("weak 50.0", "zero-shot 30.0", "ceiling 80.0", "65.0", "+15.0"):
        assert figure in out


def test_every_line_fits_eighty_columns_but_the_ones_to_copy(outgrow, finished):
    _, out, _ = outgrow("run", *finished)
    lines = [line for line in out.splitlines() if not line.startswith(("Results:", "Again:", "Report:"))]
    assert max(map(len, lines)) <= 80


def test_no_colour_where_none_is_wanted(outgrow, finished, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    _, out, _ = outgrow("run", *finished)
    assert "\033" not in out


def test_json_holds_everything_and_nothing_else_is_on_stdout(outgrow, finished):
    code, out, _ = outgrow("run", *finished, "--json")
    told = json.loads(out)
    assert code == 0
    assert told["steps"] == {"total": 52, "cached": 52, "built": 0, "failed": 0, "skipped": 0}
    assert [row["method"] for row in told["comparisons"]].count("bootstrapping-control-hard") == 1
    assert told["comparisons"][0]["weak"] == 0.5
    assert told["notes"]
    assert told["failures"] == []


def test_a_cached_run_imports_no_torch_and_no_pandas(finished, ladder):
    program = (
        "import pathlib, sys\n"
        "from outgrow.models import catalog\n"
        f"catalog.LADDERS = pathlib.Path({str(ladder)!r})\n"
        "from outgrow.cli import call\n"
        f"code = call({['run', *map(str, finished)]!r})\n"
        f"found = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "sys.exit(code or ','.join(found) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "cached" in done.stdout


def test_help_imports_nothing_heavy():
    program = (
        "import sys\n"
        "from outgrow.cli import call\n"
        "call(['--help'])\n"
        "heavy = ('torch', 'numpy', 'scipy', 'pydantic', 'rich', 'yaml', 'pyarrow', 'chess')\n"
        "sys.exit(','.join(name for name in heavy if name in sys.modules) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "ladder" in done.stdout


def test_the_store_is_where_python_looks_for_it():
    assert str(app.STORE) == os.path.normpath(DEFAULT_STORE)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["run", "ches-quick"], "did you mean chess-quick"),
        (["run", "no-such-file.yaml"], "no-such-file.yaml"),
        (["run", "chess-quick", "--set", "rows"], "a.b=value"),
        (["run", "chess-quick", "--set", "rows.tst=5"], "did you mean test"),
        (["run", "chess-quick", "--set", "rows.test=many"], "rows.test"),
        (["run", "chess-quick", "--jobs", "0"], "--jobs"),
        (["run", "--no-such-option"], "--no-such-option"),
        (["no-such-command"], "no-such-command"),
        (["plan", "chess-quick", "--set", "comparisons.0.task=chess-puzzel"], "did you mean chess-puzzle"),
        (["status", "ches"], "did you mean chess"),
        (["ladder", "go"], "unknown ladder 'go'"),
    ],
)
def test_a_wrong_command_line_is_one_message_with_the_remedy(outgrow, ladder, arguments, hint):
    code, out, err = outgrow(*arguments)
    assert code == 2
    assert out == ""
    assert err.startswith("error: ")
    assert hint in err
    assert "Traceback" not in err
    assert len(err.splitlines()) == 1


def test_debug_shows_the_traceback_of_a_wrong_command_line(outgrow):
    code, _, err = outgrow("run", "ches-quick", "--debug")
    assert code == 2
    assert "Traceback" in err
    assert err.rstrip().splitlines()[-1].startswith("error: ")


def test_what_nobody_foresaw_is_called_a_bug(outgrow, monkeypatch):
    def broken(*arguments):
        raise ZeroDivisionError("nobody foresaw this")

    monkeypatch.setattr(running, "plan_of", broken)
    code, _, err = outgrow("run")
    assert code == 1
    assert "nobody foresaw this" in err
    assert "--debug" in err
    assert "Traceback" not in err


@pytest.fixture
def failing(monkeypatch, study, store, fill):
    """Make the run of a study, of which all but one student is there, end with that one failed."""
    fill(skip=lambda step: step.title.startswith("confidence") and step.title.endswith("seed 1"))

    def run_logged(targets, *, before, **options):
        key = next(key for key, status in before.status.items() if status == "waiting")
        log = 'Traceback:\n  File "somewhere.py", line 7, in train\nStepError: the loss is not finite'
        outcome = Outcome(key, "failed", 1.0, "StepError: the loss is not finite: lower training.lr", log)
        return Summary(before.steps, before.status | {key: "failed"}, {key: outcome})

    monkeypatch.setattr(running, "run_logged", run_logged)
    return [study, "--store", store.root]


def test_a_failed_step_is_told_after_the_table_of_the_rest(outgrow, failing):
    code, out, err = outgrow("run", *failing)
    assert code == 1
    assert "2 of 3 seeds" in out
    assert "failed: confidence middle, chess-blunder, seed 1" in err
    assert "  the loss is not finite: lower training.lr" in err
    assert "1 of 52 steps failed: 0 built, 51 cached, 1 failed, 0 skipped" in err
    assert "somewhere.py" not in err


def test_debug_shows_the_log_of_a_failed_step(outgrow, failing):
    _, _, err = outgrow("run", *failing, "--debug")
    assert "somewhere.py" in err


def test_json_tells_failures_too(outgrow, failing):
    code, out, _ = outgrow("run", *failing, "--json")
    assert code == 1
    assert [each["title"] for each in json.loads(out)["failures"]] == ["confidence middle, chess-blunder, seed 1"]


def test_ctrl_c_says_what_is_kept(outgrow, study, store, monkeypatch, fill):
    def interrupted(targets, **options):
        raise KeyboardInterrupt

    fill(skip=lambda step: step.title.startswith("confidence"))
    monkeypatch.setattr(running, "run_logged", interrupted)
    code, out, err = outgrow("run", study, "--store", store.root)
    assert code == 130
    assert out == ""
    assert "49 of 52 steps are finished and kept" in err


@pytest.fixture
def zero_shot_step(monkeypatch):
    """Return a module in the place of the step `zero_shot`, whose function a test may set."""
    module = types.ModuleType("outgrow.steps.zero_shot")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


def test_a_run_builds_what_is_missing_with_a_plain_line_a_step_on_stderr(outgrow, study, store, fill, zero_shot_step):
    plan = fill(skip=lambda step: step.kind == "zero_shot")
    done = {step.title: step for cell in plan.cells for step in (cell.result,)}
    test = store.get(next(iter(done.values())).key).outputs["test"]
    zero_shot_step.zero_shot = lambda context: {"test": test}
    code, out, err = outgrow("run", study, "--store", store.root, "--jobs", "1", "--plain")
    assert code == 0, err
    assert "[51/52] zero-shot middle, chess-puzzle" in err
    assert "[52/52] zero-shot large, chess-puzzle" in err
    assert "2 steps built" in out
    assert "50 cached" in out
    _, out, _ = outgrow("run", study, "--store", store.root)
    assert "all 52 steps were cached" in out


def test_a_step_that_fails_spares_the_rest(outgrow, study, store, fill, zero_shot_step):
    def fails(context):
        raise StepError("the head is too small: use a larger hat")

    fill(skip=lambda step: step.kind == "zero_shot")
    zero_shot_step.zero_shot = fails
    code, out, err = outgrow("run", study, "--store", store.root, "--jobs", "1")
    assert code == 1
    assert "failed: zero-shot middle, chess-puzzle\n  the head is too small: use a larger hat\n" in err
    assert "2 of 52 steps failed" in err
    assert "chess-blunder" in out
    assert "chess-puzzle  400 test rows" not in out


def test_output_that_nobody_reads_any_more_is_no_error(finished):
    done = subprocess.run(
        f"{sys.executable} -c 'from outgrow.cli import main; main()' methods | true",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Error" not in done.stderr


def test_no_command_shows_the_help(capsys):
    assert call([]) == 0
    assert "Commands:" in capsys.readouterr().out
