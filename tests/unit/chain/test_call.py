"""The call layer: deadlines that hold, retries that are worth making, metrics that count them."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

import pytest

from beemflow_secrets.chain.call import Call
from beemflow_secrets.model.store import Retry
from beemflow_secrets.providers.base import Driver
from beemflow_secrets.providers.errors import Denied, NotFound, SecretsError, Throttled, Unavailable
from beemflow_secrets.providers.value import Found, Ref, Search, SecretValue
from beemflow_secrets.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

pytestmark = pytest.mark.looptime

RETRY = Retry()


class Scripted(Driver):
    """Answers each key by a function of how often it was asked; every call takes `takes` seconds."""

    name = "scripted"

    def __init__(self, answer: Callable[[str, int], SecretValue | SecretsError], takes: float = 0.0) -> None:
        self._answer = answer
        self._takes = takes
        self.calls: list[list[str]] = []

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        asked = list(refs)
        self.calls.append([ref.key for ref in asked])
        await asyncio.sleep(self._takes)
        return {ref: self._answer(ref.key, sum(ref.key in call for call in self.calls)) for ref in asked}

    async def find(self, search: Search) -> Found:
        await self.fetch([Ref(search.prefix)])
        answer = self._answer(search.prefix, len(self.calls))
        if isinstance(answer, SecretsError):
            raise answer
        return {search.prefix: {}}

    async def health_check(self) -> None:
        await self.list_secrets("health")

    async def close(self) -> None:
        pass


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_only_what_failed_for_a_while_is_asked_again() -> None:
    answers: dict[str, SecretValue | SecretsError]
    answers = {"away": Unavailable("away"), "denied": Denied("no"), "missing": NotFound("no"), "good": SecretValue("v")}
    driver = Scripted(lambda key, times: SecretValue("v") if times == 3 else answers[key])
    got = await Call(driver, timeout=30, retry=RETRY).fetch([Ref(key) for key in answers])
    assert driver.calls == [["away", "denied", "missing", "good"], ["away"], ["away"]]
    assert {ref.key: type(answer) for ref, answer in got.items()} == {
        "away": SecretValue,
        "denied": Denied,
        "missing": NotFound,
        "good": SecretValue,
    }


async def test_attempts_end_after_the_configured_number() -> None:
    driver = Scripted(lambda _key, _times: Unavailable("away"))
    got = await Call(driver, timeout=30, retry=RETRY).fetch([Ref("a")])
    assert isinstance(got[Ref("a")], Unavailable)
    assert len(driver.calls) == 4
    assert now() <= 0.2 + 0.4 + 0.8


async def test_one_attempt_means_none_after_the_first() -> None:
    driver = Scripted(lambda _key, _times: Unavailable("away"))
    await Call(driver, timeout=30, retry=Retry(attempts=1)).fetch([Ref("a")])
    assert len(driver.calls) == 1


async def test_an_attempt_ends_at_its_timeout_and_the_operation_within_twice_that() -> None:
    driver = Scripted(lambda _key, _times: SecretValue("v"), takes=1000)
    got = await Call(driver, timeout=3, retry=Retry.model_validate({"attempts": 20, "baseDelay": 0})).fetch(
        [Ref("a"), Ref("b")]
    )
    assert {str(answer) for answer in got.values()} == {"no answer within 3 s"}
    assert now() == pytest.approx(6, abs=0.01)
    assert len(driver.calls) == 2


async def test_the_delays_begin_at_base_delay_and_end_at_max_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda _least, most: most)  # the longest that chance allows
    moments: list[float] = []

    def away(_key: str, _times: int) -> SecretsError:
        moments.append(now())
        return Unavailable("away")

    retry = Retry(attempts=6, base_delay=0.5, max_delay=3.0)
    await Call(Scripted(away), timeout=100, retry=retry).fetch([Ref("a")])
    waits = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert waits == pytest.approx([0.5, 1, 2, 3, 3], abs=0.01)


async def test_a_named_time_is_waited_for_also_beyond_the_longest_delay() -> None:
    driver = Scripted(lambda _key, times: SecretValue("v") if times == 2 else Throttled("slow", retry_after=20))
    got = await Call(driver, timeout=30, retry=RETRY).fetch([Ref("a")])
    assert got[Ref("a")] == SecretValue("v")
    assert now() == pytest.approx(20, abs=0.1)


async def test_a_named_time_that_comes_too_late_ends_the_operation_at_once() -> None:
    driver = Scripted(lambda _key, _times: Throttled("slow", retry_after=61))
    answer = (await Call(driver, timeout=30, retry=RETRY).fetch([Ref("a")]))[Ref("a")]
    assert isinstance(answer, Throttled)
    assert answer.retry_after == 61
    assert now() == 0


async def test_a_listing_is_tried_again_too() -> None:
    driver = Scripted(lambda _key, times: Unavailable("away") if times < 3 else SecretValue("v"))
    assert await Call(driver, timeout=30, retry=RETRY).list_secrets("x") == ["x"]


async def test_a_probe_asks_once() -> None:
    driver = Scripted(lambda _key, _times: Unavailable("away"), takes=1)
    with pytest.raises(Unavailable):
        await Call(driver, timeout=30, retry=RETRY).health_check()
    assert len(driver.calls) == 1


async def test_a_probe_that_hangs_costs_one_timeout() -> None:
    driver = Scripted(lambda _key, _times: SecretValue("v"), takes=1000)
    with pytest.raises(Unavailable, match="no answer within 3 s"):
        await Call(driver, timeout=3, retry=RETRY).health_check()
    assert now() == pytest.approx(3, abs=0.01)


async def test_every_attempt_is_counted_by_what_came_of_it() -> None:
    def count(outcome: str) -> float:
        return float(metrics.requests_total.labels("scripted", "read", outcome)._value.get())

    before = {outcome: count(outcome) for outcome in ("success", "Unavailable")}
    driver = Scripted(lambda key, times: Unavailable("away") if key == "b" and times < 3 else SecretValue("v"))
    await Call(driver, timeout=30, retry=RETRY).fetch([Ref("a"), Ref("b")])
    assert count("success") - before["success"] == 2
    assert count("Unavailable") - before["Unavailable"] == 2
    assert metrics.active_connections.labels("scripted")._value.get() == 0


async def test_no_more_reads_are_in_flight_than_allowed_and_none_loses_its_time_by_waiting() -> None:
    driver = Scripted(lambda _key, _times: SecretValue("v"), takes=2)
    call = Call(driver, timeout=3, retry=RETRY, calls=3)
    answers = await asyncio.gather(*(call.fetch([Ref(f"k{number}")]) for number in range(12)))
    assert now() == pytest.approx(8, abs=0.01)
    assert all(isinstance(answer, SecretValue) for answered in answers for answer in answered.values())


async def test_a_backend_that_does_not_answer_is_told_to_all_within_twice_the_timeout() -> None:
    driver = Scripted(lambda _key, _times: SecretValue("v"), takes=1000)
    call = Call(driver, timeout=3, retry=Retry.model_validate({"attempts": 20, "baseDelay": 0}), calls=4)

    async def told(key: str) -> float:
        began = now()
        assert str((await call.fetch([Ref(key)]))[Ref(key)]) == "no answer within 3 s"
        return now() - began

    early = [asyncio.create_task(told(f"early-{number}")) for number in range(100)]
    await asyncio.sleep(1)
    late = [asyncio.create_task(told(f"late-{number}")) for number in range(100)]
    assert max(await asyncio.gather(*early, *late)) <= 6.01
    # And it is no mark against those who come when it answers again.
    driver._takes = 2
    answers = await asyncio.gather(*(call.fetch([Ref(f"k{number}")]) for number in range(12)))
    assert all(isinstance(answer, SecretValue) for answered in answers for answer in answered.values())


async def test_one_that_is_not_answered_does_not_turn_others_away_while_the_backend_answers() -> None:
    class Lame(Scripted):
        async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
            asked = list(refs)
            self._takes = 1000 if asked[0].key == "lame" else 1
            return await super().fetch(asked)

    call = Call(Lame(lambda _key, _times: SecretValue("v")), timeout=3, retry=RETRY, calls=2)
    lame = asyncio.create_task(call.fetch([Ref("lame")]))
    answers = await asyncio.gather(*(call.fetch([Ref(f"k{number}")]) for number in range(12)))
    assert all(isinstance(answer, SecretValue) for answered in answers for answer in answered.values())
    assert str((await lame)[Ref("lame")]) == "no answer within 3 s"


async def test_who_waits_before_the_next_attempt_leaves_his_place_to_others() -> None:
    driver = Scripted(lambda key, times: SecretValue("v") if key == "b" or times > 1 else Throttled("", retry_after=20))
    call = Call(driver, timeout=30, retry=RETRY, calls=1)
    first = asyncio.create_task(call.fetch([Ref("a")]))
    await asyncio.sleep(1)
    await call.fetch([Ref("b")])
    assert now() == pytest.approx(1, abs=0.01)
    await first
