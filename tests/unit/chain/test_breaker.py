"""The breaker: a dead link costs one timeout a probe, not one a key."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import structlog

from beemflow_secrets.chain.breaker import PROBE_DOWN
from beemflow_secrets.chain.call import CALLS
from beemflow_secrets.providers.errors import (
    AuthFailed,
    Denied,
    EndpointNotAllowed,
    Invalid,
    NotFound,
    SecretsError,
    Throttled,
    Unavailable,
)
from beemflow_secrets.providers.value import Ref, Search, SecretValue
from tests.unit.chain.scripted import TIMEOUT, Backend, as_link, now

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from beemflow_secrets.chain.multi import Link

pytestmark = pytest.mark.looptime

KEYS = [f"k{number}" for number in range(100)]


@pytest.fixture
def backend() -> Backend:
    return Backend({key: SecretValue("v") for key in KEYS})


@pytest.fixture
async def link(backend: Backend) -> AsyncIterator[Link]:
    made = as_link(backend, "one", attempts=4)
    yield made
    await made.reader.close()


async def read(link: Link, *keys: str) -> set[str]:
    answers = await link.reader.fetch([Ref(key) for key in keys])
    return {str(answer.message) if isinstance(answer, SecretsError) else answer.value for answer in answers.values()}


async def test_a_hanging_link_costs_one_timeout_for_many_keys(link: Link, backend: Backend) -> None:
    backend.hangs = True
    assert await read(link, *KEYS) == {"no answer within 10 s"}
    assert now() == pytest.approx(TIMEOUT, abs=0.1)
    assert len(backend.reads) <= CALLS + 1  # those that were under way, and one that had just begun


async def test_calls_under_way_are_given_up_with_the_first_that_fails(link: Link, backend: Backend) -> None:
    backend.hangs = True
    first = asyncio.create_task(read(link, "k1"))
    await asyncio.sleep(TIMEOUT - 1)
    assert await read(link, "k2") == await first == {"no answer within 10 s"}
    assert now() == pytest.approx(TIMEOUT, abs=0.1)


async def test_while_it_is_down_a_link_is_passed_over_at_once_and_probed_now_and_then(
    link: Link, backend: Backend
) -> None:
    backend.hangs = True
    await read(link, "k1")
    began, asked = now(), len(backend.reads)
    for _ in range(50):
        await read(link, *KEYS)
        await asyncio.sleep(1)
    assert now() - began == pytest.approx(50, abs=0.1)
    assert len(backend.reads) == asked
    assert 50 / (TIMEOUT + PROBE_DOWN[1]) - 1 <= backend.probes <= 50 / (TIMEOUT + PROBE_DOWN[0]) + 1


async def test_a_probe_that_is_answered_brings_it_back(link: Link, backend: Backend) -> None:
    told = []
    link.breaker.changed = lambda _up: told.append((link.breaker.state, now()))
    backend.fault = Unavailable("away")
    await read(link, "k1")
    backend.fault = None
    await asyncio.sleep(PROBE_DOWN[1] + 0.1)
    assert await read(link, "k1") == {"v"}
    (down, _), (up, when) = told
    assert (down, up) == ("Down", "Healthy")
    assert PROBE_DOWN[0] <= when <= PROBE_DOWN[1] + 2


async def test_a_retry_after_says_when_to_probe(link: Link, backend: Backend) -> None:
    backend.fault = Throttled("slow", retry_after=60)
    await read(link, "k1")
    assert link.breaker.state == "Degraded"
    await asyncio.sleep(59)
    assert backend.probes == 0
    backend.fault = None
    await asyncio.sleep(2)
    assert (backend.probes, link.breaker.state) == (1, "Healthy")


async def test_however_long_a_retry_after_is_the_link_is_asked_in_five_minutes(link: Link, backend: Backend) -> None:
    backend.fault = Throttled("slow", retry_after=999_999_999)
    await read(link, "k1")
    backend.fault = None
    await asyncio.sleep(299)
    assert backend.probes == 0
    await asyncio.sleep(2)
    assert await read(link, "k1") == {"v"}
    assert backend.probes == 1


@pytest.mark.parametrize("error", [Denied("no"), NotFound("no"), Invalid("no")])
async def test_what_concerns_a_key_leaves_the_link_up(link: Link, backend: Backend, error: SecretsError) -> None:
    backend.secrets["k1"] = error
    assert await read(link, "k1") == {"no"}
    assert await read(link, "k2") == {"v"}


@pytest.mark.parametrize(
    "error", [Unavailable("away"), AuthFailed("who?"), Throttled("slow"), EndpointNotAllowed("leads elsewhere")]
)
async def test_what_concerns_the_link_takes_it_down(link: Link, backend: Backend, error: SecretsError) -> None:
    backend.secrets["k1"] = error
    assert await read(link, "k1") == {error.message}
    assert link.breaker.error is not None
    assert await read(link, "k2") == {error.message}


async def test_a_fast_failure_is_tried_again_before_the_link_counts_as_down(link: Link, backend: Backend) -> None:
    backend.fault = Unavailable("away")
    asyncio.get_running_loop().call_later(0.005, lambda: setattr(backend, "fault", None))
    assert await read(link, "k1") == {"v"}


async def test_one_key_that_cannot_be_read_does_not_take_down_a_link_that_serves_others(
    link: Link, backend: Backend
) -> None:
    backend.secrets["k1"] = Unavailable("odd")
    odd = asyncio.create_task(read(link, "k1"))
    await asyncio.sleep(0.005)
    await read(link, "k2")
    assert await odd == {"odd"}
    assert link.breaker.error is None


async def test_a_link_that_goes_while_others_were_just_served_is_seen_at_once(link: Link, backend: Backend) -> None:
    first = asyncio.create_task(read(link, "k1"))
    backend.secrets["k1"] = Unavailable("gone")
    await asyncio.sleep(0.005)
    await read(link, "k2")
    backend.fault = Unavailable("gone")
    await first
    assert link.breaker.error is not None


async def test_a_periodic_probe_is_left_out_where_a_read_has_just_worked(link: Link, backend: Backend) -> None:
    await read(link, "k1")
    await link.breaker.probe(max_age=60)
    assert backend.probes == 0
    await asyncio.sleep(61)
    await link.breaker.probe(max_age=60)
    await link.breaker.probe(max_age=60)
    assert backend.probes == 1


async def test_a_link_that_a_probe_finds_up_and_no_read_does_has_been_down_all_the_time(
    link: Link, backend: Backend
) -> None:
    backend.secrets["k1"] = Unavailable("sealed")
    await read(link, "k1")
    since = link.breaker.since
    for _ in range(3):
        await asyncio.sleep(PROBE_DOWN[1] + 0.1)
        await read(link, "k1")
    assert link.breaker.since == since
    await asyncio.sleep(PROBE_DOWN[1] + 0.1)
    await read(link, "k2")
    await asyncio.sleep(1)
    await read(link, "k1")
    assert link.breaker.since > since


async def test_a_probe_that_runs_into_a_defect_is_not_the_last(
    link: Link, backend: Backend, monkeypatch: pytest.MonkeyPatch, canary: str
) -> None:
    async def broken() -> None:
        raise ValueError(canary)

    backend.fault = Unavailable("away")
    await read(link, "k1")
    with monkeypatch.context() as patch, structlog.testing.capture_logs() as logs:
        patch.setattr(backend, "health_check", broken)
        await asyncio.sleep(PROBE_DOWN[1] + 0.1)
    assert {"event": "Driver failed unexpectedly", "link": "one", "error": "ValueError"}.items() <= logs[0].items()
    assert canary not in str(logs)
    backend.fault = None
    await asyncio.sleep(PROBE_DOWN[1] + 0.1)
    assert await read(link, "k1") == {"v"}


async def test_closing_ends_the_probes(link: Link, backend: Backend) -> None:
    backend.fault = Unavailable("away")
    await read(link, "k1")
    await link.reader.close()
    await asyncio.sleep(60)
    assert (backend.closed, backend.probes) == (True, 0)


async def test_what_is_told_of_a_link_names_no_key_that_others_asked_for(link: Link, backend: Backend) -> None:
    backend.hangs = True
    await read(link, "k1")
    with pytest.raises(Unavailable) as caught:
        await link.reader.find(Search("team/"))
    assert (caught.value.key, str(caught.value)) == (None, "no answer within 10 s")
    with pytest.raises(Unavailable) as caught:
        await link.reader.health_check()
    assert caught.value.key is None


async def test_an_error_may_have_a_constructor_of_its_own(link: Link, backend: Backend) -> None:
    class Busy(Unavailable):
        def __init__(self, code: int, text: str) -> None:
            super().__init__(f"{code} {text}")
            self.code = code

    backend.fault = Busy(503, "later")
    assert await read(link, "k1", "k2") == {"503 later"}
    assert await read(link, "k3") == {"503 later"}
