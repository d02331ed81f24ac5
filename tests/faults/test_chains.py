"""A chain of two OpenBaos, of which the first is stopped, sealed, hangs, throttles, refuses the login or denies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.conftest import asked_anew, message, until
from tests.support import faultproxy as faults
from tests.support.api import condition
from tests.support.chains import Server, chain
from tests.support.faultproxy import FaultProxy
from tests.support.fixtures import entry, spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.api import Namespace, Object
    from tests.support.openbao import OpenBao
    from tests.support.operator import Operator


RECOVERY = 12.0
"""Seconds: a link that is down is probed every 2 to 5 s, and its users are queued when it answers."""

TOKEN = entry("token", "slack#token")


@pytest.fixture
def main(own_bao: OpenBao, folder: str, canary: str) -> Iterator[Server]:
    with FaultProxy(own_bao.address) as proxy:
        server = Server(own_bao, proxy, f"{folder}-main")
        server.put("slack", token=f"main-{canary}")
        yield server


@pytest.fixture
def spare(bao: OpenBao, proxy: FaultProxy, folder: str, canary: str) -> Server:
    server = Server(bao, proxy, f"{folder}-spare")
    server.put("slack", token=f"spare-{canary}")
    return server


@pytest.fixture(autouse=True)
def store(operator: Operator, ns: Namespace, main: Server, spare: Server) -> None:
    del operator
    ns.add_store("prod", chain(main.link(ns, "main"), spare.link(ns, "spare"), failoverAfter="2s"))
    ns.store_ready("prod")


def degraded(ns: Namespace, status: str) -> Object:
    return ns.api.wait(
        ns.store_path("prod"),
        lambda found: found is not None and condition(found, "Degraded").get("status") == status,
    )


def value(ns: Namespace, name: str) -> str:
    return (ns.data(name) or {}).get("token", "").partition("-")[0]


def _proxied(fault: faults.Fault) -> tuple[Callable[[Server], None], Callable[[Server], None]]:
    return (lambda server: server.proxy.set(fault)), (lambda server: server.proxy.clear())


FAULTS: dict[str, tuple[Callable[[Server], None], Callable[[Server], None], str, str]] = {
    "stopped": (lambda server: server.proxy.down(), lambda server: server.proxy.up(), "Down", "refused"),
    "sealed": (lambda server: server.bao.seal(), lambda server: server.bao.unseal(), "Down", "sealed"),
    "frozen": (lambda server: server.bao.pause(), lambda server: server.bao.resume(), "Down", "no answer within 1 s"),
    "hanging": (*_proxied(faults.hang), "Down", "no answer within 1 s"),
    "reset": (*_proxied(faults.reset), "Down", "connection failed"),
    "500": (*_proxied(faults.answer(500)), "Down", "500"),
    "throttling": (*_proxied(faults.throttle("1")), "Degraded", "fewer requests"),
}


@pytest.mark.parametrize(("break_it", "mend", "state", "word"), FAULTS.values(), ids=FAULTS.keys())
def test_the_spare_serves_until_the_first_is_back(
    ns: Namespace,
    main: Server,
    break_it: Callable[[Server], None],
    mend: Callable[[Server], None],
    state: str,
    word: str,
) -> None:
    ns.add("old", spec(TOKEN, refreshInterval="1s"))
    ns.ready("old")
    break_it(main)
    try:
        ns.add("new", spec(TOKEN))
        ns.ready("new")
        assert value(ns, "new") == "spare"
        row = degraded(ns, "True")["status"]["providers"][0]
        assert row["state"] == state
        assert word in row["lastError"].lower()
        until(lambda: value(ns, "old") == "spare", patience=RECOVERY)
        assert condition(ns.api.get(ns.path("old")) or {})["status"] == "True"
    finally:
        mend(main)
    until(lambda: value(ns, "new") == value(ns, "old") == "main", patience=RECOVERY)
    degraded(ns, "False")


def test_a_login_that_is_revoked_fails_over_and_is_told(ns: Namespace, main: Server) -> None:
    main.bao.revoke(main.token)
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    assert value(ns, "slack") == "spare"
    assert degraded(ns, "True")["status"]["providers"][0]["state"] == "Down"


def test_a_first_link_that_denies_is_no_reason_to_ask_the_spare(ns: Namespace, main: Server, spare: Server) -> None:
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    main.bao.policy(main.folder, {"secret/data/elsewhere": ["read"]})
    before = spare.reads()
    asked_anew(ns, "slack")
    found = ns.ready("slack", "False", reason="AccessDenied")
    assert "main: " in message(found)
    assert (value(ns, "slack"), spare.reads()) == ("main", before)
    degraded(ns, "False")


def test_a_key_that_is_deleted_in_the_first_is_gone_whatever_the_spare_has(ns: Namespace, main: Server) -> None:
    ns.add("slack", spec(TOKEN, target={"deletionPolicy": "Delete"}))
    ns.ready("slack")
    main.bao.remove_kv2("secret", f"{main.folder}/slack")
    asked_anew(ns, "slack")
    ns.ready("slack", reason="SecretDeleted")
    until(lambda: ns.data("slack") is None)
