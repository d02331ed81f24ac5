"""process.py: what /healthz and /readyz say, by a clock that the test turns."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.controllers.objects import Key
from beemflow_secrets.engine.queue import QUANTUM
from beemflow_secrets.kube.connection import Connection
from beemflow_secrets.kube.errors import ApiUnavailable, Forbidden, NotFound, Unauthorized
from beemflow_secrets.model import names
from beemflow_secrets.model.settings import Settings
from beemflow_secrets.parts import STUCK_AFTER
from beemflow_secrets.process import PING_EVERY, SILENT_AFTER, Broken, Process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.looptime

KEY = Key(names.SECRET.name, "ns", "slack")
SERVED = {"resources": [{"name": kind.plural} for kind in names.KINDS]}


async def no_token() -> str | None:
    return None


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.passed = 0.0
        begun, epoch = time.monotonic(), time.time()
        monkeypatch.setattr("beemflow_secrets.process.time.monotonic", lambda: begun + self.passed)
        monkeypatch.setattr("beemflow_secrets.process.time.time", lambda: epoch + self.passed)


class ApiServer:
    """Answers `get` with `answer`, or raises it."""

    def __init__(self, process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answer: Any = SERVED
        self.asked = 0
        monkeypatch.setattr(process._parts.client, "get", self.get)

    async def get(self, _path: str) -> Any:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
async def process(clock: Clock) -> AsyncIterator[Process]:
    made = Process(Settings(), Connection("http://api", None, no_token, "default", lambda: None, lambda: None))
    made._waits_for = None
    yield made
    await made.close()


@pytest.fixture
def api_server(process: Process, monkeypatch: pytest.MonkeyPatch) -> ApiServer:
    return ApiServer(process, monkeypatch)


async def test_it_is_not_ready_when_the_api_server_has_been_silent(
    process: Process, clock: Clock, api_server: ApiServer
) -> None:
    api_server.answer = ApiUnavailable("away")
    pinging = asyncio.create_task(process._ping())
    await asyncio.sleep(1)
    clock.passed += SILENT_AFTER
    assert process.unready() == []
    clock.passed += 1
    assert process.unready() == ["the API server has not answered for 31 s"]
    assert process.stuck() == []
    api_server.answer = {}
    await asyncio.sleep(PING_EVERY)
    assert process.unready() == []
    pinging.cancel()


async def test_the_api_server_is_asked_every_ten_seconds(process: Process, api_server: ApiServer) -> None:
    pinging = asyncio.create_task(process._ping())
    await asyncio.sleep(60.5)
    assert api_server.asked == 7
    pinging.cancel()


async def test_a_key_that_waits_for_a_free_worker_means_a_stuck_queue(process: Process) -> None:
    process._parts.queue.add(KEY, lane="store")
    await asyncio.sleep(STUCK_AFTER)
    assert process.stuck() == []
    await asyncio.sleep(1)
    assert process.stuck() == ["the queue is stuck: a resource has waited 31 s for a free worker"]


async def test_a_store_whose_reads_hang_does_not(process: Process) -> None:
    """Its lane is full, and that is the backend's fault."""
    limit = Settings().concurrency
    for number in range(limit + 50):
        process._parts.queue.add(Key(names.SECRET.name, "ns", str(number)), lane="store")
    assert len(await process._parts.queue.take()) == limit - limit % QUANTUM  # whole batches
    await asyncio.sleep(10 * STUCK_AFTER)
    assert process.stuck() == []


async def test_changes_that_the_watch_did_not_bring_mean_a_stuck_watch(process: Process) -> None:
    process._parts.sweep.missed = {(KEY, 2)}
    assert process.stuck() == ["the watch is stuck: 1 changed resources were not delivered"]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (NotFound("no such group"), "kubectl apply"),
        ({"resources": SERVED["resources"][:-2]}, "the kinds beemflowclustersecrets, beemflowpushsecrets of"),
        (ApiUnavailable("it is away"), "it is away"),
        (Forbidden("who may not ask"), "who may not ask"),
    ],
)
async def test_it_says_what_it_waits_for(process: Process, api_server: ApiServer, answer: Any, told: str) -> None:
    api_server.answer = answer
    assert not await process._has_kinds()
    (problem,) = process.unready()
    assert told in problem


async def test_a_login_that_is_refused_is_not_waited_for(process: Process, api_server: ApiServer) -> None:
    api_server.answer = Unauthorized("Unauthorized")
    with pytest.raises(Broken, match="does not accept the login"):
        await process._has_kinds()


async def test_a_defect_is_told_by_its_place_and_comes_back_after_a_minute(
    process: Process, clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fail(_key: Key) -> None:
        raise RuntimeError("canary in an exception")

    monkeypatch.setattr(process._parts.secrets, "reconcile", fail)
    await process._parts.work(KEY)
    shown = "".join(capsys.readouterr())
    assert "RuntimeError" in shown
    assert "test_process.py" in shown
    assert "canary" not in shown
    clock.passed += 61
    assert await process._parts.queue.take() == [KEY]
