"""JSON that Postgres can store: no NUL, no half of a surrogate pair, no NaN."""

import math
from typing import Any

REPLACEMENT = "\ufffd"


def is_storable(text: str) -> bool:
    """Whether it has neither a NUL nor half of a surrogate pair."""
    if "\0" in text:
        return False
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def storable(value: Any) -> Any:
    """The same JSON with U+FFFD in place of what is no text, and a word in place of what is no number."""
    if isinstance(value, str):
        return value if is_storable(value) else "".join(REPLACEMENT if not is_storable(each) else each for each in value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {storable(key): storable(each) for key, each in value.items()}
    if isinstance(value, list):
        return [storable(each) for each in value]
    return value


def unstorable(value: Any, path: str = "") -> str | None:
    """Where in some JSON the first thing is that cannot be stored, as a dotted path; None if all can be."""
    if isinstance(value, dict):
        for key, each in value.items():
            inner = f"{path}.{key}" if path else str(key)
            if not is_storable(key):
                return storable(inner)  # type: ignore[no-any-return]
            if (found := unstorable(each, inner)) is not None:
                return found
    elif isinstance(value, list):
        for index, each in enumerate(value):
            if (found := unstorable(each, f"{path}.{index}" if path else str(index))) is not None:
                return found
    elif storable(value) != value:
        return path
    return None
