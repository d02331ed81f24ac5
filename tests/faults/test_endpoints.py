"""Where a store may send the operator: listed servers, nothing link-local, and no way into its own pod."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.kube import paths
from beemflow_secrets.model import names
from tests.faults.conftest import message, read_count, secret_as_it_is, vault_store
from tests.support.api import condition
from tests.support.fixtures import entry, spec
from tests.support.names import Names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.api import Api, Namespace, Object
    from tests.support.faultproxy import FaultProxy
    from tests.support.openbao import OpenBao
    from tests.support.operator import Operator

CLUSTER_STORES = paths.resources(names.CLUSTER_STORE.plural)


@pytest.fixture
def cluster_store(api: Api, ns: Namespace) -> Iterator[Callable[[Object], str]]:
    """Make a cluster store called after the namespace, with its credentials there; return its path."""
    path = f"{CLUSTER_STORES}/{ns.name}"

    def add(body: Object) -> str:
        body["vault"]["token"]["secretKeyRef"]["namespace"] = ns.name
        metadata = {"name": ns.name}
        head = {"apiVersion": names.API_VERSION, "kind": names.CLUSTER_STORE.name, "metadata": metadata}
        api.create(CLUSTER_STORES, {**head, "spec": body})
        return path

    yield add
    if api.get(path) is not None:
        api.delete(path)


def ready(api: Api, path: str) -> Any:
    """Wait for what Ready says of a cluster store."""
    return condition(api.wait(path, lambda found: found and condition(found)))


def test_only_listed_servers_are_connected_to(
    start_operator: Callable[..., Operator],
    api: Api,
    ns: Namespace,
    store: str,
    bao: OpenBao,
    proxy: FaultProxy,
    folder: str,
    canary: str,
    cluster_store: Callable[[Object], str],
) -> None:
    start_operator(env={"BEEMFLOW_SECRETS_ALLOWED_ENDPOINT": f"https://vault.example.com {proxy.address}/"})
    bao.write_kv2("secret", f"{folder}/slack", {"token": canary})
    ns.store_ready(store)
    other = vault_store(ns, bao.address, folder, token=bao.root_token)
    ns.add_store("other", other)
    found = ns.store_ready("other", "False", reason="EndpointNotAllowed")
    assert message(found) == f"{bao.address} is none of the operator's --allowed-endpoint"
    assert ready(api, cluster_store(other))["reason"] == "EndpointNotAllowed"
    ns.add("slack", spec(entry("token", "slack#token"), store="other"))
    refused = ns.ready("slack", "False", reason="StoreNotReady")
    assert "EndpointNotAllowed" in message(refused)
    assert ns.data("slack") is None
    ns.wait_event("other", "Warning", "EndpointNotAllowed")
    ns.api.patch(ns.store_path("other"), {"spec": {"vault": {"address": proxy.address}}})
    ns.ready("slack")
    assert ns.data("slack") == {"token": canary}


def test_in_a_pod_a_namespaced_store_does_not_lead_back_into_it(
    start_operator: Callable[..., Operator],
    api: Api,
    ns: Namespace,
    proxy: FaultProxy,
    bao: OpenBao,
    folder: str,
    cluster_store: Callable[[Object], str],
) -> None:
    start_operator(env={"KUBERNETES_SERVICE_HOST": "10.0.0.1"})  # as the kubelet tells each pod
    there = vault_store(ns, proxy.address, folder, token=bao.root_token)
    for number, host in enumerate(("127.0.0.1", "localhost", "[::1]")):
        address = proxy.address.replace("127.0.0.1", host)
        ns.add_store(f"s-{number}", {**there, "vault": {**there["vault"], "address": address}})
        found = ns.store_ready(f"s-{number}", "False", reason="EndpointNotAllowed")
        assert "a loopback address" in message(found)
    assert proxy.count() == 0
    assert ready(api, cluster_store(there))["reason"] == "Valid"  # an administrator may have a sidecar


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]", "2852039166"])
def test_link_local_is_refused_everywhere(ns: Namespace, folder: str, host: str) -> None:
    ns.add_store("prod", vault_store(ns, f"https://{host}", folder, token="t"))
    found = ns.store_ready("prod", "False", reason="EndpointNotAllowed")
    assert "a link-local address" in message(found)


def test_a_name_that_is_turned_while_it_is_read_from(
    start_operator: Callable[..., Operator],
    ns: Namespace,
    bao: OpenBao,
    proxy: FaultProxy,
    folder: str,
    canary: str,
    tmp_path: Path,
) -> None:
    (tmp_path / "names").mkdir()
    leading = Names(tmp_path / "names")
    leading.lead({"vault.test": ["127.0.0.1"]})
    start_operator(env=leading.environment())
    bao.write_kv2("secret", f"{folder}/slack", {"token": canary})
    address = proxy.address.replace("127.0.0.1", "vault.test")
    there = vault_store(ns, address, folder, token=bao.root_token, tls={"allowPlaintext": True})
    ns.add_store("prod", there)
    ns.add("slack", spec(entry("token", "slack#token"), refreshInterval="1s"))
    ns.ready("slack")
    before = secret_as_it_is(ns, "slack")
    leading.lead({"vault.test": ["169.254.169.254"]})
    proxy.down()  # the kept connection ends
    proxy.up()
    proxy.forget()
    refused = ns.ready("slack", "False", reason="StoreNotReady")
    assert "vault.test resolves to a link-local address" in message(refused)
    assert "169.254" not in str(refused["status"])
    ns.store_ready("prod", "False", reason="EndpointNotAllowed")
    assert (read_count(proxy), secret_as_it_is(ns, "slack")) == (0, before)
    leading.lead({"vault.test": ["127.0.0.1"]})
    ns.ready("slack")
    ns.store_ready("prod")


@pytest.mark.usefixtures("operator")
def test_a_link_of_a_chain_is_judged_and_named(ns: Namespace, proxy: FaultProxy, folder: str) -> None:
    good, bad = (vault_store(ns, address, folder, token="t") for address in (proxy.address, "https://169.254.169.254"))
    links = [{"name": name, "driver": "vault", "vault": link["vault"]} for name, link in (("a", good), ("b", bad))]
    ns.add_store("chain", {"driver": "multi", "multi": {"strategy": "failover", "providers": links}})
    found = ns.store_ready("chain", "False", reason="EndpointNotAllowed")
    assert "providers[1]" in message(found)
    assert proxy.count() == 0
