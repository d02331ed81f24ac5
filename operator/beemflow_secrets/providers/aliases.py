"""Fields that go by more than one name, as those of a 1Password item: `label`, and `section.label`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from beemflow_secrets.providers.errors import Invalid


class Aliased(Mapping[str, object]):
    """A map of fields. `aliases` leads from further names to a field's own, which alone is listed and counted.

    To ask for one that leads to None is Invalid: several fields go by it. A field of exactly the name wins.
    """

    __slots__ = ("_fields", "aliases")

    def __init__(self, fields: Mapping[str, object], aliases: Mapping[str, str | None]) -> None:
        self._fields = dict(fields)
        self.aliases = dict(aliases)

    def __getitem__(self, name: str) -> object:
        if name not in self._fields and name in self.aliases:
            own = self.aliases[name]
            if own is None:
                raise Invalid(f"several fields are called {name!r}: name the section too, as section.{name}")
            name = own
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return "***"
