"""Access policies: what a resource's own name and its namespace's annotation let it read, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.controlplane.conftest import entry, spec
from tests.controlplane.test_namespaces import turned_at_once
from tests.support.api import condition

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.api import Namespace, Object

TOKEN = entry("token", "slack#token")


@pytest.fixture
def guard(ns: Namespace, store: str) -> Callable[..., None]:
    """Give the store access policies."""

    def set_policies(*policies: dict[str, Any]) -> None:
        ns.api.patch(ns.store_path(store), {"spec": {"accessPolicies": list(policies)}})
        generation = ns.api.get(ns.store_path(store))["metadata"]["generation"]  # type: ignore[index]
        ns.api.wait(
            ns.store_path(store),
            lambda found: (found or {}).get("status", {}).get("observedGeneration") == generation,
        )

    return set_policies


def give_roles(ns: Namespace, roles: str | None) -> None:
    annotations = {"secrets.beemflow.io/roles": roles}
    ns.api.patch(f"/api/v1/namespaces/{ns.name}", {"metadata": {"annotations": annotations}})


def hourly(*entries: Object) -> Object:
    return spec(*entries, refreshInterval="1h")


@pytest.mark.usefixtures("operator", "store")
def test_the_flow_is_namespace_and_name(
    ns: Namespace,
    guard: Callable[..., None],
    put: Callable[..., int],
    reads: Callable[[str], int],
    canary: str,
) -> None:
    put("slack", token=canary)
    put("stripe", token=canary)
    guard({"flowPatterns": [f"{ns.name}/good-*"], "secretPatterns": ["sla*"], "allowedActions": ["read"]})
    ns.add("good-one", hourly(TOKEN))
    ns.ready("good-one")
    assert ns.data("good-one") == {"token": canary}
    before = reads("slack")
    ns.add("bad-one", hourly(TOKEN))
    ns.add("good-two", hourly(TOKEN, entry("other", "stripe#token")))
    refused = condition(ns.ready("bad-one", "False", reason="AccessDenied"))
    assert refused["message"] == (
        f"store prod: key slack: no access policy of the store lets flow '{ns.name}/bad-one' read it (for token)"
    )
    assert "key stripe" in condition(ns.ready("good-two", "False", reason="AccessDenied"))["message"]
    assert (reads("stripe"), ns.data("bad-one"), ns.data("good-two")) == (0, None, None)
    assert reads("slack") <= before + 1  # of good-two, whose other key is refused


@pytest.mark.usefixtures("operator", "store")
def test_the_roles_are_the_namespaces_annotation_and_a_change_is_followed_at_once(
    ns: Namespace,
    guard: Callable[..., None],
    put: Callable[..., int],
    reads: Callable[[str], int],
    canary: str,
) -> None:
    put("slack", token=canary)
    guard({"requiredRoles": ["finance", "eu"]})
    give_roles(ns, "finance")
    ns.add("slack", hourly(TOKEN), annotations={"secrets.beemflow.io/roles": "finance,eu"})  # an author's own say
    ns.ready("slack", "False", reason="AccessDenied")
    assert reads("slack") == 0
    give_roles(ns, "eu, finance ,more")
    turned_at_once(ns, "slack", "True", "Synced")
    seen = reads("slack")
    give_roles(ns, None)
    turned_at_once(ns, "slack", "False", "AccessDenied")
    assert ns.data("slack") == {"token": canary}  # what is there stays
    assert reads("slack") == seen


@pytest.mark.usefixtures("operator", "store")
def test_policies_that_change_are_followed_at_once(
    ns: Namespace, guard: Callable[..., None], put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", hourly(TOKEN))
    ns.ready("slack")
    guard({"secretPatterns": ["other"]})
    turned_at_once(ns, "slack", "False", "AccessDenied")
    guard()
    turned_at_once(ns, "slack", "True", "Synced")


@pytest.mark.usefixtures("operator", "store")
def test_policies_stand_at_once_where_the_former_store_is_still_read_from(
    ns: Namespace, put: Callable[..., int], reads: Callable[[str], int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", hourly(TOKEN))
    ns.ready("slack")
    away = {"vault": {"address": "http://127.0.0.1:1"}}
    ns.api.patch(ns.store_path("prod"), {"spec": {**away, "accessPolicies": [{"secretPatterns": ["other"]}]}})
    ns.store_ready("prod", "False", reason="BackendUnavailable")
    seen = reads("slack")
    ns.api.patch(ns.path("slack"), {"metadata": {"annotations": {"secrets.beemflow.io/refresh-requested-at": "now"}}})
    ns.ready("slack", "False", reason="AccessDenied")
    assert reads("slack") == seen


@pytest.mark.usefixtures("store")
def test_with_namespaces_a_flag_names_the_roles(
    ns: Namespace,
    guard: Callable[..., None],
    start_operator: Callable[..., Any],
    put: Callable[..., int],
    canary: str,
) -> None:
    put("slack", token=canary)
    start_operator("--namespaces", ns.name, env={"BEEMFLOW_SECRETS_NAMESPACE_ROLES": f"{ns.name}=finance {ns.name}=eu"})
    guard({"requiredRoles": ["finance", "eu"], "secretPatterns": ["slack"]})
    ns.add("slack", hourly(TOKEN))
    ns.ready("slack")
    assert ns.data("slack") == {"token": canary}
    give_roles(ns, "nobody-looks-at-this")
    guard({"requiredRoles": ["nobody-looks-at-this"]})
    ns.ready("slack", "False", reason="AccessDenied")
