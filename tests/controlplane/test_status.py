"""What a resource says of itself: conditions, entries, times, and what kubectl shows of them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.kube import paths
from beemflow_secrets.model.crd import definitions
from tests.controlplane.conftest import entry, spec, until
from tests.support.api import condition

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace, Object
    from tests.support.openbao import OpenBao
    from tests.support.operator import Operator

pytestmark = pytest.mark.usefixtures("operator", "store")

TOKEN = entry("token", "slack#token")
EXPIRES = "2031-02-03T04:05:06Z"


def moment(text: str) -> datetime:
    """Read a time as Kubernetes writes it."""
    assert text.endswith("Z")
    return datetime.fromisoformat(text)


def recent(text: str) -> bool:
    return timedelta(seconds=-2) < datetime.now(UTC) - moment(text) < timedelta(minutes=1)


def test_a_synced_resource_says_what_it_wrote_and_from_where(
    ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    version = put("slack", token=canary, user="bot")
    ns.add("slack", spec(entry("user", "slack", property="user"), TOKEN))
    found = ns.ready("slack")
    status: dict[str, Any] = found["status"]
    ready = condition(found)
    assert status["observedGeneration"] == ready["observedGeneration"] == found["metadata"]["generation"] == 1
    assert len(status["conditions"]) == 1
    assert (ready["reason"], ready["message"]) == ("Synced", "2 keys synced")
    assert recent(ready["lastTransitionTime"])
    assert recent(status["lastSyncTime"])
    assert recent(status["lastChangeTime"])
    for told, key, remote in zip(status["entries"], ("user", "token"), ("slack", "slack#token"), strict=True):
        assert recent(told.pop("createdAt"))
        assert told == {"secretKey": key, "provider": "prod", "remoteKey": remote, "version": str(version)}
    assert "expiresAt" not in status
    assert "entriesOmitted" not in status


def test_a_failed_one_keeps_saying_what_was_synced(
    ns: Namespace, put: Callable[..., int], bao: OpenBao, folder: str, canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN, refreshInterval="1s"))
    before = ns.ready("slack")["status"]
    bao.remove_kv2("secret", f"{folder}/slack")
    after = ns.ready("slack", "False", reason="KeyNotFound")["status"]
    assert {**after, "conditions": None} == {**before, "conditions": None}


def test_the_transition_time_moves_with_the_status_and_not_with_the_reason(
    ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    ns.add("slack", spec(TOKEN, refreshInterval="1s"))
    first = condition(ns.ready("slack", "False", reason="KeyNotFound"))
    began = moment(first["lastTransitionTime"]).timestamp()
    until(lambda: time.time() > began + 1)
    put("slack", other=canary)
    second = condition(ns.ready("slack", "False", reason="PropertyNotFound"))
    assert second["lastTransitionTime"] == first["lastTransitionTime"]
    assert second["message"] != first["message"]
    put("slack", token=canary)
    third = condition(ns.ready("slack"))
    assert moment(third["lastTransitionTime"]) > moment(first["lastTransitionTime"])


def test_a_changed_value_is_a_new_content_version_and_change_time(
    ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN, refreshInterval="1s"))
    before = ns.ready("slack")["status"]
    until(lambda: time.time() > moment(before["lastChangeTime"]).timestamp() + 1)
    version = put("slack", token=f"{canary}-2")
    after = ns.api.wait(
        ns.path("slack"), lambda found: (found or {})["status"]["contentVersion"] != before["contentVersion"]
    )["status"]
    assert moment(after["lastChangeTime"]) > moment(before["lastChangeTime"])
    assert after["lastSyncTime"] == after["lastChangeTime"]
    assert after["entries"][0]["version"] == str(version)
    secret = ns.api.get(ns.secret_path("slack")) or {}
    assert secret["metadata"]["annotations"]["secrets.beemflow.io/content-version"] == after["contentVersion"]
    assert secret["metadata"]["resourceVersion"] == after["secretRef"]["resourceVersion"]


def test_a_new_version_of_the_same_value_is_told_and_is_no_change(
    ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN, refreshInterval="1s"))
    before = ns.ready("slack")["status"]
    version = put("slack", token=canary)
    after = ns.api.wait(
        ns.path("slack"), lambda found: (found or {})["status"]["entries"][0]["version"] == str(version)
    )["status"]
    for field in ("contentVersion", "lastChangeTime", "secretRef"):
        assert after[field] == before[field]
    assert ns.events("slack") == []


def test_expiry_is_what_the_backend_says_or_the_owner_wrote_and_the_earliest_counts(
    operator: Operator, ns: Namespace, bao: OpenBao, put: Callable[..., int], folder: str, canary: str
) -> None:
    put("never", token=canary)
    bao.write_kv2("secret", f"{folder}/tagged", {"token": canary}, custom_metadata={"expires-at": EXPIRES})
    bao.write_kv2("secret", f"{folder}/garbled", {"token": canary}, custom_metadata={"expires-at": "soon"})
    bao.call("POST", f"secret/metadata/{folder}/deleted", {"delete_version_after": "2h"})
    put("deleted", token=canary)
    keys = ("never", "tagged", "garbled", "deleted")
    ns.add("all", spec(*(entry(key, f"{key}#token") for key in keys), refreshInterval="1s"))
    status = ns.ready("all")["status"]
    told = {told["secretKey"]: told.get("expiresAt") for told in status["entries"]}
    assert (told["never"], told["tagged"], told["garbled"]) == (None, EXPIRES, None)
    two_hours = moment(told["deleted"]) - datetime.now(UTC)
    assert timedelta(minutes=119) < two_hours < timedelta(minutes=121)
    assert status["expiresAt"] == told["deleted"]
    metric = f'expiry_timestamp_seconds{{name="all",namespace="{ns.name}"}}'
    assert operator.metric(metric) == moment(told["deleted"]).timestamp()
    ns.api.patch(ns.path("all"), {"spec": {"data": [entry("never", "never#token")]}})
    assert "expiresAt" not in ns.ready("all")["status"]
    assert operator.metric(metric) == 0


def test_an_expired_value_is_still_served(ns: Namespace, bao: OpenBao, folder: str, canary: str) -> None:
    past = "2001-02-03T04:05:06Z"
    bao.write_kv2("secret", f"{folder}/slack", {"token": canary}, custom_metadata={"expires-at": past})
    ns.add("slack", spec(TOKEN))
    assert ns.ready("slack")["status"]["expiresAt"] == past
    assert ns.data("slack") == {"token": canary}


def test_entries_beyond_a_hundred_are_counted(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(*(entry(f"key-{number:03}", "slack#token") for number in range(103))))
    status = ns.ready("slack")["status"]
    assert [told["secretKey"] for told in status["entries"]] == [f"key-{number:03}" for number in range(100)]
    assert status["entriesOmitted"] == 3
    ns.api.patch(ns.path("slack"), {"spec": {"data": [entry("key", "slack#token")]}})
    assert "entriesOmitted" not in ns.ready("slack")["status"]


def test_a_message_is_bounded_and_shows_no_control_characters(ns: Namespace, canary: str) -> None:
    del canary
    long = "\N{RIGHT-TO-LEFT OVERRIDE}" + "x" * 2000
    ns.add("slack", spec(entry("token", long)))
    told = condition(ns.ready("slack", "False"))["message"]
    assert len(told) <= 1024
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in told
    assert r"\u202e" in told


def columns(text: str) -> dict[str, str]:
    """Read the one row that kubectl printed, by where its columns begin."""
    head, row = text.splitlines()
    names = ["NAME", "STORE", "REFRESH", "READY", "REASON", "LAST SYNC", "EXPIRES", "AGE"]
    starts = [head.index(name) for name in names]
    assert head.split() == " ".join(names).split()
    return {name: row[start:end].strip() for name, start, end in zip(names, starts, [*starts[1:], None], strict=True)}


def test_kubectl_shows_how_it_stands(
    control_plane: ControlPlane, ns: Namespace, bao: OpenBao, folder: str, canary: str
) -> None:
    bao.write_kv2("secret", f"{folder}/slack", {"token": canary}, custom_metadata={"expires-at": EXPIRES})
    ns.add("slack", spec(TOKEN, refreshInterval="1h30m"))
    ns.add("missing", spec(entry("token", "missing")))
    where = ("-n", ns.name)
    control_plane.kubectl("wait", "--for=condition=Ready", "bfs/slack", *where, "--timeout=20s")
    control_plane.kubectl("wait", "--for=condition=Ready=false", "bfs/missing", *where, "--timeout=20s")
    good = columns(control_plane.kubectl("get", "bfs", "slack", *where))
    assert good.pop("AGE").endswith("s")
    assert good.pop("LAST SYNC").endswith("s")
    assert good == {
        "NAME": "slack",
        "STORE": "prod",
        "REFRESH": "1h30m",
        "READY": "True",
        "REASON": "Synced",
        "EXPIRES": EXPIRES,
    }
    bad = columns(control_plane.kubectl("get", "beemflowsecret", "missing", *where))
    assert (bad["REFRESH"], bad["READY"], bad["REASON"], bad["LAST SYNC"], bad["EXPIRES"]) == (
        *("", "False", "KeyNotFound"),
        *("", ""),
    )
    listed = control_plane.kubectl("get", "beemflow", *where, "-o", "name").split()
    assert listed == [
        "beemflowsecret.secrets.beemflow.io/missing",
        "beemflowsecret.secrets.beemflow.io/slack",
        "beemflowsecretstore.secrets.beemflow.io/prod",
    ]
    described = control_plane.kubectl("describe", "bfs", "missing", *where)
    assert "key missing" in described
    assert "Warning  KeyNotFound" in described


def test_every_spec_field_is_explained(control_plane: ControlPlane, ns: Namespace, canary: str) -> None:
    # From what kubectl explain reads.
    del canary
    schemas = (ns.api.get(f"/openapi/v3{paths.GROUP_VERSION}") or {})["components"]["schemas"]

    def unexplained(schema: Object, path: str) -> list[str]:
        found = [path] if not schema.get("description") else []
        inside = schema.get("items") or schema.get("additionalProperties") or {}
        for name, field in {**schema.get("properties", {}), **inside.get("properties", {})}.items():
            found += unexplained(field, f"{path}.{name}")
        return found

    for definition in definitions():
        name = definition["spec"]["names"]
        kind = f"io.beemflow.secrets.v1.{name['kind']}"
        assert unexplained(schemas[kind]["properties"]["spec"], kind) == []
        [short] = name["shortNames"]
        assert "DESCRIPTION" in control_plane.kubectl("explain", f"{short}.spec")
