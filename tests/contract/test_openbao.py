"""The server that the other tests stand on."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.openbao import OpenBao, OpenBaoError

ROOT = Path(__file__).parents[2]

PROGRAM = """
import os
from tests.support.openbao import OpenBao
bao = OpenBao()
bao.start()
bao.pause()
print(bao.pid, bao.folder, flush=True)
os.kill(os.getpid(), 9)
"""


def test_it_ends_with_its_maker_however_that_ends() -> None:
    maker = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    pid, folder = maker.stdout.split()
    with suppress(ProcessLookupError):
        handle = os.pidfd_open(int(pid))
        try:
            assert select.select([handle], [], [], 10)[0], "the server outlives its maker"
        finally:
            os.close(handle)
    shutil.rmtree(folder)


def test_it_returns_with_its_state() -> None:
    with OpenBao(keep=True) as bao:
        bao.write_kv1("kv1", "a", {"value": "kept"})
        address, token = bao.address, bao.root_token
        bao.stop()
        with pytest.raises(OSError, match="refused"):
            bao.call("GET", "kv1/a")
        bao.start()
        assert (bao.address, bao.root_token) == (address, token)
        assert bao.call("GET", "kv1/a")["data"] == {"value": "kept"}
        folder = bao.folder
    assert not folder.exists()


def test_it_says_what_is_wrong() -> None:
    with OpenBao() as bao, pytest.raises(OpenBaoError, match="unsupported path") as caught:
        bao.call("GET", "sys/nothing")
    assert caught.value.status == 404
