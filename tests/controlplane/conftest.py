"""What control-plane tests have beside tests/support/fixtures.py: words for what is stored, read, asked and waited for.

Tests of one worker share its operator, so each takes a namespace, a folder in OpenBao and a proxy of its own. A test
may stop, kill and start the shared operator: the next one that asks for it finds it running again.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.fixtures import entry, spec
from tests.support.openbao import OpenBaoError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace, Object
    from tests.support.faultproxy import FaultProxy
    from tests.support.openbao import OpenBao
    from tests.support.operator import Operator

__all__ = ["OPERATOR", "entry", "requests", "spec", "until", "writes"]

OPERATOR = "beemflow-system:beemflow-secrets"


@pytest.fixture(autouse=True)
def no_defect(operators: list[Operator], shared_operator: Operator) -> Iterator[None]:
    """After each test, nothing new may stand in the log that nobody expected: an error that no code was written for."""
    before = _defects([shared_operator])
    yield
    assert _defects(operators) in ([], before)


@pytest.fixture
def put(bao: OpenBao, folder: str) -> Callable[..., int]:
    """Write a version of a KV2 secret in the test's folder; return its number: `put("slack", token="…")`."""

    def write(key: str, **fields: object) -> int:
        return bao.write_kv2("secret", f"{folder}/{key}", fields)

    return write


@pytest.fixture
def reads(proxy: FaultProxy, folder: str) -> Callable[[str], int]:
    """Return how often a KV2 secret in the test's folder was read."""

    def count(key: str) -> int:
        return proxy.count("GET", f"/v1/secret/data/{folder}/{key}")

    return count


@pytest.fixture
def store_spec(bao: OpenBao, proxy: FaultProxy, folder: str) -> Object:
    """The spec of a store as `store` is one, of KV1 too, for tests that apply it themselves. It logs in by `login`."""
    rules = {
        f"secret/data/{folder}/*": ["read"],
        f"secret/metadata/{folder}/*": ["list", "read"],
        f"kv1/{folder}/*": ["list", "read"],
    }
    bao.policy(folder, rules)
    role_id, _ = bao.approle(folder, [folder])
    return {
        "driver": "vault",
        "timeout": "1s",
        "retry": {"attempts": 1},
        "vault": {
            "address": proxy.address,
            "path": f"secret/{folder}",
            "authMethod": "approle",
            "roleId": role_id,
            "secretId": {"secretKeyRef": {"name": "login", "key": "secretId"}},
        },
    }


@pytest.fixture
def login(ns: Namespace, bao: OpenBao, folder: str, store_spec: Object) -> str:
    """The Secret that holds the credential of `store_spec`."""
    del store_spec  # it makes the role
    ns.add_secret("login", {"secretId": bao.secret_id(folder)})
    return "login"


@pytest.fixture
def writable(ns: Namespace, bao: OpenBao, store: str, folder: str) -> str:
    """The store `prod`, with the right to write."""
    every = ["create", "update", "read", "delete"]
    bao.policy(folder, {f"secret/data/{folder}/*": every, f"secret/metadata/{folder}/*": ["list", "read"]})
    ns.store_ready(store)
    return store


@pytest.fixture
def held(bao: OpenBao, folder: str) -> Callable[[str], dict[str, Any] | None]:
    """Return what OpenBao holds under a key, None for nothing."""

    def read(key: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = bao.call("GET", f"secret/data/{folder}/{key}")["data"]["data"]
        except OpenBaoError as error:
            if error.status != 404:
                raise
            return None
        return found

    return read


@pytest.fixture
def versions(bao: OpenBao, folder: str) -> Callable[[str], int]:
    """Return how many versions of a key OpenBao has made."""

    def count(key: str) -> int:
        return int(bao.call("GET", f"secret/metadata/{folder}/{key}")["data"]["current_version"])

    return count


def until(met: Callable[[], bool], *, patience: float = 20.0) -> None:
    """Wait until a condition is met."""
    deadline = time.monotonic() + patience
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def requests(plane: ControlPlane, ns: Namespace) -> list[tuple[str, str]]:
    """Return what the operator asked of the API server within the namespace: verb and path behind the namespace."""
    mark = f"/namespaces/{ns.name}/"
    return [
        (event["verb"], event["requestURI"].partition(mark)[2].partition("?")[0])
        for event in plane.requests(OPERATOR)
        if mark in event["requestURI"] and event["stage"] == "ResponseComplete"
    ]


def writes(plane: ControlPlane, ns: Namespace) -> list[tuple[str, str]]:
    """Return those of `requests` that write."""
    return [request for request in requests(plane, ns) if request[0] in {"create", "update", "patch", "delete"}]


def _defects(running: list[Operator]) -> list[object]:
    events = ("Sync ran into a defect", "Driver failed unexpectedly")
    return [line for one in running if one.log_file.exists() for event in events for line in one.events(event)]
