"""Listings: equal searches once, and nobody who is given one from before his question."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from beemflow_secrets.chain.batch import KEPT
from beemflow_secrets.chain.call import Call
from beemflow_secrets.chain.loader import Loader
from beemflow_secrets.model.store import Retry
from beemflow_secrets.providers.base import Driver
from beemflow_secrets.providers.errors import Denied, SecretsError, Unavailable
from beemflow_secrets.providers.finding import found
from beemflow_secrets.providers.value import Content, Found, Ref, Search, SecretValue
from tests.unit.chain.scripted import now

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = pytest.mark.looptime


class Listed(Driver):
    """Takes a second a search."""

    name = "listed"

    def __init__(self) -> None:
        self.tags = {"a": {"team": "flows"}, "b": dict[str, str]()}
        self.asked: list[Search] = []
        self.fails: Exception | None = None

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        raise NotImplementedError

    async def find(self, search: Search) -> Found:
        self.asked.append(search)
        await asyncio.sleep(1)
        if self.fails:
            raise self.fails
        return found(search, self.tags.items())

    async def set_secret(self, key: str, value: Content, *, property: str | None = None) -> SecretValue:
        del value, property
        self.tags[key] = {}
        return SecretValue("x")

    async def health_check(self) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        pass


def opened() -> tuple[Listed, Loader]:
    """A loader over the layer of calls, as it stands in a chain."""
    driver = Listed()
    return driver, Loader(Call(driver, timeout=30, retry=Retry(attempts=1)), batch=1)


async def test_equal_searches_are_one_listing_and_others_are_not() -> None:
    driver, loader = opened()
    searches = [Search("a"), Search("a"), Search(tagged=True), Search(tagged=True, patient=True), Search()]
    answers = await asyncio.gather(*map(loader.find, searches))
    assert answers[:2] == [{"a": {}}] * 2
    assert answers[2:] == [{"a": {"team": "flows"}, "b": {}}] * 2 + [{"a": {}, "b": {}}]
    assert [(one.prefix, one.tagged) for one in driver.asked] == [("a", False), ("", True), ("", False)]


async def test_who_asked_before_a_listing_began_has_it_for_a_while_and_who_asked_later_does_not() -> None:
    driver, loader = opened()
    due = now()
    await loader.find(Search(since=due))
    driver.tags["c"] = {}
    assert list(await loader.find(Search(since=due))) == ["a", "b"]
    later = now()
    assert list(await loader.find(Search(since=later))) == ["a", "b", "c"]
    assert len(driver.asked) == 2
    await asyncio.sleep(KEPT + 1)
    await loader.find(Search(since=due))
    assert len(driver.asked) == 3
    await loader.find(Search())
    assert len(driver.asked) == 4


async def test_a_listing_from_before_a_write_is_shared_no_more() -> None:
    driver, loader = opened()
    due = now()
    await loader.find(Search(since=due))
    await loader.set_secret("new", "x")
    assert list(await loader.find(Search(since=due))) == ["a", "b", "new"]
    assert len(driver.asked) == 2


async def test_a_listing_that_failed_is_told_to_all_who_shared_it_each_by_his_own_error() -> None:
    driver, loader = opened()
    driver.fails = Denied("no right to list")
    errors = await asyncio.gather(*(loader.find(Search()) for _ in range(3)), return_exceptions=True)
    assert len(driver.asked) == 1
    assert [str(error) for error in errors] == ["no right to list"] * 3
    assert len(set(map(id, errors))) == 3
    driver.fails = RuntimeError("hunter2 in an SDK's text")
    with pytest.raises(Unavailable, match="RuntimeError") as caught:
        await loader.find(Search())
    assert "hunter2" not in str(caught.value)


async def test_one_who_is_cancelled_takes_nothing_from_the_others_and_closing_tells_those_who_wait() -> None:
    _, loader = opened()
    one, other = (asyncio.create_task(loader.find(Search())) for _ in range(2))
    await asyncio.sleep(0.5)
    one.cancel()
    assert list(await other) == ["a", "b"]
    waiting = asyncio.create_task(loader.find(Search("a")))
    await asyncio.sleep(0.5)
    await loader.close()
    with pytest.raises(Unavailable, match="the store is being closed"):
        await waiting
