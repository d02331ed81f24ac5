"""The texts of a flow, and where each stands. Any document will do: a tool's manifest, MCP servers, a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from beemflow_secrets.providers.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterator

_STEPS = frozenset({"steps", "do", "catch", "else"})
"""Where a flow, and a step, holds steps."""


class Place(NamedTuple):
    """Where a text stands: the flow's name, the innermost step's id, and the way to it from the top."""

    flow: str | None
    step: str | None
    path: str

    def __str__(self) -> str:
        named = [f"flow {self.flow}"] if self.flow is not None else []
        if self.step is not None:
            named.append(f"step {self.step}")
        if self.path:
            named.append(self.path)
        return ", ".join(named)


def texts(document: object) -> Iterator[tuple[Place, str]]:
    """Yield the texts of a parsed document, names of maps excluded. Raises Invalid for one that is nested too deep."""
    name = document.get("name") if isinstance(document, Mapping) else None
    top = Place(name if isinstance(name, str) else None, None, "")
    try:
        yield from _texts(document, top, holds_steps=True)
    except RecursionError:
        raise Invalid("the flow is nested too deep") from None


def _texts(node: object, at: Place, *, holds_steps: bool) -> Iterator[tuple[Place, str]]:
    """`holds_steps`: the node is a flow or a step. What a step passes on (`with`) may have names of its own."""
    match node:
        case str():
            yield at, node
        case Mapping():
            for name, item in node.items():
                below = at._replace(path=_joined(at.path, name))
                if holds_steps and name in _STEPS and isinstance(item, list | tuple):
                    yield from _steps(item, below)
                else:
                    yield from _texts(item, below, holds_steps=False)
        case list() | tuple():
            for place, item in enumerate(node):
                yield from _texts(item, at._replace(path=f"{at.path}[{place}]"), holds_steps=False)


def _steps(steps: list[object] | tuple[object, ...], at: Place) -> Iterator[tuple[Place, str]]:
    for place, step in enumerate(steps):
        path = f"{at.path}[{place}]"
        identity = step.get("id") if isinstance(step, Mapping) else None
        inner = at._replace(path=path, step=identity if isinstance(identity, str) else at.step)
        yield from _texts(step, inner, holds_steps=True)


def _joined(path: str, name: object) -> str:
    text = str(name)
    if text and not set(text) & set('.[]"'):
        return f"{path}.{text}" if path else text
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'{path}["{quoted}"]'
