"""creationPolicy Merge: some keys of somebody else's Secret are ours, and nothing else of it."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest

from tests.controlplane.conftest import entry, spec, until, writes
from tests.support.api import condition, decoded

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace, Object
    from tests.support.operator import Operator

pytestmark = pytest.mark.usefixtures("operator", "store")

TOKEN = entry("token", "slack#token")
OTHER = entry("other", "slack#other")
ADOPT = "secrets.beemflow.io/adopt"


def encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


def merging(*entries: Object, name: str = "theirs", **fields: Any) -> Object:
    return spec(*(entries or (TOKEN,)), target={"name": name, "creationPolicy": "Merge"}, **fields)


def secret(ns: Namespace, name: str = "theirs") -> Object:
    found = ns.api.get(ns.secret_path(name))
    assert found is not None
    return found


def essence(found: Object) -> Object:
    """Return all of a Secret but its data and what the API server keeps for itself."""
    metadata = {
        name: value for name, value in found["metadata"].items() if name not in {"managedFields", "resourceVersion"}
    }
    return {**found, "metadata": metadata, "data": None}


def keys_held(found: Object, uid: str) -> set[str]:
    return {
        key.removeprefix("f:")
        for field in found["metadata"]["managedFields"]
        if field["manager"] == f"beemflow-secrets:{uid}"
        for key in field["fieldsV1"]["f:data"]
        if key != "."
    }


def conflict(ns: Namespace, name: str, *words: str) -> str:
    told = str(condition(ns.ready(name, "False", reason="TargetConflict"))["message"])
    assert all(word in told for word in words), told
    return told


@pytest.fixture
def slack(put: Callable[..., int], canary: str) -> dict[str, str]:
    """What the backend holds."""
    fields = {"token": canary, "other": f"{canary}-other"}
    put("slack", **fields)
    return fields


# --- what is touched


def test_only_its_own_keys_are_written(ns: Namespace, slack: dict[str, str]) -> None:
    made = ns.add_secret("theirs", {"password": "p"}, type="example.com/theirs", metadata={"labels": {"app": "theirs"}})
    ns.add("slack", merging())
    found = ns.ready("slack")
    after = secret(ns)
    assert decoded(after) == {"password": "p", "token": slack["token"]}
    # No label, no annotation, no owner.
    assert essence(after) == essence(made)
    assert keys_held(after, found["metadata"]["uid"]) == {"token"}
    assert found["status"]["secretRef"] == {
        "name": "theirs",
        "uid": after["metadata"]["uid"],
        "resourceVersion": after["metadata"]["resourceVersion"],
    }


def test_a_rotation_and_what_others_write_go_side_by_side(
    control_plane: ControlPlane,
    ns: Namespace,
    put: Callable[..., int],
    reads: Callable[[str], int],
    slack: dict[str, str],
    canary: str,
) -> None:
    ns.add_secret("theirs", {"password": "p"})
    ns.add("slack", merging(refreshInterval="1s"))
    version = ns.ready("slack")["status"]["contentVersion"]
    done, asked = writes(control_plane, ns), reads("slack")
    until(lambda: reads("slack") >= asked + 2)
    assert writes(control_plane, ns) == done
    ns.api.patch(ns.secret_path("theirs"), {"data": {"password": encoded("q"), "more": encoded("m")}})
    asked = reads("slack")
    until(lambda: reads("slack") >= asked + 2)
    found = ns.ready("slack")
    assert found["status"]["contentVersion"] == version
    put("slack", **{**slack, "token": f"{canary}-2"})
    ns.wait_data("theirs", {"password": "q", "more": "m", "token": f"{canary}-2"})
    ns.api.wait(ns.path("slack"), lambda found: (found or {})["status"]["contentVersion"] != version)


def test_a_secret_made_with_string_data_and_an_empty_one_are_merged_into(ns: Namespace, slack: dict[str, str]) -> None:
    ns.api.create(ns.secret_path("").rstrip("/"), {"metadata": {"name": "text"}, "stringData": {"password": "p"}})
    ns.add_secret("empty", {})
    for name, before in (("text", {"password": "p"}), ("empty", {})):
        ns.add(name, merging(name=name))
        ns.ready(name)
        assert ns.data(name) == {**before, "token": slack["token"]}


# --- a Secret that is missing


def test_a_missing_secret_is_named_and_never_made(ns: Namespace, slack: dict[str, str]) -> None:
    ns.add("slack", merging(refreshInterval="1s"))
    conflict(ns, "slack", "Secret theirs does not exist")
    assert ns.data("theirs") is None
    ns.add_secret("theirs", {})
    ns.wait_data("theirs", {"token": slack["token"]})
    ns.ready("slack")
    # Missing again: named again.
    ns.api.delete(ns.secret_path("theirs"))
    conflict(ns, "slack", "Secret theirs does not exist")
    assert ns.data("theirs") is None


# --- keys of others


def test_a_key_of_another_manager_is_a_conflict_that_names_both(ns: Namespace, slack: dict[str, str]) -> None:
    made = ns.add_secret("theirs", {"token": "their own"})
    ns.add("slack", merging(TOKEN, OTHER, refreshInterval="1s"))
    conflict(ns, "slack", "key token is held by the field manager python-requests", f"{ADOPT}=slack")
    # Together or not at all.
    assert secret(ns) == made
    ns.api.patch(ns.secret_path("theirs"), {"data": {"token": None}})
    ns.wait_data("theirs", slack)


def test_the_annotation_lets_it_take_the_key(ns: Namespace, slack: dict[str, str]) -> None:
    ns.add_secret("theirs", {"token": "their own", "password": "p"}, metadata={"annotations": {ADOPT: "slack"}})
    ns.add("slack", merging())
    ns.ready("slack")
    assert decoded(secret(ns)) == {"token": slack["token"], "password": "p"}


def test_a_key_that_others_hold_with_the_same_value_is_shared_and_stays_theirs(
    ns: Namespace, put: Callable[..., int], slack: dict[str, str], canary: str
) -> None:
    ns.add_secret("theirs", {"token": slack["token"]})
    ns.add("slack", merging(TOKEN, OTHER, refreshInterval="1s"))
    ns.ready("slack")
    ns.api.patch(ns.path("slack"), {"spec": {"data": [OTHER]}})
    ns.ready("slack")
    assert ns.data("theirs") == slack
    ns.api.patch(ns.path("slack"), {"spec": {"data": [TOKEN, OTHER]}})
    ns.ready("slack")
    # Theirs at a rotation too: that we wrote the same value gave us no right to write another.
    put("slack", token=f"{canary}-2", other=f"{canary}-2")
    conflict(ns, "slack", "key token is held by the field manager python-requests")
    assert ns.data("theirs") == slack


def test_two_resources_share_a_secret_and_cannot_take_each_others_keys(
    ns: Namespace, put: Callable[..., int], slack: dict[str, str], canary: str
) -> None:
    put("second", token=f"{canary}-second")
    ns.add_secret("theirs", {})
    first = ns.add("first", merging(refreshInterval="1s"))
    ns.ready("first")
    ns.add("second", merging(entry("token", "second#token"), refreshInterval="1s"))
    conflict(ns, "second", "key token", f"beemflow-secrets:{first['metadata']['uid']}")
    ns.api.patch(ns.path("second"), {"spec": {"data": [entry("mine", "second#token")]}})
    ns.ready("second")
    assert ns.data("theirs") == {"token": slack["token"], "mine": f"{canary}-second"}
    # What the first leaves behind is free.
    ns.api.delete(ns.path("first"))
    ns.api.wait(ns.path("first"), lambda found: found is None)
    assert ns.data("theirs") == {"token": slack["token"], "mine": f"{canary}-second"}
    ns.api.patch(ns.path("second"), {"spec": {"data": [entry("token", "second#token")]}})
    ns.ready("second")
    assert ns.data("theirs") == {"token": f"{canary}-second"}


def test_another_resources_own_secret_is_not_merged_into_and_fought_for(ns: Namespace, slack: dict[str, str]) -> None:
    owner = ns.add("owner", spec(TOKEN, target={"name": "theirs"}, refreshInterval="1s"))
    ns.ready("owner")
    before = ns.api.get(ns.secret_path("theirs"))
    ns.add("slack", merging(entry("mine", "slack#other"), refreshInterval="1s"))
    conflict(ns, "slack", "Secret theirs belongs to BeemFlowSecret owner")
    assert ns.api.get(ns.secret_path("theirs")) == before
    # It becomes one of many that write there.
    ns.api.patch(ns.path("owner"), {"spec": {"target": {"creationPolicy": "Merge"}}})
    ns.ready("owner")
    ns.ready("slack")
    assert ns.data("theirs") == {"token": slack["token"], "mine": slack["other"]}
    assert keys_held(ns.api.get(ns.secret_path("theirs")) or {}, owner["metadata"]["uid"]) == {"token"}


# --- drift


@pytest.mark.parametrize("damage", ["edited", "removed"])
def test_drift_is_repaired_within_a_minute(
    control_plane: ControlPlane, ns: Namespace, slack: dict[str, str], damage: str
) -> None:
    ns.add_secret("theirs", {"password": "p"})
    ns.add("slack", merging(refreshInterval="8760h"))
    found = ns.ready("slack")
    ns.api.patch(ns.secret_path("theirs"), {"data": {"token": encoded("by hand") if damage == "edited" else None}})
    ns.api.wait(
        ns.secret_path("theirs"), lambda found: decoded(found or {}).get("token") == slack["token"], patience=60
    )
    after = ns.api.wait(
        ns.path("slack"),
        lambda now: (now or {})["status"]["secretRef"]["resourceVersion"] == secret(ns)["metadata"]["resourceVersion"],
    )
    assert after["status"]["contentVersion"] == found["status"]["contentVersion"]
    assert decoded(secret(ns)) == {"password": "p", "token": slack["token"]}
    # Ours alone again: given back, it goes.
    ns.api.patch(ns.path("slack"), {"spec": {"data": [OTHER]}})
    ns.ready("slack")
    assert decoded(secret(ns)) == {"password": "p", "other": slack["other"]}


@pytest.mark.parametrize(
    "how", [{"refreshInterval": 0}, {"refreshPolicy": "OnChange"}, {"refreshPolicy": "CreatedOnce"}]
)
def test_drift_is_repaired_where_nothing_is_refreshed(ns: Namespace, slack: dict[str, str], how: Object) -> None:
    ns.add_secret("theirs", {"password": "p"})
    ns.add("slack", merging(**how))
    ns.ready("slack")
    ns.api.patch(ns.secret_path("theirs"), {"data": {"token": encoded("by hand")}})
    ns.api.wait(
        ns.secret_path("theirs"), lambda found: decoded(found or {}).get("token") == slack["token"], patience=60
    )


def test_drift_is_repaired_after_a_restart_and_what_did_not_drift_is_left(
    control_plane: ControlPlane,
    operator: Operator,
    ns: Namespace,
    reads: Callable[[str], int],
    put: Callable[..., int],
    slack: dict[str, str],
    canary: str,
) -> None:
    put("calm", token=canary)
    ns.add_secret("theirs", {})
    ns.add_secret("calm", {})
    ns.add("slack", merging(refreshInterval="8760h"))
    ns.add("calm", merging(entry("token", "calm#token"), name="calm", refreshInterval="8760h"))
    ns.ready("slack")
    before = ns.ready("calm")
    operator.stop()
    ns.api.patch(ns.secret_path("theirs"), {"data": {"token": encoded("by hand")}})
    asked, done = reads("calm"), len(writes(control_plane, ns))
    operator.start()
    ns.api.wait(ns.secret_path("theirs"), lambda found: decoded(found or {}) == {"token": slack["token"]}, patience=60)
    assert reads("calm") == asked
    assert not [path for _, path in writes(control_plane, ns)[done:] if "calm" in path]
    # The first refresh of a process sees that its keys are as they were.
    ns.api.patch(ns.path("calm"), {"metadata": {"annotations": {"secrets.beemflow.io/refresh-requested-at": "now"}}})
    after = ns.api.wait(ns.path("calm"), lambda found: (found or {})["status"].get("lastHandledRefresh") == "now")
    assert after["status"]["contentVersion"] == before["status"]["contentVersion"]
    assert ("patch", "secrets/calm") not in writes(control_plane, ns)[done:]


def test_a_secret_that_is_made_anew_gets_its_keys_again(ns: Namespace, slack: dict[str, str]) -> None:
    ns.add_secret("theirs", {"password": "p"})
    ns.add("slack", merging(refreshInterval="8760h"))
    ns.ready("slack")
    ns.api.delete(ns.secret_path("theirs"))
    ns.add_secret("theirs", {"password": "q"})
    expected = {"password": "q", "token": slack["token"]}
    ns.api.wait(ns.secret_path("theirs"), lambda found: decoded(found or {}) == expected, patience=60)


# --- giving back


def test_keys_go_with_their_entry_and_with_the_name_and_stay_when_the_resource_goes(
    ns: Namespace, slack: dict[str, str]
) -> None:
    for name in ("theirs", "next"):
        ns.add_secret(name, {"password": "p"})
    ns.add("slack", merging(TOKEN, OTHER))
    ns.ready("slack")
    ns.api.patch(ns.path("slack"), {"spec": {"data": [TOKEN]}})
    ns.ready("slack")
    assert ns.data("theirs") == {"password": "p", "token": slack["token"]}
    ns.api.patch(ns.path("slack"), {"spec": {"target": {"name": "next"}}})
    ns.ready("slack")
    assert ns.data("theirs") == {"password": "p"}
    assert ns.data("next") == {"password": "p", "token": slack["token"]}
    ns.api.delete(ns.path("slack"))
    ns.api.wait(ns.path("slack"), lambda found: found is None)
    # A resource that is made anew goes on where the former one ended.
    ns.add("slack", merging(TOKEN, OTHER, name="next"))
    ns.ready("slack")
    assert ns.data("next") == {"password": "p", **slack}
    ns.api.patch(ns.path("slack"), {"spec": {"data": [OTHER]}})
    ns.ready("slack")
    assert ns.data("next") == {"password": "p", "other": slack["other"]}


def test_keys_stay_where_the_new_name_is_missing(ns: Namespace, slack: dict[str, str]) -> None:
    ns.add_secret("theirs", {"password": "p"})
    ns.add("slack", merging())
    ns.ready("slack")
    ns.api.patch(ns.path("slack"), {"spec": {"target": {"name": "missing"}}})
    conflict(ns, "slack", "Secret missing does not exist")
    assert ns.data("theirs") == {"password": "p", "token": slack["token"]}


def test_a_name_that_changes_while_nobody_looks_leaves_no_key_behind(
    operator: Operator, ns: Namespace, slack: dict[str, str]
) -> None:
    for name in ("theirs", "next"):
        ns.add_secret(name, {})
    ns.add("slack", merging())
    ns.ready("slack")
    operator.kill()
    # As one that was killed after its write and before its status leaves it.
    ns.api.patch(ns.path("slack") + "/status", {"status": {"secretRef": None, "contentVersion": None}})
    ns.api.patch(ns.path("slack"), {"spec": {"target": {"name": "next"}}})
    operator.start()
    ns.wait_data("next", {"token": slack["token"]})
    ns.wait_data("theirs", {})


def test_keys_that_are_gone_from_the_backend_go_where_the_policy_says_so(
    ns: Namespace, put: Callable[..., int], bao: Any, folder: str, slack: dict[str, str], canary: str
) -> None:
    put("second", token=canary)
    ns.add_secret("theirs", {"password": "p"})
    target = {"name": "theirs", "creationPolicy": "Merge", "deletionPolicy": "Merge"}
    ns.add("slack", spec(TOKEN, entry("mine", "second#token"), target=target, refreshInterval="1s"))
    ns.ready("slack")
    bao.remove_kv2("secret", f"{folder}/second")
    ns.wait_data("theirs", {"password": "p", "token": slack["token"]})
    ns.ready("slack")


# --- changes of the policy


def test_from_owner_to_merge_the_secret_stays_and_is_nobodys(ns: Namespace, slack: dict[str, str]) -> None:
    template = {"metadata": {"labels": {"team": "flows"}, "annotations": {"note": "x"}}}
    ns.add("slack", spec(TOKEN, OTHER, target={"name": "theirs", "template": template}))
    before = ns.ready("slack")
    ns.api.patch(ns.secret_path("theirs"), {"metadata": {"labels": {"app": "theirs"}}})
    ns.api.patch(ns.path("slack"), {"spec": {"target": {"creationPolicy": "Merge"}}})
    after = ns.ready("slack")
    found = secret(ns)
    assert found["metadata"]["uid"] == before["status"]["secretRef"]["uid"]
    assert after["status"]["contentVersion"] == before["status"]["contentVersion"]
    assert found["metadata"].get("labels") == {"app": "theirs"}
    assert not found["metadata"].get("annotations")
    assert not found["metadata"].get("ownerReferences")
    assert decoded(found) == slack
    # Its keys are given back like all others, and it stays when the resource goes.
    ns.api.patch(ns.path("slack"), {"spec": {"data": [TOKEN]}})
    ns.ready("slack")
    assert ns.data("theirs") == {"token": slack["token"]}
    ns.add("owned", spec(TOKEN))
    ns.ready("owned")
    for name in ("slack", "owned"):
        ns.api.delete(ns.path(name))
    ns.collected("owned")
    assert ns.data("theirs") == {"token": slack["token"]}


def test_from_merge_to_owner_it_takes_a_persons_word(ns: Namespace, slack: dict[str, str]) -> None:
    ns.add_secret("theirs", {"password": "p"})
    made = ns.add("slack", merging(refreshInterval="1s"))
    ns.ready("slack")
    ns.api.patch(ns.path("slack"), {"spec": {"target": {"creationPolicy": "Owner"}}})
    conflict(ns, "slack", "Secret theirs exists", f"{ADOPT}=slack")
    assert ns.data("theirs") == {"password": "p", "token": slack["token"]}
    ns.api.patch(ns.secret_path("theirs"), {"metadata": {"annotations": {ADOPT: "slack"}}})
    ns.wait_data("theirs", {"token": slack["token"]})
    ns.ready("slack")
    assert secret(ns)["metadata"]["ownerReferences"][0]["uid"] == made["metadata"]["uid"]


def test_from_merge_to_owner_under_another_name_the_keys_are_given_back(ns: Namespace, slack: dict[str, str]) -> None:
    ns.add_secret("theirs", {"password": "p"})
    ns.add("slack", merging())
    ns.ready("slack")
    ns.api.patch(ns.path("slack"), {"spec": {"target": {"name": "own", "creationPolicy": "Owner"}}})
    ns.ready("slack")
    assert ns.data("own") == {"token": slack["token"]}
    assert ns.data("theirs") == {"password": "p"}
    ns.api.patch(ns.path("slack"), {"spec": {"target": {"name": "theirs", "creationPolicy": "Merge"}}})
    ns.ready("slack")
    assert ns.data("own") is None
    assert ns.data("theirs") == {"password": "p", "token": slack["token"]}


def test_from_merge_to_none_nothing_is_written(ns: Namespace, slack: dict[str, str]) -> None:
    ns.add_secret("theirs", {"password": "p"})
    ns.add("slack", merging())
    ns.ready("slack")
    before = secret(ns)
    ns.api.patch(ns.path("slack"), {"spec": {"target": {"creationPolicy": "None"}}})
    ns.ready("slack")
    assert secret(ns) == before
    assert decoded(before)["token"] == slack["token"]
