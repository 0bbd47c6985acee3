"""The tiny models of every family that the tests of models are made with."""

import importlib.util
from pathlib import Path

path = Path(__file__).parents[1] / "models" / "conftest.py"
spec = importlib.util.spec_from_file_location("tiny_families", path)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
families = module.families
