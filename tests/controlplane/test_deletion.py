"""Keys that are gone from the backend: what deletionPolicy makes of them, and what it must never take for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.controlplane.conftest import entry, spec, until, writes
from tests.support.api import condition
from tests.support.faultproxy import FaultProxy, answer
from tests.support.workloads import add_workload, may_restart, stamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace, Object
    from tests.support.openbao import OpenBao
    from tests.support.operator import Operator

pytestmark = pytest.mark.usefixtures("operator", "store")

ONE, TWO = entry("one", "one#token"), entry("two", "two#token")


def keeping(policy: str, *entries: Object, **target: Any) -> Object:
    return spec(*(entries or (ONE, TWO)), refreshInterval="1s", target={"deletionPolicy": policy, **target})


@pytest.fixture
def remove(bao: OpenBao, folder: str) -> Callable[[str], None]:
    """Remove a secret with all its versions."""
    return lambda key: bao.remove_kv2("secret", f"{folder}/{key}")


@pytest.fixture
def both(put: Callable[..., int], canary: str) -> dict[str, str]:
    """Two keys in the backend; what a Secret of both holds."""
    put("one", token=canary)
    put("two", token=f"{canary}-2")
    return {"one": canary, "two": f"{canary}-2"}


def message(found: Object) -> str:
    return str(condition(found)["message"])


# --- Delete


def test_the_secret_goes_when_all_its_keys_are_gone_and_returns_with_them(
    control_plane: ControlPlane,
    ns: Namespace,
    put: Callable[..., int],
    reads: Callable[[str], int],
    remove: Callable[[str], None],
    both: dict[str, str],
) -> None:
    ns.add("slack", keeping("Delete"))
    before = ns.ready("slack")
    remove("one")
    # While some remain: as Retain.
    assert "key one" in message(ns.ready("slack", "False", reason="KeyNotFound"))
    assert ns.data("slack") == both
    remove("two")
    found = ns.ready("slack", reason="SecretDeleted")
    assert ns.data("slack") is None
    assert "2 keys gone from the backend" in message(found)
    assert not found["status"].keys() & {"secretRef", "expiresAt"}
    assert found["status"]["entries"] == []
    ns.wait_event("slack", "Normal", "SecretDeleted")
    # It stays so, and nothing is done over and over.
    done, asked = writes(control_plane, ns), reads("one")
    until(lambda: reads("one") >= asked + 2)
    assert writes(control_plane, ns) == done
    put("one", token=both["one"])
    assert "key two" in message(ns.ready("slack", "False", reason="KeyNotFound"))
    put("two", token=both["two"])
    ns.wait_data("slack", both)
    # As it was: whoever restarts for another content has nothing to do.
    after = ns.ready("slack", reason="Synced")
    same = ("contentVersion", "lastChangeTime")
    assert [after["status"][name] for name in same] == [before["status"][name] for name in same]
    assert ("Normal", "SecretRotated") not in ns.events("slack")


@pytest.mark.parametrize("killed", [False, True])
def test_a_secret_that_returns_with_other_values_is_a_rotated_one(
    control_plane: ControlPlane,
    operator: Operator,
    ns: Namespace,
    put: Callable[..., int],
    remove: Callable[[str], None],
    both: dict[str, str],
    killed: bool,  # noqa: FBT001 - a parameter of pytest's
) -> None:
    may_restart(control_plane, ns)
    add_workload(ns, "Deployment", "slack")
    ns.add("slack", {**keeping("Delete", ONE), "rolloutRestart": [{"kind": "Deployment", "name": "slack"}]})
    before = ns.ready("slack")["status"]["contentVersion"]
    remove("one")
    ns.ready("slack", reason="SecretDeleted")
    if killed:
        operator.kill()
        operator.start()
    put("one", token=both["one"] + "-2")
    after = ns.ready("slack", reason="Synced")["status"]["contentVersion"]
    assert after != before
    ns.wait_event("slack", "Normal", "SecretRotated")
    until(lambda: stamp(ns, "Deployment", "slack") == (2, after))


def test_a_deleted_version_counts_as_gone(bao: OpenBao, folder: str, ns: Namespace, both: dict[str, str]) -> None:
    del both
    ns.add("slack", keeping("Delete", ONE))
    ns.ready("slack")
    bao.delete_kv2("secret", f"{folder}/one")
    ns.ready("slack", reason="SecretDeleted")
    assert ns.data("slack") is None


def test_optional_entries_are_gone_when_they_are_missing(
    ns: Namespace, remove: Callable[[str], None], both: dict[str, str]
) -> None:
    ns.add("slack", keeping("Delete", ONE, entry("two", "two#token", optional=True)))
    ns.ready("slack")
    remove("two")
    ns.wait_data("slack", {"one": both["one"]})
    ns.ready("slack")
    remove("one")
    ns.ready("slack", reason="SecretDeleted")
    assert ns.data("slack") is None


def test_a_missing_property_is_not_a_missing_key(ns: Namespace, put: Callable[..., int], both: dict[str, str]) -> None:
    for policy in ("Delete", "Merge"):
        ns.add(policy.lower(), keeping(policy, ONE))
        ns.ready(policy.lower())
    put("one", other="x")
    for policy in ("delete", "merge"):
        ns.ready(policy, "False", reason="PropertyNotFound")
        assert ns.data(policy) == {"one": both["one"]}


TYPING_ERRORS: dict[str, Object] = {
    "key": {"data": [entry("one", "oen#token")]},
    "version": {"data": [entry("one", "one#token", version="33")]},
    "one of two": {"data": [entry("one", "oen#token"), entry("two", "tow#token")]},
    "store": {"secretStoreRef": {"name": "elsewhere"}},
}


@pytest.mark.parametrize("policy", ["Delete", "Merge"])
@pytest.mark.parametrize("mistake", TYPING_ERRORS)
def test_a_typing_error_neither_deletes_nor_empties_the_secret(
    ns: Namespace, store_spec: Object, login: str, both: dict[str, str], mistake: str, policy: str
) -> None:
    del login
    ns.add_store("elsewhere", {**store_spec, "prefix": "elsewhere/"})
    ns.add("slack", keeping(policy, ONE))
    ns.ready("slack")
    made = ns.api.get(ns.secret_path("slack"))
    ns.api.patch(ns.path("slack"), {"spec": TYPING_ERRORS[mistake]})
    ns.ready("slack", "False", reason="KeyNotFound")
    assert ns.api.get(ns.secret_path("slack")) == made
    assert ns.data("slack") == {"one": both["one"]}


def test_a_typing_error_in_the_store_does_not_either(ns: Namespace, store: str, both: dict[str, str]) -> None:
    ns.add("slack", keeping("Delete"))
    ns.ready("slack")
    ns.api.patch(ns.store_path(store), {"spec": {"prefix": "typo/"}})
    ns.ready("slack", "False", reason="KeyNotFound")
    assert ns.data("slack") == both
    ns.api.patch(ns.store_path(store), {"spec": {"prefix": None}})
    ns.ready("slack")


def test_what_was_never_read_is_missing_and_not_gone(ns: Namespace) -> None:
    for policy in ("Delete", "Merge"):
        ns.add(policy.lower(), keeping(policy))
        ns.ready(policy.lower(), "False", reason="KeyNotFound")
        assert ns.data(policy.lower()) is None


def test_an_edit_of_something_else_does_not_hide_that_the_keys_are_gone(
    ns: Namespace, remove: Callable[[str], None], both: dict[str, str]
) -> None:
    ns.add("slack", keeping("Retain"))
    ns.ready("slack")
    remove("one")
    remove("two")
    ns.ready("slack", "False", reason="KeyNotFound")
    assert ns.data("slack") == both
    ns.api.patch(ns.path("slack"), {"spec": {"target": {"deletionPolicy": "Delete"}}})
    ns.ready("slack", reason="SecretDeleted")
    assert ns.data("slack") is None
    ns.api.patch(ns.path("slack"), {"spec": {"refreshInterval": "2s"}})
    ns.ready("slack", reason="SecretDeleted")


@pytest.mark.parametrize("policy", ["Delete", "Merge"])
def test_an_outage_a_wrong_mount_and_a_proxys_404_are_no_absence(
    ns: Namespace, store: str, store_spec: Object, proxy: FaultProxy, both: dict[str, str], policy: str
) -> None:
    ns.add("slack", keeping(policy))
    ns.ready("slack")
    made = ns.api.get(ns.secret_path("slack"))
    proxy.set(answer(404, b"not found"))
    ns.ready("slack", "False", reason="BackendUnavailable")
    proxy.clear()
    ns.ready("slack")
    proxy.down()
    ns.ready("slack", "False", reason="BackendUnavailable")
    proxy.up()
    ns.ready("slack")
    path = store_spec["vault"]["path"]
    ns.api.patch(ns.store_path(store), {"spec": {"vault": {"path": f"nowhere/{path}"}}})
    ns.ready("slack", "False")
    assert ns.api.get(ns.secret_path("slack")) == made
    ns.api.delete(ns.store_path(store))
    ns.ready("slack", "False", reason="StoreNotFound")
    assert ns.api.get(ns.secret_path("slack")) == made
    assert ns.data("slack") == both


def test_a_secret_of_somebody_elses_is_not_deleted(
    ns: Namespace, remove: Callable[[str], None], both: dict[str, str]
) -> None:
    del both
    ns.add("slack", keeping("Delete"))
    ns.ready("slack")
    remove("one")
    remove("two")
    ns.ready("slack", reason="SecretDeleted")
    foreign = ns.add_secret("slack", {"a": "b"})
    ns.api.patch(ns.path("slack"), {"metadata": {"annotations": {"secrets.beemflow.io/refresh-requested-at": "now"}}})
    ns.api.wait(ns.path("slack"), lambda found: (found or {})["status"].get("lastHandledRefresh") == "now")
    assert ns.api.get(ns.secret_path("slack")) == foreign


@pytest.mark.parametrize("policy", ["Owner", "Orphan"])
def test_keys_that_go_while_nobody_looks_are_noticed_after_a_start(
    operator: Operator, ns: Namespace, remove: Callable[[str], None], both: dict[str, str], policy: str
) -> None:
    del both
    ns.add("slack", keeping("Delete", creationPolicy=policy))
    ns.ready("slack")
    operator.stop()
    remove("one")
    remove("two")
    operator.start()
    ns.ready("slack", reason="SecretDeleted")
    assert ns.data("slack") is None
    # One that died between the deletion and the status, too.
    operator.stop()
    operator.start()
    ns.api.patch(ns.path("slack"), {"metadata": {"annotations": {"secrets.beemflow.io/refresh-requested-at": "now"}}})
    ns.api.wait(ns.path("slack"), lambda found: (found or {})["status"].get("lastHandledRefresh") == "now")
    ns.ready("slack", reason="SecretDeleted")


# --- Merge


def test_the_keys_that_are_gone_go_and_return(
    ns: Namespace, put: Callable[..., int], remove: Callable[[str], None], both: dict[str, str]
) -> None:
    ns.add("slack", keeping("Merge"))
    ns.ready("slack")
    remove("one")
    ns.wait_data("slack", {"two": both["two"]})
    found = ns.api.wait(ns.path("slack"), lambda found: "gone" in message(found or {}))
    assert condition(found)["reason"] == "Synced"
    assert message(found) == "1 key synced; 1 key gone from the backend: one"
    remove("two")
    made = ns.wait_data("slack", {})
    ns.api.wait(ns.path("slack"), lambda found: "2 keys gone" in message(found or {}))
    put("one", token=both["one"])
    put("two", token=both["two"])
    ns.wait_data("slack", both)
    assert (ns.api.get(ns.secret_path("slack")) or {})["metadata"]["uid"] == made["metadata"]["uid"]
    ns.api.wait(ns.path("slack"), lambda found: message(found or {}) == "2 keys synced")


def test_a_key_that_was_never_read_holds_up_the_gone_ones_too(
    ns: Namespace, remove: Callable[[str], None], both: dict[str, str]
) -> None:
    ns.add("slack", keeping("Merge"))
    ns.ready("slack")
    remove("one")
    ns.wait_data("slack", {"two": both["two"]})
    ns.api.patch(ns.path("slack"), {"spec": {"data": [ONE, TWO, entry("three", "never#token")]}})
    assert "never" in message(ns.ready("slack", "False", reason="KeyNotFound"))
    assert ns.data("slack") == {"two": both["two"]}
