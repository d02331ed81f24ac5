"""Other names for keys, step by step: by regular expressions, and by templates. Pure.

It is work like that of templates, and bounded like it: RE2 is linear, but a step may be applied to many names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from beemflow_secrets.model.expressions import compiled
from beemflow_secrets.providers.errors import Invalid
from beemflow_secrets.rendering.naming import shown
from beemflow_secrets.rendering.template.faults import TemplateError, TooMuch
from beemflow_secrets.rendering.template.values import Secrets
from beemflow_secrets.rendering.template.work import Work, placed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from beemflow_secrets.model.sources import Rewrite
    from beemflow_secrets.rendering.template.budget import Budget

LONGEST_NAME = 8 * 1024
"""Bytes of a name on its way: a store has no longer ones, and a Secret takes 253."""

MATCHING = 4
"""Characters and instructions of an expression whose product costs as much as a character that is made."""

_NAME = r"[\pL\p{Nd}_]+"
_DOLLAR = compiled(rf"\$(?:(?P<dollar>\$)|\{{(?P<braced>{_NAME})\}}|(?P<bare>{_NAME}))")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")
_INSIDE = frozenset(bytes([byte]) for byte in range(0x80, 0xC0))
"""Bytes with which no character begins."""

_NONE = Secrets({}, whole=True)


class Step(NamedTuple):
    """One step: `target` stands where `text` matches, or, where it is None, `text` is a template."""

    place: str
    text: str
    target: str | None


@dataclass(frozen=True, slots=True)
class Rewriting(Work):
    """Steps, and the names that go through them."""

    KIND: ClassVar[str] = "rewriting"
    LARGEST: ClassVar[int] = LONGEST_NAME

    steps: Sequence[Step]
    names: Sequence[str] = field(repr=False)

    def __len__(self) -> int:
        """Return how many names there are."""
        return len(self.names)

    def place(self, part: int) -> str:
        """Return what is rewritten."""
        return f"rewrite of {shown(self.names[part])}"

    def run(self, budget: Budget, done: list[bytes]) -> None:
        """Put into `done` what becomes of each name, behind what is there already.

        Raises TemplateError and Invalid that name step and name. TooMuch leaves what has been done until then.
        """
        for name in self.names[len(done) :]:
            now = name.encode(errors="replace")  # half a character is none to RE2
            for step in self.steps:
                budget.step()
                try:
                    now = _made(now, step.text, budget) if step.target is None else _replaced(now, step, budget)
                except TooMuch:
                    raise
                except TemplateError as error:
                    raise placed(error, f"{step.place} of {shown(name)}") from None
                if len(now) > LONGEST_NAME:
                    raise Invalid(f"{step.place} of {shown(name)}: it makes a name of more than {LONGEST_NAME} bytes")
            done.append(now)

    def packed(self, done: int) -> object:
        """Return what another process needs to go on behind the first `done` names."""
        return [self.steps, self.names[done:]]

    @classmethod
    def unpacked(cls, packed: Any) -> Self:  # noqa: ANN401 - it is JSON
        """Return what was packed."""
        steps, names = packed
        return cls([Step(*step) for step in steps], names)

    def fail(self, key: str) -> None:
        """Raise nothing: no secret is read here."""


def steps_of(rewrite: Sequence[Rewrite]) -> list[Step]:
    """Return the steps that a spec asks for, each with its place there."""
    steps = []
    for number, one in enumerate(rewrite):
        if one.regexp is not None:
            steps.append(Step(f"rewrite[{number}].regexp", one.regexp.source, one.regexp.target))
        elif one.transform is not None:
            steps.append(Step(f"rewrite[{number}].transform", one.transform.template, None))
    return steps


def _made(name: bytes, template: str, budget: Budget) -> bytes:
    # Only here: who has no template need not load a parser.
    from beemflow_secrets.rendering.template.engine import render  # noqa: PLC0415 - as above

    made = render(template, {"value": name.decode(), "secrets": _NONE}, budget)
    return made.decode(errors="replace").encode()


def _replaced(name: bytes, step: Step, budget: Budget) -> bytes:
    r"""Replace all matches, as Go's ReplaceAllString: an empty one right behind another match is none.

    Nor is one inside of a character, where RE2 finds `\B`.
    """
    expression, target = compiled(step.text), (step.target or "").encode()
    made, size, end = [], 0, 0
    for found in expression.finditer(name):
        budget.take(1 + (len(name) - end) * expression.programsize // MATCHING)
        start = found.start()
        if name[start : start + 1] in _INSIDE:
            continue
        new = _expanded(target, found) if found.end() > end or start == 0 else b""
        made += [name[end:start], new]
        size += start - end + len(new)
        end = found.end()
        if size > LONGEST_NAME:
            break  # which is all that the caller wants to know
    budget.take(1 + size + (len(name) - end) * expression.programsize // MATCHING)
    return b"".join([*made, name[end:]])


def _expanded(target: bytes, found: Any) -> bytes:  # noqa: ANN401 - re2 has no types
    """Return the target with the match's groups in it, as Go's Expand: a `$` that names nothing stands for itself."""

    def group(reference: Any) -> bytes:  # noqa: ANN401 - as above
        if reference["dollar"]:
            return b"$"
        name = (reference["braced"] or reference["bare"]).decode()
        if _NUMBER.fullmatch(name):
            return (found.group(int(name)) if int(name) <= found.re.groups else None) or b""
        return (found.group(name) if name in found.re.groupindex else None) or b""

    expanded: bytes = _DOLLAR.sub(group, target)
    return expanded
