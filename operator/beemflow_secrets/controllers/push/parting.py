"""What a spec names no more: what of it is taken back, and when, and what is still named in other words. Pure.

One place has many names: a backend may spell several keys alike, and several stores may lead to one backend.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from beemflow_secrets.controllers.objects import Key
    from beemflow_secrets.controllers.push.places import Place, Pushed

    Meet = Callable[[Key, str, Key, str], bool | None]
    """Whether two keys of stores are one place; None: that is not known."""


class Parted(NamedTuple):
    """What is taken back before all is written, what after it, and what stays as it is."""

    first: list[Pushed]
    last: list[Pushed]
    kept: list[Pushed]


def part(gone: Iterable[Pushed], named: Collection[Place], meet: Meet) -> Parted:
    """Part what is not named any more, as it was, by what is `named` in all stores now.

    A secret that was written as a whole goes before fields of it are written, if the same store writes them: another
    may have done so by then. What is overwritten stays, and so does what may be, while a store cannot be opened.
    """
    parted = Parted([], [], [])
    for one in gone:
        over = [place for place in named if _touch(place, one.place) and _same_key(place, one.place, meet) is not False]
        certain = all(_same_key(place, one.place, meet) for place in over)
        within = not any(_covers(place, one.place) for place in over)
        here = all(place.store == one.place.store for place in over)
        if not over:
            parted.last.append(one)
        elif certain and within and here and one.place.property is None:
            parted.first.append(one)
        else:
            parted.kept.append(one)
    return parted


def settled(pushed: Collection[Pushed], named: Collection[Place], meet: Meet) -> list[Pushed]:
    """Return what is to be known of what was pushed: of one place in other words, only what the spec calls it now."""
    now = [one.place for one in pushed if one.place in named]
    return [
        one
        for one in pushed
        if one.place in named
        or not any(_covers(place, one.place) and _same_key(place, one.place, meet) for place in now)
    ]


def _same_key(one: Place, other: Place, meet: Meet) -> bool | None:
    return meet(one.store, one.key, other.store, other.key)


def _covers(one: Place, other: Place) -> bool:
    """Tell whether the property of one place holds that of the other, were their key one."""
    outer, inner = _path(one.property), _path(other.property)
    return inner[: len(outer)] == outer


def _touch(one: Place, other: Place) -> bool:
    return _covers(one, other) or _covers(other, one)


def _path(property: str | None) -> list[str]:
    # A field may be called a.b: whether that is a path depends on what is there.
    return [] if property is None else property.replace(r"\.", ".").split(".")
