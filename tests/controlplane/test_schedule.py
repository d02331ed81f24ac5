"""When a value is read: on the grid, on request, on an edit, and not otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from beemflow_secrets.model.names import REFRESH_REQUESTED_ANNOTATION
from tests.controlplane.conftest import entry, spec, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.api import Namespace
    from tests.support.openbao import OpenBao

pytestmark = pytest.mark.usefixtures("operator", "store")


def request_refresh(ns: Namespace, name: str, text: str) -> None:
    ns.api.patch(ns.path(name), {"metadata": {"annotations": {REFRESH_REQUESTED_ANNOTATION: text}}})


def handled(ns: Namespace, name: str, text: str) -> dict[str, object]:
    """Wait for the answer to a request, and return the resource."""
    return ns.api.wait(ns.path(name), lambda found: (found or {}).get("status", {}).get("lastHandledRefresh") == text)


def test_a_rotation_is_followed(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put("slack", token=f"{canary}-1")
    ns.add("slack", spec(entry("token", "slack#token"), refreshInterval="1s"))
    ns.ready("slack")
    put("slack", token=f"{canary}-2")
    ns.wait_data("slack", {"token": f"{canary}-2"})


def test_an_interval_below_a_second_is_kept_as_written_and_served_each_second(
    ns: Namespace, put: Callable[..., int], reads: Callable[[str], int], canary: str
) -> None:
    put("slack", token=canary)
    put("clock", token=canary)
    ns.add("slack", spec(entry("token", "slack#token"), refreshInterval="10ms"))
    ns.add("clock", spec(entry("token", "clock#token"), refreshInterval="1s"))
    ns.ready("clock")
    assert ns.ready("slack")["spec"]["refreshInterval"] == "10ms"
    asked, ticks = reads("slack"), reads("clock")
    until(lambda: reads("clock") >= ticks + 3)
    assert 2 <= reads("slack") - asked <= 4


@pytest.mark.parametrize("never", [0, "0", "0s"])
def test_interval_0_reads_once(
    ns: Namespace, put: Callable[..., int], reads: Callable[[str], int], canary: str, never: object
) -> None:
    put("once", token=canary)
    put("clock", token=canary)
    ns.add("once", spec(entry("token", "once#token"), refreshInterval=never))
    ns.add("clock", spec(entry("token", "clock#token"), refreshInterval="1s"))
    ns.ready("once")
    put("once", token=f"{canary}-2")
    ticks = reads("clock")
    until(lambda: reads("clock") >= ticks + 3)
    assert reads("once") == 1
    assert ns.data("once") == {"token": canary}


def test_interval_0_reads_again_when_the_spec_changes(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put("once", token=canary)
    ns.add("once", spec(entry("token", "once#token"), refreshInterval=0))
    ns.ready("once")
    put("once", token=f"{canary}-2")
    ns.api.patch(ns.path("once"), {"spec": spec(entry("other", "once#token"), refreshInterval=0)})
    ns.wait_data("once", {"other": f"{canary}-2"})


def test_interval_0_tries_until_it_has_read_once(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    ns.add("once", spec(entry("token", "once#token"), refreshInterval=0))
    ns.ready("once", "False", reason="KeyNotFound")
    put("once", token=canary)
    ns.ready("once")


def test_an_edit_is_synced_at_once(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put("slack", token=canary, user="bot")
    ns.add("slack", spec(entry("token", "slack#token")))
    ns.ready("slack")
    ns.api.patch(ns.path("slack"), {"spec": spec(entry("user", "slack#user"))})
    found = ns.ready("slack")
    assert ns.data("slack") == {"user": "bot"}
    assert found["status"]["observedGeneration"] == found["metadata"]["generation"] == 2


def test_a_label_on_the_resource_asks_for_nothing(
    ns: Namespace, put: Callable[..., int], reads: Callable[[str], int], canary: str
) -> None:
    put("slack", token=canary)
    put("clock", token=canary)
    ns.add("slack", spec(entry("token", "slack#token")))
    ns.add("clock", spec(entry("token", "clock#token"), refreshInterval="1s"))
    ns.ready("slack")
    ns.ready("clock")
    ns.api.patch(ns.path("slack"), {"metadata": {"labels": {"team": "flows"}, "annotations": {"note": "x"}}})
    ticks = reads("clock")
    until(lambda: reads("clock") >= ticks + 2)
    assert reads("slack") == 1


def test_a_requested_refresh_is_made_at_once_and_answered(
    ns: Namespace, put: Callable[..., int], bao: OpenBao, folder: str, canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(entry("token", "slack#token")))
    ns.ready("slack")
    put("slack", token=f"{canary}-2")
    request_refresh(ns, "slack", "anything new")
    handled(ns, "slack", "anything new")
    assert ns.data("slack") == {"token": f"{canary}-2"}
    # With nothing new in the backend, it is answered too.
    request_refresh(ns, "slack", "2026-01-01T00:00:00Z")
    handled(ns, "slack", "2026-01-01T00:00:00Z")
    request_refresh(ns, "slack", "")  # new too
    handled(ns, "slack", "")
    bao.remove_kv2("secret", f"{folder}/slack")
    request_refresh(ns, "slack", "after a failure")
    handled(ns, "slack", "after a failure")
    ns.ready("slack", "False", reason="KeyNotFound")
    assert ns.data("slack") == {"token": f"{canary}-2"}


def test_a_resource_that_is_made_with_a_request_answers_it(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(entry("token", "slack#token")), annotations={REFRESH_REQUESTED_ANNOTATION: "now"})
    handled(ns, "slack", "now")
    ns.ready("slack")


def test_a_request_that_is_taken_back_asks_for_nothing(
    ns: Namespace, put: Callable[..., int], reads: Callable[[str], int], canary: str
) -> None:
    put("slack", token=canary)
    put("clock", token=canary)
    ns.add("slack", spec(entry("token", "slack#token")), annotations={REFRESH_REQUESTED_ANNOTATION: "now"})
    ns.add("clock", spec(entry("token", "clock#token"), refreshInterval="1s"))
    handled(ns, "slack", "now")
    ns.ready("clock")
    ns.api.patch(ns.path("slack"), {"metadata": {"annotations": None}})
    ticks = reads("clock")
    until(lambda: reads("clock") >= ticks + 2)
    assert reads("slack") == 1
