"""Critical: a store whose critical keys cannot be read says which, and a backend that is away is told as that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from beemflow_secrets.chain.critical import Critical, CriticalKeyMissing
from beemflow_secrets.providers.base import Driver
from beemflow_secrets.providers.errors import Denied, Gone, NotFound, SecretsError, Throttled, Unavailable
from beemflow_secrets.providers.value import Found, Ref, Search, SecretValue

if TYPE_CHECKING:
    from collections.abc import Iterable


class Scripted(Driver):
    name = "scripted"

    def __init__(self, health: SecretsError | None = None, **answers: SecretsError) -> None:
        self.health = health
        self.answers = answers
        self.asked: list[list[str]] = []

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        wanted = list(refs)
        self.asked.append([ref.key for ref in wanted])
        return {ref: self.answers.get(ref.key) or SecretValue("x") for ref in wanted}

    async def find(self, search: Search) -> Found:
        raise NotImplementedError

    async def health_check(self) -> None:
        if self.health is not None:
            raise self.health

    async def close(self) -> None:
        pass


async def test_all_keys_are_read_at_once_and_a_hash_of_a_name_is_no_property() -> None:
    driver = Scripted()
    await Critical(driver, ["slack/bot", r"c\#"]).health_check()
    assert driver.asked == [["slack/bot", "c#"]]


async def test_without_critical_keys_nothing_is_read() -> None:
    driver = Scripted()
    await Critical(driver, []).health_check()
    assert driver.asked == []


async def test_all_that_cannot_be_read_are_named_with_what_hinders() -> None:
    driver = Scripted(a=NotFound("no such key"), b=Denied("not allowed"), c=Gone("version 2 is deleted"))
    with pytest.raises(CriticalKeyMissing) as caught:
        await Critical(driver, ["a", "b", "c", "d"]).health_check()
    assert caught.value.keys == ("a", "b", "c")
    assert "a: no such key; b: not allowed; c: version 2 is deleted" in str(caught.value)


@pytest.mark.parametrize("away", [Unavailable("away"), Throttled("too many", retry_after=7)])
async def test_a_backend_that_is_away_is_told_as_that(away: SecretsError) -> None:
    with pytest.raises(type(away)) as caught:
        await Critical(Scripted(a=NotFound("no such key"), b=away), ["a", "b"]).health_check()
    assert caught.value is away


async def test_what_the_backend_says_of_itself_comes_first() -> None:
    driver = Scripted(health=Unavailable("sealed"))
    with pytest.raises(Unavailable, match="sealed"):
        await Critical(driver, ["a"]).health_check()
    assert driver.asked == []
