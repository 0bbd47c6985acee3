"""Two processes over gloo, each with a part of every weight, train as one does: same loss, gradient norm, accuracy."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PART = Path(__file__).parent / "parts" / "sharded_run.py"


def run(folder, out, *, processes, **settings):
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
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
        ("gpt2", {"loss": "cross-entropy", "packed": False, "budget": 10_000, "adapter": {"rank": 2, "alpha": 4.0}}),
    ],
)
def test_two_processes_train_as_one_does(families, tmp_path, name, settings):
    (alone,) = run(families[name], tmp_path / "one", processes=1, **settings)
    first, second = run(families[name], tmp_path / "two", processes=2, **settings)
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
