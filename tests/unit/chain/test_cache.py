"""The cache: what is kept and for how long, what stands in for a backend that is away, and that nothing lies bare."""

from __future__ import annotations

import asyncio
import gc
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.exceptions import InvalidTag

from beemflow_secrets.chain.budget import OverBudget
from beemflow_secrets.chain.cache import REMEMBERED, Cache
from beemflow_secrets.chain.factory import chain
from beemflow_secrets.chain.multi import Failover
from beemflow_secrets.model.cache import Cache as CacheSpec
from beemflow_secrets.model.store import StoreSpec
from beemflow_secrets.providers.errors import (
    AuthFailed,
    Denied,
    EndpointNotAllowed,
    Gone,
    Held,
    Invalid,
    NotFound,
    SecretsError,
    Throttled,
    Unavailable,
)
from beemflow_secrets.providers.jsontext import Number
from beemflow_secrets.providers.seal import Seal
from beemflow_secrets.providers.value import Ref, SecretValue
from beemflow_secrets.telemetry import metrics
from tests.unit.chain.scripted import Backend, as_link

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.looptime

TTL = 300.0


class Wall:
    """A clock on the wall that goes with the loop's, unless it is set."""

    def __init__(self) -> None:
        self.ahead = 1_700_000_000.0

    def __call__(self) -> float:
        return asyncio.get_running_loop().time() + self.ahead


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def backend() -> Backend:
    return Backend({key: SecretValue(f"value of {key}", "1") for key in "abcdefgh"})


@pytest.fixture
def cache(backend: Backend, wall: Wall) -> Cache:
    return make(backend, wall)


def make(backend: Any, wall: Wall, **spec: Any) -> Cache:
    return Cache(backend, CacheSpec(enabled=True, **spec), now=wall)


async def ask(cache: Any, key: str, version: str | None = None, **wish: Any) -> SecretValue | SecretsError:
    ref = Ref(key, version, **wish)
    return (await cache.fetch([ref]))[ref]  # type: ignore[no-any-return]


async def read(cache: Any, key: str, **wish: Any) -> SecretValue:
    answer = await ask(cache, key, **wish)
    assert isinstance(answer, SecretValue), answer
    return answer


# What is kept.


async def test_a_value_is_read_once_and_served_until_its_ttl(cache: Cache, backend: Backend) -> None:
    assert (await read(cache, "a")).kept is None
    await asyncio.sleep(TTL - 1)
    kept = await read(cache, "a")
    assert (kept.value, kept.version, kept.stale) == ("value of a", "1", False)
    assert kept.kept == pytest.approx(TTL - 1, abs=0.1)
    assert backend.reads == ["a"]
    await asyncio.sleep(1)
    assert (await read(cache, "a")).kept is None
    assert backend.reads == ["a", "a"]


async def test_one_read_asks_for_what_is_not_kept_alone(cache: Cache, backend: Backend) -> None:
    await read(cache, "a")
    answers = await cache.fetch([Ref("a"), Ref("b"), Ref("nothing")])
    assert [type(answers[Ref(key)]) for key in ("a", "b", "nothing")] == [SecretValue, SecretValue, NotFound]
    assert backend.reads == ["a", "b", "nothing"]


async def test_who_sleeps_while_the_clock_on_the_wall_goes_on_finds_nothing_fresh(
    cache: Cache, backend: Backend, wall: Wall
) -> None:
    await read(cache, "a")
    wall.ahead += TTL  # a Lambda's process, frozen and thawed
    await read(cache, "a")
    assert backend.reads == ["a", "a"]


async def test_a_clock_that_is_put_back_keeps_nothing_longer(cache: Cache, backend: Backend, wall: Wall) -> None:
    await read(cache, "a")
    wall.ahead -= 86400
    await asyncio.sleep(TTL)
    await read(cache, "a")
    assert backend.reads == ["a", "a"]


async def test_the_age_counts_from_before_the_backend_was_asked(wall: Wall) -> None:
    class Slow(Backend):
        async def _answer(self) -> None:
            await asyncio.sleep(10)

    cache = make(Slow({"a": SecretValue("v")}), wall)
    await read(cache, "a")
    assert (await read(cache, "a")).kept == pytest.approx(10, abs=0.1)


async def test_a_pinned_version_is_an_entry_of_its_own(cache: Cache, backend: Backend) -> None:
    await read(cache, "a")
    await read(cache, "a", version="1")
    await read(cache, "a", version="2")
    await read(cache, "a", version="1")
    assert backend.reads == ["a", "a", "a"]


async def test_what_expires_at_the_backend_is_not_kept_beyond_that(wall: Wall) -> None:
    expires_at = datetime.fromtimestamp(wall.ahead, UTC) + timedelta(seconds=20)
    backend = Backend({"lease": SecretValue("v", expires_at=expires_at)})
    cache = make(backend, wall)
    await read(cache, "lease")
    await asyncio.sleep(19)
    await read(cache, "lease")
    assert len(backend.reads) == 1
    await asyncio.sleep(1)
    await read(cache, "lease")
    await read(cache, "lease")  # an expired value is served all the same, but the backend is asked for another
    assert len(backend.reads) == 3


async def test_nothing_is_left_of_what_a_closed_store_kept(cache: Cache, backend: Backend) -> None:
    await read(cache, "a")
    await cache.close()
    assert cache.entries == 0
    assert backend.closed


# How much is kept.


async def test_lru_lets_the_least_used_go(backend: Backend, wall: Wall) -> None:
    cache = make(backend, wall, max_size=2, strategy="lru")
    for key in ("a", "b", "a", "c"):  # b has not been asked for the longest
        await read(cache, key)
    backend.reads.clear()
    for key in ("a", "c", "b"):
        await read(cache, key)
    assert backend.reads == ["b"]
    assert cache.entries == 2


async def test_ttl_takes_no_more_when_full_until_something_expires(backend: Backend, wall: Wall) -> None:
    cache = make(backend, wall, max_size=2, strategy="ttl")
    for key in ("a", "b", "c", "c", "a", "b"):
        await read(cache, key)
    assert backend.reads == ["a", "b", "c", "c"]
    await asyncio.sleep(TTL)
    backend.reads.clear()
    for key in ("c", "c", "a", "a", "c"):
        await read(cache, key)
    assert backend.reads == ["c", "a"]


async def test_a_full_cache_takes_the_new_value_of_what_it_holds(backend: Backend, wall: Wall) -> None:
    cache = make(backend, wall, max_size=1, strategy="ttl")
    await read(cache, "a")
    backend.secrets["a"] = SecretValue("new", "2")
    await read(cache, "a", max_age=0)
    assert (await read(cache, "a")).value == "new"


@pytest.mark.parametrize("strategy", ["ttl", "lru"])
async def test_a_cache_of_one_works(backend: Backend, wall: Wall, strategy: str) -> None:
    cache = make(backend, wall, max_size=1, strategy=strategy)
    answers = await cache.fetch([Ref("a"), Ref("b"), Ref("c")])
    assert [value.value for value in answers.values() if isinstance(value, SecretValue)] == [
        "value of a",
        "value of b",
        "value of c",
    ]
    assert cache.entries == 1
    await read(cache, "a" if strategy == "ttl" else "c")
    assert backend.reads == ["a", "b", "c"]


# Who asks for younger values.


async def test_a_refresh_asks_the_backend_and_brings_the_new_value_to_all(cache: Cache, backend: Backend) -> None:
    await read(cache, "a")
    backend.secrets["a"] = SecretValue("rotated", "2")
    assert (await read(cache, "a")).value == "value of a"
    assert (await read(cache, "a", max_age=0)).value == "rotated"
    assert (await read(cache, "a")).value == "rotated"
    assert backend.reads == ["a", "a"]


async def test_a_value_older_than_the_refresh_interval_will_not_do(cache: Cache, backend: Backend) -> None:
    await read(cache, "a")
    await asyncio.sleep(60)
    assert (await read(cache, "a", max_age=61)).kept is not None
    assert (await read(cache, "a", max_age=60)).kept is None


async def test_what_was_asked_later_is_not_replaced_by_what_was_asked_earlier(wall: Wall) -> None:
    class Racing(Backend):
        async def fetch(self, refs: Any) -> Any:
            self.reads.append("a")
            number = len(self.reads)
            await asyncio.sleep(5 if number == 1 else 1)
            return {ref: SecretValue(f"read {number}") for ref in refs}

    cache = make(Racing(), wall)
    first = asyncio.create_task(read(cache, "a"))
    await asyncio.sleep(1)
    await read(cache, "a", max_age=0)
    await first
    assert (await read(cache, "a")).value == "read 2"


# Errors.


@pytest.mark.parametrize("error", [NotFound("no such key"), Gone("deleted")])
async def test_not_found_is_remembered_for_seconds(cache: Cache, backend: Backend, error: NotFound) -> None:
    backend.secrets["new"] = error
    for _ in range(10):
        assert isinstance(await ask(cache, "new"), type(error))
    assert backend.reads == ["new"]
    backend.secrets["new"] = SecretValue("made")
    assert (await read(cache, "new", max_age=0)).value == "made"
    backend.secrets["later"] = error
    await ask(cache, "later")
    backend.secrets["later"] = SecretValue("made")
    await asyncio.sleep(REMEMBERED)
    assert (await read(cache, "later")).value == "made"


async def test_names_that_are_not_there_push_no_value_out_and_do_not_pile_up(backend: Backend, wall: Wall) -> None:
    cache = make(backend, wall, max_size=2)
    await read(cache, "a")
    for number in range(100):
        await ask(cache, f"nothing{number}")
    assert len(cache._missing) <= 2
    backend.reads.clear()
    await read(cache, "a")
    assert backend.reads == []


@pytest.mark.parametrize(
    "error",
    [Unavailable("away"), Throttled("slow"), AuthFailed("login"), Denied("no"), Invalid("bad"), EndpointNotAllowed("")],
)
async def test_no_other_error_is_kept(cache: Cache, backend: Backend, error: SecretsError) -> None:
    backend.secrets["a"] = error
    for _ in range(3):
        assert isinstance(await ask(cache, "a"), type(error))
    assert len(backend.reads) == 3


AWAY = [Unavailable("away"), Throttled("slow", retry_after=9), OverBudget("the store's own requestBudget")]


@pytest.mark.parametrize("error", AWAY)
async def test_the_last_good_value_stands_in_for_a_backend_that_is_away_marked_as_stale(
    backend: Backend, wall: Wall, error: SecretsError
) -> None:
    cache = make(backend, wall, stale_if_error=3600.0)
    await read(cache, "a")
    backend.fault = error
    await asyncio.sleep(TTL)
    value = await read(cache, "a")
    assert (value.value, value.stale, value.outage) == ("value of a", True, error)
    assert value.kept == pytest.approx(TTL, abs=1)
    refreshed = await read(cache, "a", max_age=0)
    assert refreshed.stale
    backend.fault = None
    assert not (await read(cache, "a")).stale


@pytest.mark.parametrize("error", [Denied("no"), AuthFailed("login"), Invalid("bad"), NotFound("gone"), Gone("gone")])
async def test_nothing_stands_in_for_a_backend_that_answers(backend: Backend, wall: Wall, error: SecretsError) -> None:
    cache = make(backend, wall, stale_if_error=3600.0)
    await read(cache, "a")
    backend.fault = error
    assert await ask(cache, "a", max_age=0) is error


@pytest.mark.parametrize("error", [Denied("no"), NotFound("gone")])
async def test_what_is_denied_or_gone_does_not_come_back_with_an_outage(
    backend: Backend, wall: Wall, error: SecretsError
) -> None:
    cache = make(backend, wall, stale_if_error=3600.0)
    await read(cache, "a")
    backend.fault = error
    await ask(cache, "a", max_age=0)
    assert isinstance(await ask(cache, "a"), type(error))  # nor is it served within its ttl
    backend.fault = Unavailable("away")
    await asyncio.sleep(REMEMBERED)
    assert isinstance(await ask(cache, "a"), Unavailable)


async def test_a_value_stands_in_for_no_longer_than_its_time(backend: Backend, wall: Wall) -> None:
    cache = make(backend, wall, stale_if_error=3600.0)
    await read(cache, "a")
    backend.fault = Unavailable("away")
    await asyncio.sleep(TTL + 3600 - 1)
    assert (await read(cache, "a")).stale
    wall.ahead += 1
    assert isinstance(await ask(cache, "a"), Unavailable)


async def test_without_stale_if_error_an_outage_is_told_though_a_value_is_kept(cache: Cache, backend: Backend) -> None:
    await read(cache, "a")
    backend.fault = Unavailable("away")
    assert isinstance(await ask(cache, "a", max_age=0), Unavailable)
    assert (await read(cache, "a")).value == "value of a"  # within its ttl it is served
    await asyncio.sleep(TTL)
    assert isinstance(await ask(cache, "a"), Unavailable)


# With a chain.


@pytest.fixture
def links() -> tuple[Backend, Backend]:
    return Backend({"a": SecretValue("first's")}), Backend({"a": SecretValue("spare's"), "b": SecretValue("spare's")})


async def test_a_kept_value_is_not_replaced_by_a_spares_until_the_first_has_been_down_for_a_while(
    links: tuple[Backend, Backend], wall: Wall
) -> None:
    first, spare = links
    multi = Failover([as_link(first, "first"), as_link(spare, "spare")], priority=False, failover_after=30.0)
    cache = make(multi, wall, ttl=5.0)
    assert (await read(cache, "a")).provider == "first"
    first.fault = Unavailable("away")
    await asyncio.sleep(5)
    held = await read(cache, "a")
    assert (held.value, held.provider, held.stale) == ("first's", "first", True)
    assert isinstance(held.outage, Held)
    assert (await read(cache, "b")).value == "spare's"  # a key without a value fails over at once
    assert isinstance(await ask(cache, "a", served_by="first"), Held)  # who has it himself decides himself
    await asyncio.sleep(31)
    assert (await read(cache, "a")).provider == "spare"
    await multi.close()


# What lies in memory.


def everything(root: object) -> Iterator[object]:
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, type):
            continue
        seen.add(id(item))
        yield item
        waiting += gc.get_referents(item)


async def test_no_value_lies_bare_in_the_cache(wall: Wall) -> None:
    canary = "canary-58aa01"
    held = Backend({"text": SecretValue(canary), "map": SecretValue({"token": canary}, metadata={"a": canary})})
    cache = make(held, wall)
    await cache.fetch([Ref("text"), Ref("map")])
    assert cache.entries == 2
    held.secrets.clear()
    own = {name: part for name, part in vars(cache).items() if name not in {"_inner", "_now"}}
    texts = [item for item in everything(own) if isinstance(item, str | bytes)]
    assert any(isinstance(item, bytes) and len(item) > 40 for item in texts)
    assert not [item for item in texts if canary in (item if isinstance(item, str) else item.decode("latin-1"))]
    assert canary not in repr(cache)


def joined() -> SecretValue:
    one, two = SecretValue({"user": "u"}, "1"), SecretValue({"port": Number("5432"), "tags": ["a", None, True]}, "2")
    one.provider, two.provider = "one", "two"
    value = SecretValue({"user": "u", "port": Number("5432"), "tags": ["a", None, True]}, metadata={"owner": "ops"})
    value.provider = "one, two"
    value.origins = {"user": one, "port": two, "tags": two}
    return value


@pytest.mark.parametrize(
    "value",
    [
        SecretValue(""),
        SecretValue("text\n", "v", datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC), {"a": "b"}),
        SecretValue(b"\xff\x00" * 32768),
        SecretValue({"a": {"b": [Number("1.10"), "ü", None]}}, "7"),
        joined(),
    ],
)
def test_what_is_sealed_comes_back_as_it_was(value: SecretValue) -> None:
    seal = Seal()
    value.backend_name = "a--b"
    again = seal.open(seal.close(value))
    assert (again, again.raw) == (value, value.raw)
    said = ("created_at", "expires_at", "metadata", "backend_name", "provider")
    assert [getattr(again, name) for name in said] == [getattr(value, name) for name in said]
    assert {name: (origin.provider, origin.raw) for name, origin in again.origins.items()} == {
        name: (origin.provider, origin.raw) for name, origin in value.origins.items()
    }


def test_no_two_values_are_sealed_alike_and_none_opens_under_another_key_or_changed() -> None:
    seal, value = Seal(), SecretValue("the same")
    sealed = [seal.close(value) for _ in range(1000)]
    assert len({one[:12] for one in sealed}) == 1000
    assert len({one[12:] for one in sealed}) == 1000
    with pytest.raises(InvalidTag):
        Seal().open(sealed[0])
    with pytest.raises(InvalidTag):
        seal.open(sealed[0][:-1] + bytes([sealed[0][-1] ^ 1]))


# What is told.


def counted() -> dict[str, float]:
    return {result: metrics.cache_requests_total.labels(result)._value.get() for result in ("hit", "miss", "stale")}


async def test_each_request_is_counted_by_what_came_of_it(backend: Backend, wall: Wall) -> None:
    cache = make(backend, wall, stale_if_error=3600.0)
    before = counted()
    await cache.fetch([Ref("a"), Ref("b")])
    for _ in range(3):
        await cache.fetch([Ref("a"), Ref("b")])
    await read(cache, "a", max_age=0)  # who wants no kept value misses none
    backend.fault = Unavailable("away")
    await read(cache, "a", max_age=0)
    more = {result: number - before[result] for result, number in counted().items()}
    assert more == {
        "hit": 6,
        "miss": 2,
        "stale": 1,
    }
    assert cache.hit_ratio == pytest.approx(6 / 9)
    now = counted()
    [family] = metrics.cache_hit_ratio.collect()
    assert family.samples[0].value == pytest.approx(now["hit"] / sum(now.values()))


async def test_a_store_has_a_cache_where_its_spec_enables_one(backend: Backend) -> None:
    for enabled, reads in ((False, ["a", "a"]), (True, ["a"])):
        backend.reads.clear()
        reader = chain(backend, StoreSpec(cache=CacheSpec(enabled=enabled)))
        assert (await reader.get_secret("a"), await reader.get_secret("a")) == ("value of a", "value of a")
        assert backend.reads == reads


async def test_keys_with_one_name_at_the_backend_meet_in_the_cache_too(wall: Wall) -> None:
    values = {key: SecretValue("v") for key in ("a_b", "a-b")}
    for value in values.values():
        value.backend_name = "a-b"
    cache = make(Backend(values), wall)
    await read(cache, "a_b")
    await read(cache, "a-b")
    answers = await cache.fetch([Ref("a_b"), Ref("a-b")])
    assert all(isinstance(answer, Invalid) for answer in answers.values())


async def test_health_is_asked_of_the_backend_and_critical_keys_too(backend: Backend) -> None:
    spec = StoreSpec.model_validate({"cache": {"enabled": True}, "healthCheck": {"criticalKeys": ["a"]}})
    reader = chain(backend, spec)
    await reader.get_secret("a")
    await reader.health_check()
    await reader.health_check()
    assert backend.reads == ["a", "a", "a"]
