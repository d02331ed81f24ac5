"""What is wrong with a template."""

from __future__ import annotations

from typing import Self

from beemflow_secrets.providers.errors import Invalid


class TemplateError(Invalid):
    """A template that does not parse, asks for what is not offered, or cannot be rendered. It shows no value.

    `line` is where, None where that is not known.
    """

    line: int | None = None

    def at(self, line: int) -> Self:
        """Return the error with its line."""
        self.line = line
        return self


class Missing(TemplateError):
    """A name that is not there. The filters `default` and `fallback` act on it, and the test `defined`."""


class TooMuch(TemplateError):
    """A render that needs more than it may."""

    def __init__(self, message: str = "it takes too much time or memory") -> None:
        super().__init__(message)


class Unread(Exception):
    """A key that nobody has read yet: whoever renders reads it, and renders anew."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key
