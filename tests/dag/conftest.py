import sys
from pathlib import Path

import pytest

FAKES = Path(__file__).parent / "fakes"
sys.path.append(str(FAKES))  # workers get this process's path, so a fake step has the same dotted name everywhere


@pytest.fixture
def calls(tmp_path):
    """Return the folder in which fake steps count their calls."""
    folder = tmp_path / "calls"
    folder.mkdir()
    return folder
