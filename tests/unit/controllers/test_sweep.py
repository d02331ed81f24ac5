"""controllers/sweep.py: what the watch did not tell of is forgotten, and a watch that tells of nothing is noticed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest

from beemflow_secrets.controllers.objects import Key, Observed, observe
from beemflow_secrets.controllers.sweep import EVERY, Sweep
from beemflow_secrets.kube.errors import ApiUnavailable, Forbidden
from beemflow_secrets.model import names

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from beemflow_secrets.kube.client import KubeClient

pytestmark = pytest.mark.looptime


def body(name: str, generation: int = 1) -> dict[str, Any]:
    return {"metadata": {"namespace": "ns", "name": name, "uid": f"uid-{name}", "generation": generation}}


def key(name: str) -> Key:
    return Key(names.SECRET.name, "ns", name)


class Cluster:
    """What there is; `during` happens in the middle of a listing."""

    def __init__(self, *bodies: dict[str, Any]) -> None:
        self.bodies: list[dict[str, Any]] | None = list(bodies)
        self.during: Callable[[], None] = lambda: None
        self.away = False
        self.looks = 0

    async def pages(self, _path: str, *, metadata: bool) -> AsyncIterator[dict[str, Any]]:
        assert metadata
        if self.away:
            raise ApiUnavailable("away")
        self.looks += 1
        yield {"metadata": {}, "items": self.bodies}
        self.during()
        yield {"metadata": {}, "items": None}


class Keeper:
    def __init__(self, *bodies: dict[str, Any]) -> None:
        self.kept = {key(item["metadata"]["name"]): observe(names.SECRET.name, item) for item in bodies}

    def known(self) -> dict[Key, Observed]:
        return dict(self.kept)

    def forget(self, key: Key) -> None:
        del self.kept[key]


async def after(looks: int, cluster: Cluster, keeper: Keeper) -> Sweep:
    sweep = Sweep(cast("KubeClient", cluster), {names.SECRET: keeper})
    task = asyncio.create_task(sweep.run())
    await asyncio.sleep(looks * EVERY + 1)
    assert not task.done()
    task.cancel()
    await asyncio.wait({task})
    return sweep


async def test_what_is_gone_is_forgotten() -> None:
    keeper = Keeper(body("a"), body("b"))
    sweep = await after(1, Cluster(body("a")), keeper)
    assert set(keeper.kept) == {key("a")}
    assert not sweep.missed


async def test_a_keeper_of_two_kinds_loses_none_to_the_listing_of_the_other() -> None:
    keeper = Keeper(body("a"))
    store = observe(names.STORE.name, body("a"))
    keeper.kept[store.key] = store
    await after(2, Cluster(body("a")), keeper)
    assert set(keeper.kept) == {key("a"), store.key}


async def test_an_empty_cluster_is_null() -> None:
    cluster, keeper = Cluster(), Keeper(body("a"))
    cluster.bodies = None
    await after(1, cluster, keeper)
    assert not keeper.kept


async def test_what_came_during_the_look_stays() -> None:
    cluster, keeper = Cluster(), Keeper(body("a"))

    def come_again() -> None:
        keeper.kept[key("a")] = observe(names.SECRET.name, body("a", 2))
        keeper.kept[key("b")] = observe(names.SECRET.name, body("b"))

    cluster.during = come_again
    await after(1, cluster, keeper)
    assert set(keeper.kept) == {key("a"), key("b")}


async def test_what_the_watch_has_not_brought_by_the_next_look_is_missed() -> None:
    cluster, keeper = Cluster(body("new"), body("edited", 2)), Keeper(body("edited", 1))
    first = await after(1, cluster, keeper)
    assert not first.missed
    assert not first.swept.is_set()
    assert (await after(2, cluster, keeper)).missed == {(key("new"), 1), (key("edited"), 2)}


async def test_a_watch_that_is_late_has_missed_nothing() -> None:
    cluster, keeper = Cluster(body("new")), Keeper()

    def come() -> None:
        if cluster.looks == 2:
            keeper.kept[key("new")] = observe(names.SECRET.name, body("new"))

    cluster.during = come
    assert not (await after(2, cluster, keeper)).missed


async def test_a_watch_that_mends_is_no_longer_stuck() -> None:
    cluster, keeper = Cluster(body("new")), Keeper()

    def come() -> None:
        if cluster.looks == 3:
            keeper.kept[key("new")] = observe(names.SECRET.name, body("new"))

    cluster.during = come
    mended = await after(3, cluster, keeper)
    assert not mended.missed
    assert mended.swept.is_set()


async def test_an_outage_forgets_nothing() -> None:
    cluster, keeper = Cluster(), Keeper(body("a"))
    cluster.away = True
    sweep = await after(3, cluster, keeper)
    assert set(keeper.kept) == {key("a")}
    assert not sweep.missed


async def test_what_may_not_be_listed_in_one_namespace_is_kept_and_the_others_are_looked_at() -> None:
    class Denied(Cluster):
        async def pages(self, path: str, *, metadata: bool) -> AsyncIterator[dict[str, Any]]:
            if "/ns/" in path:
                raise Forbidden("you may not")
            async for page in super().pages(path, metadata=metadata):
                yield page

    keeper = Keeper(body("a"))
    other = {"metadata": {"namespace": "other", "name": "b", "uid": "uid-b", "generation": 1}}
    keeper.kept[Key(names.SECRET.name, "other", "b")] = observe(names.SECRET.name, other)
    sweep = Sweep(cast("KubeClient", Denied()), {names.SECRET: keeper}, ("ns", "other"))
    task = asyncio.create_task(sweep.run())
    await asyncio.sleep(EVERY + 1)
    task.cancel()
    assert set(keeper.kept) == {key("a")}
    assert sweep.swept.is_set()
