"""The Secret that is written: its name, type, labels and annotations, and what becomes of those it had before."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

import pytest

from tests.controlplane.conftest import entry, spec, writes
from tests.support.api import condition, decoded

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace, Object
    from tests.support.operator import Operator

pytestmark = pytest.mark.usefixtures("operator", "store")

TOKEN = entry("token", "slack#token")


def templated(**template: object) -> Object:
    return spec(TOKEN, target={"template": template})


def edit(ns: Namespace, name: str, spec: Object) -> Object:
    """Replace the spec of a resource, and wait until it is synced."""
    ns.api.patch(ns.path(name), [{"op": "replace", "path": "/spec", "value": spec}])
    return ns.ready(name)


def secret(ns: Namespace, name: str) -> Object:
    found = ns.api.get(ns.secret_path(name))
    assert found is not None
    return found


def test_the_secret_says_whose_it_is_and_has_nothing_of_the_resource(
    ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN), labels={"team": "flows"}, annotations={"note": "of the resource"})
    found = ns.ready("slack")
    made = secret(ns, "slack")
    uid = found["metadata"]["uid"]
    assert made["type"] == "Opaque"
    assert made["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "beemflow-secrets",
        "secrets.beemflow.io/owner": uid,
    }
    assert made["metadata"]["annotations"] == {
        "secrets.beemflow.io/content-version": found["status"]["contentVersion"],
        "secrets.beemflow.io/owner-name": "slack",
    }
    assert made["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "secrets.beemflow.io/v1",
            "kind": "BeemFlowSecret",
            "name": "slack",
            "uid": uid,
            "controller": True,
        }
    ]
    assert found["status"]["secretRef"] == {
        "name": "slack",
        "uid": made["metadata"]["uid"],
        "resourceVersion": made["metadata"]["resourceVersion"],
    }


def test_the_secret_goes_with_the_resource(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN, target={"name": "other"}))
    ns.ready("slack")
    ns.api.delete(ns.path("slack"))
    ns.collected("other")


def test_a_new_name_stands_before_the_old_one_goes(
    control_plane: ControlPlane, ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    done = len(writes(control_plane, ns))
    found = edit(ns, "slack", spec(TOKEN, target={"name": "new"}))
    assert found["status"]["secretRef"]["name"] == "new"
    assert ns.data("new") == {"token": canary}
    assert ns.data("slack") is None
    assert writes(control_plane, ns)[done:] == [
        ("create", "secrets"),
        ("delete", "secrets/slack"),
        ("patch", "beemflowsecrets/slack/status"),
    ]
    edit(ns, "slack", spec(TOKEN))
    assert ns.data("slack") == {"token": canary}
    assert ns.data("new") is None


def test_the_old_secret_stays_where_the_new_name_is_somebody_elses(
    ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add_secret("foreign", {"a": "b"})
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    ns.api.patch(ns.path("slack"), {"spec": {"target": {"name": "foreign"}}})
    found = ns.ready("slack", "False", reason="TargetConflict")
    assert "foreign" in condition(found)["message"]
    assert found["status"]["secretRef"]["name"] == "slack"
    assert ns.data("slack") == {"token": canary}
    assert ns.data("foreign") == {"a": "b"}
    ns.api.patch(ns.path("slack"), {"spec": {"target": {"name": "free"}}})
    ns.ready("slack")
    assert ns.data("free") == {"token": canary}
    assert ns.data("slack") is None


def test_an_old_secret_that_is_no_longer_ours_stays(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    ns.api.patch(ns.path("slack"), {"spec": {"suspend": True}})
    ns.api.wait(ns.path("slack"), lambda found: condition(found or {}).get("reason") == "Suspended")
    # Somebody takes the Secret over, while nothing is repaired.
    ns.api.patch(
        ns.secret_path("slack"),
        {"metadata": {"labels": None, "annotations": None, "ownerReferences": None}},
    )
    edit(ns, "slack", spec(TOKEN, target={"name": "new"}))
    assert ns.data("new") == {"token": canary}
    assert ns.data("slack") == {"token": canary}


def test_a_copy_that_a_person_made_of_an_old_secret_stays(
    operator: Operator, ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    copied = secret(ns, "slack")
    metadata = {name: copied["metadata"][name] for name in ("labels", "annotations", "ownerReferences")}
    ns.add_secret("copy", decoded(copied), metadata=metadata)
    operator.stop()
    operator.start()
    edit(ns, "slack", spec(TOKEN, target={"name": "new"}))
    assert ns.data("slack") is None
    assert ns.data("copy") == {"token": canary}


def test_labels_and_annotations_follow_the_template_and_leave_those_of_others(
    ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add(
        "slack",
        templated(metadata={"labels": {"a": "1", "x/y": "2"}, "annotations": {"note": "ü\n", "x/y": "2"}}),
    )
    version = ns.ready("slack")["status"]["contentVersion"]
    metadata = secret(ns, "slack")["metadata"]
    ours = set(metadata["labels"]) - {"a", "x/y"}, set(metadata["annotations"]) - {"note", "x/y"}
    assert (metadata["labels"]["a"], metadata["labels"]["x/y"]) == ("1", "2")
    assert (metadata["annotations"]["note"], metadata["annotations"]["x/y"]) == ("ü\n", "2")
    ns.api.patch(
        ns.secret_path("slack"),
        {"metadata": {"labels": {"theirs": "l"}, "annotations": {"theirs": "a"}, "finalizers": ["example.com/theirs"]}},
    )
    found = edit(ns, "slack", templated(metadata={"labels": {"a": "3"}, "annotations": {"other": ""}}))
    metadata = secret(ns, "slack")["metadata"]
    assert {name: metadata["labels"][name] for name in set(metadata["labels"]) - ours[0]} == {"a": "3", "theirs": "l"}
    assert {name: metadata["annotations"][name] for name in set(metadata["annotations"]) - ours[1]} == {
        "other": "",
        "theirs": "a",
    }
    assert found["status"]["contentVersion"] == version
    edit(ns, "slack", spec(TOKEN))
    metadata = secret(ns, "slack")["metadata"]
    assert set(metadata["labels"]) - ours[0] == {"theirs"}
    assert set(metadata["annotations"]) - ours[1] == {"theirs"}
    assert metadata["finalizers"] == ["example.com/theirs"]
    ns.api.patch(ns.secret_path("slack"), {"metadata": {"finalizers": None}})


def test_data_is_exactly_ours(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    ns.api.patch(ns.secret_path("slack"), {"data": {"theirs": b64encode(b"x").decode()}})
    ns.wait_data("slack", {"token": canary})


def test_a_type_is_set_and_checked_by_the_api_server(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put("registry", config=f'{{"auths":{{"r":{{"auth":"{canary}"}}}}}}')
    right = entry(".dockerconfigjson", "registry#config")
    target = {"template": {"type": "kubernetes.io/dockerconfigjson"}}
    ns.add("right", spec(right, target=target))
    ns.ready("right")
    assert secret(ns, "right")["type"] == "kubernetes.io/dockerconfigjson"
    ns.add("wrong", spec(entry("config", "registry#config"), target=target))
    told = condition(ns.ready("wrong", "False", reason="WriteRefused"))["message"]
    assert ".dockerconfigjson" in told
    assert "Secret wrong" in told
    assert ns.data("wrong") is None


def test_another_type_under_the_same_name_is_made_anew_at_once_and_told(
    operator: Operator, ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", templated(type="example.com/one"))
    ns.ready("slack")
    ns.api.patch(ns.secret_path("slack"), {"metadata": {"labels": {"app": "x"}, "annotations": {"note": "theirs"}}})
    first = secret(ns, "slack")
    operator.stop()
    ns.api.patch(ns.path("slack"), {"spec": templated(type="example.com/two")})
    operator.start()
    found = ns.ready("slack")
    second = secret(ns, "slack")
    assert second["type"] == "example.com/two"
    # Its content is the same, also to a process that has not written it: nobody restarts pods.
    versions = [one["metadata"]["annotations"]["secrets.beemflow.io/content-version"] for one in (first, second)]
    assert versions == [found["status"]["contentVersion"]] * 2
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    assert found["status"]["secretRef"]["uid"] == second["metadata"]["uid"]
    assert decoded(second) == {"token": canary}
    ns.wait_event("slack", "Normal", "SecretRecreated")
    # What others put there has gone over, and stays theirs when we write again.
    put("slack", token=f"{canary}-2")
    ns.api.patch(ns.path("slack"), {"metadata": {"annotations": {"secrets.beemflow.io/refresh-requested-at": "now"}}})
    ns.wait_data("slack", {"token": f"{canary}-2"})
    third = secret(ns, "slack")["metadata"]
    assert (third["labels"]["app"], third["annotations"]["note"]) == ("x", "theirs")


def test_another_type_waits_for_a_good_read(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put("slack", token=canary)
    ns.add("slack", templated(type="example.com/one"))
    ns.ready("slack")
    first = secret(ns, "slack")
    ns.api.patch(
        ns.path("slack"),
        {"spec": {"data": [entry("token", "missing#token")], "target": {"template": {"type": "example.com/two"}}}},
    )
    ns.ready("slack", "False", reason="KeyNotFound")
    assert secret(ns, "slack") == first
