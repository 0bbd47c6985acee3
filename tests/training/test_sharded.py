"""Two processes over gloo, each with a part of every weight, train as one does: same loss, gradient norm, accuracy."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

PART = Path(__file__).parent / "parts" / "sharded_run.py"


def run_alone(folder, out, monkeypatch, **settings):
    """Return what one process without torchrun tells; the optimizer that it notes with is taken back."""
    spec = importlib.util.spec_from_file_location("sharded_run", PART)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    out.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(torch.optim, "AdamW", torch.optim.AdamW)
        module.main(folder, out, settings)
    return json.loads((out / "0.json").read_text())


def run_in_two(folder, out, **settings):
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += [
        "--master-addr",
        "127.0.0.1",
        "--master-port",
        "0",
        "--rdzv-backend",
        "c10d",
        "--rdzv-endpoint",
        "127.0.0.1:0",
    ]
    out.mkdir()
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [*command, str(PART), str(folder), str(out), json.dumps(settings)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(path.read_text()) for path in sorted(out.glob("*.json"))]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("llama", {"loss": "confidence", "packed": True, "budget": 40}),
        pytest.param(
            "gpt2",
            {"loss": "cross-entropy", "packed": False, "budget": 10_000, "adapter": {"rank": 2, "alpha": 4.0}},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_two_processes_train_as_one_does(families, tmp_path, monkeypatch, name, settings):
    alone = run_alone(families[name], tmp_path / "one", monkeypatch, **settings)
    first, second = run_in_two(families[name], tmp_path / "two", **settings)
    assert (alone["world"], first["world"], second["world"]) == (1, 2, 2)
    assert [first["rank"], second["rank"]] == [0, 1]
    assert alone["held"] == alone["whole"]
    for each in (first, second):  # neither has it all, together they have no more than padding beside it
        assert each["whole"] == alone["whole"]
        assert 0.3 * each["whole"] < each["held"] < 0.7 * each["whole"]
        np.testing.assert_allclose(each["losses"], alone["losses"], rtol=1e-5)
        np.testing.assert_allclose(each["norms"], alone["norms"], rtol=1e-4)
        np.testing.assert_allclose(each["probabilities"], alone["probabilities"], atol=1e-4)
        assert each["accuracy"] == alone["accuracy"]
    assert alone["norms"][0] > 1e-2
    assert first["kept"] == alone["kept"]
    assert second["kept"] == []
