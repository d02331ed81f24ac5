"""kube/reflector.py: what it knows after listings and watches of every kind. A scripted client, no sockets."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest

from beemflow_secrets.kube.errors import ApiError, ApiUnavailable, Expired, Forbidden
from beemflow_secrets.kube.reflector import FORBIDDEN, Namespace, OwnedSecrets, Seen, namespaces
from beemflow_secrets.model.names import OWNER_LABEL, OWNER_NAME_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from beemflow_secrets.kube.client import KubeClient

pytestmark = pytest.mark.looptime

LABEL = OWNER_LABEL
Step = list[dict[str, Any]] | ApiError | None
"""Objects of a listing or events of a watch; an error; None for a watch that stays."""


def item(name: str, version: str = "1", *, owner: str = "a") -> dict[str, Any]:
    return {
        "metadata": {
            "namespace": "ns",
            "name": name,
            "uid": f"uid-{name}",
            "resourceVersion": version,
            "labels": {LABEL: owner},
        }
    }


def event(kind: str, thing: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "object": thing}


class Scripted:
    """Answers listings and watches in turn."""

    def __init__(self, *steps: tuple[str, Step]) -> None:
        self._steps = list(steps)
        self.watched_from: list[str] = []

    async def pages(self, _path: str, *, selector: str, metadata: bool) -> AsyncIterator[dict[str, Any]]:
        assert (selector, metadata) == (LABEL, True)
        found = self._next("list")
        yield {"metadata": {"resourceVersion": "100"}, "items": found}

    async def watch_metadata(self, _path: str, *, version: str, selector: str) -> AsyncIterator[dict[str, Any]]:
        assert selector == LABEL
        self.watched_from.append(version)
        events = self._next("watch")
        if events is None:
            await asyncio.Event().wait()
        for found in events or ():
            yield found

    def _next(self, kind: str) -> Any:
        expected, step = self._steps.pop(0) if self._steps else ("watch", None)
        assert expected == kind
        if isinstance(step, ApiError):
            raise step
        return step


Heard = tuple[str, str | None, str | None]
"""A name, and the owners before and after."""


def owner_of(seen: Seen | None) -> str | None:
    return seen.owner if seen is not None else None


async def followed(*steps: tuple[str, Step]) -> tuple[OwnedSecrets, list[Heard], Scripted]:
    client = Scripted(*steps)
    reflector = OwnedSecrets(cast("KubeClient", client))
    heard: list[Heard] = []
    reflector.listen(lambda name, before, after: heard.append((name[1], owner_of(before), owner_of(after))))
    task = asyncio.create_task(reflector.run())
    await asyncio.sleep(30)
    assert not task.done()
    task.cancel()
    await asyncio.wait({task})
    return reflector, heard, client


async def test_an_empty_listing_is_null() -> None:
    reflector, heard, client = await followed(("list", None), ("watch", [event("ADDED", item("x"))]))
    assert heard == [("x", None, "a")]
    assert reflector.synced.is_set()
    assert client.watched_from == ["100", "1"]


async def test_the_resource_that_made_it_is_known_by_its_annotation() -> None:
    told, untold = item("x"), item("y")
    told["metadata"]["annotations"] = {OWNER_NAME_ANNOTATION: "slack"}
    reflector, _, _ = await followed(("list", [told, untold]))
    assert [seen.maker for name in "xy" if (seen := reflector.seen(("ns", name)))] == ["slack", "y"]


async def test_events_are_followed_and_bookmarks_move_only_the_version() -> None:
    reflector, heard, client = await followed(
        ("list", [item("x")]),
        (
            "watch",
            [
                event("MODIFIED", item("x", "5")),
                event("ADDED", item("y", "6")),
                event("DELETED", item("x", "7")),
                event("BOOKMARK", {"metadata": {"resourceVersion": "9"}}),
            ],
        ),
    )
    assert heard == [("x", None, "a"), ("x", "a", "a"), ("y", None, "a"), ("x", "a", None)]
    assert reflector.seen(("ns", "x")) is None
    seen = reflector.seen(("ns", "y"))
    assert seen is not None
    assert seen.resource_version == "6"
    assert client.watched_from == ["100", "9"]
    assert reflector.owned_by("a") == {("ns", "y")}


@pytest.mark.parametrize("fault", [Expired("too old"), ApiUnavailable("cut")])
async def test_after_a_fault_what_has_gone_meanwhile_is_forgotten(fault: ApiError) -> None:
    reflector, heard, _ = await followed(
        ("list", [item("x"), item("y"), item("z")]),
        ("watch", fault),
        ("list", [item("y"), item("z", "8")]),
    )
    assert reflector.owned_by("a") == {("ns", "y"), ("ns", "z")}
    # What has not changed is not told again.
    assert heard[:3] == [("x", None, "a"), ("y", None, "a"), ("z", None, "a")]
    assert sorted(heard[3:]) == [("x", "a", None), ("z", "a", "a")]


async def test_listings_that_fail_are_tried_again() -> None:
    reflector, _, _ = await followed(
        ("list", ApiUnavailable("away")), ("list", Expired("token too old")), ("list", [item("x")])
    )
    assert reflector.seen(("ns", "x")) is not None


async def test_an_owner_that_changes_is_told_to_both() -> None:
    reflector, heard, _ = await followed(
        ("list", [item("x")]), ("watch", [event("MODIFIED", item("x", "2", owner="b"))])
    )
    assert heard == [("x", None, "a"), ("x", "a", "b")]
    assert reflector.owned_by("a") == frozenset()
    assert reflector.owned_by("b") == {("ns", "x")}


async def test_each_namespace_has_a_listing_and_a_watch_of_its_own() -> None:
    def found(name: str, namespace: str) -> dict[str, Any]:
        thing = item(name)
        return {"metadata": {**thing["metadata"], "namespace": namespace}}

    class TwoNamespaces:
        def __init__(self) -> None:
            self.lists: list[str] = []

        async def pages(self, path: str, *, selector: str, metadata: bool) -> AsyncIterator[dict[str, Any]]:
            assert (selector, metadata) == (LABEL, True)
            namespace = path.split("/")[4]
            self.lists.append(namespace)
            if namespace == "b":
                await asyncio.sleep(5)
            names = ["x", "y"] if self.lists.count(namespace) == 1 else ["x"]
            yield {"metadata": {"resourceVersion": "1"}, "items": [found(name, namespace) for name in names]}

        async def watch_metadata(self, path: str, *, version: str, selector: str) -> AsyncIterator[dict[str, Any]]:
            assert (version, selector) == ("1", LABEL)
            if path.split("/")[4] == "a" and self.lists.count("a") == 1:
                await asyncio.sleep(10)
                raise Expired("too old")
            await asyncio.Event().wait()
            yield {}

    client = TwoNamespaces()
    reflector = OwnedSecrets(cast("KubeClient", client), ("a", "b"))
    task = asyncio.create_task(reflector.run())
    await asyncio.sleep(2)
    assert reflector.seen(("a", "x"))
    assert not reflector.synced.is_set()  # b has not been listed yet
    await asyncio.sleep(10)
    assert reflector.synced.is_set()
    # A new listing of a tells nothing of b.
    assert client.lists == ["a", "b", "a"]
    assert reflector.seen(("a", "y")) is None
    assert reflector.seen(("b", "y"))
    task.cancel()
    await asyncio.wait({task})


async def test_of_a_namespace_its_labels_and_its_roles_are_kept() -> None:
    class Listing(Scripted):
        async def pages(self, _path: str, *, selector: str, metadata: bool) -> AsyncIterator[dict[str, Any]]:
            assert (selector, metadata) == ("", True)
            yield {"metadata": {"resourceVersion": "1"}, "items": self._next("list")}

        async def watch_metadata(self, *_: object, **__: object) -> AsyncIterator[dict[str, Any]]:
            await asyncio.Event().wait()
            yield {}

    named = {"name": "a", "labels": {"team": "x"}, "annotations": {"secrets.beemflow.io/roles": " eu,, finance "}}
    client = Listing(("list", [{"metadata": named}, {"metadata": {"name": "b"}}]))
    reflector = namespaces(cast("KubeClient", client))
    following = asyncio.create_task(reflector.run())
    await reflector.synced.wait()
    assert reflector.seen(("", "a")) == Namespace({"team": "x"}, frozenset({"eu", "finance"}))
    assert reflector.seen(("", "b")) == Namespace({}, frozenset())
    following.cancel()


async def test_a_namespace_in_which_a_right_lacks_holds_up_no_other_and_is_listed_once_it_comes() -> None:
    class Cluster(Scripted):
        refuses = True

        async def pages(self, path: str, *, selector: str, metadata: bool) -> AsyncIterator[dict[str, Any]]:
            assert (selector, metadata) == (LABEL, True)
            if self.refuses and "/denied/" in path:
                raise Forbidden("you may not list secrets in denied")
            yield {"metadata": {"resourceVersion": "1"}, "items": None}

    client = Cluster()
    owned = OwnedSecrets(cast("KubeClient", client), ("ns", "denied"))
    task = asyncio.create_task(owned.run())
    await asyncio.wait_for(owned.synced.wait(), 1)
    assert owned.refused == {"denied": "you may not list secrets in denied"}
    client.refuses = False
    await asyncio.sleep(FORBIDDEN + 1)
    assert owned.refused == {}
    task.cancel()


async def test_where_all_are_denied_it_waits_for_the_right() -> None:
    owned = OwnedSecrets(cast("KubeClient", Scripted(("list", Forbidden("no")), ("list", []))))
    task = asyncio.create_task(owned.run())
    await asyncio.sleep(1)
    assert not owned.synced.is_set()
    await asyncio.sleep(FORBIDDEN)
    assert owned.synced.is_set()
    task.cancel()
