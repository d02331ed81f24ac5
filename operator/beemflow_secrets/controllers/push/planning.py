"""What is to be written, of what shall be in a store and what is there. Pure."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from beemflow_secrets.providers import jsontext
from beemflow_secrets.providers.errors import Invalid, NotFound, SecretsError
from beemflow_secrets.providers.fields import same
from beemflow_secrets.rendering.property import fields_of, pick

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from beemflow_secrets.controllers.push.places import Place
    from beemflow_secrets.providers.value import Content, SecretValue


class Wanted(NamedTuple):
    """What shall be at a place. `only_new`: what is there already, and is something else, stays."""

    place: Place
    content: Content
    only_new: bool

    def __repr__(self) -> str:
        return f"Wanted({self.place}, ***)"


@dataclass(frozen=True, slots=True)
class Plan:
    """`writes` in the order of the spec. `left` are places that hold something else, and keep it.

    `ours` are those whose content is this resource's: what it writes, and what would be written were it not there.
    """

    writes: list[Wanted] = field(default_factory=list)
    left: list[Place] = field(default_factory=list)
    ours: list[Place] = field(default_factory=list)


def plan(wanted: Iterable[Wanted], answers: Mapping[str, SecretValue | SecretsError], noted: Collection[Place]) -> Plan:
    """Decide for each place. `answers` are what was read, by key; `noted` are the places that were written before.

    Raises the SecretsError of a key of which it is not known what is there.
    """
    made = Plan()
    for item in wanted:
        there = _content(answers[item.place.key], item)
        if there is None or (not there and not item.only_new):
            made.writes.append(item)
        elif not there:
            made.left.append(item.place)
        if there is None or not item.only_new or item.place in noted:
            made.ours.append(item.place)
    return made


def _content(answer: SecretValue | SecretsError, wanted: Wanted) -> bool | None:
    """Tell whether what is there reads as what shall be; None: nothing is there."""
    if isinstance(answer, NotFound):
        return None
    if isinstance(answer, Invalid):
        return False  # something that is no secret; the write says what is wrong with it
    if isinstance(answer, SecretsError):
        # A copy: others were given the same error, and its traceback would grow.
        raise copy(answer) from answer.__cause__
    part, content = wanted.place.property, wanted.content
    try:
        if isinstance(content, str | bytes):
            raw = answer.raw if part is None else pick(answer, part)
            return raw == jsontext.as_bytes(content)
        return same(fields_of(answer, part), content)
    except NotFound:
        return None
    except (SecretsError, RecursionError):
        return False
