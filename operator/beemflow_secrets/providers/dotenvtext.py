"""Dotenv files: quotes, escapes, `export`, comments and lines that go on, as python-dotenv reads them.

Values are taken as they are written: `${OTHER}` in one is text. A password may hold it, in single quotes too, where
a shell would leave it alone.
"""

from __future__ import annotations

from io import StringIO

from dotenv.parser import parse_stream


def loads(text: str) -> dict[str, str]:
    """Return the variables; of two of one name the last. One without `=` is none.

    Raises ValueError that names the line and quotes nothing.
    """
    found: dict[str, str] = {}
    for binding in parse_stream(StringIO(text)):
        if binding.error:
            raise ValueError(f"it is not dotenv (line {binding.original.line})")
        if binding.key is not None and binding.value is not None:
            found[binding.key] = binding.value
    return found
