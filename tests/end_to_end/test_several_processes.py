"""Each model shared by two processes over gloo, as `--gpus 2` does it: the same numbers, one error, nothing left."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from outgrow.api import run_plan
from outgrow.dag.scheduler import run_graph
from outgrow.dag.store import Store
from outgrow.dag.work import Context, Runtime
from outgrow.errors import StepError, UsageError
from outgrow.plan import make_plan
from outgrow.results import Results
from outgrow.steps.launch import WORK

pytestmark = pytest.mark.slow
PARTS = Path(__file__).parent / "parts"
sys.path.append(str(PARTS))  # processes get this process's path

import launched  # noqa: E402


def finished(study, store, **runtime):
    plan = make_plan(study)
    summary = run_plan(plan, store=store, **runtime)
    assert summary.ok, [failure.log for failure in summary.failures.values()]
    return Results(plan, store)


def same(one, other, *, loss=1e-4):
    """Compare what two records say of one step."""
    np.testing.assert_allclose(one["loss"], other["loss"], atol=loss)
    for name in ("accuracy", "log_loss"):
        assert one["test"][name] == pytest.approx(other["test"][name], abs=loss)
    assert one["validation_agreement"] == pytest.approx(other["validation_agreement"])


def test_a_study_in_two_processes_gives_the_numbers_of_one(text_study, tmp_path):
    study = text_study(
        methods=("confidence",),
        supervisors=("llama-12",),
        rows={"supervisor_validation": 16, "student_validation": 16},
        training={"stop": "weak", "checks": 2, "ema": 0.5, "checkpointing": True},
        keep_students=True,
    )
    alone, two = Store(tmp_path / "alone"), Store(tmp_path / "two")
    finished(study, alone)
    results = finished(study, two, gpus=2)
    compared, kept = 0, 0
    for key in alone.finished_keys():
        one, other = alone.get(key), two.get(key)
        assert one.record["files"].keys() == other.record["files"].keys()
        if "finetune" not in one.record["function"]:
            continue
        same(one.outputs, other.outputs)
        assert "processes" not in one.outputs
        assert other.outputs["processes"] == 2
        compared += 1
        if not one.has("weights.safetensors"):  # a ceiling's are not kept
            continue
        kept += 1
        whole = sum(each.size for each in load_file(one.path("weights.safetensors")).values())
        assert all(0.3 * whole < each < 0.7 * whole for each in other.outputs["parameters_held"])
        mine, theirs = (load_file(each.path("weights.safetensors")) for each in (one, other))
        assert mine.keys() == theirs.keys()
        for name in mine:
            np.testing.assert_allclose(mine[name], theirs[name], atol=1e-3, err_msg=name)
    assert (compared, kept) == (3, 2)
    assert len(results.comparisons) == 1
    assert list((two.root / "scratch").iterdir()) == []


def test_language_first_and_text_pairs_by_their_log_probability(text_study, tmp_path):
    study = text_study(
        "hh_rlhf", methods=("generative-all",), supervisors=("llama-12",), training={"head": "completion", "epochs": 1}
    )
    plan = make_plan(study)
    target = [plan.cells[0].weak]
    alone, two = Store(tmp_path / "alone"), Store(tmp_path / "two")
    for store, gpus in ((alone, 1), (two, 2)):
        summary = run_graph(target, store=store, runtime=Runtime(gpus=gpus))
        assert summary.ok, [failure.log for failure in summary.failures.values()]
    key = target[0].key
    same(alone.get(key).outputs, two.get(key).outputs)
    (language,) = (each.key for each in target[0].inputs.values() if each.kind == "generative")
    one, other = (store.get(language).outputs for store in (alone, two))
    np.testing.assert_allclose(one["loss"], other["loss"], atol=1e-4)
    assert other["processes"] == 2


def context_of(folder, **spec):
    folder.mkdir()
    return Context(spec, {}, folder, Runtime(gpus=2))


def test_what_the_first_process_leaves_is_the_steps(tmp_path):
    told = []
    context = context_of(tmp_path / "step", fails=None)
    context = Context(context.spec, {}, context.folder, context.runtime, lambda *report: told.append(report))
    assert launched.step(context) == {"rank": 0, "world": 2, "sum": 3}
    assert [path.name for path in context.folder.iterdir()] == ["rank.txt"]
    assert (context.folder / "rank.txt").read_text() == "0"
    assert told[-1] == (3, 3, "things")


@pytest.mark.parametrize(
    ("fails", "expected"),
    [
        ("step error", "^lower it$"),
        ("own error", r"^ValueError: one went wrong \(in process 2 of 2\)$"),
        ("killed", r"process 2 of 2 was ended by SIGKILL \(out of memory"),
    ],
)
def test_one_process_that_fails_gives_one_error_and_ends_the_other(tmp_path, fails, expected):
    context = context_of(tmp_path / "step", fails=fails)
    with pytest.raises(StepError, match=expected):
        launched.step(context)
    wait_until_gone(context.folder)


def test_a_worker_that_is_killed_takes_its_processes_with_it(tmp_path):
    context = context_of(tmp_path / "step", fails="never ends")
    command = [sys.executable, str(PARTS / "launched.py"), str(context.folder)]
    worker = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    pids = processes_of(context.folder)
    worker.kill()
    worker.wait()
    wait_until_gone(context.folder)
    assert len(pids) == 2


def test_ctrl_c_ends_the_processes(tmp_path):
    context = context_of(tmp_path / "step", fails="never ends")

    def interrupt():
        processes_of(context.folder)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        launched.step(context)
    wait_until_gone(context.folder)


def processes_of(folder):
    """Return the numbers of both processes of the step in this folder, as soon as they have told them."""
    for _ in range(1200):
        pids = [int(path.read_text()) for path in folder.glob(f"{WORK}/*/files/pid") if path.read_text()]
        if len(pids) == 2:
            return pids
        time.sleep(0.1)
    raise AssertionError((folder / WORK / "log").read_text())


def wait_until_gone(folder):
    """Wait until no process works on the step in this folder."""
    for _ in range(200):
        commands = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                commands.append(path.read_bytes().decode(errors="replace"))
            except OSError:
                continue
        if not any(str(folder / WORK) in each for each in commands):
            return
        time.sleep(0.1)
    raise AssertionError("processes are left")


@pytest.mark.parametrize("runtime", [{"gpus": 0}, {"gpus": 2, "device": "cuda:1"}])
def test_a_number_of_gpus_that_cannot_be_is_refused(runtime):
    with pytest.raises(UsageError, match="GPUs"):
        Runtime(**runtime)
