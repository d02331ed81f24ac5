"""Stores of Azure Key Vault: with a client secret, as a ServiceAccount, and as the operator itself."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from beemflow_secrets.kube import paths
from beemflow_secrets.model import names
from beemflow_secrets.testing.fakes.azure import RESOURCE, FakeAzure, FakeMachine
from beemflow_secrets.testing.fakes.entra import Federation
from beemflow_secrets.testing.fakes.tokens import public_key
from tests.controlplane.conftest import entry, spec
from tests.support.api import condition
from tests.support.connectproxy import ConnectProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace, Object
    from tests.support.operator import Operator

EXAMPLES = Path(__file__).parents[2] / "examples"
MICROSOFTS = ("company.vault.azure.net", "login.microsoftonline.com")


@pytest.fixture
def server() -> Iterator[FakeAzure]:
    """A vault of the test's own: stores of others go on asking theirs."""
    with FakeAzure() as running:
        yield running


def store(server: FakeAzure, **block: Any) -> Object:
    """A store whose login is `block`'s; one that asks Entra ID asks the fake's."""
    place = {} if block.get("authMethod") in {"msi", "cli"} else {"authority": server.address}
    azure = {"vaultUrl": server.address, **place, **block}
    return {"driver": "azure-kv", "retry": {"attempts": 1}, "tls": {"caBundle": server.ca}, "azure": azure}


def application(server: FakeAzure, **fields: Any) -> dict[str, Any]:
    return {"tenantId": server.tenant, "clientId": server.client, **fields}


def login(ns: Namespace, server: FakeAzure) -> dict[str, Any]:
    """Store the application's secret in a Secret of the namespace; return the fields of its login."""
    ns.add_secret("entra", {"secret": server.secret})
    return application(server, clientSecret={"secretKeyRef": {"name": "entra", "key": "secret"}})


def account(ns: Namespace, server: FakeAzure) -> dict[str, Any]:
    """Make a ServiceAccount that the application trusts, by the cluster's own keys; return the fields of its login."""
    ns.api.create(f"/api/v1/namespaces/{ns.name}/serviceaccounts", {"metadata": {"name": "flows"}})
    trust(ns, server, server.client)
    return application(server, authMethod="workload_identity", serviceAccountRef={"name": "flows"})


def trust(ns: Namespace, server: FakeAzure, client: str) -> None:
    issuer, keys = ns.api.get("/.well-known/openid-configuration"), ns.api.get("/openid/v1/jwks")
    assert issuer is not None
    assert keys is not None
    subject = f"system:serviceaccount:{ns.name}:flows"
    server.entra.apps[client].federations += [
        Federation(issuer["issuer"], subject, key=public_key(key)) for key in keys["keys"]
    ]


def reads(server: FakeAzure) -> Counter[str]:
    """Count the reads by secret."""
    return Counter(one.path.split("/")[2] for one in server.asked if one.path.startswith("/secrets/"))


def test_a_namespaced_store_reads_with_its_client_secret(
    operator: Operator, ns: Namespace, server: FakeAzure, canary: str
) -> None:
    at = "2031-02-03T04:05:06Z"
    server.put("team--slack", f'{{"bot": {{"token": "{canary}"}}}}', tags={"expires-at": at})
    version = server.put("team--plain", canary)
    newer = server.put("team--plain", "newer")
    ns.add_store("azure", {**store(server, **login(ns, server)), "prefix": "team/"})
    assert ns.store_ready("azure")["status"]["capabilities"] == ["Read", "List", "Write"]
    old = entry("old", "plain", version=version)
    ns.add("slack", spec(entry("token", "slack#bot.token"), entry("new", "plain"), old, store="azure"))
    found = ns.ready("slack")
    assert ns.data("slack") == {"token": canary, "new": "newer", "old": canary}
    assert found["status"]["expiresAt"] == at
    assert [one["version"] for one in found["status"]["entries"]][1:] == [newer, version]


def test_a_namespaced_store_reads_as_its_service_account(
    operator: Operator, ns: Namespace, server: FakeAzure, canary: str
) -> None:
    server.put("a", canary)
    ns.add_store("azure", store(server, **account(ns, server)))
    ns.add("a", spec(entry("a", "a"), store="azure"))
    ns.ready("a")
    assert ns.data("a") == {"a": canary}


def test_a_token_for_the_api_server_is_never_shown_to_entra(
    operator: Operator, ns: Namespace, server: FakeAzure
) -> None:
    block = account(ns, server)
    own = ns.api.create(paths.service_account_token(ns.name, "flows"), {"spec": {}})["spec"]["audiences"]
    ns.add_store("azure", store(server, **{**block, "serviceAccountRef": {"name": "flows", "audiences": own}}))
    ns.store_ready("azure", "False")
    ns.add("a", spec(entry("a", "a"), store="azure"))
    ns.ready("a", "False", reason="InvalidSpec")
    assert server.asked == []


def test_what_is_wrong_says_so(operator: Operator, ns: Namespace, server: FakeAzure) -> None:
    for name in ("theirs", "off", "gone", "a--b"):
        server.put(name, "x")
    server.put("early", "x", nbf=int(time.time()) + 3600)
    server.disable("off")
    server.vault.delete("gone")
    server.access.hidden.add("theirs")
    ns.add_store("azure", store(server, **login(ns, server)))
    expected = {
        "theirs": ("AccessDenied", "no role of who asks"),
        "missing": ("KeyNotFound", "no such secret in the vault"),
        "gone": ("KeyNotFound", "no such secret in the vault"),
        "off": ("KeyNotFound", "disabled"),
        "early": ("InvalidSpec", "not valid before"),
        "a b": ("InvalidSpec", "no secret of a key vault can have this name"),
    }
    for number, key in enumerate(expected):
        ns.add(f"r{number}", spec(entry("a", key), store="azure"))
    ns.add("met", spec(entry("a", "a/b"), entry("b", "a--b"), store="azure"))
    for number, (reason, says) in enumerate(expected.values()):
        assert says in condition(ns.ready(f"r{number}", "False", reason=reason))["message"]
    assert "is a--b in this backend too" in condition(ns.ready("met", "False", reason="InvalidSpec"))["message"]
    server.access.firewall = True
    ns.add("late", spec(entry("a", "late"), store="azure"))
    assert "firewall" in condition(ns.ready("late", "False", reason="AccessDenied"))["message"]


def test_a_login_that_is_refused_and_an_authority_that_is_away(
    operator: Operator, ns: Namespace, server: FakeAzure
) -> None:
    good = store(server, **login(ns, server))
    azure = good["azure"]
    wrong = {
        "tenant": ({"tenantId": "elsewhere"}, "AuthenticationFailed", "there is no such tenant"),
        "away": ({"authority": "http://127.0.0.1:1"}, "BackendUnavailable", "login at Entra ID: connection refused"),
        "nowhere": ({"vaultUrl": "https://no-such-vault.invalid"}, "BackendUnavailable", "does not resolve"),
    }
    for name, (fields, _, _) in wrong.items():
        ns.add_store(name, {**good, "azure": {**azure, **fields}})
    for name, (_, reason, says) in wrong.items():
        assert says in condition(ns.store_ready(name, "False", reason=reason))["message"]
    ns.add("a", spec(entry("a", "a"), store="away"))
    ns.ready("a", "False", reason="BackendUnavailable")


def test_a_secret_outlives_a_disabled_version_and_an_outage(
    operator: Operator, ns: Namespace, server: FakeAzure, canary: str
) -> None:
    server.put("a", canary)
    ns.add_store("azure", store(server, **login(ns, server)))
    ns.add("a", spec(entry("a", "a"), store="azure", refreshInterval="1s"))
    ns.ready("a")
    server.disable("a")
    ns.ready("a", "False", reason="KeyNotFound")
    server.put("a", canary, nbf=int(time.time()) + 3600)
    ns.ready("a", "False", reason="InvalidSpec")
    server.stop()
    try:
        ns.ready("a", "False", reason="BackendUnavailable")
    finally:
        server.start()
    assert ns.data("a") == {"a": canary}
    server.put("a", "next")
    ns.ready("a")
    assert ns.data("a") == {"a": "next"}


def test_what_syncs_and_refreshes_cost(operator: Operator, ns: Namespace, server: FakeAzure) -> None:
    """One login for all, a read for each key and refresh; where two resources share one, one."""
    for name in ("shared", "a", "b"):
        server.put(name, "x")
    ns.add_store("azure", store(server, **login(ns, server)))
    ns.store_ready("azure")
    for name in ("a", "b"):
        ns.add(name, spec(entry("own", name), entry("field", "shared"), entry("again", "shared"), store="azure"))
        ns.ready(name)
    first = reads(server)
    assert (first["a"], first["b"]) == (1, 1)
    assert first["shared"] <= 2
    for name in ("a", "b"):
        ns.api.patch(ns.path(name), {"metadata": {"annotations": {names.REFRESH_REQUESTED_ANNOTATION: "now"}}})
        ns.api.wait(ns.path(name), lambda found: (found or {})["status"].get("lastHandledRefresh") == "now")
    more = reads(server) - first
    assert (more["a"], more["b"]) == (1, 1)
    assert more["shared"] <= 2
    assert sum(one.path.endswith("/token") for one in server.asked) == 1


# --- whose identity


@pytest.fixture
def planted(server: FakeAzure, ns: Namespace, tmp_path: Path) -> Iterator[dict[str, str]]:
    """All by which azure-identity finds a login, really there and good: a machine, a pod's token, az, variables."""
    server.entra.machine = ["node"]
    account(ns, server)
    made = ns.api.create(
        paths.service_account_token(ns.name, "flows"), {"spec": {"audiences": ["api://AzureADTokenExchange"]}}
    )
    (tmp_path / "token").write_text(made["status"]["token"])
    token = server.entra.lend("person", RESOURCE)
    answer = {"accessToken": token, "expires_on": int(time.time()) + 3600, "tokenType": "Bearer"}
    (tmp_path / "az").write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\ncat <<'EOF'\n{json.dumps(answer)}\nEOF\n")
    (tmp_path / "az").chmod(0o700)
    with FakeMachine(server) as machine:
        yield {
            "AZURE_POD_IDENTITY_AUTHORITY_HOST": machine.address,
            "AZURE_TENANT_ID": server.tenant,
            "AZURE_CLIENT_ID": server.client,
            "AZURE_CLIENT_SECRET": server.secret,
            "AZURE_AUTHORITY_HOST": server.address,
            "AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "token"),
            "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        }


AMBIENT: dict[str, dict[str, Any]] = {name: {"authMethod": name} for name in ("msi", "cli", "workload_identity")}


def test_no_identity_is_lent_to_a_namespaced_store(
    start_operator: Callable[..., Operator], ns: Namespace, server: FakeAzure, planted: dict[str, str], tmp_path: Path
) -> None:
    server.put("a", "lent")
    start_operator(env=planted)
    blocks = {**AMBIENT, "named": application(server, authMethod="workload_identity")}
    for number, block in enumerate(blocks.values()):
        ns.add_store(f"s{number}", store(server, **block))
        found = ns.store_ready(f"s{number}", "False", reason="InvalidSpec")
        assert "no identity is lent" in condition(found)["message"]
        ns.add(f"a{number}", spec(entry("a", "a"), store=f"s{number}"))
        ns.ready(f"a{number}", "False", reason="StoreNotReady")
    assert server.asked == []
    assert not (tmp_path / "asked").exists()


@pytest.mark.parametrize("method", AMBIENT)
def test_a_cluster_store_reads_as_the_operator(
    start_operator: Callable[..., Operator],
    ns: Namespace,
    server: FakeAzure,
    planted: dict[str, str],
    canary: str,
    method: str,
) -> None:
    server.put("a", canary)
    if method == "msi":  # azure-identity takes the pod's token for the machine's where there is one
        del planted["AZURE_FEDERATED_TOKEN_FILE"]
    start_operator(env=planted)
    with ns.cluster_store(store(server, **AMBIENT[method])) as name:
        ns.add("a", spec(entry("a", "a"), secretStoreRef={"name": name, "kind": names.CLUSTER_STORE.name}))
        ns.ready("a")
        assert ns.data("a") == {"a": canary}


def test_the_flag_lends_the_machines_identity_to_a_namespaced_store(
    start_operator: Callable[..., Operator], ns: Namespace, server: FakeAzure, planted: dict[str, str], canary: str
) -> None:
    server.put("a", canary)
    del planted["AZURE_FEDERATED_TOKEN_FILE"]
    start_operator("--store-ambient-credentials", env=planted)
    ns.add_store("azure", store(server, **AMBIENT["msi"]))
    ns.add("a", spec(entry("a", "a"), store="azure"))
    ns.ready("a")
    assert ns.data("a") == {"a": canary}


def test_the_example(
    start_operator: Callable[..., Operator], control_plane: ControlPlane, ns: Namespace, canary: str
) -> None:
    """At Microsoft's own names, as a ServiceAccount whose token the fake verifies by the cluster's own keys."""
    block = yaml.safe_load((EXAMPLES / "azure" / "store.yaml").read_text())["spec"]["azure"]
    with FakeAzure(hosts=MICROSOFTS) as server:
        server.entra.tenant = block["tenantId"]
        server.entra.register(client=block["clientId"])
        trust(ns, server, block["clientId"])
        server.put("beemflow--prod--slack--bot", f'{{"token": "{canary}"}}')
        ns.api.create(f"/api/v1/namespaces/{ns.name}/serviceaccounts", {"metadata": {"name": "flows"}})
        place = server.address.removeprefix("https://")
        with ConnectProxy({f"{host}:443": place for host in MICROSOFTS}) as through:
            start_operator(env={"HTTPS_PROXY": through.address})
            trusting = f"  driver: azure-kv\n  tls:\n    caBundle: {json.dumps(server.ca)}\n"
            for name in ("store.yaml", "secret.yaml"):
                manifest = (EXAMPLES / "azure" / name).read_text().replace("  driver: azure-kv\n", trusting)
                control_plane.kubectl("apply", "-n", ns.name, "-f", "-", stdin=manifest)
            ns.ready("slack", reason="Synced")
            assert ns.data("slack") == {"token": canary}
            assert set(through.asked) == {f"CONNECT {host}:443" for host in MICROSOFTS}
