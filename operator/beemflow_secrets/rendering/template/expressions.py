"""What an expression is worth: one method for each kind of node that Jinja2's parser makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from jinja2 import nodes

from beemflow_secrets.rendering.template.checks import ON_MISSING
from beemflow_secrets.rendering.template.faults import Missing, TemplateError
from beemflow_secrets.rendering.template.operators import compare, compute, numbers
from beemflow_secrets.rendering.template.registry import apply, holds
from beemflow_secrets.rendering.template.syntax import spelled
from beemflow_secrets.rendering.template.values import Namespace, Secrets, look_up, missing, to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from beemflow_secrets.rendering.template.budget import Budget
    from beemflow_secrets.rendering.template.origins import Origins

    Scope = dict[str, object]
    """The names that are visible somewhere: a copy for each block, so that what a loop sets stays in it."""

_ABSENT = object()


class Macro:
    """What `{% macro %}` and `{% call %}` make: something that can be called, and is no value."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[[list[object], Mapping[str, object]], str]) -> None:
        self.call = call


class Expressions:
    """Evaluates expressions within a budget. `line` is where it is, for whoever tells of an error."""

    _origins: Origins

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.line = 1

    def value(self, node: nodes.Node, scope: Scope) -> object:
        """Return what an expression is worth. Raises TemplateError; Missing for a name that is not there."""
        self._budget.step()
        self.line = node.lineno
        return self._EVALUATORS[type(node)](self, node, scope)

    def text(self, node: nodes.Node, scope: Scope) -> str:
        """Return what an expression prints as."""
        value = self.value(node, scope)
        if not isinstance(value, str):
            self._budget.pay(value)
        return to_text(value)

    def _name(self, node: nodes.Name, scope: Scope) -> object:
        found = scope.get(node.name, _ABSENT)
        if found is _ABSENT:
            raise missing(node.name)
        return found

    def _const(self, node: nodes.Const, _scope: Scope) -> object:
        return node.value

    def _member(self, node: nodes.Getattr, scope: Scope) -> object:
        return self._below(node, self.value(node.node, scope), node.attr)

    def _item(self, node: nodes.Getitem, scope: Scope) -> object:
        base = self.value(node.node, scope)
        if isinstance(node.arg, nodes.Slice):
            return self._slice(node.arg, base, scope)
        self._may_be_asked(node.arg, base)
        return self._below(node, base, self.value(node.arg, scope))

    def _may_be_asked(self, key: nodes.Node, base: object) -> None:
        """Raise TemplateError for a key that would be read and may be made of a value. It is not worked out before."""
        if isinstance(base, Secrets) and not base.whole and self._origins.is_of_secrets(key):
            raise TemplateError("a key of `secrets` cannot be made of a secret, which logs would show: name the key")

    def _below(self, node: nodes.Expr, base: object, name: object) -> object:
        found = look_up(base, name)
        if found is None:
            raise missing(spelled(node))
        return found

    def _slice(self, node: nodes.Slice, base: object, scope: Scope) -> object:
        given = [None if part is None else self.value(part, scope) for part in (node.start, node.stop, node.step)]
        bounds = [bound for bound in given if isinstance(bound, int | None)]
        if not isinstance(base, str | list | tuple) or len(bounds) < len(given):
            raise TemplateError("only text and lists have parts, from one number to another")
        if bounds[2] == 0:
            raise TemplateError("the step of a part is 0")
        self._budget.pay(base)
        return base[slice(*bounds)]

    def _list(self, node: nodes.List | nodes.Tuple, scope: Scope) -> object:
        return self._made([self.value(item, scope) for item in node.items])

    def _dict(self, node: nodes.Dict, scope: Scope) -> object:
        pairs = ((self.text(pair.key, scope), self.value(pair.value, scope)) for pair in node.items)
        return self._made(dict(pairs))

    def _made(self, value: object) -> object:
        self._budget.pay(value)
        return value

    def _concat(self, node: nodes.Concat, scope: Scope) -> object:
        parts = [self.text(part, scope) for part in node.nodes]
        self._budget.take(sum(map(len, parts)))
        return "".join(parts)

    def _condition(self, node: nodes.CondExpr, scope: Scope) -> object:
        if self.value(node.test, scope):
            return self.value(node.expr1, scope)
        return "" if node.expr2 is None else self.value(node.expr2, scope)

    def _and(self, node: nodes.And, scope: Scope) -> object:
        return self.value(node.left, scope) and self.value(node.right, scope)

    def _or(self, node: nodes.Or, scope: Scope) -> object:
        return self.value(node.left, scope) or self.value(node.right, scope)

    def _not(self, node: nodes.Not, scope: Scope) -> object:
        return not self.value(node.node, scope)

    def _sign(self, node: nodes.Neg | nodes.Pos, scope: Scope) -> object:
        value = self.value(node.node, scope)
        if not isinstance(value, int | float):
            raise TemplateError("only numbers have a sign")
        return -value if isinstance(node, nodes.Neg) else value

    def _binary(self, node: nodes.BinExpr, scope: Scope) -> object:
        return compute(type(node).__name__, self.value(node.left, scope), self.value(node.right, scope), self._budget)

    def _compare(self, node: nodes.Compare, scope: Scope) -> object:
        asked, left = node.expr, self.value(node.expr, scope)
        for operand in node.ops:
            right = self.value(operand.expr, scope)
            self._may_be_asked(asked, right)
            if not compare(operand.op, left, right, self._budget):
                return False
            asked, left = operand.expr, right
        return True

    def _filter(self, node: nodes.Filter, scope: Scope) -> object:
        if node.node is None:  # pragma: no cover - a block's filters are called with a node in this place
            raise TemplateError("a filter stands alone")
        if node.name in ON_MISSING:
            return self._or_else(node, scope)
        value = self.value(node.node, scope)
        args, kwargs = self._arguments(node, scope)
        return apply(node.name, value, args, kwargs, self._budget)

    def _or_else(self, node: nodes.Filter, scope: Scope) -> object:
        """Return a value, or, if it is missing, what stands in for it. Nothing else than missing counts."""
        kwargs = {pair.key: pair.value for pair in _keywords(node)}
        instead = node.args[0] if node.args else kwargs.get("default_value")
        also_empty = node.args[1] if len(node.args) > 1 else kwargs.get("boolean")
        if node.name == "fallback" and instead is None:
            raise TemplateError("fallback names what stands in: fallback secrets.OTHER")
        lacking: Missing | None = None
        value: object = None
        try:
            value = self.value(node.node, scope)  # type: ignore[arg-type]  # seen in `_filter`
        except Missing as error:
            lacking = error
        if lacking is None and not (also_empty is not None and self.value(also_empty, scope) and not value):
            return value
        if instead is None:
            return ""
        try:
            return self.value(instead, scope)
        except Missing as error:
            if lacking is None:
                raise
            raise Missing(f"{lacking.message}, and {error.message}") from None

    def _test(self, node: nodes.Test, scope: Scope) -> object:
        if node.name in {"defined", "undefined"}:
            try:
                self.value(node.node, scope)
            except Missing:
                return node.name == "undefined"
            return node.name == "defined"
        value = self.value(node.node, scope)
        args, _ = self._arguments(node, scope)
        return holds(node.name, value, args, self._budget)

    def _arguments(
        self, node: nodes.Filter | nodes.Test | nodes.Call, scope: Scope
    ) -> tuple[list[object], dict[str, object]]:
        args = [self.value(argument, scope) for argument in node.args]
        return args, {pair.key: self.value(pair.value, scope) for pair in _keywords(node)}

    def _call(self, node: nodes.Call, scope: Scope) -> object:
        args, kwargs = self._arguments(node, scope)
        if isinstance(node.node, nodes.Getattr):  # `loop.cycle`: all others were refused before
            return self._cycle(self.value(node.node.node, scope), args)
        name = node.node.name if isinstance(node.node, nodes.Name) else "…"
        called = scope.get(name)
        if isinstance(called, Macro):
            return called.call(args, kwargs)
        if called is None and name == "range":
            return numbers(self._budget, *args)
        if called is None and name in {"dict", "namespace"} and not args:
            return self._made(Namespace(kwargs) if name == "namespace" else dict(kwargs))
        raise TemplateError(f"{name} cannot be called")

    def _cycle(self, loop: object, args: list[object]) -> object:
        at = look_up(loop, "index0")
        if not args or not isinstance(at, int):
            raise TemplateError("loop.cycle takes the values to go round")
        return args[at % len(args)]

    _EVALUATORS: ClassVar[dict[type[nodes.Node], Callable[..., object]]] = {
        nodes.Name: _name,
        nodes.Const: _const,
        nodes.Getattr: _member,
        nodes.Getitem: _item,
        nodes.List: _list,
        nodes.Tuple: _list,
        nodes.Dict: _dict,
        nodes.Concat: _concat,
        nodes.CondExpr: _condition,
        nodes.And: _and,
        nodes.Or: _or,
        nodes.Not: _not,
        nodes.Neg: _sign,
        nodes.Pos: _sign,
        nodes.Compare: _compare,
        nodes.Filter: _filter,
        nodes.Test: _test,
        nodes.Call: _call,
        **dict.fromkeys((nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow), _binary),
    }


def _keywords(node: nodes.Filter | nodes.Test | nodes.Call) -> list[nodes.Keyword]:
    """Return the arguments that are named. Jinja2's annotations of them are wider than what its parser makes."""
    return [pair for pair in node.kwargs if isinstance(pair, nodes.Keyword)]
