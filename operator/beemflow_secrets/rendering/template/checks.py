"""What no template of ours may ask for, refused before it is run, wherever in it that stands."""

from __future__ import annotations

from jinja2 import nodes

from beemflow_secrets.rendering.template.faults import TemplateError
from beemflow_secrets.rendering.template.registry import FILTERS, TESTS
from beemflow_secrets.rendering.template.syntax import spelled

FUNCTIONS = frozenset({"range", "dict", "namespace"})
"""What can be called, beside a template's own macros and `loop.cycle`."""

ON_MISSING = frozenset({"default", "d", "fallback"})
"""The filters that act on what is missing."""

_STAND_ALONE = (nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport)
_NOT_OFFERED = (nodes.ExprStmt, nodes.Continue, nodes.Break, nodes.ScopedEvalContextModifier, nodes.EvalContextModifier)


def check(tree: nodes.Template) -> None:
    """Raise TemplateError for the first thing in a template that is not offered."""
    kinds = (*_STAND_ALONE, *_NOT_OFFERED, nodes.Getattr, nodes.NSRef, nodes.Filter, nodes.Test, nodes.Call)
    for node in tree.find_all(kinds):
        fault = _fault(node)
        if fault is not None:
            raise TemplateError(fault).at(node.lineno)


def _fault(node: nodes.Node) -> str | None:
    fault = None
    match node:
        case nodes.Getattr() if node.attr.startswith("_"):
            fault = f"{spelled(node)}: a name behind a dot must not begin with `_`"
        case nodes.NSRef() if node.attr.startswith("_"):
            fault = f"{node.name}.{node.attr}: a name behind a dot must not begin with `_`"
        case nodes.Filter() if node.name not in FILTERS and node.name not in ON_MISSING:
            fault = f"there is no filter {node.name}"
        case nodes.Test() if node.name not in TESTS and node.name not in {"defined", "undefined"}:
            fault = f"there is no test {node.name}"
        case nodes.Filter() | nodes.Test() if node.dyn_args is not None or node.dyn_kwargs is not None:
            fault = f"{node.name}: arguments cannot be unpacked"
        case nodes.Call():
            fault = _fault_of_call(node)
        case nodes.Extends() | nodes.Include() | nodes.Import() | nodes.FromImport():
            fault = "a template stands alone: it includes, imports and extends no other"
        case _ if isinstance(node, _NOT_OFFERED):
            fault = "this statement is not offered"
    return fault


def _fault_of_call(node: nodes.Call) -> str | None:
    if node.dyn_args is not None or node.dyn_kwargs is not None:
        return "arguments cannot be unpacked"
    called = node.node
    if isinstance(called, nodes.Name):
        return None  # a macro, or not: that is known once it is run
    if isinstance(called, nodes.Getattr) and spelled(called) == "loop.cycle":
        return None
    return f"{spelled(called)} cannot be called: use a filter, as `| upper`"
