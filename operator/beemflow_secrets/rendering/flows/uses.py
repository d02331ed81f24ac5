"""What one template asks of `secrets`, found in its syntax tree. It need not be one that this project would run."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from jinja2 import nodes

from beemflow_secrets.rendering.flows.references import Use
from beemflow_secrets.rendering.template.checks import ON_MISSING
from beemflow_secrets.rendering.template.syntax import spelled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_ROOT = "secrets"


class Sight(NamedTuple):
    """What is known somewhere in a template.

    `roots` are the names that mean the secrets: `secrets`, and what was set to it. `safe` are keys that are surely
    there. `optional`: something else stands in for what is missing.
    """

    roots: frozenset[str] = frozenset({_ROOT})
    safe: frozenset[str] = frozenset()
    optional: bool = False

    def without(self, names: Iterable[str]) -> Sight:
        """Return the same where these names mean something else."""
        return self._replace(roots=self.roots.difference(names))

    def where(self, test: nodes.Node) -> Sight:
        """Return the same where a test holds."""
        return self._replace(safe=self.safe | _proven(test, self), optional=self.optional)


class Uses:
    """Walks a tree. Each statement says what is known behind it."""

    def __init__(self) -> None:
        self.found: list[Use] = []

    def of(self, tree: nodes.Template) -> list[Use]:
        """Return all uses in a template."""
        self._body(tree.body, Sight())
        return self.found

    def _body(self, body: Iterable[nodes.Node], sight: Sight) -> Sight:
        for node in body:
            walk = self._STATEMENTS.get(type(node))
            if walk is None:
                self._children(node, sight)
            else:
                sight = walk(self, node, sight)
        return sight

    def _children(self, node: nodes.Node, sight: Sight) -> None:
        for child in node.iter_child_nodes():
            self._expression(child, sight)

    def _set(self, node: nodes.Assign, sight: Sight) -> Sight:
        return self._bound(node.target, node.node, sight)

    def _bound(self, target: nodes.Node, value: nodes.Node, sight: Sight) -> Sight:
        """Walk what a name is set to. One that is set to the secrets themselves means them from then on."""
        if isinstance(target, nodes.Name) and _is_root(value, sight):
            return sight._replace(roots=sight.roots | {target.name})
        self._expression(value, sight)
        return sight.without(_names(target))

    def _set_block(self, node: nodes.AssignBlock, sight: Sight) -> Sight:
        self._body(node.body, sight)
        if node.filter is not None:
            self._expression(node.filter, sight)
        return sight.without(_names(node.target))

    def _for(self, node: nodes.For, sight: Sight) -> Sight:
        self._expression(node.iter, sight)
        inner = sight.without({*_names(node.target), "loop"})
        if node.test is not None:
            self._expression(node.test, inner)
        self._body(node.body, inner)
        self._body(node.else_, sight)
        return sight

    def _if(self, node: nodes.If, sight: Sight) -> Sight:
        """Walk the branches. A name that means the secrets behind any of them may mean them behind all."""
        behind = set() if node.else_ else set(sight.roots)
        for branch in (node, *node.elif_):
            self._expression(branch.test, sight)
            behind |= self._body(branch.body, sight.where(branch.test)).roots
        behind |= self._body(node.else_, sight).roots
        return sight._replace(roots=frozenset(behind))

    def _with(self, node: nodes.With, sight: Sight) -> Sight:
        inner = sight
        for target, value in zip(node.targets, node.values, strict=True):
            inner = self._bound(target, value, inner)
        self._body(node.body, inner)
        return sight

    def _macro(self, node: nodes.Macro | nodes.CallBlock, sight: Sight) -> Sight:
        for default in node.defaults:
            self._expression(default, sight)
        if isinstance(node, nodes.CallBlock):
            self._expression(node.call, sight)
        self._body(node.body, sight.without(argument.name for argument in node.args))
        return sight.without({node.name}) if isinstance(node, nodes.Macro) else sight

    def _import(self, node: nodes.Import | nodes.FromImport, sight: Sight) -> Sight:
        self._expression(node.template, sight)
        if isinstance(node, nodes.Import):
            return sight.without({node.target})
        return sight.without(name if isinstance(name, str) else name[1] for name in node.names)

    def _block(self, node: nodes.Block | nodes.Scope | nodes.ScopedEvalContextModifier, sight: Sight) -> Sight:
        self._body(node.body, sight)
        return sight

    def _filter_block(self, node: nodes.FilterBlock, sight: Sight) -> Sight:
        self._expression(node.filter, sight)
        self._body(node.body, sight)
        return sight

    def _expression(self, node: nodes.Node, sight: Sight) -> None:
        key = _key(node, sight)
        if key is not None:
            self.found.append(Use(key, sight.optional or key in sight.safe, spelled(node)))
            return
        walk = self._EXPRESSIONS.get(type(node), Uses._children)
        walk(self, node, sight)

    def _name(self, node: nodes.Name, sight: Sight) -> None:
        if _is_root(node, sight):
            self.found.append(Use(None, sight.optional, node.name))

    def _item(self, node: nodes.Getitem, sight: Sight) -> None:
        if _is_root(node.node, sight):
            self.found.append(Use(None, sight.optional, spelled(node)))
        else:
            self._expression(node.node, sight)
        self._expression(node.arg, sight._replace(optional=False))

    def _filter(self, node: nodes.Filter, sight: Sight) -> None:
        if node.node is not None:
            self._expression(node.node, sight._replace(optional=sight.optional or node.name in ON_MISSING))
        for child in node.iter_child_nodes(exclude=("node",)):
            self._expression(child, sight)

    def _test(self, node: nodes.Test, sight: Sight) -> None:
        asks = node.name in {"defined", "undefined"}
        self._expression(node.node, sight._replace(optional=sight.optional or asks))
        for child in node.iter_child_nodes(exclude=("node",)):
            self._expression(child, sight)

    def _condition(self, node: nodes.CondExpr, sight: Sight) -> None:
        self._expression(node.test, sight)
        self._expression(node.expr1, sight.where(node.test))
        if node.expr2 is not None:
            self._expression(node.expr2, sight)

    def _and(self, node: nodes.And, sight: Sight) -> None:
        self._expression(node.left, sight)
        self._expression(node.right, sight.where(node.left))

    _STATEMENTS: ClassVar[dict[type[nodes.Node], Callable[..., Sight]]] = {
        nodes.Assign: _set,
        nodes.AssignBlock: _set_block,
        nodes.For: _for,
        nodes.If: _if,
        nodes.With: _with,
        nodes.Macro: _macro,
        nodes.CallBlock: _macro,
        nodes.Import: _import,
        nodes.FromImport: _import,
        nodes.Block: _block,
        nodes.Scope: _block,
        nodes.ScopedEvalContextModifier: _block,
        nodes.FilterBlock: _filter_block,
    }
    _EXPRESSIONS: ClassVar[dict[type[nodes.Node], Callable[..., None]]] = {
        nodes.Name: _name,
        nodes.Getitem: _item,
        nodes.Filter: _filter,
        nodes.Test: _test,
        nodes.CondExpr: _condition,
        nodes.And: _and,
    }


def _key(node: nodes.Node, sight: Sight) -> str | None:
    """Return the key that an expression names: secrets.X, secrets["X"], secrets | attr("X"), secrets.get("X")."""
    match node:
        case nodes.Getattr() if _is_root(node.node, sight):
            return node.attr
        case nodes.Getitem() if _is_root(node.node, sight) and isinstance(node.arg, nodes.Const):
            return str(node.arg.value)
        case nodes.Filter() if node.name == "attr" and _is_root(node.node, sight):
            return _constant(node.args)
        case nodes.Call() if isinstance(node.node, nodes.Getattr) and node.node.attr == "get":
            return _constant(node.args) if _is_root(node.node.node, sight) else None
    return None


def _constant(args: list[nodes.Expr]) -> str | None:
    first = args[0] if args else None
    return first.value if isinstance(first, nodes.Const) and isinstance(first.value, str) else None


def _is_root(node: nodes.Node | None, sight: Sight) -> bool:
    return isinstance(node, nodes.Name) and node.name in sight.roots


def _proven(test: nodes.Node, sight: Sight) -> frozenset[str]:
    """Return the keys that are there where a test holds: `secrets.X is defined`, and several of these."""
    match test:
        case nodes.Test() if test.name == "defined":
            key = _key(test.node, sight)
            return frozenset() if key is None else frozenset({key})
        case nodes.And():
            return _proven(test.left, sight) | _proven(test.right, sight)
    return frozenset()


def _names(target: nodes.Node) -> set[str]:
    """Return the names that a target sets."""
    found = {target.name} if isinstance(target, nodes.Name) else set()
    return found | {name.name for name in target.find_all(nodes.Name)}
