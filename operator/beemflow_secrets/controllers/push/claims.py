"""Who writes which key: two that write one would undo each other's work for ever, so the first keeps it. Pure.

What a status tells was written is held from the start, so that a restart changes nothing; the rest by who asks first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from beemflow_secrets.controllers.objects import Key
    from beemflow_secrets.controllers.push.places import Place

    _Name = tuple[Key, str]


class Claims:
    """The holders of all places. `compared` returns by what a backend tells keys apart: a_b may be a-b there."""

    def __init__(self, compared: Callable[[Key, str], str]) -> None:
        self._compared = compared
        self._holders: dict[_Name, dict[str | None, Key]] = {}
        self._held: dict[Key, dict[Place, _Name]] = {}

    def take(self, who: Key, places: Iterable[Place]) -> dict[Place, Key]:
        """Hold places; return those that others hold, and who does."""
        refused: dict[Place, Key] = {}
        own = self._held.setdefault(who, {})
        for place in places:
            name = (place.store, self._compared(place.store, place.key))
            holders = self._holders.setdefault(name, {})
            others = [holder for holder in _meeting(holders, place.property) if holder != who]
            if others:
                refused[place] = others[0]
            else:
                holders[place.property] = who
                own[place] = name
        return refused

    def keep(self, who: Key, places: Iterable[Place] = ()) -> bool:
        """Let go of all places but these. True where that freed one."""
        own = self._held.pop(who, {})
        kept = {place: own[place] for place in places if place in own}
        if kept:
            self._held[who] = kept
        # Two places may have one name, of which one may be kept.
        freed = _named(own) - _named(kept)
        for name, part in freed:
            holders = self._holders[name]
            del holders[part]
            if not holders:
                del self._holders[name]
        return bool(freed)


def _named(held: Mapping[Place, _Name]) -> set[tuple[_Name, str | None]]:
    return {(name, place.property) for place, name in held.items()}


def _meeting(holders: dict[str | None, Key], part: str | None) -> list[Key]:
    """Return who holds what a part of a key meets: the same part, or the whole; the whole meets all."""
    return list(holders.values()) if part is None else [holders[held] for held in (None, part) if held in holders]
