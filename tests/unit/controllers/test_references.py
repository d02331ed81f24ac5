"""controllers/references.py: objects are looked at once in ten seconds, who refers to a changed one is told."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import pytest

from beemflow_secrets.controllers.objects import Key
from beemflow_secrets.controllers.references import References
from beemflow_secrets.kube.errors import ApiUnavailable, NotFound
from beemflow_secrets.model import names

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from beemflow_secrets.kube.client import KubeClient, Object

pytestmark = pytest.mark.looptime


def key(name: str) -> Key:
    return Key(names.STORE.name, "ns", name)


class Cluster:
    """Objects by path, with their versions."""

    def __init__(self, **versions: str) -> None:
        self.versions = versions
        self.away = False
        self.looks: Counter[str] = Counter()

    async def get(self, path: str, *, metadata: bool) -> Object:
        assert metadata
        self.looks[path] += 1
        if self.away:
            raise ApiUnavailable("away")
        if path not in self.versions:
            raise NotFound("not there")
        return {"metadata": {"resourceVersion": self.versions[path]}}


@asynccontextmanager
async def followed(cluster: Cluster, told: list[Key]) -> AsyncIterator[References]:
    references = References(cast("KubeClient", cluster), told.append)
    running = asyncio.create_task(references.run())
    yield references
    running.cancel()


async def test_each_object_is_looked_at_once_in_ten_seconds_however_many_refer_to_it() -> None:
    cluster = Cluster(**{f"object-{number}": "1" for number in range(25)})
    told: list[Key] = []
    async with followed(cluster, told) as references:
        for number in range(50):
            references.follow(key(f"store-{number}"), dict(cluster.versions))
        await asyncio.sleep(10.5)
        assert set(cluster.looks.values()) == {1}
        assert len(cluster.looks) == 25
        assert told == []


async def test_an_object_is_looked_at_in_time_from_whenever_it_is_followed_and_whatever_comes_beside_it() -> None:
    cluster = Cluster()
    paths = [f"{'ab'[number % 2]}-{99 - number}" for number in range(40)]
    async with followed(cluster, []) as references:
        for number, path in enumerate(paths):
            references.follow(key(path), {path: None})
            await asyncio.sleep(1)
            for age in (11, 21):
                due = paths[: max(number + 1 - age, 0)]
                assert [path for path in due if cluster.looks[path] < age // 10] == []


@pytest.mark.parametrize("change", ["changed", "deleted", "made"])
async def test_a_change_is_told_within_fifteen_seconds(change: str) -> None:
    cluster = Cluster(login="1", other="1")
    told: list[Key] = []
    async with followed(cluster, told) as references:
        references.follow(key("mine"), {"login": "1"} if change != "made" else {"new": None})
        references.follow(key("foreign"), {"other": "1"})
        await asyncio.sleep(12)
        assert told == []
        match change:
            case "changed":
                cluster.versions["login"] = "2"
            case "deleted":
                del cluster.versions["login"]
            case _:
                cluster.versions["new"] = "1"
        assert await references.have_changed(key("mine"))
        assert not await references.have_changed(key("foreign"))
        await asyncio.sleep(15)
        assert set(told) == {key("mine")}


async def test_what_cannot_be_looked_at_has_not_changed() -> None:
    cluster = Cluster(login="1")
    told: list[Key] = []
    async with followed(cluster, told) as references:
        references.follow(key("mine"), {"login": "1"})
        cluster.away = True
        await asyncio.sleep(25)
        assert not await references.have_changed(key("mine"))
        assert told == []


async def test_a_store_that_is_gone_is_told_of_nothing() -> None:
    cluster = Cluster(login="1")
    told: list[Key] = []
    async with followed(cluster, told) as references:
        references.follow(key("mine"), {"login": "0"})
        references.drop(key("mine"))
        references.follow(key("empty"), {})
        await asyncio.sleep(25)
        assert (told, cluster.looks) == ([], Counter())
