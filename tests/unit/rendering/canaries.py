"""Values of many shapes that nothing may show, and how they are found in what was shown."""

from __future__ import annotations

from traceback import format_exception
from typing import TYPE_CHECKING

from beemflow_secrets.telemetry.logs import where

if TYPE_CHECKING:
    from collections.abc import Mapping

LENGTH = 6
"""Characters of a value that tell of it."""

HIDDEN: Mapping[str, bytes] = {
    "text": b"Kanarievogel-71f0",
    "number": b"4815162342",
    "fraction": b"31415.926535",
    "digits": b"7" * 4000 + b"271828",
    "hexadecimal": b"0xdeadbeef" + b"5ca1ab1e" * 2000,
    "json": b'{"c d": "munten-99", "list": [161803, "schatkist"], "a": {"b": "ringetje"}, "1": 577215.66}',
    "binary": b"\xff\xfe\x80sijsje-zingt\xe9\xff",
    "pem": b"-----BEGIN SIJS-----\nVmlua2VudG91dw==\n-----END SIJS-----\n",
    "name": b"wachtwoordje",
    "dotted": b"spreeuw.merel.lijster",
    "format": b"%(geheimpje)s %(zanglijster)d {0.geheimenis} %d",
    "regex": b"(?P<winterkoning>[a-z]{6,}",
    "template": b"{{ roodborst }}{% if koolmees %}",
    "map": b"a: pimpelmees\n'b c': goudvink\nputter: [heggenmus]\n",
    "key": b"boomklever/appelvink#kruisbek",
    "encoded": b"Z3JvZW5saW5nZW4=",
    "escape": rb"\x6b\u0077artel\N{koning} tjiftjaf",
    "large": b"Grootgeheim " * 87_381,
    "empty": b"",
}

_PUBLIC = ("-----begin ", "-----end ", '"list": ')
"""What stands in many texts."""


def _windows(text: str) -> set[str]:
    return {text[at : at + LENGTH] for at in range(len(text) - LENGTH + 1)}


_SOUGHT: dict[str, str] = {
    window: name
    for name, raw in HIDDEN.items()
    for text in (raw[:20_000].decode("utf-8", "replace").casefold(),)
    for window in _windows(text) | _windows(text[::-1])
    if not any(window in public for public in _PUBLIC)
}


def shown_in(text: str) -> str | None:
    """Return what a text shows of a value, None where it shows none: neither forwards nor backwards, in any case."""
    folded = text.casefold()
    for at in range(len(folded) - LENGTH + 1):
        if (name := _SOUGHT.get(folded[at : at + LENGTH])) is not None:
            return f"{name}: {folded[at : at + LENGTH]}"
    return None


def told_by(error: BaseException) -> str:
    """Return all that can be had of an error: texts, arguments, the traceback with its causes, what logs tell."""
    parts = [str(error), repr(error), repr(error.args), *format_exception(error), *where(error)]
    cause = error.__cause__
    while cause is not None:
        parts += [str(cause), repr(cause), repr(cause.args)]
        cause = cause.__cause__
    return "\n".join(parts)
