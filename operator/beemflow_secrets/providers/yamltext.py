"""YAML as data alone, bounded, and without YAML 1.1's surprises.

No tag makes an object. What aliases and merges unfold counts as if it were written out, so that a few lines cannot
become gigabytes. `yes`, `no`, `on` and `off`, dates, octal and sexagesimal numbers stay the text that they are:
a password must not change because it looks like something.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

import yaml

from beemflow_secrets.providers.jsontext import Number

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST = 1024 * 1024
"""Characters and nodes that aliases and merges may add to what is written."""

DEEPEST = 100
"""Levels of lists and maps."""

_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where it is

_TAG = "tag:yaml.org,2002:"
_INTEGER = re.compile("-?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_TEXTS = frozenset({"str", "timestamp", "value", "merge"})


def loads(text: str) -> object:
    """Parse the one document of a text; None for an empty one. Numbers become `Number`, as they are written.

    Raises ValueError that says where the mistake is and quotes nothing.
    """
    documents = list(load_all(text))
    if len(documents) > 1:
        raise ValueError("it holds several documents")
    return documents[0] if documents else None


def load_all(text: str, *, spelled: bool = True) -> Iterator[object]:
    """Parse the documents of a text. `spelled` False makes numbers int and float. Raises ValueError as `loads`."""
    loader = None
    try:
        loader = _Loader(text)
        while loader.check_node():
            node = loader.get_node()
            # Twice: a node is one character at the least.
            yield _Builder(MOST + 2 * len(text), spelled=spelled).build(node, 0) if node is not None else None
    except yaml.YAMLError as error:
        # `from None`: the original quotes the text.
        raise ValueError(f"it is not YAML{_line(getattr(error, 'problem_mark', None))}") from None
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    finally:
        if loader is not None:
            loader.dispose()


class _Builder:
    """Makes data of one document's nodes, within the bounds."""

    def __init__(self, most: int, *, spelled: bool) -> None:
        self._left = most
        self._spelled = spelled

    def build(self, node: yaml.Node, depth: int) -> object:
        if depth > DEEPEST:  # an alias to what it stands in never ends
            raise ValueError(f"it is nested deeper than {DEEPEST} levels{_line(node.start_mark)}")
        self._spend(1, node)
        match node:
            case yaml.ScalarNode():
                self._spend(len(node.value), node)
                return self._scalar(node)
            case yaml.SequenceNode() if node.tag == f"{_TAG}seq":
                return [self.build(item, depth + 1) for item in node.value]
            case yaml.MappingNode() if node.tag == f"{_TAG}map":
                return self._map(node, depth)
        raise _foreign_tag(node)

    def _spend(self, amount: int, node: yaml.Node) -> None:
        self._left -= amount
        if self._left < 0:
            raise ValueError(f"its aliases unfold to too much{_line(node.start_mark)}")

    def _map(self, node: yaml.MappingNode, depth: int) -> dict[str, object]:
        own: dict[str, object] = {}
        merged: dict[str, object] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ValueError(f"a name is a list or a map{_line(key.start_mark)}")  # noqa: TRY004 - one class of error
            self._spend(len(key.value) + 1, key)
            if key.tag == f"{_TAG}merge":
                self._merge(merged, value, depth)
            else:
                own[key.value] = self.build(value, depth + 1)
        return {**merged, **own}

    def _merge(self, merged: dict[str, object], value: yaml.Node, depth: int) -> None:
        """Take in what `<<` names; what came first stays."""
        found = self.build(value, depth + 1)
        for source in found if isinstance(found, list) else [found]:
            if not isinstance(source, dict):
                raise ValueError(f"`<<` takes maps alone{_line(value.start_mark)}")  # noqa: TRY004 - one class of error
            for name, item in source.items():
                merged.setdefault(name, item)

    def _scalar(self, node: yaml.ScalarNode) -> object:
        text: str = node.value
        kind = node.tag.removeprefix(_TAG)
        match kind:
            case "null":
                return None
            case "bool" if text.lower() in {"true", "false"}:
                return text.lower() == "true"
            case "int" | "float" if _NUMBER.fullmatch(text):
                try:
                    return self._number(text)
                except ValueError:
                    raise ValueError(f"a number has too many digits{_line(node.start_mark)}") from None
            case "bool" | "int" | "float":
                return text
            case "binary":
                try:
                    return base64.b64decode("".join(text.split()), validate=True)
                except (binascii.Error, ValueError):
                    raise ValueError(f"a !!binary is not base64{_line(node.start_mark)}") from None
        if kind in _TEXTS:
            return text
        raise _foreign_tag(node)

    def _number(self, text: str) -> object:
        if self._spelled:
            return Number(text)
        return int(text) if _INTEGER.fullmatch(text) else float(text)


def _foreign_tag(node: yaml.Node) -> ValueError:
    # It is not named: an unquoted password that begins with `!` is one.
    return ValueError(f"a tag (`!…`) is none of YAML's own{_line(node.start_mark)}; put text that begins so in quotes")


def _line(mark: object) -> str:
    return f" (line {mark.line + 1})" if isinstance(getattr(mark, "line", None), int) else ""  # type: ignore[attr-defined]
