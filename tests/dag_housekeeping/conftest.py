import sys
from pathlib import Path

import pytest

from outgrow.dag.store import Store

sys.path.append(str(Path(__file__).parent / "parts"))


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")
