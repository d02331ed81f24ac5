"""The operator on a real API server and a real OpenBao, and a canary that nothing may show."""

from __future__ import annotations

import secrets
from base64 import b64encode
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from beemflow_secrets.kube import paths
from beemflow_secrets.model import names
from beemflow_secrets.testing.fakes.azure import FakeAzure
from beemflow_secrets.testing.fakes.onepassword import OnePassword
from tests.support.api import Api, Namespace, Object
from tests.support.aws import Aws
from tests.support.faultproxy import FaultProxy
from tests.support.openbao import OpenBao
from tests.support.operator import Operator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from e2e.clusters.controlplane import ControlPlane

SERVICE_ACCOUNT = ("beemflow-secrets", "beemflow-system")


@pytest.fixture(scope="session")
def api(control_plane: ControlPlane) -> Iterator[Api]:
    client = Api(control_plane)
    yield client
    client.close()


@pytest.fixture(scope="session")
def bao() -> Iterator[OpenBao]:
    """One server a worker. Tests that stop, seal or limit a server take `own_bao`."""
    with OpenBao() as server:
        yield server


@pytest.fixture(scope="session")
def aws() -> Iterator[Aws]:
    """One server a worker; whoever takes it resets it first."""
    with Aws() as server:
        yield server


@pytest.fixture(scope="session")
def azure() -> Iterator[FakeAzure]:
    """One vault a worker; whoever takes it resets it first."""
    with FakeAzure() as server:
        yield server


@pytest.fixture(scope="session")
def connect() -> Iterator[OnePassword]:
    """A Connect server for each worker; a test makes vaults and tokens of its own."""
    with OnePassword() as server:
        yield server


@pytest.fixture
def own_bao() -> Iterator[OpenBao]:
    """A server that the test may do anything to."""
    with OpenBao() as server:
        yield server


@pytest.fixture
def proxy(bao: OpenBao) -> Iterator[FaultProxy]:
    """A way to `bao` of the test's own: it counts, and can be told to misbehave."""
    with FaultProxy(bao.address) as running:
        yield running


@pytest.fixture(scope="session")
def kubeconfig(control_plane: ControlPlane) -> Path:
    """The operator's: with the rights that it is shipped with, and no others."""
    return control_plane.kubeconfig_for(*SERVICE_ACCOUNT)


@pytest.fixture(scope="session")
def shared_operator(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """The worker's operator: started when a test asks for `operator`, ended when one starts its own."""
    shared = Operator(
        kubeconfig, tmp_path_factory.mktemp("operator"), "--env-allowed-prefix", "ALLOWED_", env={"ALLOWED_TOKEN": "t"}
    )
    yield shared
    shared.kill()


@pytest.fixture
def operators() -> list[Operator]:
    """The operators that the test uses, for the search after it."""
    return []


@pytest.fixture
def operator(shared_operator: Operator, operators: list[Operator]) -> Operator:
    """The worker's operator, running. Tests that stop or kill one make their own, see `start_operator`."""
    if not shared_operator.running:
        shared_operator.start()
    operators.append(shared_operator)
    return shared_operator


@pytest.fixture
def start_operator(
    kubeconfig: Path, tmp_path: Path, operators: list[Operator], shared_operator: Operator
) -> Iterator[Callable[..., Operator]]:
    """Start an operator of the test's own: `start_operator(*flags)`. It serves the whole cluster of the worker.

    So the worker's own is ended first: two would do each other's work.
    """

    def start(
        *flags: str, config: Path = kubeconfig, env: dict[str, str] | None = None, ready: bool = True
    ) -> Operator:
        shared_operator.kill()
        folder = tmp_path / f"operator-{len(operators)}"
        folder.mkdir()
        running = Operator(config, folder, *flags, env=env)
        operators.append(running)
        running.start(ready=ready)
        return running

    yield start
    for running in operators:
        if running.log_file.is_relative_to(tmp_path):
            running.kill()


@pytest.fixture
def canary(ns: Namespace, operators: list[Operator], start_operator: object) -> Iterator[str]:
    """A value to store. After the test, whatever its operators show is searched for it: only Secrets' data may have it.

    It asks for `start_operator` so that the search comes before the operators of the test's own are killed.
    """
    del start_operator
    value = f"canary-{secrets.token_hex(8)}"
    yield value
    shown = [*_shown_by_cluster(ns), *(text for running in operators for text in _shown_by(running))]
    for form in (value, b64encode(value.encode()).decode().rstrip("=")):
        # Not `in "".join(...)`: pytest would print all of it.
        assert not any(form in text for text in shown), "a value is shown"


@pytest.fixture
def ns(api: Api, namespace: str) -> Namespace:
    return Namespace(api, namespace)


@pytest.fixture
def team(api: Api, ns: Namespace) -> Iterator[Callable[..., list[Namespace]]]:
    """Make namespaces that are labelled `team: <the test's namespace>`: `team("a", "b")`."""
    made: list[Namespace] = []

    def make(*suffixes: str, **labels: str) -> list[Namespace]:
        for suffix in suffixes:
            name = f"{ns.name}-{suffix}"
            metadata = {"name": name, "labels": {"team": ns.name, **labels}}
            api.create("/api/v1/namespaces", {"metadata": metadata})
            made.append(Namespace(api, name))
        return made[-len(suffixes) :]

    yield make
    for one in made:
        if api.get(f"/api/v1/namespaces/{one.name}") is not None:
            api.delete(f"/api/v1/namespaces/{one.name}")


@pytest.fixture
def folder(ns: Namespace) -> str:
    """A folder in the mount `secret` that no other test uses."""
    return ns.name


@pytest.fixture
def store(ns: Namespace, bao: OpenBao, proxy: FaultProxy, folder: str) -> str:
    """A store `prod` of the test's namespace: vault, AppRole, by way of `proxy`, below a folder of its own.

    It gives up after a second and tries once, so that faults show at once.
    """
    bao.policy(folder, {f"secret/data/{folder}/*": ["read"], f"secret/metadata/{folder}/*": ["list", "read"]})
    role_id, secret_id = bao.approle(folder, [folder])
    ns.add_secret("prod-login", {"secretId": secret_id})
    ns.add_store(
        "prod",
        {
            "driver": "vault",
            "timeout": "1s",
            "retry": {"attempts": 1},
            "vault": {
                "address": proxy.address,
                "path": f"secret/{folder}",
                "authMethod": "approle",
                "roleId": role_id,
                "secretId": {"secretKeyRef": {"name": "prod-login", "key": "secretId"}},
            },
        },
    )
    return "prod"


def _shown_by_cluster(ns: Namespace) -> Iterator[str]:
    for kind in (names.SECRET, names.PUSH, names.STORE):
        yield repr(ns.api.get(paths.resources(kind.plural, ns.name)))
    yield repr(ns.api.get(paths.events(ns.name)))
    found: Object = ns.api.get(paths.secrets(ns.name)) or {"items": []}
    yield repr([secret["metadata"] for secret in found["items"]])


def _shown_by(running: Operator) -> Iterator[str]:
    yield running.log()
    for page in ("/metrics", "/health", "/healthz", "/readyz"):
        yield running.get(page)[1]
    assert running.process is not None
    if running.process.poll() is None:
        yield Path(f"/proc/{running.process.pid}/cmdline").read_text()
        with suppress(PermissionError):  # it is not dumpable: only root may look
            yield Path(f"/proc/{running.process.pid}/environ").read_text()
    for path in running.temporary.rglob("*"):
        yield str(path)
        if path.is_file():
            yield path.read_text(errors="replace")


def entry(key: str, remote: str, **fields: object) -> Object:
    """Return one entry of `data`; `remote` is `key` or `key#property`."""
    return {"secretKey": key, "remoteRef": {"key": remote, **fields}}


def spec(*entries: Object, store: str = "prod", **fields: object) -> Object:
    """Return a BeemFlowSecret's spec."""
    return {"secretStoreRef": {"name": store}, "data": list(entries), **fields}
