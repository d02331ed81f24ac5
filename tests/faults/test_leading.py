"""Two replicas with --leader-elect: one works, the other stands by, and never do both write.

Judged by the API server's audit log. Both are the same ServiceAccount; their tokens tell them apart.
"""

from __future__ import annotations

import asyncio
import json
import signal
import threading
import time
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.kube import paths
from beemflow_secrets.kube.client import KubeClient
from beemflow_secrets.kube.connection import connect
from beemflow_secrets.kube.errors import ApiUnavailable, NotLeading
from tests.faults.conftest import asked_anew, reads, secret_as_it_is, until, vault_store
from tests.support import faultproxy as faults
from tests.support.fixtures import SERVICE_ACCOUNT, entry, spec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace
    from tests.support.apiproxy import ApiProxy, ApiRequest
    from tests.support.faultproxy import FaultProxy
    from tests.support.openbao import OpenBao
    from tests.support.operator import Operator

WRITES = {"create", "update", "patch", "delete"}
LEASE = paths.leases("beemflow-system", "beemflow-secrets")
TAKE_OVER = 15.0
"""Seconds within which a standby works, once the leader is gone."""


@dataclass
class Replica:
    """One of the processes, and the id of the token by which the audit log knows it."""

    operator: Operator
    token: str
    plane: ControlPlane

    def writes(self) -> list[dict[str, Any]]:
        """What it wrote or tried to write, but for the lease."""
        return [
            event
            for event in self.plane.requests(":".join(reversed(SERVICE_ACCOUNT)))
            if event["verb"] in WRITES
            and f"JTI={self.token}" in event["user"]["extra"]["authentication.kubernetes.io/credential-id"]
            and event["objectRef"]["resource"] != "leases"
        ]

    @property
    def leads(self) -> bool:
        return bool(self.operator.events("Leading"))


def never_both(first: Replica, second: Replica) -> None:
    """Every write of the first had been asked for and answered before the second asked for one."""
    begins = min(event["requestReceivedTimestamp"] for event in second.writes())
    late = [event for event in first.writes() if event["stageTimestamp"] >= begins]
    assert late == []
    assert first.writes()


@pytest.fixture
def replica(
    control_plane: ControlPlane, kubeconfig: Path, start_operator: Callable[..., Operator], tmp_path: Path
) -> Callable[..., Replica]:
    """Start one more. `by` is another address of the API server."""

    def start(by: str = "") -> Replica:
        name, namespace = SERVICE_ACCOUNT
        token = control_plane.kubectl("create", "token", name, "-n", namespace, "--duration=1h").strip()
        payload = token.split(".")[1]
        jti = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["jti"]
        config = json.loads(kubeconfig.read_text())
        config["users"][0]["user"]["token"] = token
        if by:
            config["clusters"][0]["cluster"] = {"server": by}
        path = tmp_path / f"{jti}.kubeconfig"
        path.write_text(json.dumps(config))
        return Replica(start_operator("--leader-elect", config=path), jti, control_plane)

    return start


@pytest.fixture
def no_lease(ns: Namespace) -> None:
    """As in a cluster where none has led yet."""
    if ns.api.get(LEASE) is not None:
        ns.api.delete(LEASE)


@pytest.fixture
def rotate(bao: OpenBao, folder: str, canary: str) -> Callable[[], str]:
    """Store another value of `slack`, and return it."""

    def write() -> str:
        value = f"{canary}-{time.monotonic_ns()}"
        bao.write_kv2("secret", f"{folder}/slack", {"token": value})
        return value

    return write


@pytest.fixture
def pair(
    no_lease: None, replica: Callable[..., Replica], api_proxy: ApiProxy, ns: Namespace, store: str, rotate: Any
) -> tuple[Replica, Replica]:
    """A leader, by way of `api_proxy`, that refreshes `slack` each second; and one that stands by."""
    first = replica(api_proxy.address)
    until(lambda: first.leads)
    second = replica()
    rotate()
    ns.store_ready(store)
    ns.add("slack", spec(entry("token", "slack#token"), refreshInterval="1s"))
    ns.ready("slack")
    until(lambda: second.operator.events("Standing by"))
    return first, second


def followed(ns: Namespace, rotate: Callable[[], str]) -> Callable[[], bool]:
    """Whether values of the backend reach the Secret again: asked again and again, with new ones."""
    stored: list[str] = []

    def reached() -> bool:
        reached = (ns.data("slack") or {}).get("token") in stored
        if not reached and (not stored or time.monotonic_ns() - int(stored[-1].rpartition("-")[2]) > 5e8):
            stored.append(rotate())
        return reached

    return reached


def test_a_standby_is_ready_writes_nothing_and_takes_over_from_a_killed_leader_without_reading_backends(
    no_lease: None,
    replica: Callable[..., Replica],
    ns: Namespace,
    store: str,
    bao: OpenBao,
    proxy: FaultProxy,
    folder: str,
    canary: str,
) -> None:
    first = replica()
    until(lambda: first.leads)
    second = replica()
    ns.store_ready(store)
    for number in range(60):
        bao.write_kv2("secret", f"{folder}/key-{number}", {"token": canary})
        ns.add(f"key-{number}", spec(entry("token", f"key-{number}#token"), refreshInterval="2160h"))
    for number in range(60):
        ns.ready(f"key-{number}")
    before = [secret_as_it_is(ns, f"key-{number}") for number in range(60)]
    assert second.operator.get("/readyz")[0] == 200
    assert second.writes() == []
    assert [one.operator.metric("leader") for one in (first, second)] == [1, 0]
    assert second.operator.metric('requests_total{provider="vault",operation="get",outcome="ok"}') == 0
    lease = ns.api.get(LEASE)
    assert lease is not None
    assert (lease["spec"]["leaseDurationSeconds"], lease["spec"]["leaseTransitions"]) == (10, 0)

    asked = len(proxy.requests)
    first.operator.kill()
    ns.api.delete(ns.path("key-0"))
    ready = f'secrets{{namespace="{ns.name}",ready="True"}}'
    took = until(lambda: second.operator.metric(ready) == 59, patience=2 * TAKE_OVER)
    assert took < TAKE_OVER
    assert len(proxy.requests) == asked  # not even a login
    bao.write_kv2("secret", f"{folder}/new", {"token": canary})
    ns.add("new", spec(entry("token", "new#token")))
    until(lambda: ns.data("new") == {"token": canary})
    assert second.operator.metric("leader") == 1
    until(lambda: second.operator.metric(ready) == 60)
    read_now = [request.path for request in proxy.requests[asked:] if "/data/" in request.path]
    assert {path.rpartition("/")[2] for path in read_now} == {"new"}
    assert [secret_as_it_is(ns, f"key-{number}") for number in range(1, 60)] == before[1:]
    assert {event["objectRef"].get("name") for event in second.writes()} & {f"key-{n}" for n in range(60)} == set()
    never_both(first, second)


def test_a_leader_that_is_ended_hands_over_at_once(pair: tuple[Replica, Replica], ns: Namespace, rotate: Any) -> None:
    first, second = pair
    assert first.operator.stop() == 0
    assert first.operator.events("Lease released")
    assert until(followed(ns, rotate)) < 8  # less than the lease lasts
    assert second.leads
    never_both(first, second)
    assert second.operator.stop() == 0
    lease = ns.api.get(LEASE)
    assert lease is not None
    assert lease["spec"]["holderIdentity"] == ""


def test_a_leader_that_is_frozen_in_a_write_writes_nothing_once_it_is_thawed(
    pair: tuple[Replica, Replica], ns: Namespace, rotate: Callable[[], str], api_proxy: ApiProxy
) -> None:
    first, second = pair

    def writes(request: ApiRequest) -> bool:
        return request.method in {"PATCH", "POST"} and "leases" not in request.path

    held = api_proxy.count(writes)
    api_proxy.set(writes, None)
    rotate()
    until(lambda: api_proxy.count(writes) > held)
    assert first.operator.process is not None
    first.operator.process.send_signal(signal.SIGSTOP)
    assert until(followed(ns, rotate), patience=2 * TAKE_OVER) < TAKE_OVER
    api_proxy.clear()
    tried = api_proxy.count(writes)
    first.operator.process.send_signal(signal.SIGCONT)
    assert first.operator.process.wait(timeout=15) == 1
    assert "stopped writing" in first.operator.log()
    assert api_proxy.count(writes) == tried
    never_both(first, second)


def test_a_leader_that_is_frozen_while_it_reads_writes_none_of_it_once_it_is_thawed(
    no_lease: None,
    replica: Callable[..., Replica],
    ns: Namespace,
    bao: OpenBao,
    proxy: FaultProxy,
    folder: str,
    rotate: Callable[[], str],
) -> None:
    """What it read is older than what the other has written since, and comes to it in the moment it is thawed."""
    released = threading.Event()

    async def held(exchange: faults.Exchange) -> None:
        while not released.is_set():  # noqa: ASYNC110 - it is another thread's
            await asyncio.sleep(0.02)
        await faults.forward(exchange)

    first = replica()
    until(lambda: first.leads)
    second = replica()
    ns.add_store("prod", vault_store(ns, proxy.address, folder, token=bao.root_token, timeout="60s"))
    rotate()
    for number in range(20):
        ns.add(f"slack-{number}", spec(entry("token", "slack#token")))
    for number in range(20):
        ns.ready(f"slack-{number}")
    until(lambda: second.operator.events("Standing by"))
    rotate()
    proxy.set(held, when=reads)
    proxy.forget()
    for number in range(20):
        asked_anew(ns, f"slack-{number}")
    proxy.wait(1, when=reads)
    assert first.operator.process is not None
    first.operator.process.send_signal(signal.SIGSTOP)
    released.set()
    proxy.clear()
    newest = rotate()
    until(lambda: all(ns.data(f"slack-{n}") == {"token": newest} for n in range(20)), patience=2 * TAKE_OVER)
    first.operator.process.send_signal(signal.SIGCONT)
    assert first.operator.process.wait(timeout=15) == 1
    assert all(ns.data(f"slack-{n}") == {"token": newest} for n in range(20))
    never_both(first, second)


def test_a_leader_that_cannot_renew_stops_writing_by_its_deadline_and_ends(
    pair: tuple[Replica, Replica], ns: Namespace, rotate: Callable[[], str], api_proxy: ApiProxy
) -> None:
    """All its other requests are answered: nothing but the deadline keeps it from writing."""
    first, second = pair
    api_proxy.set(lambda request: "/leases" in request.path, None)
    cut = time.monotonic()
    assert first.operator.process is not None
    process = first.operator.process
    until(lambda: rotate() and process.poll() is not None, patience=TAKE_OVER)
    assert process.returncode == 1
    assert time.monotonic() - cut < TAKE_OVER
    assert "could not be renewed" in first.operator.log()
    assert until(followed(ns, rotate)) < TAKE_OVER
    never_both(first, second)


def test_a_right_to_the_lease_that_lacks_is_named(api_proxy: ApiProxy, proxied: Path, start_operator: Any) -> None:
    denied = b'{"kind":"Status","reason":"Forbidden","code":403,"message":"cannot get resource leases in namespace x"}'
    api_proxy.set(lambda request: "/leases" in request.path, 403, denied)
    running = start_operator("--leader-elect", config=proxied, ready=False)
    until(lambda: "cannot get resource leases in namespace x" in running.get("/readyz")[1])
    assert running.get("/readyz")[0] == 503
    api_proxy.clear()
    running.wait_ready()
    until(lambda: running.events("Leading"))


def test_without_the_flag_no_lease_is_asked_for(api_proxy: ApiProxy, proxied: Path, start_operator: Any) -> None:
    running = start_operator(config=proxied)
    assert running.stop() == 0
    assert api_proxy.count(lambda request: "/leases" in request.path) == 0


def test_the_client_asks_before_each_try_of_each_write_whether_it_may(api_proxy: ApiProxy, proxied: Path) -> None:
    """And a write has no longer than it is told. Reads are nobody's to forbid."""
    path, allowed = paths.config_maps("default", "none"), [0.3]

    def allowance() -> float:
        if not allowed:
            raise NotLeading("no more")
        return allowed.pop()

    async def play() -> None:
        client = KubeClient(connect(kubeconfig=proxied), allowance=allowance)
        try:
            started = time.monotonic()
            with pytest.raises(NotLeading):  # the second try
                await client.merge_patch(path, {})
            assert time.monotonic() - started < 4
            for write in (
                client.create(path, {}),
                client.replace(path, {}),
                client.json_patch(path, []),
                client.apply(path, {}, manager="m"),
                client.merge_patch(path, {}),
                client.delete(path, uid="u", resource_version="1"),
            ):
                with pytest.raises(NotLeading):
                    await write
            with pytest.raises(ApiUnavailable):
                await client.get(paths.secrets("default"))
        finally:
            await client.close()

    api_proxy.set(lambda request: request.method != "GET", None)
    api_proxy.set(lambda request: request.path == paths.secrets("default"), 503)
    asyncio.run(play())
    assert api_proxy.count(lambda request: request.method != "GET") == 1
    assert api_proxy.count(lambda request: request.method == "GET") == 3
