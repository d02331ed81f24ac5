"""Which names of a template may hold what a secret holds, as far as its text tells.

A key of `secrets` is asked of a backend, and stands in its logs, in the audit and in messages: no value may become one.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from jinja2 import nodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from beemflow_secrets.rendering.template.budget import Budget


class Origins:
    """Says of the expressions of one template whether a secret may be in what they are worth."""

    def __init__(self, tree: nodes.Template, budget: Budget) -> None:
        self._tree = tree
        self._budget = budget

    def is_of_secrets(self, node: nodes.Node) -> bool:
        """Return whether a secret may be in it: False only where none is."""
        return not self._names.isdisjoint(_named([node]))

    @cached_property
    def _names(self) -> set[str]:
        """Return `secrets`, and what is set to something of it, wherever that stands: a loop may go round again."""
        held = {"secrets"}
        left = list(_set(self._tree))
        while True:
            self._budget.take(len(left))
            found = [names for names, of in left if not held.isdisjoint(of)]
            if not found:
                return held
            left = [one for one in left if held.isdisjoint(one[1])]
            held.update(*found)


def _set(tree: nodes.Template) -> Iterator[tuple[set[str], set[str]]]:
    """Yield the names that are set somewhere, each with the names that stand in what they are set to."""
    given = _named(part for call in tree.find_all(nodes.Call) for part in (*call.args, *call.kwargs))
    for node in tree.find_all((nodes.Assign, nodes.AssignBlock, nodes.For, nodes.With, nodes.Macro, nodes.CallBlock)):
        match node:
            case nodes.Assign():
                yield _named([node.target]), _named([node.node])
            case nodes.AssignBlock():
                yield _named([node.target]), _named([node])
            case nodes.For():
                yield {"loop", *_named([node.target])}, _named([node.iter])
            case nodes.With():
                for target, value in zip(node.targets, node.values, strict=True):
                    yield _named([target]), _named([value])
            case nodes.Macro() | nodes.CallBlock():
                yield {node.name if isinstance(node, nodes.Macro) else "caller"}, _named([node])
                # Which macro a call calls is not looked into: what any is given, each may be given.
                yield _named(node.args), given | _named(node.defaults)


def _named(parts: Iterable[nodes.Node]) -> set[str]:
    """Return the names in parts of a template."""
    kinds = (nodes.Name, nodes.NSRef)
    return {
        found.name
        for part in parts
        for found in ((part,) if isinstance(part, kinds) else part.find_all(kinds))
        if isinstance(found, kinds)
    }
