"""One template, turned."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from beemflow_secrets.migrate.gotemplate.faults import NotTurned
from beemflow_secrets.migrate.gotemplate.functions import call
from beemflow_secrets.migrate.gotemplate.parser import Node, Operand, Pipe, parse
from beemflow_secrets.migrate.gotemplate.write import Expr, atom, below, constant, filtered, literal_text, tested

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["NotTurned", "Turned", "turn"]

_TAKEN = frozenset({
    "and", "block", "break", "call", "continue", "dict", "do", "elif", "else", "endfor", "endif", "false",
    "filter", "for", "from", "if", "import", "in", "include", "is", "loop", "macro", "namespace", "none", "not",
    "or", "range", "raw", "recursive", "secrets", "self", "set", "true", "value", "with", "without",
})  # fmt: skip
_CONSTANTS = {"true": Expr("true", "bool"), "false": Expr("false", "bool")}


class Turned(NamedTuple):
    """A template in this operator's language, and in what it may print otherwise."""

    text: str
    cautions: list[str]


def turn(text: str, names: Mapping[str, str] | None = None) -> Turned:
    """Turn a template. `names`: what its root holds, by field, and what that is called here; None: all `secrets`.

    Raises NotTurned for one that cannot be turned so that it surely prints the same.
    """
    run = _Turner(names)
    made = run.nodes(parse(text), {}, Expr("secrets", "root"))
    return Turned(made, run.cautions)


class _Turner:
    def __init__(self, names: Mapping[str, str] | None) -> None:
        self._names = names
        self._used: set[str] = set()
        self._loops = 0
        self._outside: set[str] = set()
        self.cautions: list[str] = []

    def nodes(self, found: Sequence[Node], scope: dict[str, Expr], dot: Expr) -> str:
        """Return what nodes become. What they declare stays in `scope`."""
        made: list[str] = []
        for place, node in enumerate(found):
            match node.kind:
                case "text":
                    made.append(
                        literal_text(node.text, last=place == len(found) - 1 and not scope and dot.kind == "root")
                    )
                case "print":
                    made.append(self._print(node, scope, dot))
                case kind:
                    made.append(
                        {"if": self._if, "with": self._with, "range": self._range}[kind](node, dict(scope), dot)
                    )
        return "".join(made)

    def _print(self, node: Node, scope: dict[str, Expr], dot: Expr) -> str:
        pipe = _of(node)
        value = self._value(pipe, scope, dot)
        if pipe.names:
            return self._set(pipe, value, scope)
        if value.kind not in {"text", "int", "bool", "json"}:
            raise NotTurned("a list, or all keys at once, print otherwise here")
        return f"{{{{ {value.text} }}}}"

    def _set(self, pipe: Pipe, value: Expr, scope: dict[str, Expr]) -> str:
        (name,) = pipe.names
        if pipe.declares:
            known = self._declared(name, value.kind, scope)
        elif (known := scope.get(name, _NONE)) is _NONE or known.kind != value.kind or known.text in self._outside:
            raise NotTurned("a variable is set in a loop, or to another kind of value")
        return f"{{% set {known.text} = {value.text} %}}"

    def _declared(self, name: str, kind: str, scope: dict[str, Expr]) -> Expr:
        """Return a name that no other variable has: blocks of Go's hide those outside, ours do not."""
        if kind == "root":
            raise NotTurned("a variable that holds all keys is not turned")
        wanted = name if name.isascii() and name.isidentifier() and not name.startswith("_") else "it"
        chosen, number = wanted, 1
        while chosen in self._used or chosen in _TAKEN:
            number += 1
            chosen = f"{wanted}_{number}"
        self._used.add(chosen)
        scope[name] = Expr(chosen, kind)
        return scope[name]

    def _if(self, node: Node, scope: dict[str, Expr], dot: Expr) -> str:
        before, value = self._tested(node, scope, dot)
        body = self.nodes(node.body, dict(scope), dot)
        other = self.nodes(node.other, dict(scope), dot)
        return f"{before}{{% if {tested(value)} %}}{body}{f'{{% else %}}{other}' if node.other else ''}{{% endif %}}"

    def _with(self, node: Node, scope: dict[str, Expr], dot: Expr) -> str:
        before, value = self._tested(node, scope, dot)
        if not before:
            held = self._declared("it", value.kind, {})
            before, value = f"{{% set {held.text} = {value.text} %}}", held
        body = self.nodes(node.body, dict(scope), value)
        other = self.nodes(node.other, dict(scope), dot)
        return f"{before}{{% if {tested(value)} %}}{body}{f'{{% else %}}{other}' if node.other else ''}{{% endif %}}"

    def _tested(self, node: Node, scope: dict[str, Expr], dot: Expr) -> tuple[str, Expr]:
        """Return what a block asks, and what has to stand before it."""
        pipe = _of(node)
        value = self._value(pipe, scope, dot)
        if value.kind == "root":
            raise NotTurned("whether there are keys at all is not turned")
        if not pipe.names:
            return "", value
        if not pipe.declares:
            raise NotTurned("a variable is set where a block begins")
        return self._set(pipe, value, scope), scope[pipe.names[0]]

    def _range(self, node: Node, scope: dict[str, Expr], dot: Expr) -> str:
        pipe = _of(node)
        value = self._value(pipe, scope, dot)
        if value.kind not in {"root", "list"} or (pipe.names and not pipe.declares):
            raise NotTurned("range is turned over all keys, or a list, alone")
        outside, self._outside = self._outside, self._outside | {known.text for known in scope.values()}
        item = self._declared(pipe.names[-1] if pipe.names else "it", "text", scope)
        before, over = "", filtered(value, "sort(case_sensitive=true)") if value.kind == "root" else value
        if value.kind == "root":
            key = self._declared(pipe.names[0] if len(pipe.names) > 1 else "key", "text", scope)
            before, loop = f"{{% set {item.text} = {atom(value)}[{key.text}] %}}", key
        else:
            loop = item
            if len(pipe.names) > 1:
                scope[pipe.names[0]] = Expr("loop.index0", "int")
                self._refuse_nested(node)
        body = self.nodes(node.body, dict(scope), item)
        self._outside = outside
        other = self.nodes(node.other, dict(scope), dot)
        return (
            f"{{% for {loop.text} in {over.text} %}}{before}{body}"
            f"{f'{{% else %}}{other}' if node.other else ''}{{% endfor %}}"
        )

    def _refuse_nested(self, node: Node) -> None:
        """Raise NotTurned for a loop within this one: the number of a round is the innermost loop's here."""
        if any(part.kind == "range" or self._has_range(part) for part in node.body):
            raise NotTurned("a range in a range that counts is not turned")

    def _has_range(self, node: Node) -> bool:
        return any(part.kind == "range" or self._has_range(part) for part in (*node.body, *node.other))

    def _value(self, pipe: Pipe, scope: Mapping[str, Expr], dot: Expr) -> Expr:
        value: Expr | None = None
        for command in pipe.commands:
            first, *others = command
            args = [self._operand(other, scope, dot) for other in others]
            if value is not None:
                args.append(value)
            if first.kind == "word" and first.text not in _CONSTANTS:
                value = call(first.text, args, self.cautions)
            elif args:
                raise NotTurned("a value is given arguments")
            else:
                value = self._operand(first, scope, dot)
        assert value is not None  # noqa: S101 - the parser demands a command
        return value

    def _operand(self, operand: Operand, scope: Mapping[str, Expr], dot: Expr) -> Expr:
        match operand.kind:
            case "dot":
                base = dot
            case "variable":
                base = Expr("secrets", "root") if not operand.text else scope.get(operand.text, _NONE)
            case "(":
                base = self._value(operand.inner or Pipe([]), scope, dot)
            case "string":
                return constant(operand.text)
            case "number":
                return constant(int(operand.text))
            case _:
                base = _CONSTANTS.get(operand.text, _NONE)
                if base is _NONE:
                    base = call(operand.text, [], self.cautions)
        if base is _NONE:
            raise NotTurned("it is no template: a variable is not declared")
        for name in operand.chain:
            base = self._below(base, name)
        return base

    def _below(self, base: Expr, name: str) -> Expr:
        if base.kind == "root" and self._names is not None:
            if name not in self._names:
                raise NotTurned(f".{name} is not there")
            return Expr(self._names[name])
        if base.kind not in {"root", "json"}:
            raise NotTurned("text has no fields")
        return below(base, name, "text" if base.kind == "root" else "json")


_NONE = Expr("", "nothing")


def _of(node: Node) -> Pipe:
    if node.pipe is None:
        raise AssertionError  # pragma: no cover - all but texts have one
    return node.pipe
