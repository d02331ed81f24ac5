"""What a sync costs: writes and reads at the API server, calls to the backend. Counted, never timed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.controlplane.conftest import entry, requests, spec, until

if TYPE_CHECKING:
    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace
    from tests.support.faultproxy import FaultProxy
    from tests.support.openbao import OpenBao
    from tests.support.operator import Operator


def reads(proxy: FaultProxy, path: str) -> int:
    return proxy.count("GET", f"/v1/secret/data/{path}")


def for_resources(plane: ControlPlane, ns: Namespace) -> list[tuple[str, str]]:
    """Return what was asked for the resources: the store's credential is looked at every ten seconds by itself."""
    return [request for request in requests(plane, ns) if request != ("get", "secrets/prod-login")]


def store_told(plane: ControlPlane, ns: Namespace, store: str) -> None:
    """Wait until the store is ready, and the API server's record of that write there too, which follows its answer."""
    ns.store_ready(store)
    until(lambda: ("patch", f"beemflowsecretstores/{store}/status") in requests(plane, ns))


def test_a_first_sync_is_two_writes(
    control_plane: ControlPlane, operator: Operator, ns: Namespace, store: str, bao: OpenBao, folder: str, canary: str
) -> None:
    bao.write_kv2("secret", f"{folder}/slack", {"token": canary})
    store_told(control_plane, ns, store)
    before = for_resources(control_plane, ns)
    ns.add("slack", spec(entry("token", "slack#token")))
    ns.ready("slack")
    assert for_resources(control_plane, ns)[len(before) :] == [
        ("create", "secrets"),
        ("patch", "beemflowsecrets/slack/status"),
    ]


def test_an_unchanged_refresh_neither_writes_to_nor_reads_from_the_api_server(
    control_plane: ControlPlane,
    operator: Operator,
    ns: Namespace,
    store: str,
    bao: OpenBao,
    proxy: FaultProxy,
    folder: str,
    canary: str,
) -> None:
    bao.write_kv2("secret", f"{folder}/slack", {"token": canary})
    store_told(control_plane, ns, store)
    ns.add("slack", spec(entry("token", "slack#token"), refreshInterval="1s"))
    ns.ready("slack")
    before = for_resources(control_plane, ns)
    asked = reads(proxy, f"{folder}/slack")
    until(lambda: reads(proxy, f"{folder}/slack") >= asked + 3)
    assert for_resources(control_plane, ns) == before


def test_equal_keys_that_are_due_together_are_one_backend_read(
    operator: Operator, ns: Namespace, store: str, bao: OpenBao, proxy: FaultProxy, folder: str, canary: str
) -> None:
    bao.write_kv2("secret", f"{folder}/slack", {"token": canary, "user": "bot"})
    ns.store_ready(store)
    for number in range(10):
        ns.add(
            f"slack-{number}", spec(entry("token", "slack#token"), entry("user", "slack#user"), refreshInterval="2s")
        )
    for number in range(10):
        ns.ready(f"slack-{number}")
    asked = reads(proxy, f"{folder}/slack")
    started = time.monotonic()
    until(lambda: reads(proxy, f"{folder}/slack") >= asked + 3)
    # Three refreshes of ten resources with two fields each: three reads, two seconds apart.
    assert time.monotonic() - started > 3.5


def test_one_login_serves_all_resources_of_a_store(
    operator: Operator, ns: Namespace, store: str, bao: OpenBao, proxy: FaultProxy, folder: str, canary: str
) -> None:
    for number in range(20):
        bao.write_kv2("secret", f"{folder}/key-{number}", {"token": canary})
    ns.store_ready(store)
    for number in range(20):
        ns.add(f"key-{number}", spec(entry("token", f"key-{number}#token"), refreshInterval="1s"))
    for number in range(20):
        ns.ready(f"key-{number}")
    asked = reads(proxy, f"{folder}/key-0")
    until(lambda: reads(proxy, f"{folder}/key-0") >= asked + 2)
    assert proxy.count("POST", "/v1/auth/approle/login") == 1


def test_many_fields_of_one_secret_are_one_read(
    operator: Operator, ns: Namespace, store: str, bao: OpenBao, proxy: FaultProxy, folder: str, canary: str
) -> None:
    bao.write_kv2("secret", f"{folder}/slack", {f"field-{number}": canary for number in range(10)})
    ns.store_ready(store)
    ns.add("slack", spec(*(entry(f"k{number}", f"slack#field-{number}") for number in range(10))))
    ns.ready("slack")
    assert reads(proxy, f"{folder}/slack") == 1


def test_a_failing_resource_writes_its_status_once(
    control_plane: ControlPlane, operator: Operator, ns: Namespace, store: str, proxy: FaultProxy, folder: str
) -> None:
    ns.store_ready(store)
    ns.add("slack", spec(entry("token", "missing")))
    ns.ready("slack", "False", reason="KeyNotFound")
    until(lambda: reads(proxy, f"{folder}/missing") >= 3)
    writes = [request for request in requests(control_plane, ns) if "slack" in request[1] or request[1] == "events"]
    assert writes.count(("patch", "beemflowsecrets/slack/status")) == 1
    assert writes.count(("create", "events")) == 1
