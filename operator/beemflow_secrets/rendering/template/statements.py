"""What a template prints: one method for each statement of Jinja2's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from jinja2 import nodes

from beemflow_secrets.rendering.template.budget import LARGEST_OUTPUT, Budget
from beemflow_secrets.rendering.template.expressions import Expressions, Macro
from beemflow_secrets.rendering.template.faults import TemplateError
from beemflow_secrets.rendering.template.origins import Origins
from beemflow_secrets.rendering.template.registry import apply
from beemflow_secrets.rendering.template.values import Namespace, bytes_of, items_of, to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from beemflow_secrets.rendering.template.expressions import Scope


class Statements(Expressions):
    """Renders a template. Made for one render."""

    def __init__(self, budget: Budget) -> None:
        super().__init__(budget)
        self._printed = 0

    def render(self, tree: nodes.Template, names: Mapping[str, object]) -> bytes:
        """Return what a template prints. Raises TemplateError."""
        self._origins = Origins(tree, self._budget)
        raw = bytes_of("".join(self._body(tree.body, dict(names))))
        if len(raw) > LARGEST_OUTPUT:
            raise _too_long()
        return raw

    def _body(self, body: Sequence[nodes.Node], scope: Scope) -> list[str]:
        """Return what statements print, in parts. What they set stays in `scope`."""
        parts: list[str] = []
        for node in body:
            self._budget.step()
            self.line = node.lineno
            self._STATEMENTS[type(node)](self, node, scope, parts)
        return parts

    def _print(self, text: str, parts: list[str]) -> None:
        # Each text counts once more where it is kept to be filtered or set: this bounds memory, not the output alone.
        self._printed += len(text)
        if self._printed > 2 * LARGEST_OUTPUT:
            raise _too_long()
        parts.append(text)

    def _output(self, node: nodes.Output, scope: Scope, parts: list[str]) -> None:
        for part in node.nodes:
            text = part.data if isinstance(part, nodes.TemplateData) else self.text(part, scope)
            self._print(text, parts)

    def _if(self, node: nodes.If, scope: Scope, parts: list[str]) -> None:
        for branch in (node, *node.elif_):
            if self.value(branch.test, scope):
                parts += self._body(branch.body, scope)
                return
        parts += self._body(node.else_, scope)

    def _for(self, node: nodes.For, scope: Scope, parts: list[str]) -> None:
        if node.recursive:
            raise TemplateError("a loop cannot be recursive here")
        found = items_of(self.value(node.iter, scope))
        self._budget.take(8 * len(found))
        items = found if node.test is None else [item for item in found if self._passes(node, item, scope)]
        for place, item in enumerate(items):
            inner = {**scope, "loop": _loop(items, place)}
            self._assign(node.target, item, inner)
            parts += self._body(node.body, inner)
        if not items:
            parts += self._body(node.else_, dict(scope))

    def _passes(self, node: nodes.For, item: object, scope: Scope) -> bool:
        inner = dict(scope)
        self._assign(node.target, item, inner)
        return bool(self.value(node.test, inner)) if node.test is not None else True

    def _set(self, node: nodes.Assign, scope: Scope, _parts: list[str]) -> None:
        self._assign(node.target, self.value(node.node, scope), scope)

    def _set_block(self, node: nodes.AssignBlock, scope: Scope, _parts: list[str]) -> None:
        text: object = "".join(self._body(node.body, dict(scope)))
        if node.filter is not None:
            text = self._filtered(node.filter, str(text), scope)
        self._assign(node.target, text, scope)

    def _filter_block(self, node: nodes.FilterBlock, scope: Scope, parts: list[str]) -> None:
        text = "".join(self._body(node.body, dict(scope)))
        self._print(to_text(self._filtered(node.filter, text, scope)), parts)

    def _filtered(self, node: nodes.Filter, text: str, scope: Scope) -> object:
        """Return what a block's filters, the last one outermost, make of its text."""
        value: object = text if not isinstance(node.node, nodes.Filter) else self._filtered(node.node, text, scope)
        args, kwargs = self._arguments(node, scope)
        return apply(node.name, value, args, kwargs, self._budget)

    def _with(self, node: nodes.With, scope: Scope, parts: list[str]) -> None:
        inner = dict(scope)
        for target, value in zip(node.targets, node.values, strict=True):
            self._assign(target, self.value(value, scope), inner)
        parts += self._body(node.body, inner)

    def _block(self, node: nodes.Block | nodes.Scope, scope: Scope, parts: list[str]) -> None:
        parts += self._body(node.body, dict(scope))

    def _macro(self, node: nodes.Macro, scope: Scope, _parts: list[str]) -> None:
        scope[node.name] = self._callable(node, scope)

    def _callable(self, node: nodes.Macro | nodes.CallBlock, scope: Scope) -> Macro:
        names = [argument.name for argument in node.args]
        first_default = len(names) - len(node.defaults)

        def call(args: list[object], kwargs: Mapping[str, object]) -> str:
            given = {**dict(zip(names, args, strict=False)), **kwargs}
            if len(args) > len(names) or not given.keys() <= {*names, "caller"}:
                raise TemplateError("a macro is given what it does not take")
            inner = dict(scope)
            inner.update(given)
            for place, name in enumerate(names):
                if name not in given and place >= first_default:
                    inner[name] = self.value(node.defaults[place - first_default], inner)
                elif name not in given:
                    inner.pop(name, None)  # undefined, should it be used
            text = "".join(self._body(node.body, inner))
            self._budget.take(len(text))
            return text

        return Macro(call)

    def _call_block(self, node: nodes.CallBlock, scope: Scope, parts: list[str]) -> None:
        called = self.value(node.call.node, scope)
        if not isinstance(called, Macro):
            raise TemplateError("only a macro can be called with a block")
        args, kwargs = self._arguments(node.call, scope)
        self._print(called.call(args, {**kwargs, "caller": self._callable(node, scope)}), parts)

    def _assign(self, target: nodes.Node, value: object, scope: Scope) -> None:
        match target:
            case nodes.Name():
                scope[target.name] = value
            case nodes.NSRef():
                space = scope.get(target.name)
                if not isinstance(space, Namespace):
                    raise TemplateError(f"{target.name} is no namespace()")
                space[target.attr] = value
            case nodes.Tuple():
                items = items_of(value)
                if len(items) != len(target.items):
                    # How many items there are may be a value: those of `range`, or the length of one.
                    raise TemplateError(f"{len(target.items)} names for another number of values")
                for part, item in zip(target.items, items, strict=True):
                    self._assign(part, item, scope)
            case _:
                raise TemplateError("this cannot be set")

    _STATEMENTS: ClassVar[dict[type[nodes.Node], Callable[..., None]]] = {
        nodes.Output: _output,
        nodes.If: _if,
        nodes.For: _for,
        nodes.Assign: _set,
        nodes.AssignBlock: _set_block,
        nodes.FilterBlock: _filter_block,
        nodes.With: _with,
        nodes.Scope: _block,
        nodes.Block: _block,
        nodes.Macro: _macro,
        nodes.CallBlock: _call_block,
    }


def _loop(items: list[object], place: int) -> dict[str, Any]:
    last = len(items) - 1
    return {
        "index": place + 1,
        "index0": place,
        "revindex": last - place + 1,
        "revindex0": last - place,
        "first": place == 0,
        "last": place == last,
        "length": len(items),
        "previtem": items[place - 1] if place else None,
        "nextitem": items[place + 1] if place < last else None,
    }


def _too_long() -> TemplateError:
    return TemplateError("it prints more than 1 MiB")
