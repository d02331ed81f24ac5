"""Data as YAML that every reader takes as it is meant.

PyYAML writes YAML 1.1, in which `1e5` and `0o17` are text: it leaves them without quotes. YAML 1.2 takes them for
numbers, and so does the reader of kubectl (sigs.k8s.io/yaml), to which `y` and `n` are booleans and `-_1` a number too.
"""

from __future__ import annotations

import re

import yaml

_OTHERWISE = re.compile(
    r"[-+]?(0x[0-9a-f]+|0o[0-7]+|0b[01]+|([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]+)?|\.inf)"
    r"|\.nan|true|false|null|~|y|n",
    re.ASCII | re.IGNORECASE,
)
"""Null, booleans and numbers of YAML 1.2 (core schema, 10.3.2) and of kubectl, without underscores."""

_ODD_LINE_ENDS = frozenset("\r\x85\u2028\u2029")
"""PyYAML writes these so that reading them makes blanks of them, but for double quotes."""

WIDE = 2**31
"""Columns: no line is ever broken."""


def dumps(data: object, *, width: int = WIDE, blocks: bool = False) -> str:
    """Write a document, maps in their order. `blocks` writes texts of several lines, as templates are, in several."""
    dumper = _Blocks if blocks else _Dumper
    written: str = yaml.dump(data, Dumper=dumper, sort_keys=False, allow_unicode=True, width=width)
    return written


class _Dumper(yaml.SafeDumper):
    """PyYAML's, with text in the quotes that it needs."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002  # PyYAML's signature
        """Write an object that stands twice twice: anchors are hard to read, and not every tool knows them."""
        return True

    def represent_str(self, data: str) -> yaml.ScalarNode:
        """Put text into quotes where it would be read otherwise."""
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=self.style_of(data))

    def style_of(self, text: str) -> str | None:
        """Return how text is to be written; None: as PyYAML thinks."""
        if not _ODD_LINE_ENDS.isdisjoint(text):
            return '"'
        return "'" if _OTHERWISE.fullmatch(text.replace("_", "")) else None


class _Blocks(_Dumper):
    def style_of(self, text: str) -> str | None:
        return super().style_of(text) or ("|" if "\n" in text else None)


_Dumper.add_representer(str, _Dumper.represent_str)
_Blocks.add_representer(str, _Blocks.represent_str)
