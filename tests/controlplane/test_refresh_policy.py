"""refreshPolicy: what makes a resource read, and what does not; the Secret is kept whole under each."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

import pytest

from beemflow_secrets.model.names import REFRESH_REQUESTED_ANNOTATION
from tests.controlplane.conftest import entry, spec, until, writes
from tests.support.api import condition

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace, Object
    from tests.support.openbao import OpenBao
    from tests.support.operator import Operator

TOKEN = entry("token", "slack#token")
RARE: dict[str, Object] = {
    "OnChange": {"refreshPolicy": "OnChange", "refreshInterval": "1s"},
    "CreatedOnce": {"refreshPolicy": "CreatedOnce", "refreshInterval": "1s"},
    "0": {"refreshInterval": 0},
}
rarely = pytest.mark.parametrize("policy", RARE.values(), ids=RARE.keys())


@pytest.fixture
def ticks(ns: Namespace, store: str, put: Callable[..., int], reads: Callable[[str], int]) -> Callable[[], None]:
    """Let three seconds pass, as the refreshes of another resource tell them."""
    put("clock", token="t")
    ns.add("clock", spec(entry("token", "clock#token"), refreshInterval="1s"))

    def pass_by() -> None:
        before = reads("clock")
        until(lambda: reads("clock") >= before + 3)

    return pass_by


def ask(ns: Namespace, name: str, text: str) -> None:
    ns.api.patch(ns.path(name), {"metadata": {"annotations": {REFRESH_REQUESTED_ANNOTATION: text}}})
    ns.api.wait(ns.path(name), lambda found: (found or {})["status"].get("lastHandledRefresh") == text)


@rarely
def test_time_alone_reads_nothing_and_a_request_reads(
    operator: Operator,
    ns: Namespace,
    put: Callable[..., int],
    reads: Callable[[str], int],
    ticks: Callable[[], None],
    canary: str,
    policy: Object,
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN, **policy))
    ns.ready("slack")
    put("slack", token=f"{canary}-2")
    ticks()
    assert reads("slack") == 1
    assert ns.data("slack") == {"token": canary}
    ask(ns, "slack", "now")
    assert ns.data("slack") == {"token": f"{canary}-2"}
    ticks()
    assert reads("slack") == 2


@rarely
def test_a_secret_that_is_changed_or_deleted_is_repaired(
    operator: Operator, ns: Namespace, store: str, put: Callable[..., int], canary: str, policy: Object
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN, **policy))
    ns.ready("slack")
    ns.api.patch(ns.secret_path("slack"), {"data": {"token": b64encode(b"by hand").decode()}})
    ns.wait_data("slack", {"token": canary})
    ns.api.delete(ns.secret_path("slack"))
    ns.wait_data("slack", {"token": canary})
    ns.ready("slack", reason="Synced")


@rarely
def test_a_restart_reads_nothing_and_what_it_missed_is_repaired(
    control_plane: ControlPlane,
    operator: Operator,
    ns: Namespace,
    put: Callable[..., int],
    reads: Callable[[str], int],
    ticks: Callable[[], None],
    canary: str,
    policy: Object,
) -> None:
    put("slack", token=canary)
    for name in ("slack", "other"):
        ns.add(name, spec(entry("token", f"{name}#token"), target={"name": f"{name}-target"}, **policy))
    put("other", token=canary)
    for name in ("slack", "other"):
        ns.ready(name)
    assert operator.stop() == 0
    asked, done = {name: reads(name) for name in ("slack", "other")}, len(writes(control_plane, ns))
    ns.api.delete(ns.secret_path("other-target"))
    operator.start()
    ns.wait_data("other-target", {"token": canary})
    ticks()
    assert reads("slack") == asked["slack"]
    assert reads("other") == asked["other"] + 1
    assert not [write for write in writes(control_plane, ns)[done:] if "slack" in write[1]]


@rarely
def test_a_first_sync_that_fails_is_tried_until_it_works(
    operator: Operator, ns: Namespace, store: str, put: Callable[..., int], canary: str, policy: Object
) -> None:
    ns.add("slack", spec(TOKEN, **policy))
    ns.ready("slack", "False", reason="KeyNotFound")
    put("slack", token=canary)
    ns.ready("slack")


def test_another_store_is_read_from_but_for_what_is_created_once(
    operator: Operator, ns: Namespace, store: str, put: Callable[..., int], reads: Callable[[str], int], canary: str
) -> None:
    for name, policy in RARE.items():
        put(name, token=canary)
        ns.add(f"r-{name.lower()}", spec(entry("token", f"{name}#token"), **policy))
        ns.ready(f"r-{name.lower()}")
    once = ns.api.get(ns.path("r-createdonce"))
    ns.api.patch(ns.store_path(store), {"spec": {"timeout": "2s"}})
    until(lambda: reads("OnChange") == reads("0") == 2)
    assert reads("CreatedOnce") == 1
    assert ns.api.get(ns.path("r-createdonce")) == once


@pytest.mark.parametrize("policy", [RARE["OnChange"], RARE["0"]], ids=["OnChange", "0"])
def test_an_edit_reads(
    operator: Operator, ns: Namespace, store: str, put: Callable[..., int], canary: str, policy: Object
) -> None:
    put("slack", token=canary, user="bot")
    ns.add("slack", spec(TOKEN, **policy))
    ns.ready("slack")
    ns.api.patch(ns.path("slack"), {"spec": {"data": [entry("user", "slack#user")]}})
    ns.ready("slack")
    assert ns.data("slack") == {"user": "bot"}


def test_an_edit_of_what_is_created_once_is_seen_and_reads_nothing(
    operator: Operator, ns: Namespace, store: str, put: Callable[..., int], reads: Callable[[str], int], canary: str
) -> None:
    put("slack", token=canary, user="bot")
    ns.add("slack", spec(TOKEN, **RARE["CreatedOnce"]))
    before = ns.ready("slack")
    ns.api.patch(ns.path("slack"), {"spec": {"data": [entry("user", "slack#user")]}})
    found = ns.ready("slack", reason="Synced")
    assert found["status"]["observedGeneration"] == 2
    assert "CreatedOnce" in condition(found)["message"]
    for field in ("entries", "secretRef", "contentVersion", "lastSyncTime"):
        assert found["status"][field] == before["status"][field]
    assert reads("slack") == 1
    assert ns.data("slack") == {"token": canary}
    # The edit counts when the Secret is made anew.
    ns.api.delete(ns.secret_path("slack"))
    ns.wait_data("slack", {"user": "bot"})


def test_another_name_of_what_is_created_once_makes_it_there(
    operator: Operator, ns: Namespace, store: str, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN, **RARE["CreatedOnce"]))
    ns.ready("slack")
    ns.api.patch(ns.path("slack"), {"spec": {"target": {"name": "other"}}})
    ns.wait_data("other", {"token": canary})
    ns.ready("slack")


def test_suspending_what_is_created_once_and_resuming_it_reads_nothing(
    operator: Operator, ns: Namespace, store: str, put: Callable[..., int], reads: Callable[[str], int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN, **RARE["CreatedOnce"]))
    ns.ready("slack")
    ns.api.patch(ns.path("slack"), {"spec": {"suspend": True}})
    ns.ready("slack", reason="Suspended")
    ns.api.patch(ns.path("slack"), {"spec": {"suspend": False}})
    ns.ready("slack", reason="Synced")
    assert reads("slack") == 1


def test_created_once_with_nothing_to_write_reads_once(
    operator: Operator,
    ns: Namespace,
    bao: OpenBao,
    put: Callable[..., int],
    reads: Callable[[str], int],
    ticks: Callable[[], None],
    canary: str,
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN, target={"creationPolicy": "None"}, **RARE["CreatedOnce"]))
    ns.ready("slack")
    ns.api.patch(ns.path("slack"), {"spec": {"refreshInterval": "2s"}})
    ns.ready("slack")
    ticks()
    assert reads("slack") == 1


def test_labels_on_the_secret_of_what_is_created_once_neither_read_nor_change_its_value(
    operator: Operator, ns: Namespace, store: str, put: Callable[..., int], reads: Callable[[str], int], canary: str
) -> None:
    put("slack", token=canary)
    template = {"metadata": {"labels": {"team": "flows"}}}
    ns.add("slack", spec(TOKEN, target={"template": template}, **RARE["CreatedOnce"]))
    ns.ready("slack")
    put("slack", token=f"{canary}-2")
    ns.api.patch(ns.secret_path("slack"), {"metadata": {"labels": {"team": None, "theirs": "x"}}})
    secret = ns.api.wait(ns.secret_path("slack"), lambda found: (found or {})["metadata"]["labels"].get("team"))
    assert secret["metadata"]["labels"]["theirs"] == "x"
    version = secret["metadata"]["resourceVersion"]
    ns.api.wait(ns.path("slack"), lambda found: (found or {})["status"]["secretRef"]["resourceVersion"] == version)
    assert reads("slack") == 1
    assert ns.data("slack") == {"token": canary}
