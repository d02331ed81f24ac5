"""Tests of faults: the fixtures of tests/support/fixtures.py, an API server behind a proxy, and a few words."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.kube import paths
from beemflow_secrets.model import names
from tests.support.api import Namespace, condition
from tests.support.apiproxy import ApiProxy
from tests.support.fixtures import entry, spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Object
    from tests.support.faultproxy import FaultProxy, Request
    from tests.support.openbao import OpenBao

__all__ = ["asked_anew", "entry", "message", "reads", "secret_as_it_is", "spec", "until", "vault_store"]


@pytest.fixture
def api_proxy(control_plane: ControlPlane) -> Iterator[ApiProxy]:
    """A way to the API server that can be told to misbehave."""
    with ApiProxy(control_plane.url, control_plane.ca) as running:
        yield running


@pytest.fixture
def proxied(kubeconfig: Path, api_proxy: ApiProxy, tmp_path: Path) -> Path:
    """The operator's kubeconfig, by way of `api_proxy`."""
    config = json.loads(kubeconfig.read_text())
    config["clusters"][0]["cluster"] = {"server": api_proxy.address}
    path = tmp_path / "proxied.kubeconfig"
    path.write_text(json.dumps(config))
    return path


@pytest.fixture
def slack(ns: Namespace, store: str, bao: OpenBao, folder: str, canary: str) -> str:
    """A resource that is to be read each second from `store`. Ask for an operator before it."""
    bao.write_kv2("secret", f"{folder}/slack", {"token": canary})
    ns.store_ready(store)
    ns.add("slack", spec(entry("token", "slack#token"), refreshInterval="1s"))
    ns.ready("slack")
    return "slack"


def until(met: Callable[[], object], *, patience: float = 20.0, why: Callable[[], object] = lambda: "") -> float:
    """Wait until it is so, and return for how many seconds."""
    started = time.monotonic()
    while not met():
        assert time.monotonic() - started < patience, why()
        time.sleep(0.03)
    return time.monotonic() - started


def message(found: Object) -> str:
    """What Ready says."""
    text: str = condition(found)["message"]
    return text


def reads(request: Request) -> bool:
    """Whether a request to OpenBao reads a KV2 value."""
    return "/data/" in request.path


def read_count(proxy: FaultProxy) -> int:
    return sum(reads(request) for request in tuple(proxy.requests))


def secret_as_it_is(ns: Namespace, name: str) -> Object:
    """A native Secret with all that stands in it, its version too."""
    found = ns.api.get(ns.secret_path(name))
    assert found is not None
    return found


def asked_anew(ns: Namespace, name: str) -> None:
    """Ask for a sync now."""
    ns.api.patch(
        ns.path(name), {"metadata": {"annotations": {names.REFRESH_REQUESTED_ANNOTATION: str(time.monotonic())}}}
    )


def vault_store(ns: Namespace, address: str, folder: str, *, token: str, **fields: Any) -> Object:
    """The spec of a store that logs in by a token, which is put into the Secret `login`."""
    if ns.api.get(ns.secret_path("login")) is None:
        ns.add_secret("login", {"token": token})
    return {
        "driver": "vault",
        "timeout": "1s",
        "retry": {"attempts": 1},
        "vault": {
            "address": address,
            "path": f"secret/{folder}",
            "token": {"secretKeyRef": {"name": "login", "key": "token"}},
        },
        **fields,
    }


def set_secret(ns: Namespace, name: str, data: dict[str, str]) -> None:
    """Change a native Secret by hand."""
    ns.api.patch(paths.secrets(ns.name, name), {"stringData": data})


@pytest.fixture
def slack_ready(ns: Namespace, store: str, bao: OpenBao, folder: str, canary: str) -> Callable[[], None]:
    """Make a resource `slack`, without a schedule, and wait for its Secret: for operators that the test starts."""

    def make() -> None:
        bao.write_kv2("secret", f"{folder}/slack", {"token": canary})
        ns.add("slack", spec(entry("token", "slack#token")))
        ns.ready("slack")

    return make
