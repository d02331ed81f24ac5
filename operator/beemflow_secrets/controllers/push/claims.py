"""Who writes which key: two that write one would undo each other's work for ever, so the first keeps it. Pure.

What a status tells was written is held from the start, so that a restart changes nothing; the rest by who asks first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from beemflow_secrets.controllers.objects import Key
    from beemflow_secrets.controllers.push.places import Place


class Claims:
    """The holders of all places. `spelled` returns how a store's backend spells a key: a_b may be a-b there."""

    def __init__(self, spelled: Callable[[Key, str], str]) -> None:
        self._spelled = spelled
        self._holders: dict[tuple[Key, str], dict[str | None, Key]] = {}
        self._held: dict[Key, dict[Place, tuple[Key, str]]] = {}

    def take(self, who: Key, places: Iterable[Place]) -> dict[Place, Key]:
        """Hold places; return those that others hold, and who does."""
        refused: dict[Place, Key] = {}
        own = self._held.setdefault(who, {})
        for place in places:
            name = (place.store, self._spelled(place.store, place.key))
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
        freed = own.keys() - kept.keys()
        for place in freed:
            holders = self._holders[own[place]]
            holders.pop(place.property, None)
            if not holders:
                del self._holders[own[place]]
        return bool(freed)


def _meeting(holders: dict[str | None, Key], part: str | None) -> list[Key]:
    """Return who holds what a part of a key meets: the same part, or the whole; the whole meets all."""
    return list(holders.values()) if part is None else [holders[held] for held in (None, part) if held in holders]
