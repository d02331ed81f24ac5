"""The Lease, taken and held: on a clock that the test turns, and an API server that answers late, wrongly or not."""

from __future__ import annotations

import asyncio
import copy
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.engine.clock import loop_time
from beemflow_secrets.kube.election import DURATION, EVERY, RENEW_WITHIN
from beemflow_secrets.kube.errors import (
    AlreadyExists,
    ApiError,
    ApiUnavailable,
    Conflict,
    Forbidden,
    NotFound,
    NotLeading,
)
from beemflow_secrets.kube.lease import Elector, Lost, namespace_of_lease

if TYPE_CHECKING:
    from collections.abc import Coroutine

pytestmark = pytest.mark.looptime

PATH = "/apis/coordination.k8s.io/v1/namespaces/ns/leases/beemflow-secrets"


class ApiServer:
    """One Lease. `takes` are the seconds until an answer, `fails` is what comes in its place, None: nothing ever."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.takes = 0.01
        self.fails: ApiError | None = None
        self.hangs = False
        self.asked: list[str] = []

    async def get(self, path: str) -> dict[str, Any]:
        await self._answers("get", path)
        if self.lease is None:
            raise NotFound("no such lease")
        return copy.deepcopy(self.lease)

    async def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        await self._answers("create", f"{path}/{body['metadata']['name']}")
        if self.lease is not None:
            raise AlreadyExists("there is one")
        return self._store(body)

    async def replace(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        await self._answers("update", path)
        if self.lease is None:
            raise NotFound("no such lease")
        if body["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise Conflict("another version")
        return self._store(body)

    async def _answers(self, verb: str, path: str) -> None:
        assert path == PATH
        self.asked.append(verb)
        await asyncio.sleep(1e6 if self.hangs else self.takes)
        if self.fails is not None:
            raise self.fails

    def _store(self, body: dict[str, Any]) -> dict[str, Any]:
        self.version += 1
        self.lease = copy.deepcopy(body)
        self.lease["metadata"]["resourceVersion"] = str(self.version)
        return copy.deepcopy(self.lease)

    @property
    def holder(self) -> str:
        assert self.lease is not None
        found: str = self.lease["spec"]["holderIdentity"]
        return found


@pytest.fixture
def server() -> ApiServer:
    return ApiServer()


def candidate(server: ApiServer) -> Elector:
    return Elector(server, "ns", now=loop_time)


async def until_lost(running: Coroutine[Any, Any, None]) -> tuple[float, str]:
    with pytest.raises(Lost) as lost:
        await running
    return loop_time(), str(lost.value)


async def test_the_first_takes_the_lease_and_renews_it_with_one_request_every_2_s(server: ApiServer) -> None:
    one = candidate(server)
    with pytest.raises(NotLeading):
        one.allowance()
    with suppress(TimeoutError):
        async with asyncio.timeout(60.5):
            await one.run()
    assert one.leading.is_set()
    assert server.asked == ["get", "create", *["update"] * 30]
    assert one.allowance() > DURATION - EVERY
    assert server.lease is not None
    spec = server.lease["spec"]
    assert (spec["leaseDurationSeconds"], spec["leaseTransitions"]) == (10, 0)
    assert spec["renewTime"] > spec["acquireTime"]


async def test_another_takes_over_when_the_lease_ends_and_not_before(server: ApiServer) -> None:
    first, second = candidate(server), candidate(server)
    leading = asyncio.create_task(first.run())
    await first.leading.wait()
    waiting = asyncio.create_task(second.run())
    await asyncio.sleep(30)
    assert not second.leading.is_set()
    leading.cancel()  # as if it was killed
    killed = loop_time()
    await second.leading.wait()
    assert DURATION - EVERY < loop_time() - killed < DURATION + EVERY + 0.2
    assert server.lease is not None
    assert server.lease["spec"]["leaseTransitions"] == 1
    with pytest.raises(NotLeading):
        first.allowance()
    waiting.cancel()


async def test_a_lease_that_is_given_back_is_taken_within_2_s(server: ApiServer) -> None:
    first, second = candidate(server), candidate(server)
    leading = asyncio.create_task(first.run())
    await first.leading.wait()
    waiting = asyncio.create_task(second.run())
    await asyncio.sleep(5)
    leading.cancel()
    await first.release()
    with pytest.raises(NotLeading):
        first.allowance()
    released = loop_time()
    await second.leading.wait()
    assert loop_time() - released < EVERY + 0.2
    waiting.cancel()


async def test_a_standby_that_ends_leaves_the_lease_alone(server: ApiServer) -> None:
    first, second = candidate(server), candidate(server)
    leading = asyncio.create_task(first.run())
    await first.leading.wait()
    holder = server.holder
    await second.release()
    assert server.holder == holder
    leading.cancel()


@pytest.mark.parametrize("how", ["hangs", "refuses", "forbids"])
async def test_a_leader_that_cannot_renew_ends_by_its_deadline(server: ApiServer, how: str) -> None:
    one = candidate(server)
    running = asyncio.create_task(until_lost(one.run()))
    await one.leading.wait()
    await asyncio.sleep(20)
    cut = loop_time()
    if how == "hangs":
        server.hangs = True
    else:
        server.fails = ApiUnavailable("away") if how == "refuses" else Forbidden("you may not update it")
    ended, why = await running
    assert RENEW_WITHIN - EVERY - 0.1 < ended - cut <= RENEW_WITHIN + 0.1
    assert "could not be renewed" in why
    with pytest.raises(NotLeading):
        one.allowance()


async def test_a_short_outage_is_lived_through(server: ApiServer) -> None:
    one = candidate(server)
    running = asyncio.create_task(one.run())
    await one.leading.wait()
    for _ in range(10):
        await asyncio.sleep(8)
        server.hangs = True
        await asyncio.sleep(3)
        server.hangs = False
        assert one.allowance() > 0
    assert not running.done()
    running.cancel()


async def test_a_slow_api_server_is_not_mistaken_for_one_that_is_away(server: ApiServer) -> None:
    server.takes = 1.4
    one = candidate(server)
    running = asyncio.create_task(one.run())
    await one.leading.wait()
    await asyncio.sleep(100)
    assert one.allowance() > 0
    running.cancel()


async def test_a_leader_that_finds_another_in_its_place_ends_at_once(server: ApiServer) -> None:
    one = candidate(server)
    running = asyncio.create_task(until_lost(one.run()))
    await one.leading.wait()
    assert server.lease is not None
    server._store({**server.lease, "spec": {**server.lease["spec"], "holderIdentity": "other"}})
    taken = loop_time()
    ended, why = await running
    assert ended - taken <= 2 * EVERY + 0.1
    assert "taken over by other" in why


async def test_a_lease_that_somebody_deleted_or_edited_is_held_on_to(server: ApiServer) -> None:
    one = candidate(server)
    running = asyncio.create_task(one.run())
    await one.leading.wait()
    server.lease = None
    await asyncio.sleep(10)
    assert server.holder
    assert server.lease is not None
    server.lease["metadata"]["labels"] = {"team": "platform"}
    server._store(server.lease)
    await asyncio.sleep(10)
    assert server.lease["metadata"]["labels"] == {"team": "platform"}
    assert one.allowance() > DURATION - 2 * EVERY
    running.cancel()


async def test_a_right_that_lacks_is_told_and_one_that_comes_is_used(server: ApiServer) -> None:
    told = 'leases "beemflow-secrets" is forbidden: User "x" cannot get resource "leases" in the namespace "ns"'
    server.fails = Forbidden(told)
    one = candidate(server)
    running = asyncio.create_task(one.run())
    await asyncio.sleep(5)
    assert one.problem == told
    server.fails = None
    await asyncio.sleep(3)
    assert one.problem is None
    assert one.leading.is_set()
    running.cancel()


@pytest.mark.parametrize(("given", "found"), [("pods-own", "pods-own"), ("", "contexts"), (None, "contexts")])
def test_the_lease_is_in_the_pods_namespace_else_in_the_contexts(
    monkeypatch: pytest.MonkeyPatch, given: str | None, found: str
) -> None:
    monkeypatch.delenv("POD_NAMESPACE", raising=False)
    if given is not None:
        monkeypatch.setenv("POD_NAMESPACE", given)
    assert namespace_of_lease("contexts") == found
