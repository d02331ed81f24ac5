"""controllers: what is suspended in the middle of a sync, while a backend takes its time, is not written any more."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import orjson
import pytest

from beemflow_secrets.controllers.clustersecret import status as cluster_status
from beemflow_secrets.controllers.objects import Key, awaits_refresh, observe
from beemflow_secrets.controllers.push import status as push_status
from beemflow_secrets.controllers.push.places import Place
from beemflow_secrets.controllers.push.planning import Wanted
from beemflow_secrets.controllers.push.pushing import Ended, Pushing, Share
from beemflow_secrets.controllers.push.tracked import Suspended, Tracked
from beemflow_secrets.controllers.secret.syncing import Syncing
from beemflow_secrets.controllers.secret.timing import UNREADABLE
from beemflow_secrets.controllers.secret.tracked import Registry, parse
from beemflow_secrets.model import names
from beemflow_secrets.providers.errors import NotFound
from tests.unit.model.cases import secret

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from beemflow_secrets.controllers.objects import Observed
    from beemflow_secrets.controllers.secret.reading import Reading

ANNOTATED = {"annotations": {names.SUSPEND_ANNOTATION: "true"}}


def seen(spec: dict[str, Any], **metadata: Any) -> Observed:
    body = {"metadata": {"namespace": "ns", "name": "slack", "uid": "u", "generation": 1, **metadata}, "spec": spec}
    return observe(names.SECRET.name, body)


async def finish(step: Awaitable[None]) -> None:
    await step


@pytest.mark.parametrize(("spec", "metadata"), [({"suspend": True}, {}), ({}, ANNOTATED)], ids=["spec", "annotation"])
async def test_a_secret_that_is_suspended_while_it_is_read_is_not_written(
    spec: dict[str, Any], metadata: dict[str, Any]
) -> None:
    written: list[str] = []

    class Writing:
        def drifted(self, _item: object) -> bool:
            return False

        async def write(self, *_: object) -> None:
            written.append("Secret")

    class Ending:
        async def synced(self, *_: object) -> None:
            written.append("status")

    asked = secret()
    before = seen(asked)
    registry, reading = Registry(), cast("Reading", SimpleNamespace(composed=None, provenance=None))
    item = registry.add(before, {})
    syncing = Syncing(*cast("Any", (None, None, Writing(), Ending())), lives=registry.holds, finish=finish)
    await syncing._write(item, before, parse(before), UNREADABLE, reading)
    assert written == ["Secret", "status"]
    registry.update(item, seen(asked | spec, **metadata))
    await syncing._write(item, before, parse(before), UNREADABLE, reading)
    assert written == ["Secret", "status"]


def test_a_request_that_comes_while_it_is_suspended_is_answered_when_it_goes_on() -> None:
    asked = seen({}, annotations={names.REFRESH_REQUESTED_ANNOTATION: "now"})
    once = {"lastHandledRefresh": "before"}
    pushed = push_status.synced(once, asked, [], stores=[], left=[], now=0.0)
    stamped = cluster_status.stamped(once, asked, name="slack", standing=[], failed={}, former=[], now=0.0)
    for waits, goes_on in (
        (push_status.suspended(once, asked, 0.0), pushed),
        (cluster_status.suspended(once, asked, 0.0), stamped),
    ):
        assert (awaits_refresh(asked, waits), awaits_refresh(asked, goes_on)) == (True, False)


@pytest.mark.parametrize("suspended", [False, True])
async def test_what_is_to_be_pushed_is_not_if_it_is_suspended_while_the_store_is_looked_at(
    suspended: bool,  # noqa: FBT001 - a case
) -> None:
    store, before = Key(names.STORE.name, "ns", "prod"), seen({})
    place = Place(store, "a", None)
    item = Tracked(before, orjson.dumps({}), (store,), held=False)
    written: list[str] = []

    class Chain:
        async def fetch(self, refs: Any) -> dict[Any, NotFound]:
            item.seen = replace(item.seen, suspended=suspended)
            return {ref: NotFound("not there") for ref in refs}

        async def set_secret(self, key: str, *_: object, **__: object) -> None:
            written.append(key)

    async def report(*_: object) -> None:
        """Take a note."""

    stores = SimpleNamespace(worked=lambda _: None, places=SimpleNamespace(meet=lambda *_: False))
    opened = SimpleNamespace(backends=["b"], spec=SimpleNamespace(kubernetes=None))
    pushing = Pushing(*cast("Any", (stores, SimpleNamespace(report=report))), finish=finish)
    share = Share(
        store,
        "slack",
        [Wanted(place, "new", only_new=False)],
        frozenset({place}),
        frozenset({place}),
        [],
        takes_back=True,
        patient=False,
    )
    pushed = pushing._write(item, before, share, *cast("Any", (opened, Chain(), Ended([]))))
    if suspended:
        with pytest.raises(Suspended):
            await pushed
    else:
        await pushed
    assert written == ([] if suspended else ["a"])
