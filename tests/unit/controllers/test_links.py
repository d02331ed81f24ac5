"""How the links of a chain are told: rows, the condition Degraded, the page /health."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from beemflow_secrets.chain.merge import Merge
from beemflow_secrets.chain.multi import Failover
from beemflow_secrets.controllers.store.links import degraded, providers_of
from beemflow_secrets.controllers.store.verdict import CHECKED_TOLD, SERVING, judge, plain_provider, store_status
from beemflow_secrets.controllers.times import seconds
from beemflow_secrets.providers.errors import Throttled, Unavailable
from tests.unit.chain.scripted import Backend, as_link

if TYPE_CHECKING:
    from beemflow_secrets.chain.multi import Multi

pytestmark = pytest.mark.looptime

NOON = seconds("2026-11-24T12:00:00Z")


async def down(*names: str, merge: bool = False) -> Multi:
    """Return a chain of `main` and `spare`, of which some are down."""
    backends = {name: Backend() for name in ("main", "spare")}
    links = [as_link(backend, name) for name, backend in backends.items()]
    for name in names:
        backends[name].fault = Unavailable(f"{name} is away\n")
    multi: Multi = Merge(links, policy="First") if merge else Failover(links, priority=False, failover_after=30)
    for link in multi.links:
        await link.breaker.probe()
    return multi


async def test_all_links_serve() -> None:
    multi = await down()
    said = degraded(multi, {})
    assert (said.status, said.reason) == ("False", "AllLinksServe")
    assert [(row.name, row.state, row.error, row.breaker) for row in providers_of(multi)] == [
        ("main", "Healthy", None, "closed"),
        ("spare", "Healthy", None, "closed"),
    ]


async def test_a_link_is_down_and_the_chain_serves() -> None:
    multi = await down("main")
    said = degraded(multi, {"main": NOON})
    assert (said.status, said.reason) == ("True", "LinkDown")
    assert said.message == r"main is down since 2026-11-24T12:00:00Z: main is away\n"
    assert providers_of(multi)[0].shown() == {
        "name": "main",
        "driver": "scripted",
        "state": "Down",
        "breaker": "open",
        "latencyMs": pytest.approx(0, abs=100),
        "lastError": r"main is away\n",
    }
    await multi.close()


@pytest.mark.parametrize("merge", [False, True])
async def test_a_chain_that_does_not_serve_is_not_merely_degraded(*, merge: bool) -> None:
    multi = await down("main", *([] if merge else ["spare"]), merge=merge)
    said = degraded(multi, dict.fromkeys(("main", "spare"), NOON))
    assert (said.status, said.reason) == ("False", "NotServing")
    await multi.close()


async def test_a_link_that_asks_for_patience_is_degraded_itself() -> None:
    backend = Backend()
    backend.fault = Throttled("slow", retry_after=60)
    link = as_link(backend, "main")
    await link.breaker.probe()
    assert link.breaker.state == "Degraded"
    await link.reader.close()


async def test_each_row_says_when_its_link_was_looked_at_last() -> None:
    multi = await down("main")
    rows = providers_of(multi)
    first = store_status(
        {},
        SERVING,
        providers=rows,
        degraded=degraded(multi, {"main": NOON}),
        capabilities=["Read", "List"],
        generation=1,
        now=NOON,
    )
    assert [row["lastCheck"] for row in first["providers"]] == ["2026-11-24T12:00:00Z"] * 2
    assert [item["type"] for item in first["conditions"]] == ["Ready", "Degraded"]
    healthy = [rows[0]._replace(state="Healthy", error=None), rows[1]]
    later = store_status(
        first, SERVING, providers=healthy, degraded=None, capabilities=["Read", "List"], generation=1, now=NOON + 60
    )
    assert [row["lastCheck"] for row in later["providers"]] == ["2026-11-24T12:01:00Z", "2026-11-24T12:00:00Z"]
    assert [item["type"] for item in later["conditions"]] == ["Ready"]  # a chain no more
    last = store_status(
        later,
        SERVING,
        providers=healthy,
        degraded=None,
        capabilities=["Read", "List"],
        generation=1,
        now=NOON + CHECKED_TOLD,
    )
    assert last["providers"][1]["lastCheck"] == "2026-11-24T12:10:00Z"
    await multi.close()


def test_a_plain_store_is_one_row() -> None:
    row = plain_provider("prod", "vault", judge(Unavailable("away")), 0.25)
    assert row.shown() == {
        "name": "prod",
        "driver": "vault",
        "state": "Down",
        "breaker": "closed",
        "latencyMs": 250.0,
        "lastError": "away",
    }
