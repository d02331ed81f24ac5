"""A manifest of another operator, read so that nothing of it is lost in silence.

Whoever turns a manifest takes the fields that it knows out of it. What nobody has taken is told at the end: a field
that is new to this program cannot be dropped without a word.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from beemflow_secrets.model.explain import json_type

NO_COUNTERPART = "has no counterpart here"


class Loss(NamedTuple):
    """What does not go over, of which object, and what that means."""

    object: str
    path: str
    text: str

    def __str__(self) -> str:
        line = f"{self.object}: {self.path}: {self.text}" if self.path else f"{self.object}: {self.text}"
        # A name that a person made up may hold anything: it stays one line.
        return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in line)


class Broken(ValueError):
    """A manifest that cannot be read. The message holds no value."""


class Fields:
    """One object of a manifest, and which of its fields nobody has taken yet.

    `path` is where it stands, `told` where losses go: all parts of one manifest share it.
    """

    def __init__(self, written: object, of: str, path: str, told: list[Loss]) -> None:
        if not isinstance(written, Mapping):
            raise Broken(f"{of}: {path}: must be an object (got {json_type(written)})")
        self.of = of
        self.path = path
        self.told = told
        self._left = dict(written)
        self._parts: list[Fields] = []

    def __contains__(self, name: str) -> bool:
        return self._left.get(name) is not None

    @property
    def names(self) -> list[str]:
        """The fields that are left."""
        return [name for name, value in self._left.items() if value is not None]

    def where(self, name: str) -> str:
        """Return the path of a field."""
        return f"{self.path}.{name}" if self.path else name

    def take(self, name: str) -> object:
        """Return what a field holds as it is written, None where it is left out."""
        return self._left.pop(name, None)

    def text(self, name: str) -> str | None:
        """Return a field's text, None where it is left out or empty. Raises Broken for what is no text."""
        value = self.take(name)
        if value is not None and not isinstance(value, str):
            raise Broken(f"{self.of}: {self.where(name)}: must be a string (got {json_type(value)})")
        return value or None

    def must(self, name: str) -> str:
        """Return a text that has to be there. Raises Broken where it is left out or empty."""
        value = self.text(name)
        if value is None:
            raise Broken(f"{self.of}: {self.where(name)}: is missing: is the file whole?")
        return value

    def flag(self, name: str) -> bool:
        """Return whether a field is true; False where it is left out. Raises Broken for what is no JSON, as `yes`."""
        value = self.take(name)
        if value is not None and not isinstance(value, bool):
            raise Broken(f"{self.of}: {self.where(name)}: must be true or false (got {json_type(value)})")
        return value is True

    def number(self, name: str) -> int | None:
        """Return a whole number, None where it is left out. Raises Broken."""
        value = self.take(name)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise Broken(f"{self.of}: {self.where(name)}: must be a whole number (got {json_type(value)})")
        return value

    def part(self, name: str) -> Fields:
        """Return the object that a field holds; one without fields where it is left out. Raises Broken."""
        return self._sub(name, {} if (value := self.take(name)) is None else value)

    def parts(self, name: str) -> list[Fields]:
        """Return the objects of a list. Raises Broken."""
        return [self._sub(f"{name}[{at}]", item) for at, item in enumerate(self.items(name))]

    def items(self, name: str) -> list[object]:
        """Return the items of a list, none where it is left out. Raises Broken."""
        value = self.take(name)
        if value is not None and not isinstance(value, list):
            raise Broken(f"{self.of}: {self.where(name)}: must be a list (got {json_type(value)})")
        return value or []

    def texts(self, name: str) -> dict[str, str]:
        """Return a map of texts, an empty one where it is left out. Raises Broken."""
        part = self.part(name)
        return {key: part.text(key) or "" for key in list(part.names)}

    def holding(self, name: str, value: object) -> Fields:
        """Return fields that stand beside these, of which one holds a value: an item of a list has no field."""
        made = Fields({name: value}, self.of, self.path, self.told)
        self._parts.append(made)
        return made

    def default(self, name: str, *same: object, why: str = NO_COUNTERPART) -> bool:
        """Take a field that there is no counterpart of. It is told unless it says what happens here anyway.

        Returns whether it was told.
        """
        value = self.take(name)
        if value is None or value in same:
            return False
        self.lose(name, why)
        return True

    def lose(self, name: str, why: str = NO_COUNTERPART) -> None:
        """Tell that a field does not go over, and take it."""
        self._left.pop(name, None)
        self.told.append(Loss(self.of, self.where(name), why))

    def finish(self) -> None:
        """Tell what nobody has taken, here and in all parts."""
        for name in self.names:
            if self._left[name] not in ([], ""):  # which say nothing; what is there, and empty, may
                self.lose(name)
        for part in self._parts:
            part.finish()

    def _sub(self, name: str, value: object) -> Fields:
        made = Fields(value, self.of, self.where(name), self.told)
        self._parts.append(made)
        return made


def compact(**fields: object) -> dict[str, object]:
    """Return the fields that hold something, by the name that resources give them. False is the default of each."""
    return {name.rstrip("_"): value for name, value in fields.items() if value not in (None, {}, [], False, "")}
