"""A store's budget: what it lets through, who goes first, and that nobody who is refused is forgotten."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from beemflow_secrets.chain.batch import Batch
from beemflow_secrets.chain.breaker import Breaker
from beemflow_secrets.chain.budget import FURTHEST, Budget, OverBudget
from beemflow_secrets.chain.call import Call
from beemflow_secrets.chain.factory import chain
from beemflow_secrets.chain.loader import Loader
from beemflow_secrets.model.backend import RequestBudget, Retry
from beemflow_secrets.model.store import StoreSpec
from beemflow_secrets.providers.base import Driver, SecretsProvider
from beemflow_secrets.providers.errors import SecretsError, Throttled, Unavailable
from beemflow_secrets.providers.hearsay import Hearsay
from beemflow_secrets.providers.logins import Grant, Logins
from beemflow_secrets.providers.spending import pay, turn
from beemflow_secrets.providers.value import Found, Ref, Search, SecretValue

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = pytest.mark.looptime

TIMEOUT = 31.0


class Timed(Driver):
    """Notes when it is asked for what."""

    name = "timed"

    def __init__(self, batch_limit: int = 1) -> None:
        self.batch_limit = batch_limit
        self.calls: list[tuple[float, list[str]]] = []
        self.fault: SecretsError | None = None

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        asked = list(refs)
        self.calls.append((now(), [ref.key for ref in asked]))
        return {ref: self.fault or SecretValue("v") for ref in asked}

    async def find(self, search: Search) -> Found:
        self.calls.append((now(), [f"list {search.prefix}"]))
        return {}

    async def health_check(self) -> None:
        self.calls.append((now(), ["health"]))

    async def close(self) -> None:
        pass

    @property
    def order(self) -> list[str]:
        return [key for _, keys in self.calls for key in keys]

    @property
    def times(self) -> list[float]:
        return [round(moment, 1) for moment, _ in self.calls]


def now() -> float:
    return asyncio.get_running_loop().time()


def store(driver: Driver, per_second: float, burst: int | None = None, attempts: int = 1) -> Loader:
    budget = Budget(RequestBudget(per_second=per_second, burst=burst))
    call = Call(driver, timeout=TIMEOUT, retry=Retry(attempts=attempts), budgets=(budget,))
    return Loader(call, batch=driver.batch_limit)


async def ask(reader: SecretsProvider, key: str, *, patient: bool = False) -> SecretValue | SecretsError:
    ref = Ref(key, since=now(), patient=patient)
    return (await reader.fetch([ref]))[ref]


async def test_a_burst_goes_at_once_and_the_rest_at_the_rate() -> None:
    driver = Timed()
    reader = store(driver, 2, burst=3)
    await asyncio.gather(*(ask(reader, f"k{number}") for number in range(7)))
    assert driver.times == [0, 0, 0, 0.5, 1, 1.5, 2]


@pytest.mark.parametrize(("per_second", "burst"), [(0.1, 1), (1, 1), (2.5, 2), (10, 10)])
async def test_without_a_burst_it_is_what_one_second_has_but_at_least_one(per_second: float, burst: int) -> None:
    driver = Timed()
    reader = store(driver, per_second)
    await asyncio.gather(*(ask(reader, f"k{number}") for number in range(burst + 2)))
    assert sum(moment == 0 for moment in driver.times) == burst


async def test_a_pause_saves_no_more_than_the_burst() -> None:
    driver = Timed()
    reader = store(driver, 1, burst=2)
    await ask(reader, "first")
    await asyncio.sleep(1000)
    await asyncio.gather(*(ask(reader, f"k{number}") for number in range(4)))
    assert driver.times[1:] == [1000, 1000, 1001, 1002]


async def test_who_waits_goes_before_who_does_not_and_equals_go_as_they_came() -> None:
    driver = Timed()
    reader = store(driver, 1)
    async with asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(ask(reader, f"refresh{number}", patient=True))
        await asyncio.sleep(0.5)
        for number in range(3):
            group.create_task(ask(reader, f"first{number}"))
    assert driver.order == ["refresh0", "first0", "first1", "first2", "refresh1", "refresh2", "refresh3"]


async def test_a_refresh_for_which_somebody_comes_to_wait_goes_first() -> None:
    driver = Timed()
    reader = store(driver, 1)
    async with asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(ask(reader, f"refresh{number}", patient=True))
        await asyncio.sleep(0.5)
        group.create_task(ask(reader, "refresh3"))
    assert driver.order == ["refresh0", "refresh3", "refresh1", "refresh2"]


async def test_equal_keys_are_one_call_also_for_who_asks_while_it_waits() -> None:
    driver = Timed()
    reader = store(driver, 0.1)
    async with asyncio.TaskGroup() as group:
        group.create_task(ask(reader, "other"))
        await asyncio.sleep(0)
        for _ in range(5):
            group.create_task(ask(reader, "same"))
            await asyncio.sleep(1)
    assert driver.order == ["other", "same"]


async def test_a_batch_is_one_call_and_fills_while_it_waits() -> None:
    driver = Timed(batch_limit=20)
    reader = store(driver, 0.1)
    async with asyncio.TaskGroup() as group:
        for number in range(21):
            group.create_task(ask(reader, f"k{number}"))
            await asyncio.sleep(0.4)
    assert [len(keys) for _, keys in driver.calls] == [1, 20]


async def test_who_would_not_have_his_turn_in_time_is_told_at_once_when_to_come_back() -> None:
    driver = Timed()
    reader = store(driver, 0.1)
    answers = await asyncio.gather(*(ask(reader, f"k{number}") for number in range(10)))
    refused = [answer for answer in answers if isinstance(answer, Throttled)]
    assert [answer.retry_after for answer in refused] == [70, 80, 90]  # the others wait up to twice the timeout
    assert "the store's own requestBudget, 0.1 calls a second" in str(refused[0])
    assert driver.times == [0, 10, 20, 30, 40, 50, 60]


async def test_who_was_passed_until_his_time_was_over_is_refused_too() -> None:
    driver = Timed()
    reader = store(driver, 0.1)
    async with asyncio.TaskGroup() as group:
        group.create_task(ask(reader, "first"))
        await asyncio.sleep(0)
        patient = group.create_task(ask(reader, "refresh", patient=True))
        await asyncio.sleep(1)
        for number in range(6):
            group.create_task(ask(reader, f"urgent{number}"))
    answer = patient.result()
    assert isinstance(answer, OverBudget)
    assert answer.retry_after
    assert "refresh" not in driver.order


async def test_another_attempt_takes_from_the_budget_too() -> None:
    driver = Timed()
    driver.fault = Unavailable("away")
    answer = await ask(store(driver, 0.1, attempts=4), "a")
    assert isinstance(answer, Unavailable)
    assert driver.times == [0, 10, 20, 30]


async def test_an_attempt_that_would_come_too_late_is_not_made_and_the_backends_error_told() -> None:
    driver = Timed()
    driver.fault = Unavailable("away")
    assert str(await ask(store(driver, 0.02, attempts=4), "a")) == "away"
    assert driver.times == [0, 50]


async def test_listings_take_from_it_and_probes_do_not_wait_for_it() -> None:
    driver = Timed()
    reader = store(driver, 0.1)
    await reader.list_secrets("a")
    await reader.health_check()
    assert driver.times == [0, 0]
    await reader.list_secrets("b")
    assert driver.times == [0, 0, 20]


class Costly(Timed):
    """Sends more than one request: of a listing each page, of a batch that is refused each key by itself."""

    def __init__(self) -> None:
        super().__init__(batch_limit=20)
        self.sent: list[float] = []

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        asked = list(refs)
        await self._send()
        found = await asyncio.gather(*map(self._one, asked)) if len(asked) > 1 else [SecretValue("v")]
        return dict(zip(asked, found, strict=True))

    async def find(self, search: Search) -> Found:
        for _ in range(5):
            await self._send()
        return {search.prefix: {}}

    async def _one(self, _: Ref) -> SecretValue | SecretsError:
        try:
            await turn()
        except SecretsError as error:
            return error
        await self._send()
        return SecretValue("v")

    async def _send(self) -> None:
        await pay()
        self.sent.append(round(now(), 1))


async def test_each_page_of_a_listing_counts_and_who_comes_after_it_waits_for_all() -> None:
    driver = Costly()
    reader = store(driver, 0.1)
    assert await reader.list_secrets("x") == ["x"]  # one that could not end would be begun again and again
    await ask(reader, "a")
    assert driver.sent == [0] * 5 + [50]


async def test_each_key_of_a_batch_that_is_read_by_itself_counts_and_waits() -> None:
    driver = Costly()
    reader = store(driver, 0.2)
    refs = [Ref(f"k{number}", since=0.0) for number in range(20)]
    answers = (await reader.fetch(refs)).values()
    # The batch and its first key at 0, for which two tokens are gone; half of the attempt's 31 s is for the others.
    assert driver.sent == [0, 0, 10, 15]
    assert [type(one) for one in answers].count(SecretValue) == 3
    refused = [one.retry_after for one in answers if isinstance(one, OverBudget)]
    assert len(set(refused)) == len(refused) == 17


async def test_what_is_listed_beside_reads_waits_behind_all_and_is_given_up_in_time() -> None:
    listed: list[float] = []

    async def listing() -> dict[str, str]:
        for _ in range(5):
            await pay()
            listed.append(round(now(), 1))
        return {}

    hearsay = Hearsay(listing, provider="costly", clock=now, timeout=25)

    class Listing(Costly):
        async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
            hearsay.begin()
            return await super().fetch(refs)

    driver = Listing()
    reader = store(driver, 0.1)
    await ask(reader, "a")
    await ask(reader, "b")
    await asyncio.sleep(100)
    assert (driver.sent, listed) == ([0, 10], [20])


async def test_logins_are_free() -> None:
    async def log_in(*, anew: bool) -> Grant[str]:
        assert not anew
        for _ in range(10):
            await pay()
        return Grant("token", 60, 40)

    logins = Logins(log_in, provider="costly", clock=now, timeout=5)

    class LoggedIn(Costly):
        async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
            await logins.current()
            return await super().fetch(refs)

    driver = LoggedIn()
    reader = store(driver, 0.1)
    await ask(reader, "a")
    await ask(reader, "b")
    assert driver.sent == [0, 10]


async def test_a_probe_does_not_lessen_what_is_owed() -> None:
    driver = Costly()
    reader = store(driver, 0.1)
    await reader.list_secrets("x")
    await reader.health_check()
    await ask(reader, "a")
    assert driver.sent == [0] * 5 + [50]


async def test_many_probes_of_a_dead_backend_leave_no_debt_behind() -> None:
    driver = Timed()
    reader = store(driver, 0.1)
    for _ in range(50):
        await reader.health_check()
    await ask(reader, "a")
    assert driver.times[-1] == 20


async def test_who_stops_waiting_leaves_his_turn_to_the_next() -> None:
    driver = Timed()
    reader = store(driver, 0.1)
    first, second, third = (asyncio.create_task(ask(reader, key)) for key in "abc")
    await asyncio.sleep(1)
    second.cancel()
    await asyncio.gather(first, third)
    # The loader reads for others what one no longer waits for; a budget by itself passes the turn on.
    budget = Budget(RequestBudget(per_second=0.1))
    await budget.take(Batch(()), now())
    leaving = asyncio.create_task(budget.take(Batch(()), now() + 100))
    staying = asyncio.create_task(budget.take(Batch(()), now() + 100))
    await asyncio.sleep(1)
    began = now()
    leaving.cancel()
    await staying
    assert now() - began == pytest.approx(9, abs=0.1)


async def test_a_turn_that_came_too_late_for_who_left_is_the_next_ones() -> None:
    budget = Budget(RequestBudget(per_second=0.1))
    await budget.take(Batch(()), now())
    leaving, staying = (asyncio.create_task(budget.take(Batch(()), now() + 100)) for _ in range(2))
    await asyncio.sleep(1)
    budget._tokens = 1.0
    budget._serve()
    leaving.cancel()  # it has its turn, and does not know yet
    await staying
    assert now() == pytest.approx(1, abs=0.1)


async def test_a_key_that_comes_after_a_refused_batch_has_an_answer_of_its_own() -> None:
    driver = Timed(batch_limit=20)
    reader = store(driver, 0.01)
    await ask(reader, "a")
    async with asyncio.timeout(300):
        assert isinstance(await ask(reader, "b"), OverBudget)
        assert isinstance(await ask(reader, "c"), OverBudget)


async def test_a_link_over_its_own_budget_is_not_down() -> None:
    driver = Timed()
    budget = Budget(RequestBudget(per_second=0.01))
    call = Call(driver, timeout=TIMEOUT, retry=Retry(), within=TIMEOUT, budgets=(budget,))
    breaker = Breaker(call, name="one")
    await ask(breaker, "a")
    await asyncio.sleep(1)  # a refusal is later than what worked last
    assert isinstance(await ask(breaker, "b"), OverBudget)
    with pytest.raises(OverBudget):
        await breaker.list_secrets()
    assert breaker.error is None


async def test_a_plain_store_has_the_budget_of_its_spec() -> None:
    driver = Timed()
    reader = chain(driver, StoreSpec(request_budget=RequestBudget(per_second=0.5)))
    await asyncio.gather(*(ask(reader, f"k{number}") for number in range(3)))
    assert driver.times == [0, 2, 4]


class Resource:
    """Reads as the operator does: tries again when it is told to, but after its interval at the latest."""

    def __init__(self, reader: SecretsProvider, key: str, interval: float) -> None:
        self.reader, self.key, self.interval = reader, key, interval
        self.attempts = 0

    async def sync(self) -> float:
        while True:
            self.attempts += 1
            answer = await ask(self.reader, self.key)
            if isinstance(answer, SecretValue):
                return now()
            assert isinstance(answer, Throttled)
            await asyncio.sleep(min(answer.retry_after or 1.0, self.interval))


@pytest.mark.parametrize("interval", [86400, 3600, 300, 60])
async def test_a_tenth_of_a_call_a_second_serves_five_hundred_without_storm_or_starvation(interval: float) -> None:
    driver = Timed()
    reader = store(driver, 0.1)
    resources = [Resource(reader, f"k{number}", interval) for number in range(500)]
    done = await asyncio.gather(*(resource.sync() for resource in resources))
    assert len(driver.calls) == 500
    assert min(later - earlier for earlier, later in zip(driver.times, driver.times[1:], strict=False)) >= 9.9
    # All have their turn, and no token is left lying: 500 calls take 4990 s.
    assert max(done) <= 5200
    attempts = sum(resource.attempts for resource in resources)
    assert attempts / len(resources) <= max(done) / min(interval, FURTHEST)


async def test_the_same_budget_serves_five_hundred_in_batches_of_twenty() -> None:
    driver = Timed(batch_limit=20)
    reader = store(driver, 0.1)
    done = await asyncio.gather(*(Resource(reader, f"k{number}", 3600).sync() for number in range(500)))
    assert len(driver.calls) == 25
    assert max(done) <= 260


async def test_refreshes_are_served_where_first_syncs_leave_room() -> None:
    driver = Timed()
    reader = store(driver, 1)

    async def refresh(key: str) -> None:
        answer = await ask(reader, key, patient=True)
        if isinstance(answer, Throttled):
            await asyncio.sleep(answer.retry_after or 1.0)
            await refresh(key)

    async def first_syncs() -> None:
        for number in range(200):
            await ask(reader, f"first{number}")
            await asyncio.sleep(1.2)

    await asyncio.gather(first_syncs(), *(refresh(f"refresh{number}") for number in range(50)))
    assert sum(key.startswith("refresh") for key in driver.order) == 50
