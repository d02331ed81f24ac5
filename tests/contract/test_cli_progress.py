"""Who waits at a terminal for a slow backend sees that it goes on; a pipe gets nothing of it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.faultproxy import delay

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.faultproxy import FaultProxy
    from tests.support.openbao import OpenBao

SLOW = 1.0
"""Seconds for an answer: twice what is waited for before anything is shown."""


@pytest.fixture
def program(bao: OpenBao, proxy: FaultProxy, folder: str, canary: str, tmp_path: Path) -> list[str]:
    """The program in a folder with a configuration, for a backend that takes its time."""
    vault = {"address": proxy.address, "token": "${BAO_TOKEN}", "path": f"secret/{folder}"}
    section = {"driver": "vault", "retry": {"attempts": 1}, "vault": vault}
    (tmp_path / "flow.config.json").write_text(json.dumps({"secrets": section}))
    (tmp_path / "hello.yaml").write_text('name: hello\nsteps: [{id: a, with: {x: "{{ secrets.TOKEN }}"}}]\n')
    bao.write_kv2("secret", f"{folder}/TOKEN", {"value": canary})
    proxy.set(delay(SLOW))
    return [sys.executable, "-m", "beemflow_secrets"]


VERBS = pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (("get", "TOKEN", "--show"), "reading TOKEN"),
        (("list",), "listing"),
        (("validate", "hello.yaml"), "reading secrets"),
        (("export", "--key", "TOKEN", "--show"), "reading secrets"),
        (("exec", "--key", "TOKEN", "--", "true"), "reading secrets"),
    ],
)


@VERBS
def test_a_terminal_shows_progress_and_a_pipe_nothing(
    program: list[str], bao: OpenBao, tmp_path: Path, canary: str, arguments: tuple[str, ...], shown: str
) -> None:
    environment = {"PATH": os.environ["PATH"], "BAO_TOKEN": bao.root_token, "TERM": "xterm"}
    command = [*program, *arguments]
    reader, writer = pty.openpty()
    with subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=writer) as on_terminal:
        os.close(writer)
        bar = _rest(reader)
        stdout, _ = on_terminal.communicate(timeout=60)
    piped = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, check=False)
    assert (piped.returncode, on_terminal.returncode) == (0, 0), piped.stderr
    assert piped.stderr == b""
    assert stdout == piped.stdout
    assert shown in bar
    assert canary not in bar


def _rest(reader: int) -> str:
    text = b""
    while True:
        try:
            text += os.read(reader, 65536)
        except OSError:  # nobody writes any more
            os.close(reader)
            return text.decode()
