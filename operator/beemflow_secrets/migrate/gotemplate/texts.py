"""Functions of texts: each returns the expression that makes the same text of the same arguments."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from beemflow_secrets.migrate.gotemplate.args import known, pair, text, width
from beemflow_secrets.migrate.gotemplate.write import Expr, atom, constant, filtered, joined, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Args = Sequence[Expr]

_VERB = re.compile(r"%(.)", re.DOTALL)
_SHOWN = {
    ("s", "text"), ("v", "text"), ("v", "int"), ("d", "int"), ("v", "bool"), ("t", "bool"), ("s", "json"),
    ("v", "json"),
}  # fmt: skip
"""Verbs of printf, and the kinds of values that they print as `{{ }}` does."""


def printf(args: Args) -> Expr:
    """Go's `printf`, with a format that stands in the template."""
    form, *values = args
    written = known(form)
    parts: list[Expr] = []
    at = 0
    for found in _VERB.finditer(written):
        if found.start() > at:
            parts.append(constant(written[at : found.start()]))
        at = found.end()
        parts.append(constant("%") if found[1] == "%" else _verb(found[1], values.pop(0)))
    rest = written[at:]
    if values or "%" in rest:
        raise ValueError
    return joined([*parts, constant(rest)] if rest else parts)


def _verb(verb: str, value: Expr) -> Expr:
    if (verb, value.kind) in _SHOWN:
        return value
    if (verb, value.kind) == ("q", "text"):
        return filtered(value, "json")
    raise ValueError


def print_(args: Args) -> Expr:
    """Go's `print`: with texts alone, as it puts blanks between others."""
    if not args or any(arg.kind != "text" for arg in args):
        raise ValueError
    return joined(list(args))


def println(args: Args) -> Expr:
    """Go's `println`."""
    if not args or any(arg.kind not in {"text", "int", "bool"} for arg in args):
        raise ValueError
    between = [part for arg in args for part in (arg, constant(" "))]
    return joined([*between[:-1], constant("\n")])


def to_string(args: Args) -> Expr:
    """Sprig's `toString`."""
    (value,) = args
    if value.kind not in {"text", "int", "bool", "json"}:
        raise ValueError
    return joined([value])


def quote(args: Args) -> Expr:
    """Sprig's `quote`, which writes a number as a text too."""
    (value,) = args
    return filtered(filtered(value, "string") if value.kind == "json" else text("quote", value), "json")


def squote(args: Args) -> Expr:
    """Sprig's `squote`, which escapes nothing."""
    (value,) = args
    return joined([constant("'"), text("squote", value), constant("'")])


def trim_prefix(args: Args) -> Expr:
    """Sprig's `trimPrefix`."""
    start, whole = known(args[0]), atom(text("trimPrefix", args[1]))
    return Expr(f"{whole}[{len(start)}:] if {whole}[:{len(start)}] == {quoted(start)} else {whole}", "text", 3)


def trim_suffix(args: Args) -> Expr:
    """Sprig's `trimSuffix`."""
    end, whole = known(args[0]), atom(text("trimSuffix", args[1]))
    return Expr(f"{whole}[:-{len(end)}] if {whole}[-{len(end)}:] == {quoted(end)} else {whole}", "text", 3)


def has_prefix(args: Args) -> Expr:
    """Sprig's `hasPrefix`."""
    start = known(args[0])
    return Expr(f"{atom(text('hasPrefix', args[1]))}[:{len(start)}] == {quoted(start)}", "bool", 2)


def has_suffix(args: Args) -> Expr:
    """Sprig's `hasSuffix`."""
    end = known(args[0])
    return Expr(f"{atom(text('hasSuffix', args[1]))}[-{len(end)}:] == {quoted(end)}", "bool", 2)


def contains(args: Args) -> Expr:
    """Sprig's `contains`."""
    part, whole = pair(args)
    return Expr(f"{atom(text('contains', part))} in {atom(text('contains', whole))}", "bool", 2)


def replace(args: Args) -> Expr:
    """Sprig's `replace`."""
    old, new, whole = (text("replace", arg) for arg in args)
    return filtered(whole, f"replace({old.text}, {new.text})")


def trim_all(args: Args) -> Expr:
    """Sprig's `trimAll`."""
    return filtered(text("trimAll", args[1]), f"trim({quoted(known(args[0]))})")


def indent(args: Args) -> Expr:
    """Sprig's `indent`: each line, empty ones too."""
    return filtered(text("indent", args[1]), f"indent({width(args[0])}, true, true)")


def nindent(args: Args) -> Expr:
    """Sprig's `nindent`."""
    return joined([constant("\n"), indent(args)])


def repeat(args: Args) -> Expr:
    """Sprig's `repeat`."""
    return Expr(f"{atom(text('repeat', args[1]))} * {width(args[0])}", "text", 2)


def trunc(args: Args) -> Expr:
    """Sprig's `trunc`, of the beginning."""
    return Expr(f"{atom(text('trunc', args[1]))}[:{width(args[0])}]")


def substr(args: Args) -> Expr:
    """Sprig's `substr`."""
    start, end, whole = args
    return Expr(f"{atom(text('substr', whole))}[{width(start)}:{width(end)}]")


def urlquery(args: Args) -> Expr:
    """Go's `urlquery`: a blank is a plus."""
    (value,) = args
    return filtered(text("urlquery", value), "urlencode | replace('/', '%2F') | replace('%20', '+')")


def with_argument(filter_: str) -> Callable[[Args], Expr]:
    """Return a function whose first argument is that of the filter."""

    def make(args: Args) -> Expr:
        first, value = pair(args)
        return filtered(text(filter_, value), f"{filter_}({text(filter_, first).text})")

    return make
