"""The operator stopped, killed and started again: what changed meanwhile is caught up with, what did not is left."""

from __future__ import annotations

import random
import secrets
import time
from base64 import b64encode
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from beemflow_secrets.model.names import REFRESH_REQUESTED_ANNOTATION
from tests.controlplane.conftest import entry, spec, until, writes
from tests.support import faultproxy as faults
from tests.support.api import condition

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace, Object
    from tests.support.faultproxy import FaultProxy
    from tests.support.openbao import OpenBao
    from tests.support.operator import Operator

TOKEN = entry("token", "slack#token")
YEAR = "8760h"

ROUNDS, RESOURCES = 6, 24
"""Kills, and resources that are at work while they come."""


def test_a_restart_with_nothing_changed_writes_nothing(
    control_plane: ControlPlane,
    operator: Operator,
    ns: Namespace,
    store: str,
    put: Callable[..., int],
    reads: Callable[[str], int],
    canary: str,
) -> None:
    put("slack", token=canary)
    put("clock", token=canary)
    ns.add("yearly", spec(TOKEN, refreshInterval=YEAR))
    ns.add("once", spec(TOKEN, refreshInterval=0))
    ns.add("clock", spec(entry("token", "clock#token"), refreshInterval="1s"))
    ns.add("failing", spec(entry("token", "missing")))
    ns.add("suspended", spec(TOKEN, suspend=True))
    ns.add("renamed", spec(TOKEN, target={"name": "other", "template": {"type": "example.com/x"}}))
    for name in ("yearly", "once", "clock", "renamed"):
        ns.ready(name)
    ns.wait_event("failing", "Warning", "KeyNotFound")
    ns.store_ready(store)
    ns.api.wait(ns.path("suspended"), lambda found: condition(found or {}).get("reason") == "Suspended")
    assert operator.stop() == 0
    done, asked, ticks = writes(control_plane, ns), reads("slack"), reads("clock")
    failed = reads("missing")
    operator.start()
    until(lambda: reads("clock") >= ticks + 2 and reads("missing") > failed)
    assert writes(control_plane, ns) == done
    # What is not due is not read either.
    assert reads("slack") == asked
    assert operator.metric(f'secrets{{namespace="{ns.name}",ready="True"}}') == 4


def test_what_changed_meanwhile_is_caught_up_with(
    operator: Operator,
    ns: Namespace,
    store: str,
    put: Callable[..., int],
    bao: OpenBao,
    folder: str,
    canary: str,
) -> None:
    put("slack", token=canary, user="bot")
    put("removed", token=canary)
    for name in ("rotated", "edited", "deleted", "by-hand", "unowned", "renamed", "retyped", "gone", "asked", "lost"):
        key = "removed" if name == "lost" else "slack"
        ns.add(
            name, spec(entry("token", f"{key}#token"), refreshInterval="1s" if name in {"rotated", "lost"} else YEAR)
        )
        ns.ready(name)
    ns.add("paused", spec(TOKEN, suspend=True))
    ns.api.wait(ns.path("paused"), lambda found: condition(found or {}).get("reason") == "Suspended")
    operator.stop()

    put("slack", token=f"{canary}-2", user="bot")
    bao.remove_kv2("secret", f"{folder}/removed")
    ns.api.patch(ns.path("edited"), {"spec": {"data": [entry("user", "slack#user")]}})
    ns.api.delete(ns.secret_path("deleted"))
    ns.api.patch(ns.secret_path("by-hand"), {"data": {"token": b64encode(b"by hand").decode()}})
    ns.api.patch(ns.secret_path("unowned"), {"metadata": {"ownerReferences": None}})
    ns.api.patch(ns.path("renamed"), {"spec": {"target": {"name": "renamed-to"}}})
    ns.api.patch(ns.path("retyped"), {"spec": {"target": {"template": {"type": "example.com/new"}}}})
    ns.api.delete(ns.path("gone"))
    ns.api.patch(ns.path("asked"), {"metadata": {"annotations": {REFRESH_REQUESTED_ANNOTATION: "meanwhile"}}})
    ns.api.patch(ns.path("paused"), {"spec": {"suspend": False}})
    ns.add("new", spec(TOKEN))
    operator.start()

    second = {"token": f"{canary}-2"}
    for name in ("rotated", "deleted", "by-hand", "renamed-to", "retyped", "asked", "paused", "new", "unowned"):
        ns.wait_data(name, second)
    ns.wait_data("edited", {"user": "bot"})
    ns.collected("gone")
    ns.api.wait(ns.secret_path("renamed"), lambda found: found is None)
    ns.ready("lost", "False", reason="KeyNotFound")
    assert ns.data("lost") == {"token": canary}
    for name in ("rotated", "edited", "deleted", "by-hand", "unowned", "renamed", "retyped", "asked", "paused", "new"):
        found = ns.ready(name, reason="Synced")
        secret = ns.api.get(ns.secret_path(found["spec"].get("target", {}).get("name", name))) or {}
        assert secret["metadata"]["labels"]["secrets.beemflow.io/owner"] == found["metadata"]["uid"]
        assert secret["metadata"]["ownerReferences"][0]["uid"] == found["metadata"]["uid"]
    assert (ns.api.get(ns.path("asked")) or {})["status"]["lastHandledRefresh"] == "meanwhile"
    assert (ns.api.get(ns.secret_path("retyped")) or {})["type"] == "example.com/new"
    ns.store_ready(store)


@pytest.mark.parametrize("change", ["edited", "deleted", "made anew"])
def test_a_store_that_changed_meanwhile_is_the_one_that_counts(
    operator: Operator, ns: Namespace, store: str, put: Callable[..., int], canary: str, change: str
) -> None:
    put("slack", token=canary)
    put("other/slack", token=f"{canary}-other")
    ns.add("slack", spec(TOKEN, refreshInterval="1s"))
    ns.ready("slack")
    content = (ns.api.get(ns.store_path(store)) or {})["spec"]
    operator.stop()
    if change == "edited":
        ns.api.patch(ns.store_path(store), {"spec": {"prefix": "other/"}})
    else:
        ns.api.delete(ns.store_path(store))
    if change == "made anew":
        ns.add_store(store, {**content, "prefix": "other/"})
    operator.start()
    if change == "deleted":
        ns.ready("slack", "False", reason="StoreNotFound")
        assert ns.data("slack") == {"token": canary}
    else:
        ns.wait_data("slack", {"token": f"{canary}-other"})
        ns.store_ready(store)


def test_killed_at_any_moment_it_loses_and_empties_nothing(
    operator: Operator, ns: Namespace, store: str, put: Callable[..., int], canary: str
) -> None:
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    written = {number: [f"{canary}-0"] for number in range(RESOURCES)}
    targets = {number: f"many-{number}" for number in range(RESOURCES)}
    for number in range(RESOURCES):
        put(f"many-{number}", token=written[number][-1])
        ns.add(f"many-{number}", spec(entry("token", f"many-{number}#token"), refreshInterval="1s"))
    for number in range(RESOURCES):
        ns.ready(f"many-{number}")
    for turn in range(1, ROUNDS + 1):
        for number in rng.sample(range(RESOURCES), RESOURCES // 2):
            written[number].append(f"{canary}-{turn}")
            put(f"many-{number}", token=written[number][-1])
        for number in rng.sample(range(RESOURCES), 4):
            _disturb(rng, ns, number, targets, turn)
        # From before it has listed anything until it is at work.
        _pass(rng.uniform(0.0, 0.5))
        operator.kill()
        for number, name in targets.items():
            _check_held(ns, number, name, written[number])
        operator.start(ready=rng.random() < 0.5)
    operator.wait_ready()
    for number, name in targets.items():
        ns.wait_data(name, {"token": written[number][-1]})
        found = ns.ready(f"many-{number}", reason="Synced")
        assert found["status"]["secretRef"]["name"] == name
    listed = ns.api.get(ns.secret_path("").rstrip("/"), labelSelector="secrets.beemflow.io/owner") or {}
    assert sorted(item["metadata"]["name"] for item in listed["items"]) == sorted(targets.values())


def _pass(seconds: float) -> None:
    """Let the moment of a kill be any: this waits for nothing."""
    time.sleep(seconds)


def _disturb(rng: random.Random, ns: Namespace, number: int, targets: dict[int, str], turn: int) -> None:
    if rng.random() < 0.5:
        targets[number] = f"many-{number}-{turn}"
        ns.api.patch(ns.path(f"many-{number}"), {"spec": {"target": {"name": targets[number]}}})
    else:
        ns.api.patch(
            ns.path(f"many-{number}"), {"spec": {"target": {"template": {"type": f"example.com/{rng.randint(1, 3)}"}}}}
        )


def _check_held(ns: Namespace, number: int, name: str, written: list[str]) -> None:
    """A Secret of the resource is there, under its new name or the one before, and holds a value that was stored.

    But for one whose type changed: it is deleted and made again, and the kill may have come between.
    """
    found: list[Object] = [
        item
        for item in (ns.api.get(ns.secret_path("").rstrip("/"), labelSelector="secrets.beemflow.io/owner") or {})[
            "items"
        ]
        if item["metadata"]["annotations"]["secrets.beemflow.io/owner-name"] == f"many-{number}"
    ]
    retyped = "template" in (ns.api.get(ns.path(f"many-{number}")) or {})["spec"].get("target", {})
    assert found or retyped, f"the Secret of many-{number} ({name}) is lost"
    allowed = {b64encode(value.encode()).decode() for value in written}
    for item in found:
        assert set(item["data"]) == {"token"}
        assert item["data"]["token"] in allowed


def test_what_fell_due_meanwhile_is_read_first_and_of_it_what_is_overdue_longest(
    start_operator: Callable[..., Operator],
    ns: Namespace,
    store: str,
    put: Callable[..., int],
    proxy: FaultProxy,
    folder: str,
    canary: str,
) -> None:
    hours = [3, 17, 5, 30, 2, 11, 23, 8]
    running = start_operator("--concurrency", "1")
    for late in (*hours, 0):
        put(f"late-{late:02}", token=canary)
        ns.add(f"late-{late:02}", spec(entry("token", f"late-{late:02}#token"), refreshInterval="1h"))
    for late in (*hours, 0):
        ns.ready(f"late-{late:02}")
    running.stop()
    for late in hours:
        read = datetime.fromtimestamp(time.time() - late * 3600, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        ns.api.patch(f"{ns.path(f'late-{late:02}')}/status", {"status": {"lastSyncTime": read}})
    proxy.forget()
    proxy.set(faults.delay(0.3))
    running.start()
    paths = [f"/v1/secret/data/{folder}/late-{late:02}" for late in sorted(hours, reverse=True)]
    until(lambda: all(proxy.count("GET", path) for path in paths))
    order = [path for method, path in proxy.counts() if (method, path) in {("GET", path) for path in paths}]
    # The first that the listing brings is at work before the others are known.
    assert [path for path in paths if path != order[0]] == order[1:]
    # What is not due is left to its time.
    assert proxy.count("GET", f"/v1/secret/data/{folder}/late-00") == 0
