"""The functions of Go's templates that have a counterpart: each makes one expression of its arguments.

What they do there is Go's own (`printf`, `eq`), sprig's (`b64enc`), or External Secrets Operator's (`filterPEM`). Those
that are not here would print otherwise, or something else each time, or nothing that can be made here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.migrate.gotemplate import texts
from beemflow_secrets.migrate.gotemplate.args import known, pair, same_kind, text
from beemflow_secrets.migrate.gotemplate.faults import NotTurned
from beemflow_secrets.migrate.gotemplate.write import Expr, atom, below, filtered, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Args = Sequence[Expr]

_JSON = "{} writes the same JSON in other letters where a value holds <, > or &, or keys that are not in order"
_YAML = "toYaml writes the same YAML, perhaps with other quotes"
_QUOTE = "{} writes what is no printable letter as JSON does"
_SIGNS = "{} counts letters, not their bytes"
_NUMBERS = "fromJson: numbers of a million and more, lists and maps print as JSON does"


def call(name: str, args: Args, cautions: list[str]) -> Expr:
    """Return a call. Raises NotTurned where there is no counterpart."""
    if name in _CAUTIONS:
        cautions.append(_CAUTIONS[name].format(name))
    if name in _FILTERS and len(args) == 1:
        return filtered(text(name, args[0]), _FILTERS[name])
    if name not in _FUNCTIONS:
        raise NotTurned(f"the function {name} has no counterpart here")
    try:
        return _FUNCTIONS[name](args)
    except (IndexError, ValueError) as error:
        if isinstance(error, NotTurned):
            raise
        raise NotTurned(f"the function {name} is not turned with these arguments") from None


def _default(args: Args) -> Expr:
    instead, value = pair(args)
    same_kind(instead, value)
    return filtered(value, f"default({instead.text}, true)", value.kind)


def _coalesce(args: Args) -> Expr:
    known(args[-1])
    return Expr(" or ".join(atom(text("coalesce", arg)) for arg in args), "text", 2)


def _ternary(args: Args) -> Expr:
    yes, no, condition = args
    same_kind(yes, no)
    if condition.kind != "bool":
        raise ValueError
    return Expr(f"{atom(yes)} if {atom(condition)} else {atom(no)}", yes.kind, 3)


def _compared(sign: str) -> Callable[[Args], Expr]:
    def make(args: Args) -> Expr:
        first, *others = args
        if not others or (sign != "==" and len(others) > 1) or first.kind not in {"text", "int", "bool", "json"}:
            raise ValueError
        if any({first.kind, other.kind} not in ({"text"}, {"int"}, {"bool"}, {"text", "json"}) for other in others):
            raise ValueError
        return Expr(" or ".join(f"{atom(first)} {sign} {atom(other)}" for other in others), "bool", 2)

    return make


def _either(word: str) -> Callable[[Args], Expr]:
    def make(args: Args) -> Expr:
        same_kind(*args)
        if args[0].kind == "root":
            raise ValueError
        return Expr(f" {word} ".join(atom(arg) for arg in args), args[0].kind, 2)

    return make


def _not(args: Args) -> Expr:
    (value,) = args
    if value.kind == "root":
        raise ValueError
    return Expr(f"not {atom(value)}", "bool", 2)


def _index(args: Args) -> Expr:
    base, *names = args
    for name in names:
        if base.kind == "root" and name.kind == "text":
            base = (
                below(base, name.literal, "text")
                if isinstance(name.literal, str)
                else Expr(f"{base.text}[{name.text}]")
            )
        elif base.kind in {"json", "list"} and name.literal is not None and name.literal != -1:
            kind = "json" if base.kind == "json" else "text"
            base = Expr(f"{atom(base)}[{name.text}]", kind)
        else:
            raise ValueError
    return base


def _has_key(args: Args) -> Expr:
    base, name = pair(args)
    return Expr(f"{quoted(known(name))} in {atom(_map(base))}", "bool", 2)


def _get(args: Args) -> Expr:
    base, name = pair(args)
    return filtered(below(_map(base), known(name), "json"), "default('')", "json")


def _map(base: Expr) -> Expr:
    """Return what may be a map of sprig's: the root is none, and its functions refuse it."""
    if base.kind != "json":
        raise ValueError
    return base


def _list(args: Args) -> Expr:
    return Expr(f"[{', '.join(text('list', arg).text for arg in args)}]", "list")


def _dict(args: Args) -> Expr:
    """Return a map whose keys stand in the template, in their order: so JSON has them too."""
    if len(args) % 2:
        raise ValueError
    items = {known(name): text("dict", value) for name, value in zip(args[::2], args[1::2], strict=True)}
    return Expr(f"{{{', '.join(f'{quoted(name)}: {items[name].text}' for name in sorted(items))}}}", "map")


def _join(args: Args) -> Expr:
    between, items = pair(args)
    if items.kind != "list":
        raise ValueError
    return filtered(items, f"join({between.text})")


def _written(filter_: str) -> Callable[[Args], Expr]:
    """Return a function that writes any value."""

    def make(args: Args) -> Expr:
        (value,) = args
        return filtered(value, filter_)

    return make


_FILTERS = {
    "b64enc": "base64encode",
    "b64dec": "base64decode",
    "upper": "upper",
    "lower": "lower",
    "trim": "trim",
    "sha1sum": "hash('sha1')",
    "sha256sum": "sha256",
    "sha512sum": "hash('sha512')",
    "pkcs12cert": "pkcs12cert",
    "pkcs12key": "pkcs12key",
}
_FUNCTIONS: dict[str, Callable[[Args], Expr]] = {
    "and": _either("and"), "or": _either("or"), "not": _not, "empty": _not,
    "eq": _compared("=="), "ne": _compared("!="), "lt": _compared("<"), "le": _compared("<="),
    "gt": _compared(">"), "ge": _compared(">="),
    "default": _default, "coalesce": _coalesce, "ternary": _ternary,
    "index": _index, "hasKey": _has_key, "get": _get, "list": _list, "dict": _dict, "tuple": _list, "join": _join,
    "printf": texts.printf, "print": texts.print_, "println": texts.println, "toString": texts.to_string,
    "quote": texts.quote, "squote": texts.squote,
    "trimPrefix": texts.trim_prefix, "trimSuffix": texts.trim_suffix, "trimAll": texts.trim_all,
    "trimall": texts.trim_all, "hasPrefix": texts.has_prefix, "hasSuffix": texts.has_suffix,
    "trunc": texts.trunc, "substr": texts.substr,
    "contains": texts.contains, "replace": texts.replace, "repeat": texts.repeat,
    "indent": texts.indent, "nindent": texts.nindent, "urlquery": texts.urlquery,
    "fromJson": lambda args: filtered(text("fromJson", *args), "fromjson", "json"),
    "toJson": _written("json"), "toRawJson": _written("json"), "toPrettyJson": _written("json(2)"),
    "toYaml": _written("yaml"),
    "filterPEM": texts.with_argument("filterPEM"),
    "pkcs12certPass": texts.with_argument("pkcs12cert"), "pkcs12keyPass": texts.with_argument("pkcs12key"),
}  # fmt: skip
_CAUTIONS = {
    "toJson": _JSON, "toPrettyJson": _JSON, "toRawJson": _JSON, "toYaml": _YAML, "quote": _QUOTE, "trunc": _SIGNS,
    "substr": _SIGNS, "fromJson": _NUMBERS,
}  # fmt: skip
_FUNCTIONS |= {f"must{name[0].upper()}{name[1:]}": _FUNCTIONS[name] for name in ("fromJson", "toJson", "toRawJson")}
_CAUTIONS |= {f"must{name[0].upper()}{name[1:]}": _CAUTIONS[name] for name in ("fromJson", "toJson", "toRawJson")}
