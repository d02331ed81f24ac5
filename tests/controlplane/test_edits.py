"""A resource that is edited again and again: bounded work, the last edit wins, and nobody else waits."""

from __future__ import annotations

import time
from base64 import b64encode
from typing import TYPE_CHECKING

from beemflow_secrets.controllers.secret.agenda import BURST, PACE
from tests.controlplane.conftest import entry, spec, until, writes

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace
    from tests.support.operator import Operator

EDITS, RATE = 400, 100


def storm(edit: Callable[[int], object]) -> float:
    """Edit so often, at this rate; return for how many seconds."""
    began = time.monotonic()
    for number in range(EDITS):
        edit(number)
        time.sleep(max(0.0, began + (number + 1) / RATE - time.monotonic()))
    return time.monotonic() - began


def test_a_hundred_edits_a_second(
    control_plane: ControlPlane,
    operator: Operator,
    ns: Namespace,
    store: str,
    put: Callable[..., int],
    reads: Callable[[str], int],
    canary: str,
) -> None:
    for key in ("slack", "clock", "new"):
        put(key, token=canary)
    ns.add("slack", spec(entry("token", "slack#token")))
    ns.add("clock", spec(entry("token", "clock#token"), refreshInterval="1s"))
    ns.ready("slack")
    ns.ready("clock")
    asked, done, ticks = reads("slack"), len(writes(control_plane, ns)), reads("clock")
    waited: list[float] = []

    def edit(number: int) -> None:
        ns.api.patch(ns.path("slack"), {"spec": {"data": [entry(f"token-{number}", "slack#token")]}})
        if number == EDITS // 2:
            began = time.monotonic()
            ns.add("new", spec(entry("token", "new#token")))
            ns.ready("new")
            waited.append(time.monotonic() - began)

    took = storm(edit)
    found = ns.ready("slack")
    assert found["status"]["observedGeneration"] == EDITS + 1
    assert ns.data("slack") == {f"token-{EDITS - 1}": canary}
    most = BURST + took / PACE + 2
    assert 2 <= reads("slack") - asked <= most
    written = [path for _, path in writes(control_plane, ns)[done:] if "/slack" in path]
    # An update of the Secret and a status for each.
    assert len(written) <= 2 * most
    assert reads("clock") - ticks >= took - 2
    assert waited[0] < 2


def test_a_few_edits_are_synced_at_once(
    operator: Operator, ns: Namespace, store: str, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(entry("token", "slack#token")))
    ns.ready("slack")
    began = time.monotonic()
    for number in range(BURST - 1):
        ns.api.patch(ns.path("slack"), {"spec": {"data": [entry(f"token-{number}", "slack#token")]}})
        ns.ready("slack")
    assert time.monotonic() - began < (BURST - 2) * PACE


def test_somebody_who_fights_for_the_secret_loses_without_a_storm(
    operator: Operator, ns: Namespace, store: str, put: Callable[..., int], reads: Callable[[str], int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(entry("token", "slack#token")))
    ns.ready("slack")
    asked = reads("slack")

    def fight(number: int) -> None:
        text = b64encode(str(number).encode()).decode()
        ns.api.patch(ns.secret_path("slack"), {"data": {"token": text}})

    took = storm(fight)
    ns.wait_data("slack", {"token": canary})
    assert reads("slack") - asked <= BURST + took / PACE + 2
    until(lambda: ns.data("slack") == {"token": canary})
