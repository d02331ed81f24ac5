"""controllers/secret/again.py: what makes a refresh more than another look at the same."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import orjson
import pytest

from beemflow_secrets.controllers.conditions import HEARTBEAT
from beemflow_secrets.controllers.objects import Key, Work, observe
from beemflow_secrets.controllers.secret.again import digest, last_of
from beemflow_secrets.controllers.secret.agenda import Agenda
from beemflow_secrets.controllers.secret.ending import Ending
from beemflow_secrets.controllers.secret.reading import Answers
from beemflow_secrets.controllers.secret.reporting import Reporter
from beemflow_secrets.controllers.secret.restarting import Restarting
from beemflow_secrets.controllers.secret.timing import Terms
from beemflow_secrets.controllers.secret.tracked import Registry
from beemflow_secrets.controllers.times import timestamp
from beemflow_secrets.engine.clock import Clock, loop_time
from beemflow_secrets.engine.queue import KeyedQueue
from beemflow_secrets.model import names
from beemflow_secrets.providers.errors import NotFound, SecretsError, Unavailable
from beemflow_secrets.providers.value import Ref, SecretValue

if TYPE_CHECKING:
    from collections.abc import Callable

    from beemflow_secrets.controllers.events import Events
    from beemflow_secrets.kube.client import KubeClient

SLACK = Ref("slack")
STORE = Key(names.STORE.name, "ns", "prod")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def answers(value: SecretValue | SecretsError, *, ref: Ref = SLACK, place: str = "p") -> dict[Key, Answers]:
    return {STORE: Answers(place, {ref: value})}


def value(content: Any = "xoxb", **fields: Any) -> SecretValue:
    made = SecretValue(content, "1", NOON, NOON)
    for name, field in fields.items():
        setattr(made, name, field)
    return made


def test_the_same_answers_are_known_again() -> None:
    assert digest(answers(value())) == digest(answers(value(), ref=Ref("slack", since=7.0, patient=True)))


@pytest.mark.parametrize(
    "other",
    [
        answers(value("xoxc")),
        answers(value({"value": "xoxb"})),
        answers(value(version="2")),
        answers(value(provider="spare")),
        answers(value(created_at=None)),
        answers(value(expires_at=datetime(2027, 1, 1, tzinfo=UTC))),
        answers(value(origins={"token": value(provider="spare")})),
        answers(value(), ref=Ref("slack", "1")),
        answers(value(), ref=Ref("other")),
        answers(value(), place="elsewhere"),
        {**answers(value()), STORE._replace(name="other"): Answers("p", {Ref("slack"): value()})},
    ],
)
def test_what_may_change_the_secret_or_its_status_is_not_the_same(other: dict[Key, Answers]) -> None:
    assert digest(other) not in {None, digest(answers(value()))}


def test_two_values_are_not_one_that_is_cut_elsewhere() -> None:
    pairs = [("ab", "c"), ("a", "bc")]
    one, two = ({STORE: Answers("p", {Ref("k"): value(a), Ref("l"): value(b)})} for a, b in pairs)
    assert digest(one) != digest(two)


@pytest.mark.parametrize("answer", [NotFound("gone"), value(kept=1.0), value(kept=1.0, outage=Unavailable("away"))])
def test_what_is_missing_or_was_kept_is_looked_at_each_time(answer: SecretValue | SecretsError) -> None:
    assert digest(answers(answer)) is None
    assert last_of(answers(answer), Terms(), 0.0) is None


class Server:
    """An API server that keeps what it is sent."""

    def __init__(self) -> None:
        self.patches: list[dict[str, Any]] = []

    async def merge_patch(self, _path: str, patch: dict[str, Any]) -> None:
        self.patches.append(patch["status"])


@pytest.mark.looptime
async def test_a_refresh_that_finds_the_same_says_so_every_ten_minutes_and_no_more() -> None:
    server, start = Server(), 1_800_000_000.0
    now: Callable[[], float] = lambda: start + loop_time()  # noqa: E731 - one clock for all parts
    clock, registry, queue = Clock(now), Registry(), KeyedQueue[Work](limit=10)
    reporter = Reporter(cast("KubeClient", server), cast("Events", None), now=now)
    agenda = Agenda(queue, clock)
    restarting = Restarting(cast("KubeClient", server), reporter, cast("Events", None), agenda)
    ending = Ending(reporter, restarting, agenda, clock, registry, lambda _: None)
    data = [{"secretKey": "token", "remoteRef": {"key": "slack"}}]
    metadata = {"namespace": "ns", "name": "slack", "uid": "u", "generation": 1}
    spec = {"secretStoreRef": {"name": "prod"}, "data": data}
    seen = observe(names.SECRET.name, {"metadata": metadata, "spec": spec})
    ready = {"type": "Ready", "status": "True", "reason": "Synced"}
    item = registry.add(seen, {"conditions": [ready], "lastSyncTime": timestamp(start)})
    item.last = last_of(answers(value()), Terms(interval=60.0, key="slack"), told=start)
    said = []
    for _ in range(41):
        last, item.last = item.last, None
        assert last is not None
        await ending.again(item, seen, last)
        said.append(len(server.patches))
        assert loop_time() < item.due <= loop_time() + 60.0
        assert await queue.take() == [seen.key]
        queue.done(seen.key)
    assert loop_time() >= 4 * HEARTBEAT - 60
    assert said[-1] in {3, 4}
    assert server.patches[0].keys() == {"lastSyncTime"}
    assert orjson.loads(item.status)["conditions"] == [ready]
