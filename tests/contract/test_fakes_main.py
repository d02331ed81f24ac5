"""The fakes from the command line: what they print is enough to read from them, and they end when they are to."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Self

import pytest

from beemflow_secrets.chain.factory import open_chain
from beemflow_secrets.model.store import CredentialRef, StoreSpec
from beemflow_secrets.providers.errors import SecretsError, Unavailable
from beemflow_secrets.providers.surroundings import Surroundings
from beemflow_secrets.testing.fakes.offers import OFFERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from beemflow_secrets.providers.base import SecretsProvider


class Running:
    def __init__(self, backend: str, *arguments: str) -> None:
        command = [sys.executable, "-m", "beemflow_secrets.testing.fakes", backend, *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.told = self.hear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()

    def hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found

    def tell(self, line: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.hear()


@pytest.fixture(params=sorted(OFFERS))
def running(request: pytest.FixtureRequest) -> Iterator[Running]:
    with Running(request.param) as started:
        yield started


async def opened(told: dict[str, Any]) -> SecretsProvider:
    async def lend(ref: CredentialRef) -> str:
        assert ref.secret_key_ref.name == "login"
        return str(told["login"][ref.secret_key_ref.key])

    spec = StoreSpec.model_validate({**told["store"], "retry": {"attempts": 1}, "timeout": "5s"})
    return (await open_chain(spec, Surroundings(credential=lend))).reader


async def test_what_it_prints_is_enough_to_read_from_it(running: Running, canary: str) -> None:
    assert set(running.told) == {"address", "ca", "store", "login"}
    assert running.tell(f"put slack {canary} and more") == {"done": "put"}
    reader = await opened(running.told)
    try:
        assert await reader.get_secret("slack") == f"{canary} and more"
        assert running.tell('put slack {"token": "new"}') == {"done": "put"}
        assert json.loads(await reader.get_secret("slack")) == {"token": "new"}
        assert running.tell("stop") == {"done": "stop"}
        with pytest.raises(SecretsError) as caught:
            await reader.get_secret("slack")
        assert isinstance(caught.value, Unavailable)
        assert running.tell("start") == {"done": "start"}
        assert json.loads(await reader.get_secret("slack")) == {"token": "new"}
        assert "put NAME TEXT" in running.tell("what?")["error"]
    finally:
        await reader.close()


@pytest.mark.parametrize("sign", [signal.SIGTERM, None], ids=["SIGTERM", "closed input"])
def test_it_ends(running: Running, sign: signal.Signals | None) -> None:
    if sign is None:
        assert running.process.stdin is not None
        running.process.stdin.close()
    else:
        running.process.send_signal(sign)
    assert running.process.wait(timeout=60) == (0 if sign is None else -sign)


def test_a_port_that_is_taken_is_said_in_a_line(running: Running) -> None:
    port = running.told["address"].rpartition(":")[2]
    command = [sys.executable, "-m", "beemflow_secrets.testing.fakes", "1password", "--port", port]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (1, "", 1)
