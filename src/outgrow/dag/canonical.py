"""Canonical JSON and the keys made from it. Knows no machine learning and no file system."""

import hashlib
import math
from collections.abc import Mapping
from json import dumps
from typing import Any, TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


def canonical_json(value: Any) -> str:
    """Return the one JSON text of `value`: sorted keys, no spaces, shortest round-trip floats.

    Only None, bool, int, float, str, list, tuple and str-keyed mappings have one; anything else raises
    TypeError, and so does a float that is not finite: a key must never rest on a `repr`.
    """
    return dumps(_checked(value, "$"), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _checked(value: Any, where: str) -> Json:
    # Exact types: a bool is an int to isinstance, and a numpy float is a float.
    if value is None or type(value) in (bool, int, str):
        return value  # type: ignore[no-any-return]
    if type(value) is float:
        if not math.isfinite(value):
            raise TypeError(f"{where} is {value}: a key cannot be made from a number that is not finite")
        return value
    if type(value) in (list, tuple):
        return [_checked(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, Mapping):
        for key in value:
            if type(key) is not str:
                raise TypeError(f"{where} has the key {key!r} of type {type(key).__name__}: keys must be text")
        return {key: _checked(item, f"{where}.{key}") for key, item in value.items()}
    raise TypeError(f"{where} is of type {type(value).__name__}: a key cannot be made from it")


def digest(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON of `value`, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
