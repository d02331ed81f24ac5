"""The chart's values as a table: names and defaults of values.yaml, and the comments that begin with `# --` there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

VALUES = Path(__file__).parents[1] / "charts" / "beemflow-secrets" / "values.yaml"
_KEY = re.compile(r"( *)([A-Za-z]+):(.*)")


def rows() -> Iterator[tuple[str, str, str]]:
    """Yield name (`image.tag`), default and meaning of each value that has a meaning of its own, or nothing inside."""
    above: list[str] = []
    said: list[str] = []
    lines = VALUES.read_text().splitlines()
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        comment = line.strip()
        if comment.startswith("# -- "):
            said = [comment.removeprefix("# -- ")]
        elif comment.startswith("# ") and said:
            said.append(comment.removeprefix("# ").strip())
        elif key := _KEY.fullmatch(line):
            depth, name, default = len(key[1]) // 2, key[2], key[3].strip()
            above = [*above[:depth], name]
            holds_more = not default and following.startswith(" " * (2 * depth + 2))
            if said or not holds_more:
                yield ".".join(above), default, " ".join(said)
            said = []
        else:
            said = []


def table() -> Iterator[str]:
    """Yield the lines of the page."""
    yield "# Values of the chart\n"
    yield "A name that is not here is refused. What a container or a pod has is written as there.\n"
    yield "| value | default | meaning |"
    yield "|---|---|---|"
    for name, default, meaning in rows():
        yield f"| `{name}` | {f'`{default}`' if default else ''} | {meaning.replace('|', chr(92) + '|')} |"
    yield ""
