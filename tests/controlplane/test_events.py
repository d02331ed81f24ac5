"""Events: one for each change of reason, none for an attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from beemflow_secrets.kube import paths
from tests.controlplane.conftest import entry, spec, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.api import Namespace

pytestmark = pytest.mark.usefixtures("operator", "store")

TOKEN = entry("token", "slack#token")


def test_a_way_through_failures_is_told_once_each(
    ns: Namespace, put: Callable[..., int], reads: Callable[[str], int], canary: str
) -> None:
    ns.add("slack", spec(TOKEN, refreshInterval="1s"))
    ns.wait_event("slack", "Warning", "KeyNotFound")
    asked = reads("slack")
    until(lambda: reads("slack") >= asked + 2)
    put("slack", other=canary)
    ns.wait_event("slack", "Warning", "PropertyNotFound")
    put("slack", token=canary)
    ns.wait_event("slack", "Normal", "Synced")
    asked = reads("slack")
    until(lambda: reads("slack") >= asked + 2)
    put("slack", token=f"{canary}-2")
    ns.wait_event("slack", "Normal", "SecretRotated")
    asked = reads("slack")
    until(lambda: reads("slack") >= asked + 2)
    assert ns.events("slack") == [
        ("Warning", "KeyNotFound"),
        ("Warning", "PropertyNotFound"),
        ("Normal", "Synced"),
        ("Normal", "SecretRotated"),
    ]


def test_a_first_sync_is_no_event(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    # An Event that comes later shows that none came before.
    ns.api.patch(ns.path("slack"), {"spec": {"data": [entry("token", "missing")]}})
    ns.wait_event("slack", "Warning", "KeyNotFound")
    assert ns.events("slack") == [("Warning", "KeyNotFound")]


def test_a_rotation_names_keys_and_versions_and_never_a_value(
    ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    template = {"data": {"config.ini": "{{ secrets.token }}:{{ secrets.user }}", "token": "{{ secrets.token }}"}}
    old = put("slack", token=canary, user="bot")
    target = {"template": template | {"mergePolicy": "Merge"}}
    ns.add("slack", spec(TOKEN, entry("user", "slack#user"), refreshInterval="1s", target=target))
    ns.ready("slack")
    new = put("slack", token=f"{canary}-2", user="bot")
    ns.wait_event("slack", "Normal", "SecretRotated")
    [event] = (ns.api.get(paths.events(ns.name), fieldSelector="involvedObject.name=slack") or {})["items"]
    # `user` has a new version too, and still the same value.
    assert event["message"] == f"Secret slack has new content: config.ini, token (version {old} to {new})"


def test_an_event_names_resource_key_and_store(ns: Namespace, canary: str) -> None:
    del canary
    made = ns.add("slack", spec(TOKEN))
    ns.wait_event("slack", "Warning", "KeyNotFound")
    [event] = (ns.api.get(paths.events(ns.name), fieldSelector="involvedObject.name=slack") or {})["items"]
    assert event["involvedObject"] == {
        "apiVersion": "secrets.beemflow.io/v1",
        "kind": "BeemFlowSecret",
        "name": "slack",
        "namespace": ns.name,
        "uid": made["metadata"]["uid"],
    }
    assert event["source"]["component"] == event["reportingComponent"] == "beemflow-secrets"
    assert "store prod: key slack" in event["message"]


def test_a_store_that_stops_to_serve_and_serves_again_is_told_once_each(
    ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.store_ready("prod")
    login = (ns.api.get(ns.store_path("prod")) or {})["spec"]["vault"]["secretId"]["secretKeyRef"]
    missing = {"spec": {"vault": {"secretId": {"secretKeyRef": {"name": "missing"}}}}}
    ns.api.patch(ns.store_path("prod"), missing)
    ns.wait_event("prod", "Warning", "CredentialNotFound")
    ns.api.patch(ns.store_path("prod"), {"spec": {"vault": {"secretId": {"secretKeyRef": login}}}})
    ns.wait_event("prod", "Normal", "Valid")
    assert ns.events("prod") == [("Warning", "CredentialNotFound"), ("Normal", "Valid")]
