"""kubectl apply: a mistake is answered where it is made, with its place and never with the value."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from beemflow_secrets.model import names
from e2e.clusters.cluster import CommandFailed
from tests.controlplane.conftest import entry, spec

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace, Object
    from tests.support.operator import Operator

TOKEN = entry("token", "slack#token")


def manifest(ns: Namespace, kind: names.Kind, content: Object) -> str:
    metadata = {"name": "tried", "namespace": ns.name}
    return json.dumps({"apiVersion": names.API_VERSION, "kind": kind.name, "metadata": metadata, "spec": content})


@pytest.mark.parametrize("how", [(), ("--server-side",)], ids=["client-side", "server-side"])
def test_apply_names_the_mistake_and_changes_nothing(
    control_plane: ControlPlane, ns: Namespace, store_spec: Object, canary: str, how: tuple[str, ...]
) -> None:
    plain = {**store_spec, "vault": {**store_spec["vault"], "secretId": canary}}
    unknown = {**store_spec, "vault": {**store_spec["vault"], "tokn": canary}}
    wrong: list[tuple[names.Kind, Object, str]] = [
        (names.SECRET, spec(TOKEN, refreshIntervall="1h"), "refreshIntervall"),
        (names.SECRET, spec(TOKEN, refreshInterval="1 hour"), "spec.refreshInterval"),
        (names.SECRET, spec(TOKEN, refreshInterval="-1s"), "spec.refreshInterval"),
        (names.SECRET, spec(TOKEN, refreshInterval=5), "spec.refreshInterval"),
        (names.SECRET, spec(TOKEN, entry("token", "other")), "spec.data"),
        (names.SECRET, spec(entry("token", "../other")), "must have no segment"),
        (names.SECRET, spec(entry("token", "slack#")), "must name a property"),
        (names.SECRET, spec(entry("token", "slack#a", property="b")), "named twice"),
        (names.SECRET, spec(TOKEN, target={"template": {"type": "bootstrap.kubernetes.io/token"}}), "none of"),
        (names.STORE, {"driver": "vaultt"}, "spec.driver"),
        (names.STORE, {"driver": "vault"}, "driver vault needs the block vault"),
        (names.STORE, {**store_spec, "driver": "env"}, "belongs to driver vault"),
        (names.STORE, plain, "spec.vault.secretId"),
        (names.STORE, unknown, "tokn"),
    ]
    for kind, content, told in wrong:
        with pytest.raises(CommandFailed) as failed:
            control_plane.kubectl("apply", *how, "-f", "-", stdin=manifest(ns, kind, content))
        assert told in str(failed.value)
        # Where an object is asked for, the API server's own answer to a server-side apply quotes what it got.
        assert how or canary not in str(failed.value)
    assert control_plane.kubectl("get", "beemflow", "-n", ns.name, "-o", "name") == ""


def test_a_mistaken_edit_leaves_resource_and_secret_as_they_are(
    control_plane: ControlPlane, operator: Operator, ns: Namespace, store: str, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    control_plane.apply(manifest(ns, names.SECRET, spec(TOKEN)))
    before = ns.ready("tried")
    with pytest.raises(CommandFailed, match=r"spec\.data\[0\]\.remoteRef\.key"):
        control_plane.apply(manifest(ns, names.SECRET, spec(entry("token", "/slack"))))
    assert ns.api.get(ns.path("tried")) == before
    assert ns.data("tried") == {"token": canary}


def test_server_side_apply_owns_its_entries_and_what_is_applied_again_is_no_change(
    control_plane: ControlPlane, operator: Operator, ns: Namespace, store: str, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary, user="bot")
    control_plane.apply(manifest(ns, names.SECRET, spec(TOKEN)))
    other = manifest(ns, names.SECRET, spec(entry("user", "slack#user")))
    # Another manager brings an entry of its own: the list is a map by secretKey.
    control_plane.kubectl("apply", "--server-side", "--field-manager=other", "-f", "-", stdin=other)
    found = ns.ready("tried")
    assert ns.data("tried") == {"token": canary, "user": "bot"}
    control_plane.apply(manifest(ns, names.SECRET, spec(TOKEN)))
    assert (ns.api.get(ns.path("tried")) or {})["metadata"]["generation"] == found["metadata"]["generation"]
    # No default of the schema and no status of ours shows as a difference to what was applied.
    assert (
        control_plane.kubectl("diff", "--server-side", "-f", "-", stdin=manifest(ns, names.SECRET, spec(TOKEN))) == ""
    )


def test_store_and_secret_of_one_manifest_in_either_order(
    control_plane: ControlPlane,
    operator: Operator,
    ns: Namespace,
    store_spec: Object,
    login: str,
    put: Callable[..., int],
    canary: str,
) -> None:
    put("slack", token=canary)
    parts = [manifest(ns, names.SECRET, spec(TOKEN, store="tried")), manifest(ns, names.STORE, store_spec)]
    control_plane.apply("\n---\n".join(parts))
    ns.ready("tried")
    assert ns.data("tried") == {"token": canary}
