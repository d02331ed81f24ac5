"""Immutable Secrets: written once, never made anew, and the resource says when they are outdated."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest

from tests.controlplane.conftest import entry, spec, until, writes
from tests.support.api import condition

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace, Object
    from tests.support.operator import Operator

pytestmark = pytest.mark.usefixtures("operator", "store")

TOKEN = entry("token", "slack#token")


def immutable(*entries: Object, **target: Any) -> Object:
    return spec(*(entries or (TOKEN,)), refreshInterval="1s", target={"immutable": True, **target})


def outdated(ns: Namespace, name: str, status: str) -> Object:
    """Wait until the condition Outdated is so, of the current generation; return the resource."""

    def told(found: Object | None) -> bool:
        if found is None or not (seen := condition(found, "Outdated")):
            return False
        return [seen["status"], seen["observedGeneration"]] == [status, found["metadata"]["generation"]]

    return ns.api.wait(ns.path(name), told)


def test_its_data_is_written_once_and_it_is_told_outdated_later(
    control_plane: ControlPlane, ns: Namespace, put: Callable[..., int], reads: Callable[[str], int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", immutable())
    found = ns.ready("slack")
    made = ns.api.get(ns.secret_path("slack")) or {}
    assert made["immutable"] is True
    assert condition(found, "Outdated")["status"] == "False"
    put("slack", token=f"{canary}-2")
    found = outdated(ns, "slack", "True")
    assert condition(found)["reason"] == "Synced"
    assert condition(found)["status"] == "True"
    assert found["status"]["contentVersion"] == made["metadata"]["annotations"]["secrets.beemflow.io/content-version"]
    # It goes on so, without a write and without a failure.
    done, asked = writes(control_plane, ns), reads("slack")
    until(lambda: reads("slack") >= asked + 2)
    assert writes(control_plane, ns) == done
    assert ns.api.get(ns.secret_path("slack")) == made
    assert ("Normal", "SecretRotated") not in ns.events("slack")
    put("slack", token=canary)
    outdated(ns, "slack", "False")


def test_its_metadata_still_follows_the_template_and_is_repaired(
    ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", immutable(template={"metadata": {"labels": {"team": "one"}}}))
    ns.ready("slack")
    made = ns.api.get(ns.secret_path("slack")) or {}
    put("slack", token=f"{canary}-2")
    outdated(ns, "slack", "True")
    ns.api.patch(ns.path("slack"), {"spec": {"target": {"template": {"metadata": {"labels": {"team": "two"}}}}}})
    ns.api.wait(ns.secret_path("slack"), lambda found: (found or {})["metadata"]["labels"]["team"] == "two")
    ns.api.patch(ns.secret_path("slack"), {"metadata": {"labels": {"secrets.beemflow.io/owner": None}}})
    found = ns.api.wait(
        ns.secret_path("slack"), lambda found: "secrets.beemflow.io/owner" in (found or {})["metadata"]["labels"]
    )
    assert (found["metadata"]["uid"], found["data"]) == (made["metadata"]["uid"], made["data"])
    outdated(ns, "slack", "True")


def test_another_type_is_outdated_too_and_no_reason_to_make_it_anew(
    ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", immutable())
    ns.ready("slack")
    made = ns.api.get(ns.secret_path("slack"))
    ns.api.patch(ns.path("slack"), {"spec": {"target": {"template": {"type": "example.com/other"}}}})
    outdated(ns, "slack", "True")
    assert ns.api.get(ns.secret_path("slack")) == made


def test_one_that_a_person_deletes_is_made_anew_with_what_the_backend_holds(
    ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", immutable())
    version = ns.ready("slack")["status"]["contentVersion"]
    put("slack", token=f"{canary}-2")
    outdated(ns, "slack", "True")
    ns.api.delete(ns.secret_path("slack"))
    ns.wait_data("slack", {"token": f"{canary}-2"})
    assert outdated(ns, "slack", "False")["status"]["contentVersion"] != version


def test_it_stays_outdated_over_a_restart(
    operator: Operator, ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", immutable())
    ns.ready("slack")
    put("slack", token=f"{canary}-2")
    before = outdated(ns, "slack", "True")
    made = ns.api.get(ns.secret_path("slack"))
    operator.stop()
    operator.start()
    ns.api.patch(ns.path("slack"), {"metadata": {"annotations": {"secrets.beemflow.io/refresh-requested-at": "now"}}})
    after = ns.api.wait(ns.path("slack"), lambda found: (found or {})["status"].get("lastHandledRefresh") == "now")
    assert after["status"]["conditions"] == before["status"]["conditions"]
    assert ns.api.get(ns.secret_path("slack")) == made


def test_a_secret_becomes_immutable_with_its_last_content(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN))
    made = ns.ready("slack")
    assert condition(made, "Outdated") == {}
    ns.api.patch(ns.path("slack"), {"spec": {"target": {"immutable": True}}})
    found = outdated(ns, "slack", "False")
    assert found["status"]["secretRef"]["uid"] == made["status"]["secretRef"]["uid"]
    assert found["status"]["contentVersion"] == made["status"]["contentVersion"]
    assert (ns.api.get(ns.secret_path("slack")) or {})["immutable"] is True


def test_turned_off_it_says_what_to_do_as_soon_as_the_content_differs(
    ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", immutable())
    ns.ready("slack")
    ns.api.patch(ns.path("slack"), {"spec": {"target": {"immutable": False}}})
    assert condition(ns.ready("slack"), "Outdated") == {}
    put("slack", token=f"{canary}-2")
    told = condition(ns.ready("slack", "False", reason="WriteRefused"))["message"]
    assert "Secret slack is immutable and holds something else: delete it" in told
    assert ns.data("slack") == {"token": canary}
    ns.api.delete(ns.secret_path("slack"))
    ns.wait_data("slack", {"token": f"{canary}-2"})
    ns.ready("slack")
    assert "immutable" not in (ns.api.get(ns.secret_path("slack")) or {})
    ns.api.patch(ns.secret_path("slack"), {"data": {"token": b64encode(b"by hand").decode()}})
    ns.wait_data("slack", {"token": f"{canary}-2"})
