"""The audit: a record of each access, to every sink, whatever the sinks do. Time is virtual."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.chain.access import Audited
from beemflow_secrets.chain.asking import access
from beemflow_secrets.chain.audit import feed
from beemflow_secrets.chain.audit.feed import Feed, SinkFault
from beemflow_secrets.chain.audit.trail import NotRecorded, Trail
from beemflow_secrets.chain.factory import chain
from beemflow_secrets.model.store import StoreSpec
from beemflow_secrets.providers.errors import Denied, NotFound, Unavailable
from beemflow_secrets.providers.value import Ref, SecretValue
from beemflow_secrets.telemetry import metrics
from tests.unit.chain.scripted import Backend, now

if TYPE_CHECKING:
    from beemflow_secrets.providers.base import SecretsProvider

pytestmark = pytest.mark.looptime

CANARY = "canary-77aa"


class Sink:
    """Takes lines, unless it fails or hangs."""

    name = "scripted"

    def __init__(self, batch: int = 100) -> None:
        self.batch = batch
        self.writes: list[tuple[float, bytes]] = []
        self.fault: str | None = None
        self.hangs = False
        self.closed = False

    async def write(self, lines: bytes) -> None:
        self.writes.append((now(), lines))
        if self.hangs:
            await asyncio.sleep(10_000)
        if self.fault is not None:
            raise SinkFault(self.fault)

    async def close(self) -> None:
        self.closed = True

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for _, lines in self.writes for line in lines.splitlines()]


def failures() -> float:
    return metrics.registry.get_sample_value("beemflow_secrets_audit_failures_total", {"sink": "scripted"}) or 0.0


@pytest.fixture
def backend() -> Backend:
    return Backend({"a": SecretValue(CANARY, version="7"), "b": SecretValue(CANARY), "c": Denied("no right", key="c")})


def audited(backend: Backend, trail: Trail, **spec: Any) -> SecretsProvider:
    found = StoreSpec.model_validate({"retry": {"attempts": 1}, **spec})
    return chain(backend, found, Audited(trail, "prod", "flows"))


async def test_a_record_says_who_asked_for_what_and_whether_it_was_given(backend: Backend) -> None:
    sink = Sink()
    trail = Trail([sink])
    policies = [{"secretPatterns": ["a", "c", "d"]}]
    provider = audited(backend, trail, accessPolicies=policies, prefix="", driver="env")
    with access(flow="flows/pay", user="u1"):
        await provider.fetch([Ref("a"), Ref("b"), Ref("c"), Ref("d", "3")])
        await provider.list_secrets("x/")
    with pytest.raises(Denied):
        await provider.list_secrets()
    await trail.close()
    found = sink.records
    assert list(found[0]) == [
        "flow_id", "secret_key", "action", "user_id", "timestamp", "source", "decision", "version", "cache",
    ]  # fmt: skip
    for record in found:
        age = datetime.now(UTC) - datetime.fromisoformat(record.pop("timestamp"))
        assert timedelta() <= age < timedelta(seconds=5)
    same = {"flow_id": "flows/pay", "action": "read", "user_id": "u1", "source": "env/prod", "cache": "off"}
    told = {record["secret_key"]: record for record in found[:4]}
    assert told == {
        "a": {**same, "secret_key": "a", "decision": "allowed", "version": "7"},
        "b": {**same, "secret_key": "b", "decision": "denied", "version": None},  # by policy
        "c": {**same, "secret_key": "c", "decision": "denied", "version": None},  # by the backend
        "d": {**same, "secret_key": "d", "decision": "allowed", "version": None},  # and not there
    }
    listed, refused = found[4:]
    assert (listed["action"], listed["secret_key"], listed["decision"]) == ("list", "x/", "allowed")
    assert (refused["action"], refused["flow_id"], refused["decision"]) == ("list", "", "denied")
    assert CANARY not in repr(sink.writes)
    assert all(line.endswith(b"\n") for _, line in sink.writes)


async def test_the_user_is_the_service_account_where_one_is_used(backend: Backend) -> None:
    sink = Sink()
    trail = Trail([sink])
    spec = {"driver": "kubernetes", "kubernetes": {"serviceAccountRef": {"name": "reader"}}}
    await audited(backend, trail, **spec).fetch([Ref("a")])
    spec["kubernetes"]["serviceAccountRef"]["namespace"] = "other"  # type: ignore[index]
    await audited(backend, trail, **spec).fetch([Ref("a")])
    await trail.close()
    users = [record["user_id"] for record in sink.records]
    assert users == ["system:serviceaccount:flows:reader", "system:serviceaccount:other:reader"]


async def test_a_health_check_is_no_access(backend: Backend) -> None:
    sink = Sink()
    trail = Trail([sink])
    await audited(backend, trail, healthCheck={"criticalKeys": ["a"]}).health_check()
    await trail.close()
    assert sink.writes == []


async def test_a_name_that_is_no_unicode_is_recorded_too(backend: Backend) -> None:
    sink = Sink()
    trail = Trail([sink])
    await audited(backend, trail).fetch([Ref("caf\udce9")])
    await trail.close()
    assert sink.records[0]["secret_key"] == "caf\udce9"


# What sinks do.


async def test_records_gather_and_are_written_together(backend: Backend) -> None:
    sink = Sink(batch=30)
    trail = Trail([sink])
    provider = audited(backend, trail)
    for _ in range(50):
        await provider.fetch([Ref("a"), Ref("b")])
    await asyncio.sleep(1)
    assert [len(lines.splitlines()) for _, lines in sink.writes] != []
    assert sum(len(lines.splitlines()) for _, lines in sink.writes) == 100
    assert max(len(lines.splitlines()) for _, lines in sink.writes) <= 30
    assert len(sink.writes) < 50


async def test_a_sink_that_hangs_or_fails_holds_up_no_read_and_is_counted(backend: Backend) -> None:
    hanging, failing, good = Sink(), Sink(), Sink()
    hanging.hangs, failing.fault = True, "disk full"
    trail = Trail([hanging, failing, good])
    provider = audited(backend, trail)
    before, began = failures(), now()
    assert await provider.get_secret("a") == CANARY
    assert now() - began < 0.05
    await asyncio.sleep(feed.GATHER + feed.ATTEMPT + 1)
    assert failures() - before >= 2
    assert len(good.writes) == 1
    failing.fault = None
    await asyncio.sleep(60)
    assert [record["secret_key"] for record in failing.records[-1:]] == ["a"]  # it was kept, and offered again
    await trail.close()


async def test_what_cannot_be_written_is_given_up_in_the_end_and_the_next_is_not(backend: Backend) -> None:
    sink = Sink()
    sink.fault = "no room"
    trail = Trail([sink])
    provider = audited(backend, trail)
    before = failures()
    await provider.fetch([Ref("a")])
    await asyncio.sleep(300)
    assert len(sink.writes) == feed.ATTEMPTS == failures() - before
    assert 30 < sink.writes[-1][0] - sink.writes[0][0] < 60
    sink.fault = None
    await provider.fetch([Ref("b")])
    await asyncio.sleep(1)
    assert sink.records[-1]["secret_key"] == "b"


async def test_what_waits_is_bounded() -> None:
    sink = Sink()
    sink.hangs = True
    slow = Feed(sink, required=False)
    before = failures()
    for _ in range(feed.MOST_KEPT + 10):
        slow.put([b"{}\n"])
    assert failures() - before == 10
    await slow.close()
    assert sink.closed
    assert failures() - before == feed.MOST_KEPT + 10  # all are lost, and that is told


async def test_what_was_written_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "MOST_KEPT", 10)
    sink = Sink()
    quick = Feed(sink, required=False)
    for _ in range(5):
        for _ in range(10):
            quick.put([b"{}\n"])
        await asyncio.sleep(1)
    assert len(sink.records) == 50
    await quick.close()


async def test_who_waits_for_a_record_is_told_when_the_process_ends() -> None:
    sink = Sink()
    sink.hangs = True
    hanging = Feed(sink, required=True)
    waiting = [hanging.put([b"{}\n"]) for _ in range(3)]
    await hanging.close()
    assert [done.result() for done in waiting] == [feed.ENDS] * 3


async def test_the_end_waits_for_what_is_quick_and_for_nothing_else() -> None:
    sink, hanging = Sink(), Sink()
    hanging.hangs = True
    trail = Trail([sink, hanging])
    await trail.write([b"{}\n"])
    began = now()
    await trail.close()
    assert len(sink.writes) == 1
    assert now() - began <= feed.FLUSH + 0.1
    assert hanging.closed


# Where the audit is required.


async def test_required_a_read_waits_for_its_record_and_gathers_nothing(backend: Backend) -> None:
    sink = Sink()
    provider = audited(backend, Trail([sink], required=True))
    began = now()
    assert await provider.get_secret("a") == CANARY
    assert [record["secret_key"] for record in sink.records] == ["a"]
    assert now() - began < feed.GATHER


@pytest.mark.parametrize("fault", ["disk full", "hangs"])
async def test_required_a_read_whose_record_cannot_be_written_fails(backend: Backend, fault: str) -> None:
    good, bad = Sink(), Sink()
    bad.hangs, bad.fault = fault == "hangs", fault
    provider = audited(backend, Trail([good, bad], required=True))
    before, began = failures(), now()
    answers = {ref.key: answer for ref, answer in (await provider.fetch([Ref("a"), Ref("c"), Ref("d")])).items()}
    assert now() - began <= feed.ATTEMPT + 0.1
    assert isinstance(answers["a"], NotRecorded | Unavailable)
    assert str(answers["a"]).startswith("the audit, which is required, cannot be written to scripted: ")
    assert isinstance(answers["c"], Denied)
    assert not isinstance(answers["d"], NotFound)  # nobody may act on what is not written down
    with pytest.raises(Unavailable, match="the audit, which is required"):
        await provider.list_secrets()
    assert failures() - before >= 3
    assert len(good.records) == 4
    bad.hangs, bad.fault = False, None
    assert await provider.get_secret("a") == CANARY


async def test_required_who_goes_away_meanwhile_disturbs_nobody(backend: Backend) -> None:
    sink = Sink()
    sink.hangs = True
    trail = Trail([sink], required=True)
    provider = audited(backend, trail)
    gone = asyncio.create_task(provider.fetch([Ref("a")]))
    await asyncio.sleep(0.1)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    sink.hangs = False
    await asyncio.sleep(feed.ATTEMPT)
    assert await provider.get_secret("a") == CANARY
    await trail.close()


async def test_a_record_says_whether_a_cache_answered(backend: Backend) -> None:
    sink = Sink()
    trail = Trail([sink])
    provider = audited(backend, trail, cache={"enabled": True, "ttl": "1s", "staleIfError": "1h"})
    for fault, later in ((None, 0), (None, 0), (Unavailable("away"), 2)):
        backend.fault = fault
        await asyncio.sleep(later)
        await provider.fetch([Ref("a")])
    backend.fault = None
    await provider.list_secrets()
    await trail.close()
    assert [record["cache"] for record in sink.records] == ["miss", "hit", "stale", "off"]
