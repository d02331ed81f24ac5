"""Filters on text. What they are called and what they do is Jinja2's."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from beemflow_secrets.rendering.template.faults import TemplateError
from beemflow_secrets.rendering.template.registry import offered
from beemflow_secrets.rendering.template.values import Secret, to_text

if TYPE_CHECKING:
    from beemflow_secrets.rendering.template.budget import Budget

WIDEST = 1000
"""Characters to which text may be padded or wrapped."""

_PLACEHOLDER = re.compile(
    r"%(?:\((?P<name>[^)]*)\))?(?P<flags>[-+ #0]*)(?P<width>\d*)(?:\.(?P<digits>\d*))?(?P<kind>.?)", re.DOTALL
)
_WORD = re.compile(r"([-\s({\[<]+)")


@offered("upper")
def upper(value: object) -> str:
    """`ab` becomes `AB`."""
    return to_text(value).upper()


@offered("lower")
def lower(value: object) -> str:
    """`AB` becomes `ab`."""
    return to_text(value).lower()


@offered("capitalize")
def capitalize(value: object) -> str:
    """`ab cd` becomes `Ab cd`."""
    return to_text(value).capitalize()


@offered("title")
def title(value: object) -> str:
    """`ab cd` becomes `Ab Cd`."""
    return "".join(part[:1].upper() + part[1:].lower() for part in _WORD.split(to_text(value)))


@offered("trim")
def trim(value: object, chars: str | None = None, *, budget: Budget) -> str:
    """Take blanks, or these characters, off both ends."""
    text, off = to_text(value), None if chars is None else "".join(set(chars))
    budget.take(len(text) * len(off or "") // 64)  # each character is looked for among all of these
    return text.strip(off)


@offered("string")
def string(value: object) -> str:
    """Return what a value prints as."""
    return to_text(value)


@offered("replace")
def replace(value: object, old: str, new: str, count: int = -1, *, budget: Budget) -> str:
    """Replace each `old`, or the first `count`, by `new`."""
    text = to_text(value)
    found = text.count(old) if count < 0 else min(text.count(old), count)
    budget.take(len(text) + found * len(new))
    return text.replace(old, new, count)


@offered("center")
def center(value: object, width: int = 80) -> str:
    """Put blanks on both sides, so that it is so wide."""
    return to_text(value).center(_width(width))


@offered("indent")
def indent(value: object, width: int | str = 4, first: bool = False, blank: bool = False, *, budget: Budget) -> str:  # noqa: FBT001, FBT002 - Jinja2's arguments
    """Begin each line with so many blanks, or this text: the first only if asked to, and not those with nothing on."""
    text, by = to_text(value), width if isinstance(width, str) else " " * _width(width)
    lines = text.split("\n")
    budget.take(len(text) + len(lines) * len(by))
    begun = [by + line if line or blank else line for line in lines[1:]]
    return "\n".join([by + lines[0] if first and (lines[0] or blank) else lines[0], *begun])


@offered("truncate")
def truncate(value: object, length: int = 255, killwords: bool = False, end: str = "...", leeway: int = 5) -> str:  # noqa: FBT001, FBT002 - Jinja2's arguments
    """Cut text that is longer, at a blank unless words may be cut."""
    text = to_text(value)
    if len(text) <= length + leeway:
        return text
    cut = text[: max(length - len(end), 0)]
    return (cut if killwords else cut.rsplit(" ", 1)[0]) + end


@offered("wordwrap", slow=50)
def wordwrap(
    value: object,
    width: int = 79,
    break_long_words: bool = True,  # noqa: FBT001, FBT002 - Jinja2's arguments
    wrapstring: str = "\n",
    *,
    budget: Budget,
) -> str:
    """Break lines that are wider."""
    wrapper = textwrap.TextWrapper(
        max(_width(width), 1), expand_tabs=False, replace_whitespace=False, break_long_words=break_long_words
    )
    parts = [wrapper.wrap(line) or [""] for line in to_text(value).splitlines()]
    budget.take(sum(map(len, parts)) * len(wrapstring))
    return wrapstring.join(wrapstring.join(part) for part in parts)


@offered("wordcount")
def wordcount(value: object) -> int:
    """Count words."""
    return len(re.findall(r"\w+", to_text(value)))


@offered("format")
def formatted(value: object, *args: object, budget: Budget, **kwargs: object) -> str:
    """Put arguments where `%s`, `%d` or `%(name)s` stand."""
    return percent(to_text(value), kwargs or args, budget)


def percent(text: str, given: object, budget: Budget) -> str:
    """Return what Python's `%` makes of text, paid for before. Raises TemplateError for widths beyond measure."""
    shown: tuple[object, ...] | dict[object, object]
    match given:
        case dict():
            shown = {name: _shown(item) for name, item in given.items()}
        case tuple() | list():
            shown = tuple(map(_shown, given))
        case _:
            shown = (_shown(given),)
    budget.pay(shown)
    for found in _PLACEHOLDER.finditer(text):
        widths = [int(width.lstrip("0")[:5] or 0) for width in (found["width"], found["digits"] or "")]
        if found["kind"] == "*" or max(widths) > WIDEST:
            raise TemplateError(f"a placeholder is wider than {WIDEST} characters")
        if found["kind"] and found["kind"] not in "sdiouxXeEfFgGc%":
            raise TemplateError("a placeholder is none of %s, %d, %x, %f, %g and %c")
        budget.take(sum(widths))
        if isinstance(shown, dict):
            budget.pay(shown.get(found["name"]))  # one may be named many times
    budget.take(len(text))
    return text % shown


def _shown(value: object) -> object:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else to_text(value)


def _width(width: int) -> int:
    if width > WIDEST:
        raise TemplateError(f"text is padded to {WIDEST} characters at most")
    return width


@offered("safe", "escape", "e", "forceescape")
def unchanged(value: object) -> object:
    """Return the value: nothing here is HTML, so that nothing is escaped."""
    return str(value) if isinstance(value, Secret) else value
