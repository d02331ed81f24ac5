"""Names that lead where a test says, as often as it changes its mind; for this process and for operators.

Nothing asks a DNS server: a name leads to the addresses that stand in a file (none: it does not resolve), all others
as the system has it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pytest

_PATCH = """
import json, pathlib, socket
import aiohttp

_system = aiohttp.ThreadedResolver.resolve

async def _resolve(self, host, port=0, family=socket.AF_INET):
    names = json.loads(pathlib.Path({file!r}).read_text())
    if host not in names:
        return await _system(self, host, port, family)
    if not names[host]:
        raise OSError(None, "no such name")
    return [
        {{"hostname": host, "host": one, "port": port, "proto": 0, "flags": 0,
          "family": socket.AF_INET6 if ":" in one else socket.AF_INET}}
        for one in names[host]
    ]

aiohttp.ThreadedResolver.resolve = _resolve
"""


class Names:
    """Where names lead. Replaced as a whole file, so that no reader sees half of it."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "names.json"
        self._folder = folder
        self._names: dict[str, Sequence[str]] = {}
        self.lead({})

    def lead(self, names: dict[str, Sequence[str]]) -> None:
        """Let these names lead to these addresses from now on."""
        self._names |= names
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(self._names))
        new.replace(self._file)

    def patch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let drivers of this process see them."""
        monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", aiohttp.ThreadedResolver.resolve)  # put back later
        exec(_PATCH.format(file=str(self._file)), {})

    def environment(self) -> dict[str, str]:
        """Return what lets a process see them: Python runs sitecustomize before all else."""
        (self._folder / "sitecustomize.py").write_text(_PATCH.format(file=str(self._file)))
        return {"PYTHONPATH": str(self._folder)}
