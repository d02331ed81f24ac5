"""How texts and expressions are written in this operator's language."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

_SYNTAX = re.compile(r"\{(?=[{%#])|\{\Z")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@dataclass(frozen=True, slots=True)
class Expr:
    """An expression: its text, what kind of value it is, and how tightly it holds together.

    kind: text, bool, int, list, map, json (whatever JSON holds), root (all keys). tight: 0 a name or a bracket,
    1 filters, 2 operators, 3 a choice. `literal`: the value, where it stands in the template itself.
    """

    text: str
    kind: str = "text"
    tight: int = 0
    literal: str | int | None = None


def quoted(text: str) -> str:
    """Return text as a string of the language."""
    made = "".join(_ESCAPES.get(sign) or (sign if sign.isprintable() else f"\\u{ord(sign):04x}") for sign in text)
    return f"'{made}'"


def literal_text(text: str, *, last: bool = True) -> str:
    """Return a template that prints a text. `last`: nothing follows it."""
    made = _SYNTAX.sub("{{ '{' }}", text)
    return f"{made[: -len(_BRACE)]}{{" if last and made.endswith(_BRACE) and text.endswith("{") else made


_BRACE = "{{ '{' }}"


def constant(value: str | int) -> Expr:
    """Return a value that stands in a template."""
    if isinstance(value, int):
        return Expr(str(value), "int", 0 if value >= 0 else 2, value)
    return Expr(quoted(value), "text", 0, value)


def atom(expr: Expr) -> str:
    """Return an expression as part of another one with operators."""
    return f"({expr.text})" if expr.tight else expr.text


def tested(expr: Expr) -> str:
    """Return an expression that an `if` asks, which takes no choice as it is."""
    return f"({expr.text})" if expr.tight > 2 else expr.text  # noqa: PLR2004 - see Expr


def filtered(expr: Expr, filter_: str, kind: str = "text") -> Expr:
    """Return a filter upon an expression."""
    base = expr.text if expr.tight <= 1 else f"({expr.text})"
    return Expr(f"{base} | {filter_}", kind, 1)


def below(expr: Expr, name: str, kind: str) -> Expr:
    """Return what stands below an expression under a name."""
    made = f".{name}" if _NAME.fullmatch(name) else f"[{quoted(name)}]"
    return Expr(f"{atom(expr)}{made}", kind)


def joined(parts: list[Expr]) -> Expr:
    """Return texts, one behind the other."""
    if len(parts) == 1 and parts[0].kind == "text":
        return parts[0]
    if len(parts) == 1:
        return replace(filtered(parts[0], "string"), kind="text")
    return Expr(" ~ ".join(atom(part) for part in parts), "text", 2)
