import os

import pytest

from outgrow.chess.engine import Engine, EngineMissingError, find_stockfish


@pytest.fixture
def engine():
    """Return an engine; skip where Stockfish is missing, fail there if CI=true."""
    try:
        find_stockfish()
    except EngineMissingError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))
    with Engine(hash_mb=1) as running:
        yield running
