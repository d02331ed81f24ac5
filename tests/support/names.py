"""Names that lead where a test says, as often as it changes its mind; for this process and for operators.

Nothing asks a DNS server: a name leads to the addresses that stand in a file (none: it does not resolve), all others
as the system has it.
"""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pytest

_PATCH = """
import json, pathlib, socket

_system = socket.getaddrinfo

def _resolve(host, port, *args, **kwargs):
    names = json.loads(pathlib.Path({file!r}).read_text())
    if host not in names:
        return _system(host, port, *args, **kwargs)
    if not names[host]:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")
    return [answer for one in names[host] for answer in _system(one, port, type=socket.SOCK_STREAM)]

socket.getaddrinfo = _resolve
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
        monkeypatch.setattr(socket, "getaddrinfo", socket.getaddrinfo)  # put back later
        exec(_PATCH.format(file=str(self._file)), {})

    def environment(self) -> dict[str, str]:
        """Return what lets a process see them: Python runs sitecustomize before all else."""
        (self._folder / "sitecustomize.py").write_text(_PATCH.format(file=str(self._file)))
        return {"PYTHONPATH": str(self._folder)}
