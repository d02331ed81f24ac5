"""controllers/secret/restarts.py and restarting.py: what is owed to whom, and how often it is tried."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import orjson
import pytest

from beemflow_secrets.controllers.objects import Restarts, Work, observe
from beemflow_secrets.controllers.secret.agenda import Agenda
from beemflow_secrets.controllers.secret.reporting import Reporter
from beemflow_secrets.controllers.secret.restarting import Restarting
from beemflow_secrets.controllers.secret.restarts import owed, told_of, tried
from beemflow_secrets.controllers.secret.tracked import Registry, Tracked
from beemflow_secrets.controllers.target.target import Written
from beemflow_secrets.engine.clock import Clock, loop_time
from beemflow_secrets.engine.queue import KeyedQueue
from beemflow_secrets.kube.errors import ApiError, ApiUnavailable, Conflict, Forbidden, NotFound, Refused
from beemflow_secrets.model import names
from beemflow_secrets.model.restart import Workload

if TYPE_CHECKING:
    from beemflow_secrets.controllers.events import Events
    from beemflow_secrets.kube.client import KubeClient

ONE, TWO, THREE = (Workload(kind="Deployment", name=name) for name in ("one", "two", "three"))
LACKS = 'deployments.apps "one" is forbidden: User "x" cannot patch resource "deployments" in API group "apps"'


def secret(version: str) -> Written:
    return Written("slack", "u", "1", version, b"", b"")


def after(old: dict[str, Any], target: Written | None, *workloads: Workload) -> dict[str, Any]:
    """The status after a sync, as far as it is of interest. `target` None: the Secret is gone with its keys."""
    told: dict[str, Any] = {"restarts": told_of(old, workloads, target)}
    if target is None:
        return told | {"contentVersion": old["contentVersion"]}
    return told | {"contentVersion": target.content_version, "secretRef": {"name": target.name}}


def whose(told: dict[str, Any]) -> list[str]:
    return [name for _, name in owed(told)]


def test_a_new_secret_owes_nothing_and_each_later_content_a_restart() -> None:
    told = after({}, secret("a"), ONE, TWO)
    assert whose(told) == []
    told = after(told, secret("b"), ONE, TWO)
    assert whose(told) == ["one", "two"]
    told = tried(told, "b", {("Deployment", "one"): None, ("Deployment", "two"): "why"})
    assert whose(told) == ["two"]
    assert [one.get("message") for one in told["restarts"]] == [None, "why"]
    assert whose(after(told, secret("b"), ONE, TWO)) == ["two"]
    assert whose(after(told, secret("c"), ONE, TWO)) == ["one", "two"]


def test_a_secret_that_stood_with_other_content_owes_one_at_once() -> None:
    assert whose(after({"contentVersion": "before"}, secret("a"), ONE)) == ["one"]


def test_content_that_goes_and_returns_as_another_is_another() -> None:
    told = after(after({}, secret("a"), ONE), None, ONE)
    assert whose(told) == []
    assert whose(after(told, secret("a"), ONE)) == []
    assert whose(after(told, secret("b"), ONE, TWO)) == ["one", "two"]


def test_while_there_is_no_secret_nothing_is_restarted_and_what_is_owed_stays_so() -> None:
    told = after(after(after({}, secret("a"), ONE), secret("b"), ONE), None, ONE)
    assert whose(told) == []
    assert whose(after(told, secret("b"), ONE)) == ["one"]
    assert whose(after(after(told, None, TWO), secret("b"), TWO)) == ["two"]


def test_who_is_named_anew_began_with_what_was_there() -> None:
    synced = {"contentVersion": "a"}
    assert whose(after(synced, secret("a"), ONE)) == []
    assert whose(after(synced, secret("b"), ONE)) == ["one"]
    told = after(after({}, secret("a"), ONE), secret("a"), ONE, TWO)
    assert whose(told) == []


def test_who_is_named_in_the_place_of_one_that_is_owed_is_owed_it_too() -> None:
    told = after(after({}, secret("a"), ONE), secret("b"), ONE)
    assert whose(after(told, secret("b"), TWO)) == ["two"]
    done = tried(told, "b", {("Deployment", "one"): None})
    assert whose(after(done, secret("b"), TWO)) == []


def test_what_was_restarted_for_a_content_that_is_old_by_now_is_owed_the_new_one() -> None:
    told = after(after({}, secret("a"), ONE), secret("c"), ONE)
    assert whose(tried(told, "b", {("Deployment", "one"): None})) == ["one"]


def test_a_workload_that_is_named_no_more_is_told_no_more() -> None:
    assert told_of(after({}, secret("a"), ONE, TWO), [TWO], secret("b")) == [
        {"kind": "Deployment", "name": "two", "restartedFor": "a"}
    ]
    assert told_of(after({}, secret("a"), ONE), [], secret("b")) == []


class Server:
    """An API server that answers patches of workloads as the test says, and keeps when it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, ApiError | None] = {}
        self.asked: list[tuple[float, str]] = []
        self.statuses: list[dict[str, Any]] = []

    async def merge_patch(self, path: str, body: dict[str, Any]) -> None:
        if path.endswith("/status"):
            self.statuses.append(body["status"])
            return
        name = path.rpartition("/")[2]
        self.asked.append((loop_time(), name))
        if (error := self.answers.get(name)) is not None:
            raise error


class Told:
    """Events."""

    def __init__(self) -> None:
        self.warned: list[str] = []
        self.done: list[str] = []

    def warning(self, _key: object, _uid: str, _reason: str, message: str) -> None:
        self.warned.append(message)

    def normal(self, _key: object, _uid: str, _reason: str, message: str) -> None:
        self.done.append(message)


class Life:
    """A resource that owes a restart to `one` and `two`, and the queue that brings it up."""

    def __init__(self) -> None:
        self.server, self.events = Server(), Told()
        self.queue = KeyedQueue[Work](limit=10)
        agenda = Agenda(self.queue, Clock(lambda: 0.0))
        client, events = cast("KubeClient", self.server), cast("Events", self.events)
        self.restarting = Restarting(client, Reporter(client, events, now=lambda: 0.0), events, agenda)
        named = [{"kind": "Deployment", "name": name} for name in ("one", "two")]
        data = [{"secretKey": "token", "remoteRef": {"key": "slack"}}]
        spec = {"secretStoreRef": {"name": "prod"}, "data": data, "rolloutRestart": named}
        metadata = {"namespace": "ns", "name": "slack", "uid": "u", "generation": 1}
        seen = observe(names.SECRET.name, {"metadata": metadata, "spec": spec})
        ready = {"type": "Ready", "status": "True", "reason": "Synced"}
        told = after(after({}, secret("a"), ONE, TWO), secret("b"), ONE, TWO) | {"conditions": [ready]}
        self.item: Tracked = Registry().add(seen, told)

    def heed(self) -> None:
        self.restarting.heed(self.item.seen.key, orjson.loads(self.item.status))

    async def turns(self, times: int) -> None:
        for _ in range(times):
            assert await self.queue.take() == [Restarts(self.item.seen.key)]
            await self.restarting.restart(self.item)
            self.queue.done(Restarts(self.item.seen.key))


@pytest.fixture
async def life() -> Life:
    return Life()


@pytest.mark.looptime
async def test_what_fails_is_tried_again_ever_more_seldom_and_told_once(life: Life) -> None:
    life.server.answers = {"one": NotFound("x", status=404)}
    life.heed()
    for _ in range(9):
        await life.turns(1)
        life.heed()  # a sync in between, after which the same is owed, hurries nothing
    assert [name for _, name in life.server.asked].count("two") == 1
    times = [when for when, name in life.server.asked if name == "one"]
    pauses = [round(later - sooner) for sooner, later in pairwise(times)]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    assert life.events.warned == ["Deployment one does not exist in namespace ns"]
    assert life.events.done == ["Deployment two restarts its pods for new content"]
    assert len(life.server.statuses) == 1
    life.server.answers.clear()
    await life.turns(1)
    assert len(life.server.statuses) == 2
    assert "message" not in orjson.dumps(life.server.statuses[-1]).decode()


@pytest.mark.looptime
async def test_an_api_server_that_is_away_is_asked_again_and_told_of_nobody(life: Life) -> None:
    life.server.answers = {"one": ApiUnavailable("x", status=503, retry_after=20.0)}
    life.heed()
    await life.turns(2)
    assert life.server.asked[-1][0] - life.server.asked[0][0] >= 20.0
    assert life.events.warned == []


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Forbidden(LACKS, status=403), "has no right to patch deployments.apps in namespace ns: grant it"),
        (Forbidden("admission says canary", status=403), "an admission step refuses"),
        (Refused("env value canary is wrong", status=422), "refuses the patch of deployments.apps (status 422)"),
        (Conflict("canary", status=409), "refuses the patch of deployments.apps (status 409)"),
    ],
    ids=["right", "admission", "invalid", "conflict"],
)
async def test_a_refusal_names_what_was_refused_and_nothing_that_the_server_quotes(
    life: Life, error: ApiError, said: str
) -> None:
    life.server.answers = {"one": error}
    life.heed()
    await life.turns(1)
    (message,) = life.events.warned
    assert message.startswith("Deployment one: ")
    assert said in message
    assert "canary" not in message + life.item.status.decode()
