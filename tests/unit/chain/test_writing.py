"""Writes pass all layers: each does its part, and none keeps what was there before. Time is virtual."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.chain.access import Audited
from beemflow_secrets.chain.asking import access
from beemflow_secrets.chain.audit.trail import Trail
from beemflow_secrets.chain.factory import chain
from beemflow_secrets.chain.multi import Failover
from beemflow_secrets.chain.policy import NotAllowed
from beemflow_secrets.model.store import StoreSpec
from beemflow_secrets.providers.base import Content, Ref, SecretValue
from beemflow_secrets.providers.errors import Denied, Invalid, NotFound, SecretsError, Throttled, Unavailable
from beemflow_secrets.telemetry import metrics
from tests.unit.chain.scripted import TIMEOUT, Backend, as_link, now

if TYPE_CHECKING:
    from collections.abc import Iterable

    from beemflow_secrets.providers.base import SecretsProvider

pytestmark = pytest.mark.looptime

CANARY = "canary-4f1c"


class Writable(Backend):
    """Takes writes. `faults` are raised one after the other, where `lost` after the write; `slow` in seconds."""

    def __init__(self, secrets: dict[str, SecretValue | SecretsError] | None = None) -> None:
        super().__init__(secrets)
        self.faults: list[SecretsError] = []
        self.lost = False
        self.slow = 0.01
        self.read_takes = 0.0
        self.writes_made: list[str] = []

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        answers = await super().fetch(refs)
        await asyncio.sleep(self.read_takes)
        return answers

    async def set_secret(self, key: str, value: Content, *, property: str | None = None) -> SecretValue:
        before = self.secrets.get(key)
        fields = dict(before.fields or {}) if isinstance(before, SecretValue) else {}
        await asyncio.sleep(self.slow)
        if self.faults and not self.lost:
            raise self.faults.pop(0)
        version = str(len(self.writes_made) + 1)
        self.writes_made.append(key)
        content: Any = value if property is None else {**fields, property: value}
        self.secrets[key] = SecretValue(content, version)
        if self.faults:
            raise self.faults.pop(0)
        return SecretValue(content, version)

    async def delete_secret(self, key: str, *, property: str | None = None) -> None:
        assert property is None
        await asyncio.sleep(self.slow)
        if self.faults:
            raise self.faults.pop(0)
        self.secrets.pop(key, None)


@pytest.fixture
def backend() -> Writable:
    return Writable({"a": SecretValue("old", "0")})


def store(backend: Backend, audited: Audited | None = None, **spec: Any) -> SecretsProvider:
    found = StoreSpec.model_validate({"timeout": f"{TIMEOUT:g}s", **spec})
    return chain(backend, found, audited or Audited())


def cached(backend: Backend, strategy: str = "write-through", **spec: Any) -> SecretsProvider:
    return store(backend, cache={"enabled": True, "strategy": strategy, **spec})


async def test_a_driver_without_writing_says_so_and_is_not_asked() -> None:
    plain = store(Backend())
    assert not plain.writes
    for change in (plain.set_secret("a", CANARY), plain.delete_secret("a")):
        with pytest.raises(Invalid, match="a: this backend is read only"):
            await change


async def test_a_chain_is_read_only_though_its_links_are_not(backend: Writable) -> None:
    multi = Failover([as_link(backend, "one")], priority=False, failover_after=0)
    assert not multi.writes
    with pytest.raises(Invalid, match="read only"):
        await multi.set_secret("a", CANARY)
    assert backend.writes_made == []


async def test_the_prefix_stands_before_keys_and_errors_name_them_as_written(backend: Writable) -> None:
    provider = store(backend, prefix="team/")
    await provider.set_secret("x", CANARY)
    assert backend.writes_made == ["team/x"]
    backend.faults = [Denied("no right", key="team/x")]
    with pytest.raises(Denied) as caught:
        await provider.set_secret("x", CANARY)
    assert (caught.value.key, CANARY in repr(caught.value)) == ("x", False)
    for key in ("", "/x", "../x"):
        with pytest.raises(Invalid):
            await provider.delete_secret(key)


async def test_what_is_throttled_or_gets_no_answer_is_tried_again(backend: Writable) -> None:
    provider = store(backend)
    backend.faults = [Unavailable("away"), Throttled("slower", retry_after=3)]
    started = now()
    assert (await provider.set_secret("a", CANARY)).version == "1"
    assert now() - started >= 3
    backend.faults = [Unavailable("away")]
    await provider.delete_secret("a")
    assert "a" not in backend.secrets


@pytest.mark.parametrize("fault", [Denied("no right"), Invalid("too large"), NotFound("no such mount")])
async def test_what_cannot_help_is_not_tried_again(backend: Writable, fault: SecretsError) -> None:
    backend.faults = [fault, Unavailable("not reached")]
    with pytest.raises(type(fault)):
        await store(backend).set_secret("a", CANARY)
    assert len(backend.faults) == 1


async def test_a_write_that_hangs_ends_within_twice_the_timeout(backend: Writable) -> None:
    backend.slow = 10_000
    started = now()
    with pytest.raises(Unavailable):
        await store(backend).set_secret("a", CANARY)
    assert now() - started <= 2 * TIMEOUT


async def test_writes_are_counted_as_such(backend: Writable) -> None:
    def count(operation: str) -> float:
        labels = {"provider": "scripted", "operation": operation, "outcome": "success"}
        return metrics.registry.get_sample_value("beemflow_secrets_requests_total", labels) or 0.0

    before = count("write"), count("delete")
    provider = store(backend)
    await provider.set_secret("a", CANARY)
    await provider.delete_secret("a")
    assert (count("write"), count("delete")) == (before[0] + 1, before[1] + 1)


async def test_who_reads_after_a_write_is_not_given_a_read_from_before_it(backend: Writable) -> None:
    provider = store(backend)
    backend.read_takes = 1.0  # reads what was there, and answers later
    early = asyncio.create_task(provider.get_secret("a"))
    await asyncio.sleep(0.1)
    await provider.set_secret("a", CANARY)
    assert await provider.get_secret("a") == CANARY
    assert await early == "old"  # asked before it was written
    await provider.delete_secret("a")
    with pytest.raises(NotFound):
        await provider.get_secret("a")


async def test_fields_that_are_set_at_once_lose_none(backend: Writable) -> None:
    provider = store(backend)
    await asyncio.gather(*(provider.set_secret("login", str(n), property=f"f{n}") for n in range(20)))
    assert (await provider.get_secret_with_metadata("login")).fields == {f"f{n}": str(n) for n in range(20)}


async def test_write_through_keeps_what_was_written(backend: Writable) -> None:
    provider = cached(backend)
    assert await provider.get_secret("a") == "old"
    await provider.set_secret("a", CANARY)
    backend.reads.clear()
    found = await provider.get_secret_with_metadata("a")
    assert (found.value, found.version, found.kept is not None) == (CANARY, "1", True)
    assert backend.reads == []
    await asyncio.sleep(301)
    assert await provider.get_secret("a") == CANARY
    assert backend.reads == ["a"]


@pytest.mark.parametrize("strategy", ["ttl", "lru"])
async def test_other_strategies_forget_what_was_overwritten(backend: Writable, strategy: str) -> None:
    provider = cached(backend, strategy)
    assert await provider.get_secret("a") == "old"
    await provider.set_secret("a", CANARY)
    backend.reads.clear()
    assert await provider.get_secret("a") == CANARY
    assert backend.reads == ["a"]


async def test_a_key_that_was_missing_is_there_after_its_write(backend: Writable) -> None:
    provider = cached(backend)
    with pytest.raises(NotFound):
        await provider.get_secret("b")
    await provider.set_secret("b", CANARY)
    assert await provider.get_secret("b") == CANARY


@pytest.mark.parametrize("strategy", ["lru", "write-through"])
async def test_a_read_that_is_overtaken_by_a_write_is_not_kept(backend: Writable, strategy: str) -> None:
    provider = cached(backend, strategy)
    backend.read_takes = 1.0
    early = [asyncio.create_task(provider.fetch([Ref(key)])) for key in "ab"]
    await asyncio.sleep(0.1)
    for key in "ab":
        await provider.set_secret(key, CANARY)
    await asyncio.gather(*early)
    assert await provider.get_secrets(["a", "b"]) == {"a": CANARY, "b": CANARY}


async def test_a_delete_is_forgotten_by_the_cache_and_no_outage_brings_it_back(backend: Writable) -> None:
    provider = cached(backend, staleIfError="1h")
    assert await provider.get_secret("a") == "old"
    await provider.delete_secret("a")
    backend.fault = Unavailable("away")
    with pytest.raises(Unavailable):
        await provider.get_secret("a")


@pytest.mark.parametrize("last", [Unavailable("away"), Throttled("slower"), Denied("no right any more")])
async def test_a_failed_write_leaves_no_wrong_entry(backend: Writable, last: SecretsError) -> None:
    provider = store(backend, cache={"enabled": True, "strategy": "write-through"}, retry={"attempts": 2})
    assert await provider.get_secret("a") == "old"
    backend.lost = True
    backend.faults = [Unavailable("cut off after it was written"), last]
    with pytest.raises(type(last)):
        await provider.set_secret("a", CANARY)
    assert await provider.get_secret("a") == CANARY


async def test_a_cancelled_write_leaves_no_wrong_entry(backend: Writable) -> None:
    provider = cached(backend)
    assert await provider.get_secret("a") == "old"
    backend.lost, backend.slow = True, 1.0
    write = asyncio.create_task(provider.set_secret("a", CANARY))
    await asyncio.sleep(0.5)
    write.cancel()
    await asyncio.gather(write, return_exceptions=True)
    backend.secrets["a"] = SecretValue(CANARY, "9")  # it was on its way
    assert await provider.get_secret("a") == CANARY


async def test_policies_judge_writes_and_deletes_by_themselves(backend: Writable) -> None:
    policies = [
        {"flowPatterns": ["push"], "secretPatterns": ["a"], "allowedActions": ["write"]},
        {"flowPatterns": ["clean"], "allowedActions": ["delete"]},
    ]
    provider = store(backend, accessPolicies=policies)
    with access(flow="push"):
        await provider.set_secret("a", CANARY)
        for refused in (provider.set_secret("b", CANARY), provider.delete_secret("a"), provider.get_secret("a")):
            with pytest.raises(NotAllowed):
                await refused
    with access(flow="clean"):
        with pytest.raises(NotAllowed, match="lets flow 'clean' write it"):
            await provider.set_secret("a", CANARY)
        await provider.delete_secret("a")
    with pytest.raises(NotAllowed, match="nobody is named"):
        await provider.set_secret("a", CANARY)
    assert backend.writes_made == ["a"]


async def test_each_change_is_recorded_and_no_value(backend: Writable) -> None:
    lines: list[bytes] = []

    class Sink:
        name, batch = "scripted", 100

        async def write(self, written: bytes) -> None:
            lines.extend(written.splitlines())

        async def close(self) -> None:
            pass

    trail = Trail([Sink()])
    provider = store(backend, Audited(trail, "prod"), accessPolicies=[{"secretPatterns": ["a"]}])
    with access(flow="push"):
        await provider.set_secret("a", CANARY)
        await provider.delete_secret("a")
        with pytest.raises(Denied):
            await provider.set_secret("b", CANARY)
    await trail.close()
    told = [json.loads(line) for line in lines]
    assert [(one["action"], one["secret_key"], one["decision"], one["version"]) for one in told] == [
        ("write", "a", "allowed", "1"),
        ("delete", "a", "allowed", None),
        ("write", "b", "denied", None),
    ]
    assert CANARY not in repr(lines)
