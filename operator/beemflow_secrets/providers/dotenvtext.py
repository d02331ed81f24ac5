"""Dotenv files: quotes, escapes, `export`, comments and lines that go on, as python-dotenv reads them.

Values are taken as they are written: `${OTHER}` in one is text. A password may hold it, in single quotes too, where
a shell would leave it alone. A backslash before `$` in double quotes is taken off, as a shell
does, and dotenvy, by which BeemFlow reads these files.
"""

from __future__ import annotations

import re
from io import StringIO

from dotenv.parser import Binding, decode_escapes, parse_stream

_IN_DOUBLE_QUOTES = re.compile(
    r"""\s*(?:export[^\S\r\n]+)?(?:'[^']+'|[^=\#\s]+)[^\S\r\n]*=[^\S\r\n]*"((?:\\.|[^"\\])*)\"""", re.DOTALL
)
_ESCAPE = re.compile(r"\\.", re.DOTALL)
_KNOWN = re.compile(r"\\[\\'\"abfnrtv]")


def loads(text: str) -> dict[str, str]:
    """Return the variables; of two of one name the last. One without `=` is none.

    Raises ValueError that names the line and quotes nothing.
    """
    found: dict[str, str] = {}
    for binding in parse_stream(StringIO(text)):
        if binding.error:
            raise ValueError(f"it is not dotenv (line {binding.original.line})")
        if binding.key is not None and binding.value is not None:
            found[binding.key] = _value(binding, binding.value)
    return found


def _value(binding: Binding, read: str) -> str:
    """Return what python-dotenv read, but for an escape that it does not know."""
    if "\\$" not in read or not (quoted := _IN_DOUBLE_QUOTES.match(binding.original.string)):
        return read
    return _ESCAPE.sub(lambda one: "$" if one[0] == "\\$" else decode_escapes(_KNOWN, one[0]), quoted[1])
