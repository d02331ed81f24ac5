"""Patterns of names: `*` stands for any text, `/` and nothing too; every other letter for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Patterns:
    """Names that any of several patterns matches as a whole. None matches all names, no pattern at all none.

    The texts between the stars are looked for from left to right, each where it stands first: no pattern can make this
    slow, as it can where a regular expression goes back and tries again.
    """

    __slots__ = ("_all", "_exact", "_starred")

    def __init__(self, patterns: Iterable[str] | None) -> None:
        written = ["*"] if patterns is None else list(patterns)
        self._all = "*" in written
        self._exact = frozenset(pattern for pattern in written if "*" not in pattern)
        self._starred = [_Starred(pattern) for pattern in written if "*" in pattern]

    def match(self, name: str) -> bool:
        """Tell whether a name is matched."""
        return self._all or name in self._exact or any(pattern.matches(name) for pattern in self._starred)


class _Starred:
    """A pattern with at least one star."""

    __slots__ = ("_between", "_first", "_last")

    def __init__(self, pattern: str) -> None:
        self._first, *between, self._last = pattern.split("*")
        self._between = [text for text in between if text]

    def matches(self, name: str) -> bool:
        end = len(name) - len(self._last)
        at = len(self._first)
        if at > end or not name.startswith(self._first) or not name.endswith(self._last):
            return False
        for text in self._between:
            found = name.find(text, at, end)
            if found < 0:
                return False
            at = found + len(text)
        return True
