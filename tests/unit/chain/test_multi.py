"""failover and priority: which link is asked, what is told, and when a later link's value may replace an earlier's."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from beemflow_secrets.chain.breaker import FAILING
from beemflow_secrets.chain.budget import OverBudget
from beemflow_secrets.chain.multi import Failover
from beemflow_secrets.model.backend import RequestBudget
from beemflow_secrets.providers.base import no_tags
from beemflow_secrets.providers.errors import (
    AuthFailed,
    Denied,
    EndpointNotAllowed,
    Gone,
    Held,
    Invalid,
    NoTags,
    NotFound,
    SecretsError,
    Throttled,
    Unavailable,
)
from beemflow_secrets.providers.value import Ref, Search, SecretValue
from tests.unit.chain.scripted import TIMEOUT, Backend, as_link, now

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.looptime

WAIT = 30.0


class Pair:
    """A first backend and its spare, both of which have `both`."""

    def __init__(self, strategy: str, *, attempts: int = 1, budget: RequestBudget | None = None) -> None:
        self.first = Backend({"both": SecretValue("first's", version="1"), "own": SecretValue("own")})
        self.spare = Backend({"both": SecretValue("spare's"), "spare": SecretValue("spare's own")})
        self.links = [as_link(self.first, "vault", attempts=attempts, budget=budget), as_link(self.spare, "env")]
        self.chain = Failover(self.links, priority=strategy == "priority", failover_after=WAIT)

    async def read(self, key: str, version: str | None = None, served_by: str | None = None) -> object:
        """Return value and link, or the error."""
        ref = Ref(key, version, served_by=served_by)
        answer = (await self.chain.fetch([ref]))[ref]
        return answer if isinstance(answer, SecretsError) else (answer.value, answer.provider)


@pytest.fixture
async def failover() -> AsyncIterator[Pair]:
    pair = Pair("failover")
    yield pair
    await pair.chain.close()


@pytest.fixture
async def priority() -> AsyncIterator[Pair]:
    pair = Pair("priority")
    yield pair
    await pair.chain.close()


def is_error(answer: object, kind: type[SecretsError], text: str) -> bool:
    assert isinstance(answer, SecretsError)
    assert (type(answer), answer.message) == (kind, text)
    return True


# Who is asked.


async def test_the_spare_is_not_asked_while_the_first_answers(failover: Pair) -> None:
    assert await failover.read("both") == ("first's", "vault")
    assert failover.spare.reads == []


@pytest.mark.parametrize("fault", [Unavailable("away"), AuthFailed("who?"), Throttled("slow")])
@pytest.mark.parametrize("strategy", ["failover", "priority"])
async def test_the_spare_serves_where_the_first_cannot(fault: SecretsError, strategy: str) -> None:
    pair = Pair(strategy)
    pair.first.fault = fault
    assert await pair.read("both") == ("spare's", "env")
    await pair.chain.close()


@pytest.mark.parametrize("strategy", ["failover", "priority"])
async def test_a_link_over_its_own_budget_is_not_replaced_by_a_spare_that_may_be_stale(strategy: str) -> None:
    pair = Pair(strategy, budget=RequestBudget(per_second=0.01))
    assert await pair.read("own") == ("own", "vault")
    own = "vault: the store's own requestBudget, 0.01 calls a second, is used up"
    assert is_error(await pair.read("both"), OverBudget, own)
    if strategy == "failover":
        with pytest.raises(OverBudget):
            await pair.chain.list_secrets()
    assert pair.spare.reads == []
    await pair.chain.close()


@pytest.mark.parametrize("error", [NotFound("no such key"), Gone("deleted"), Denied("no right"), Invalid("odd")])
async def test_what_concerns_the_key_ends_the_search_of_failover(failover: Pair, error: SecretsError) -> None:
    failover.first.secrets["both"] = error
    assert is_error(await failover.read("both"), type(error), f"vault: {error.message}")
    assert failover.spare.reads == []


@pytest.mark.parametrize("error", [NotFound("no such key"), Gone("deleted")])
async def test_priority_goes_on_where_there_is_no_such_key(priority: Pair, error: SecretsError) -> None:
    priority.first.secrets["both"] = error
    assert await priority.read("both") == ("spare's", "env")


@pytest.mark.parametrize("error", [Denied("no right"), Invalid("odd")])
async def test_denied_ends_the_search_of_priority_too(priority: Pair, error: SecretsError) -> None:
    priority.first.secrets["both"] = error
    assert is_error(await priority.read("both"), type(error), f"vault: {error.message}")


async def test_denied_by_the_spare_is_told_as_such(failover: Pair) -> None:
    failover.first.fault = Unavailable("away")
    failover.spare.secrets["both"] = Denied("no right")
    assert is_error(await failover.read("both"), Denied, "env: no right")


@pytest.mark.parametrize("strategy", ["failover", "priority"])
async def test_a_pinned_version_is_the_first_links_alone(strategy: str) -> None:
    pair = Pair(strategy)
    assert await pair.read("both", version="1") == ("first's", "vault")
    assert is_error(await pair.read("spare", version="1"), NotFound, "vault: no such key")
    pair.first.fault = Unavailable("away")
    assert is_error(await pair.read("both", version="1"), Unavailable, "vault: away")
    assert pair.spare.reads == []
    await pair.chain.close()


async def test_a_link_that_cannot_be_used_as_it_is_written_is_passed_over(failover: Pair) -> None:
    failover.first.fault = Invalid("tls.caRef: it does not exist")
    await failover.chain.health_check()
    assert await failover.read("both") == ("spare's", "env")
    assert [link.name for link, _, _ in failover.chain.down()] == ["vault"]


# What is told when none serves.


async def test_not_found_is_told_only_where_all_say_so(priority: Pair) -> None:
    assert is_error(await priority.read("none"), NotFound, "vault: no such key; env: no such key")
    priority.spare.fault = Unavailable("away")
    assert is_error(await priority.read("none"), Unavailable, "vault: no such key; env: away")


@pytest.mark.parametrize("strategy", ["failover", "priority"])
async def test_a_spare_that_lacks_the_key_does_not_make_it_missing(strategy: str) -> None:
    pair = Pair(strategy)
    pair.first.fault = Unavailable("away")
    assert is_error(await pair.read("own"), Unavailable, "vault: away; env: no such key")
    await pair.chain.close()


async def test_when_all_are_down_the_first_links_error_is_told_and_names_all(failover: Pair) -> None:
    failover.first.fault = AuthFailed("who?")
    failover.spare.fault = Unavailable("away")
    for _ in range(2):  # asked, and passed over
        assert is_error(await failover.read("both"), AuthFailed, "vault: who?; env: away")


async def test_a_chain_of_dead_links_answers_at_once(failover: Pair) -> None:
    failover.first.hangs = failover.spare.hangs = True
    await failover.read("both")
    assert now() == pytest.approx(2 * TIMEOUT, abs=0.1)
    await asyncio.gather(*(failover.read(f"k{number}") for number in range(100)))
    assert now() == pytest.approx(2 * TIMEOUT, abs=0.1)


async def test_many_keys_wait_for_one_timeout_together(failover: Pair) -> None:
    failover.first.hangs = True
    failover.spare.secrets |= {f"k{number}": SecretValue("v") for number in range(100)}
    answers = await failover.chain.fetch([Ref(f"k{number}") for number in range(100)])
    assert {answer.provider for answer in answers.values() if isinstance(answer, SecretValue)} == {"env"}
    assert now() == pytest.approx(TIMEOUT, abs=0.2)


# failoverAfter.


async def test_a_value_of_the_first_is_replaced_when_it_has_been_down_for_long(failover: Pair) -> None:
    failover.first.fault = Unavailable("away")
    held = await failover.read("both", served_by="vault")
    assert isinstance(held, Held)
    assert held.message == "vault: away; its value is kept until it has been down for 30 s"
    assert held.wait == pytest.approx(WAIT, abs=0.1)
    assert held.is_down()
    await asyncio.sleep(held.wait - 1)
    assert isinstance(await failover.read("both", served_by="vault"), Held)
    await asyncio.sleep(1.1)
    assert await failover.read("both", served_by="vault") == ("spare's", "env")


async def test_a_key_without_a_value_does_not_wait(failover: Pair) -> None:
    failover.first.fault = Unavailable("away")
    assert await failover.read("both") == ("spare's", "env")
    assert await failover.read("both", served_by="a link that is no more") == ("spare's", "env")


async def test_a_value_of_the_spare_is_replaced_by_the_firsts_at_once(failover: Pair) -> None:
    assert await failover.read("both", served_by="env") == ("first's", "vault")


async def test_a_value_is_not_held_where_no_later_link_has_one(failover: Pair) -> None:
    failover.first.fault = Unavailable("away")
    assert is_error(await failover.read("own", served_by="vault"), Unavailable, "vault: away; env: no such key")


async def test_one_key_that_the_first_cannot_read_is_told_not_held() -> None:
    failover = Pair("failover", attempts=4)
    failover.first.secrets["both"] = Unavailable("odd")
    odd = asyncio.create_task(failover.read("both", served_by="vault"))
    await asyncio.sleep(0.005)
    await failover.read("own")
    assert is_error(await odd, Unavailable, "vault: odd")
    await failover.chain.close()


async def test_a_key_that_the_first_has_no_more_is_the_spares_at_once(priority: Pair) -> None:
    priority.first.secrets["both"] = Gone("deleted")
    assert await priority.read("both", served_by="vault") == ("spare's", "env")


async def test_without_failover_after_nothing_is_held() -> None:
    pair = Pair("failover")
    chain = Failover(pair.links, priority=False, failover_after=0)
    pair.first.fault = Unavailable("away")
    ref = Ref("both", served_by="vault")
    assert (await chain.fetch([ref]))[ref] == SecretValue("spare's")
    await chain.close()


# Listings and health.


async def test_failover_lists_what_the_first_that_serves_has(failover: Pair) -> None:
    assert await failover.chain.list_secrets() == ["both", "own"]
    failover.first.fault = Unavailable("away")
    assert await failover.chain.list_secrets("s") == ["spare"]
    failover.spare.fault = Denied("no right")
    with pytest.raises(Denied, match="env: no right"):
        await failover.chain.list_secrets()
    failover.spare.fault = Unavailable("away too")
    with pytest.raises(Unavailable, match="vault: away; env: away too"):
        await failover.chain.list_secrets()


async def test_a_spares_listing_will_not_do_for_who_has_values_of_the_first(failover: Pair) -> None:
    assert list(await failover.chain.find(Search(served_by="vault"))) == ["both", "own"]
    failover.first.fault = Unavailable("away")
    for served_by in (None, "env", "nobody"):
        assert list(await failover.chain.find(Search(served_by=served_by))) == ["both", "spare"]
    with pytest.raises(Unavailable, match="vault: away"):
        await failover.chain.find(Search(served_by="vault"))


async def test_a_spare_without_tags_cannot_stand_in_for_a_link_that_is_down(failover: Pair) -> None:
    failover.first.fault = failover.spare.fault = no_tags()
    with pytest.raises(NoTags, match="vault: this backend has no tags"):
        await failover.chain.find(Search(tagged=True))
    failover.first.fault = Unavailable("away")
    with pytest.raises(Unavailable, match="vault: away; env: this backend has no tags"):
        await failover.chain.find(Search(tagged=True))


async def test_a_link_that_is_down_whatever_the_reason_is_passed_over_in_listings_too(failover: Pair) -> None:
    failover.first.fault = Invalid("there is no mount at 'secret'")
    with pytest.raises(Invalid, match="vault: there is no mount"):  # of this prefix, for all that is known
        await failover.chain.list_secrets()
    await failover.links[0].breaker.probe()
    assert await failover.chain.list_secrets() == ["both", "spare"]


async def test_priority_lists_what_any_has_or_nothing(priority: Pair) -> None:
    assert await priority.chain.list_secrets() == ["both", "own", "spare"]
    priority.first.fault = Unavailable("away")
    with pytest.raises(Unavailable, match="vault: away"):
        await priority.chain.list_secrets()


async def test_the_chain_is_healthy_while_one_link_serves(failover: Pair) -> None:
    await failover.chain.health_check()
    failover.first.fault = AuthFailed("who?")
    await failover.chain.health_check()
    assert [(link.name, error.message) for link, error, _ in failover.chain.down()] == [("vault", "who?")]
    failover.spare.fault = Unavailable("away")
    with pytest.raises(AuthFailed, match=r"vault: who\?; env: away"):
        await failover.chain.health_check()


async def test_who_listens_hears_of_every_change(failover: Pair) -> None:
    told: list[tuple[str, bool]] = []
    failover.chain.listen(lambda link, up: told.append((link, up)))
    failover.first.fault = Unavailable("away")
    await failover.read("both")
    failover.first.fault = None
    await asyncio.sleep(6)
    assert told == [("vault", False), ("vault", True)]


def test_the_errors_that_concern_a_link() -> None:
    assert set(FAILING) == {Unavailable, Throttled, AuthFailed, EndpointNotAllowed}
