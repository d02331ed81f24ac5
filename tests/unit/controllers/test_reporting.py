"""controllers/secret/reporting.py: two who have something to say of one resource at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import orjson
import pytest

from beemflow_secrets.controllers.objects import observe
from beemflow_secrets.controllers.secret.reporting import Reporter
from beemflow_secrets.controllers.secret.tracked import Registry
from beemflow_secrets.model import names

if TYPE_CHECKING:
    from collections.abc import Callable

    from beemflow_secrets.controllers.events import Events
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
