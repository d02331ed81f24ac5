"""Regular expressions that users write: RE2's, which match in time proportional to the text, whatever they are.

No pydantic here: templates and rewrites that cost much run in a process of their own, which is to start quickly.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import re2

LONGEST = 1024
"""Characters of an expression."""

MEMORY = 1024 * 1024
"""Bytes that an expression may take. RE2 allows 8 MiB by itself, with which one name could take a tenth of a second."""


_ESCAPES = re.compile(r"\\Q.*?(?:\\E|\Z)|\\.", re.DOTALL)


def checked(text: str) -> str:
    """Return an expression. Raises ValueError that says what is wrong with it."""
    if r"\C" in _ESCAPES.findall(text):
        # A byte, which may be a part of a character: RE2 alone has it, Go's has not.
        raise ValueError(r"is not an RE2 expression: invalid escape sequence: \C")
    try:
        compiled(text)
    except re2.error as error:
        said = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else error
        raise ValueError(f"is not an RE2 expression: {said}") from None
    return text


def compiled(text: str) -> Any:  # noqa: ANN401 - re2 has no types
    """Compile an expression; re2 keeps those that were compiled lately. Raises re2.error."""
    return re2.compile(text, _options())


@cache
def _options() -> Any:  # noqa: ANN401 - as above
    options = re2.Options()
    options.log_errors = False  # it would write to stderr, past our logs
    options.max_mem = MEMORY
    return options
