"""Data as text that may stand inside an HTML page: escaped JSON, and compressed JSON or script in base64."""

import base64
import gzip
import json
import math
from typing import Any

ESCAPED = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}
"""No tag can end, and no comment begin, in a script element that has none of these."""


def as_json(value: Any) -> str:
    """Return the value as JSON that may stand inside a script element; a number that is not finite becomes null."""
    text = json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(ESCAPED)


def packed(value: Any) -> str:
    """Return the value's JSON, compressed, in base64; the same value gives the same text."""
    return packed_text(json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, separators=(",", ":")))


def packed_text(text: str) -> str:
    """Return a text, compressed, in base64."""
    return base64.b64encode(gzip.compress(text.encode(errors="surrogatepass"), 9, mtime=0)).decode()


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, (list, tuple)) else value
