"""controllers/secret/reporting.py: two who speak of one resource at once, and what a status has no place for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import orjson
import pytest

from beemflow_secrets.controllers.objects import observe
from beemflow_secrets.controllers.secret.reporting import Reporter
from beemflow_secrets.controllers.secret.tracked import Registry
from beemflow_secrets.model import names
from beemflow_secrets.model.secret import MOST_ENTRIES_TOLD
from beemflow_secrets.rendering.compose import Entry

if TYPE_CHECKING:
    from collections.abc import Callable

    from beemflow_secrets.controllers.events import Events
    from beemflow_secrets.controllers.objects import Key
    from beemflow_secrets.controllers.secret.rotation import Rotation
    from beemflow_secrets.kube.client import KubeClient

pytestmark = pytest.mark.looptime


class Slow:
    """An API server that takes a second for each patch, and the first of them longest."""

    def __init__(self) -> None:
        self.patches: list[dict[str, Any]] = []

    async def merge_patch(self, _path: str, patch: dict[str, Any]) -> None:
        await asyncio.sleep(2.0 - len(self.patches))
        self.patches.append(patch["status"])


async def test_each_says_it_over_what_the_other_left() -> None:
    server = Slow()
    reporter = Reporter(cast("KubeClient", server), cast("Events", None), now=lambda: 0.0)
    metadata = {"namespace": "ns", "name": "slack", "uid": "u", "generation": 1}
    seen = observe(names.SECRET.name, {"metadata": metadata, "spec": {"secretStoreRef": {"name": "prod"}}})
    ready = {"type": "Ready", "status": "True", "reason": "Synced"}
    item = Registry().add(seen, {"conditions": [ready]})

    def adding(kind: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
        return lambda old: {**old, "conditions": [*old["conditions"], {"type": kind, "status": "False"}]}

    await asyncio.gather(*(reporter.report(item, seen, adding(kind)) for kind in ("One", "Two")))
    told = orjson.loads(item.status)
    assert [condition["type"] for condition in told["conditions"]] == ["Ready", "One", "Two"]
    assert server.patches[-1] == {"conditions": told["conditions"]}


class Mute:
    """Takes Events and patches, and keeps none."""

    async def merge_patch(self, _path: str, _patch: dict[str, Any]) -> None:
        """Take it."""

    def normal(self, *_: object) -> None:
        """Take it."""


def read(**newer: str) -> list[Entry]:
    """Half as many entries again as a status tells. All have version 1 but the `newer` ones."""
    keys = [f"key{number}" for number in range(MOST_ENTRIES_TOLD + MOST_ENTRIES_TOLD // 2)]
    return [Entry(key, "prod", key, newer.get(key, "1"), None, None) for key in keys]


def holding(content: str, entries: list[Entry]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Make the status of a Secret that holds these entries."""
    told = [
        {"secretKey": one.secret_key, "provider": one.provider, "remoteKey": one.remote_key, "version": one.version}
        for one in entries[:MOST_ENTRIES_TOLD]
    ]
    return lambda old: {**old, "contentVersion": content, "secretRef": {"name": "slack"}, "entries": told}


async def test_versions_are_told_of_keys_that_no_status_names_too() -> None:
    heard: list[Rotation] = []

    def hear(_key: Key, rotation: Rotation, _version: str) -> None:
        heard.append(rotation)

    mute, last = Mute(), f"key{MOST_ENTRIES_TOLD + 7}"
    reporter = Reporter(cast("KubeClient", mute), cast("Events", mute), now=lambda: 0.0, notify=hear)
    metadata = {"namespace": "ns", "name": "slack", "uid": "u", "generation": 1}
    seen = observe(names.SECRET.name, {"metadata": metadata, "spec": {"secretStoreRef": {"name": "prod"}}})
    item = Registry().add(seen, {})
    for content, entries in {"a": read(), "b": read(key3="2", **{last: "2"})}.items():
        await reporter.report(item, seen, holding(content, entries), entries)
        await reporter.report(item, seen, lambda old: {**old, "observedGeneration": 1})  # says nothing of entries
    assert heard.pop().versions == {"key3": ("1", "2"), last: ("1", "2")}
    # A process that was started since knows no more than the status: of what that does not tell all may be new.
    item = Registry().add(seen, orjson.loads(item.status))
    entries = read(key3="3", **{last: "3"})
    await reporter.report(item, seen, holding("c", entries), entries)
    versions = heard.pop().versions
    assert (versions["key3"], versions[last]) == (("2", "3"), (None, "3"))
    assert versions.keys() == {"key3"} | {one.secret_key for one in entries[MOST_ENTRIES_TOLD:]}
