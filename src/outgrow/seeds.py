"""Independent random generators from (seed, purpose, id). No global generator is ever touched."""

import hashlib

import numpy as np


def derive(seed: int, *purpose: str | int) -> int:
    """Return a 63-bit integer that depends on the seed and the whole purpose, and on nothing else."""
    text = "\x1f".join([str(seed), *map(str, purpose)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """Return a numpy generator that belongs to this seed and purpose alone."""
    return np.random.Generator(np.random.PCG64(derive(seed, *purpose)))
