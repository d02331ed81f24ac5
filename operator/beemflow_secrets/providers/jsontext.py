"""JSON whose numbers keep the backend's spelling: 1.10 stays 1.10, and forty digits stay forty digits."""

from __future__ import annotations

import json
from collections.abc import Mapping

from beemflow_secrets.providers.errors import Invalid


class Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


def loads(text: str | bytes) -> object:
    """Parse JSON. Numbers become `Number`. Raises ValueError for what is not JSON or is nested too deep."""
    try:
        return json.loads(text, parse_float=Number, parse_int=Number, parse_constant=_refuse)
    except RecursionError:
        msg = "nested too deep"
        raise ValueError(msg) from None


def document(text: str) -> object:
    """Parse JSON that somebody wrote, numbers as int and float. Raises Invalid that says where and quotes nothing."""
    try:
        found: object = json.loads(text)
        json.dumps(found, ensure_ascii=False).encode()
    except RecursionError:
        raise Invalid("it is nested too deep") from None
    except json.JSONDecodeError as error:
        raise Invalid(f"it is not JSON (line {error.lineno}, column {error.colno})") from None
    except UnicodeEncodeError:
        raise Invalid("it holds half a letter: an escape of \\ud800 to \\udfff, which come in pairs") from None
    except ValueError:
        raise Invalid("a number in it has too many digits; put it in quotes") from None
    return found


def _refuse(name: str) -> object:
    msg = f"{name} is not JSON"
    raise ValueError(msg)


def compact(value: object) -> str:
    """Write as JSON without blanks, letters beyond ASCII as they are, a `Number` as it was written."""
    match value:
        case Mapping():
            return "{" + ",".join(f"{_quote(str(name))}:{compact(item)}" for name, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(map(compact, value)) + "]"
        case Number():
            return str(value)
        case bytes():
            return _quote(value.decode(errors="replace"))
        case str():
            return _quote(value)
        case _:
            return json.dumps(value)


def as_bytes(value: object) -> bytes:
    """Return the bytes of one field: text and bytes as they are, everything else as compact JSON.

    Raises Invalid for what cannot be written: JSON that is nested too deep, text with half a surrogate pair.
    """
    if isinstance(value, bytes):
        return value
    # What a backend answers is not ours to trust. `from None`: the frames and the encoding error hold the value.
    try:
        return (value if isinstance(value, str) else compact(value)).encode()
    except RecursionError:
        raise Invalid("the value is nested too deep") from None
    except UnicodeEncodeError:
        raise Invalid("the value is no valid text") from None


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
