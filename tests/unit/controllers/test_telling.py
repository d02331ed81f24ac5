"""controllers/telling.py: a status is what was said last, whatever became of the answers to the patches before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import orjson
import pytest

from beemflow_secrets.controllers.clustersecret.tracked import Tracked, plan
from beemflow_secrets.controllers.objects import observe
from beemflow_secrets.controllers.secret.reporting import Reporter
from beemflow_secrets.controllers.secret.tracked import Registry
from beemflow_secrets.controllers.store.reporting import StoreReporter
from beemflow_secrets.controllers.store.standing import Store
from beemflow_secrets.controllers.store.verdict import SERVING, Verdict
from beemflow_secrets.controllers.telling import Teller
from beemflow_secrets.kube.errors import ApiUnavailable, Conflict, NotFound
from beemflow_secrets.model import names
from beemflow_secrets.model.reasons import StoreReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from beemflow_secrets.controllers.events import Events
    from beemflow_secrets.kube.client import KubeClient

    Report = Callable[[dict[str, Any]], Any]

GOOD = {"conditions": [{"type": "Ready", "status": "True", "reason": "Synced", "message": ""}], "expiresAt": "later"}
BAD = {"conditions": [{"type": "Ready", "status": "False", "reason": "KeyNotFound", "message": ""}], "entries": ["a"]}


class Server:
    """An API server that has one resource. `lost` answers do not arrive, `contended` patches are given up."""

    def __init__(self) -> None:
        self.uid, self.status, self.patches = "u", dict[str, Any](GOOD), 0
        self.lost, self.contended = False, False

    async def get(self, _path: str, *, metadata: bool) -> dict[str, Any]:
        assert metadata
        return {"metadata": {"uid": self.uid}}

    async def merge_patch(self, path: str, body: dict[str, Any]) -> None:
        assert path.endswith("/slack/status")
        self.patches += 1
        if self.contended or body["metadata"]["uid"] != self.uid:
            raise Conflict("Operation cannot be fulfilled", status=409, reason="Conflict")
        self.status = {name: value for name, value in (self.status | body["status"]).items() if value is not None}
        if self.lost:
            raise ApiUnavailable("no answer in time")

    def normal(self, *_: object) -> None:
        """Take an Event."""

    warning = normal


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture(params=[names.SECRET, names.CLUSTER_SECRET], ids=lambda kind: kind.name)
def report(server: Server, request: pytest.FixtureRequest) -> Report:
    """Have a status be told of a resource that stands as GOOD says."""
    client, events = cast("KubeClient", server), cast("Events", server)
    metadata = {"namespace": "ns", "name": "slack", "uid": "u", "generation": 1}
    seen = observe(request.param.name, {"metadata": metadata, "spec": {"secretStoreRef": {"name": "prod"}}})
    if request.param is names.SECRET:
        reporter, secret = Reporter(client, events, now=lambda: 0.0), Registry().add(seen, GOOD)
        return lambda told: reporter.report(secret, seen, lambda _: told)
    teller, item = Teller(client, events, request.param, lambda: 0.0), Tracked(seen, orjson.dumps(GOOD), plan(seen))
    return lambda told: teller.report(item, seen, lambda _: told)


async def test_a_patch_whose_answer_was_lost_is_taken_back_by_what_is_said_next(server: Server, report: Report) -> None:
    server.lost = True
    with pytest.raises(ApiUnavailable):
        await report(BAD)
    assert server.status["conditions"] == BAD["conditions"]
    with pytest.raises(ApiUnavailable):
        await report({**GOOD, "later": "x"})
    server.lost = False
    await report(GOOD)
    assert server.status == GOOD
    patches = server.patches
    await report(GOOD)
    assert server.patches == patches


async def test_a_conflict_means_that_the_resource_is_gone_only_if_another_is_there(
    server: Server, report: Report
) -> None:
    server.contended = True
    with pytest.raises(Conflict):
        await report(BAD)
    server.contended = False
    await report(BAD)
    assert server.status["conditions"] == BAD["conditions"]
    server.uid = "another"
    with pytest.raises(NotFound):
        await report(GOOD)
    assert server.status["conditions"] == BAD["conditions"]


async def test_what_a_store_says_next_takes_back_a_patch_whose_answer_was_lost(server: Server) -> None:
    body = {"metadata": {"namespace": "ns", "name": "slack", "uid": "u", "generation": 1}, "spec": {"driver": "env"}}
    server.status = {}
    store = Store(observe(names.STORE.name, body), {})
    reporter = StoreReporter(cast("KubeClient", server), cast("Events", server), lambda: 0.0)
    await reporter.report(store)
    before = server.status
    store.verdict, server.lost = Verdict(StoreReason.BACKEND_UNAVAILABLE, "away"), True
    with pytest.raises(ApiUnavailable):
        await reporter.report(store)
    assert server.status != before
    store.verdict, server.lost = SERVING, False
    await reporter.report(store)
    assert server.status == before
