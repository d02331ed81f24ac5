"""Templates as a stranger might write them: all parts of the language, put together by chance, most of them wrong."""

from __future__ import annotations

from inspect import Parameter, signature
from random import Random
from typing import TYPE_CHECKING

from beemflow_secrets.rendering.template import tests  # noqa: F401 - importing offers them
from beemflow_secrets.rendering.template.filters import lists
from beemflow_secrets.rendering.template.registry import FILTERS, TESTS

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = ("a", "b", "n", "x", "vars", "secrets")
WORDS = (
    "", " ", "a", "b.c", "%", "%s", "%d", "%c", "%x", "%.3f", "%(a)s", "%(a)d", "{0.a}", "{}", "a\n b", "-",
    "key", "value", "sha1",
    "CERTIFICATE", "PRIVATE KEY", "ceil", "upper", "int", "odd", "in", "defined", "version", "0", "1", "-7",
    "1e3", "0x1f", "[1]", "é",
    r"\x00", r"\ud800",
)  # fmt: skip
NUMBERS = ("0", "1", "2", "3", "7", "16", "1.5", "-1", "1e9", "99999999999", "10 ** 9", "true", "false", "none")
OPERATORS = ("+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or")
PARTS = ("version", "created_at", "a", "b")
OWN_TESTS = ("defined", "undefined")
OWN_FILTERS = ("default", "fallback", "d")
REFUSED = 0.02
"""How often something stands somewhere that is refused before anything is run."""

_OF_LISTS = {function for function in FILTERS.values() if function.__module__ == lists.__name__}


class Stranger:
    """Writes templates that ask for `keys`: the same for the same seed."""

    def __init__(self, seed: int, keys: Sequence[str]) -> None:
        self._chance = Random(seed)
        self._keys = keys

    def templates(self) -> list[str]:
        """Return some templates."""
        return [self.template() for _ in range(4)]

    def template(self) -> str:
        """Return a template."""
        if self._often(0.6):
            return f"{{{{ {self._expression(self._chance.choice((1, 2, 3)))} }}}}"
        return self._body(self._chance.choice((1, 1, 2)))

    def _one(self, *choices: str) -> str:
        return self._chance.choice(choices)

    def _often(self, probability: float) -> bool:
        return self._chance.random() < probability

    def _secret(self) -> str:
        key = self._one(*self._keys)
        return (
            self._one(f"secrets.{key}", f"secrets['{key}']")
            if self._often(0.9)
            else f"secrets.{key}.{self._one(*PARTS)}"
        )

    def _atom(self) -> str:
        kind = self._chance.randrange(10)
        if kind < 5:
            return self._secret()
        if kind < 7:
            return f"'{self._one(*WORDS)}'"
        return self._one(*NUMBERS) if kind < 9 else self._one(*NAMES)

    def _expression(self, depth: int) -> str:
        if depth <= 0:
            return self._atom()
        if self._often(REFUSED / 4):
            e = self._expression(depth - 1)
            return self._one(f"{e}._a", f"({e} | attr('a'))", f"({e} is nope)", f"{e}()", f"{e}.format({e})")
        forms = (
            self._filtered, self._filtered, self._filtered, self._tested, self._operation, self._operation,
            self._subscript,
            self._collection, self._condition, self._call,
        )  # fmt: skip
        return self._chance.choice(forms)(depth - 1)

    def _filtered(self, depth: int) -> str:
        name = self._one(*FILTERS, *OWN_FILTERS)
        if name in FILTERS and self._often(0.5):
            return self._as_intended(name, depth)
        return f"({self._expression(depth)} | {name}{self._arguments(name, depth)})"

    def _as_intended(self, name: str, depth: int) -> str:
        """Return a filter with arguments as it takes them, so that it gets as far as to look at what they are."""
        e = self._expression(depth - 1)
        of = (
            self._one(f"[{{'a': {e}}}, {{'a': 'b'}}]", f"[{e}]", f"{{'a': {e}}}", e)
            if FILTERS[name] in _OF_LISTS
            else e
        )
        given = []
        for parameter in _parameters(name)[1:]:
            match parameter:
                case "attribute" | "name" | "by" | "method" | "algorithm" | "kind":
                    value = self._one(self._secret(), self._secret(), "'a'", f"'{self._one(*FILTERS, *TESTS)}'")
                case "width" | "size" | "number" | "precision" | "length" | "leeway" | "base" | "count" | "indent":
                    value = self._one(*NUMBERS)
                case _:
                    value = self._one("true", self._expression(depth - 1))
            if self._often(0.6):
                given.append(f"{parameter}={value}")
        return f"({of} | {name}({', '.join(given)}))"

    def _arguments(self, name: str, depth: int) -> str:
        function = FILTERS.get(name)
        named = [] if function is None else _parameters(name)
        args = [self._expression(depth - 1) for _ in range(self._chance.choice((0, 0, 1, 1, 2, 3)))]
        if name in {"map", "select", "reject"} and self._often(0.6):
            args.insert(0, f"'{self._one(*FILTERS, *TESTS)}'")
        if args and self._often(0.2):
            return "".join(f" {self._atom()}" for _ in args)  # BeemFlow's blanks
        if named and self._often(0.4):
            args.append(f"{self._one(*named, 'attribute')}={self._expression(depth - 1)}")
        return f"({', '.join(args)})" if args else ""

    def _tested(self, depth: int) -> str:
        name = self._one(*(test for test in TESTS if test.isalpha()), *OWN_TESTS)
        given = f"({self._expression(depth - 1)})" if self._often(0.6) else ""
        return f"({self._expression(depth)} is {self._one('', 'not ')}{name}{given})"

    def _operation(self, depth: int) -> str:
        if self._often(0.1):
            return f"({self._one('-', '+', 'not ')}{self._expression(depth)})"
        parts = [self._expression(depth) for _ in range(self._chance.choice((2, 2, 2, 3)))]
        return "(" + f" {self._one(*OPERATORS)} ".join(parts) + ")"

    def _subscript(self, depth: int) -> str:
        base, inner = self._expression(depth), self._expression(depth - 1)
        return self._one(
            f"{base}[{inner}]", f"{base}[{inner}:{self._atom()}]", f"{base}[::{self._atom()}]",
            f"{base}.{self._one(*PARTS)}",
            f"secrets[{inner}]", f"vars[{inner}]", f"{{'a': {base}}}[{inner}]", f"[{base}][{inner}]",
            f"dict(a={base})[{inner}]",
        )  # fmt: skip

    def _collection(self, depth: int) -> str:
        one, other = self._expression(depth), self._expression(depth)
        return self._one(
            f"[{one}, {other}]", f"({one}, {other})", f"{{{one}: {other}}}",
            f"{{'a': {one}, 'b': {other}}}", f"[{{'a': {one}}}]",
            "[]", "{}", f"[[{one}, {other}], [{other}, {one}]]", f"dict(a={one}, b={other})", f"[secrets, {one}]",
        )  # fmt: skip

    def _condition(self, depth: int) -> str:
        other = f" else {self._expression(depth)}" if self._often(0.7) else ""
        return f"({self._expression(depth)} if {self._expression(depth)}{other})"

    def _call(self, depth: int) -> str:
        given = self._expression(depth)
        return self._one(
            f"range({given})", f"range({given}, {self._atom()}, {self._atom()})", f"range({given} | int)",
            f"m({given})",
            f"m(a={given})", "m()", "caller()", f"caller({given})", f"loop.cycle({given}, 1)", f"namespace(a={given})",
            f"nope({given})", f"dict({given})",
        )  # fmt: skip

    def _body(self, depth: int) -> str:
        return "".join(self._statement(depth) for _ in range(self._chance.choice((1, 1, 2, 3))))

    def _statement(self, depth: int) -> str:
        e, f = self._expression(depth), self._expression(depth - 1)
        if self._often(REFUSED):
            return self._one(f"{{% include {e} %}}", f"{{% do {e} %}}", f"{{{{ {e}", f"{{% if {e} %}}", f"{{% {e} %}}")
        if depth <= 0 or self._often(0.4):
            return self._one("", "text ", "\n", "a: ", "? ") + f"{{{{{self._one(' ', '- ')}{e} }}}}"
        inner, other = self._body(depth - 1), self._body(depth - 1)
        return self._one(
            f"{{% if {e} %}}{inner}{{% elif {f} %}}{other}{{% else %}}{inner}{{% endif %}}",
            f"{{% for a in {e} %}}{inner}{{% else %}}{other}{{% endfor %}}",
            f"{{% for a, b in {e} if {f} %}}{inner}{{% endfor %}}",
            f"{{% for a in [{e}, {f}] %}}{inner}{{{{ loop.previtem }}}}{{% endfor %}}",
            f"{{% set {self._one('a', 'b', 'secrets', 'a, b', '(a, (b, x))')} = {e} %}}{inner}",
            f"{{% set n = namespace(a={e}) %}}{{% set n.a = {f} %}}{inner}",
            f"{{% set {self._one('a', 'n.b')} %}}{inner}{{% endset %}}{other}",
            f"{{% set a | {self._one(*FILTERS)} %}}{inner}{{% endset %}}{other}",
            f"{{% filter {(name := self._one(*FILTERS))}{self._arguments(name, 1)} %}}{inner}{{% endfilter %}}",
            f"{{% with a = {e}, b = {f} %}}{inner}{{% endwith %}}",
            f"{{% macro m(a, b={e}) %}}{inner}{{% endmacro %}}{other}{{{{ m({f}) }}}}",
            f"{{% macro m(a) %}}{{{{ caller({e}) }}}}{{% endmacro %}}{{% call(b) m({f}) %}}{inner}{{% endcall %}}",
            f"{{% raw %}}{{{{ {e} }}}}{{% endraw %}}{{# {f} #}}{inner}",
            f"{{% block a %}}{inner}{{% endblock %}}",
        )  # fmt: skip


def _parameters(name: str) -> list[str]:
    """Return what the arguments of a filter are called."""
    kinds = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    told = signature(FILTERS[name]).parameters.items()
    return [one for one, parameter in told if parameter.kind in kinds and one != "budget"]
