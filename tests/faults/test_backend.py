"""A backend that misbehaves: its reason on the resource, the Secret kept byte for byte, and recovery by itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.faults.conftest import (
    asked_anew,
    message,
    read_count,
    reads,
    secret_as_it_is,
    set_secret,
    until,
    vault_store,
)
from tests.support import faultproxy as faults
from tests.support.api import condition
from tests.support.fixtures import entry, spec

if TYPE_CHECKING:
    from tests.support.api import Namespace
    from tests.support.faultproxy import FaultProxy
    from tests.support.openbao import OpenBao
    from tests.support.operator import Operator

RECOVERY = 10.0
"""Seconds: a store that is down is probed every 2 to 5 s, and its users are queued when it answers."""

FAULTS = {
    "reset": (faults.reset, "connection failed"),
    "cut answers": (faults.cut, "cut off"),
    "garbage": (faults.garble, "not the JSON"),
    "gibberish": (faults.gibberish, "not HTTP"),
    "oversized": (faults.oversize, "larger than 8 MiB"),
    "oversized, its length told": (faults.oversize_told, "larger than 8 MiB"),
    "hang": (faults.hang, "no answer within 1 s"),
    "drip": (faults.drip(0.1), "no answer within 1 s"),
    "500": (faults.answer(500), "500"),
    "502": (faults.answer(502, b"<html>bad gateway</html>"), "502"),
    "503": (faults.answer(503, b"<html>no healthy upstream</html>"), "503"),
}


@pytest.mark.parametrize(("fault", "word"), FAULTS.values(), ids=FAULTS.keys())
def test_an_unusable_backend_leaves_the_secret_and_recovers(
    operator: Operator, ns: Namespace, slack: str, proxy: FaultProxy, fault: faults.Fault, word: str
) -> None:
    before = secret_as_it_is(ns, slack)
    proxy.set(fault)
    found = ns.ready(slack, "False", reason="BackendUnavailable")
    assert word in message(found)
    assert "key slack" in message(found)
    assert "store prod" in message(found)
    assert word in message(ns.store_ready("prod", "False", reason="BackendUnavailable"))
    assert secret_as_it_is(ns, slack) == before
    proxy.clear()
    ns.ready(slack, patience=RECOVERY)
    ns.store_ready("prod", reason="Valid")
    assert secret_as_it_is(ns, slack) == before
    ns.wait_event(slack, "Normal", "Synced")


def test_a_backend_that_is_away(operator: Operator, ns: Namespace, slack: str, proxy: FaultProxy) -> None:
    before = secret_as_it_is(ns, slack)
    proxy.down()
    assert "connection refused" in message(ns.ready(slack, "False", reason="BackendUnavailable"))
    assert "connection refused" in message(ns.store_ready("prod", "False", reason="BackendUnavailable"))
    assert secret_as_it_is(ns, slack) == before
    proxy.up()
    ns.ready(slack, patience=RECOVERY)
    assert secret_as_it_is(ns, slack) == before


def test_a_first_sync_in_an_outage_makes_no_secret_and_its_return_makes_it(
    operator: Operator, ns: Namespace, store: str, bao: OpenBao, proxy: FaultProxy, folder: str, canary: str
) -> None:
    bao.write_kv2("secret", f"{folder}/slack", {"token": canary})
    proxy.down()
    ns.add("slack", spec(entry("token", "slack#token")))
    ns.ready("slack", "False", reason="BackendUnavailable")
    assert ns.data("slack") is None
    proxy.up()
    ns.ready("slack", patience=RECOVERY)
    assert ns.data("slack") == {"token": canary}


def test_users_of_a_store_that_returns_are_queued_at_once(
    operator: Operator, ns: Namespace, store: str, bao: OpenBao, proxy: FaultProxy, folder: str, canary: str
) -> None:
    bao.write_kv2("secret", f"{folder}/slack", {"token": canary})
    ns.store_ready(store)
    ns.add("slack", spec(entry("token", "slack#token")))
    ns.ready("slack")
    proxy.set(faults.answer(503))
    proxy.forget()
    asked_anew(ns, "slack")
    # It is tried after 0, 1, 3 and 7 s, and would be again after 15.
    until(lambda: read_count(proxy) >= 4)
    proxy.clear()
    ns.ready("slack", patience=7.5)


def test_a_hanging_backend_is_told_within_twice_its_timeout(
    operator: Operator, ns: Namespace, store: str, bao: OpenBao, proxy: FaultProxy, folder: str, canary: str
) -> None:
    bao.write_kv2("secret", f"{folder}/slack", {"token": canary})
    # With four attempts: they end together within the two seconds.
    ns.api.patch(ns.store_path(store), {"spec": {"retry": {"attempts": 4}}})
    ns.store_ready(store)
    proxy.set(faults.hang, when=reads)
    started = time.monotonic()
    ns.add("slack", spec(entry("token", "slack#token")))
    ns.ready("slack", "False", reason="BackendUnavailable")
    assert time.monotonic() - started < 3.5  # three or four attempts of a second would take longer


def test_a_redirect_is_not_followed(
    operator: Operator, ns: Namespace, slack: str, bao: OpenBao, proxy: FaultProxy
) -> None:
    before = secret_as_it_is(ns, slack)
    with faults.FaultProxy(bao.address) as elsewhere:
        proxy.set(faults.redirect(f"{elsewhere.address}/v1/secret/data/{ns.name}/slack"))
        assert "redirect" in message(ns.ready(slack, "False", reason="BackendUnavailable"))
        ns.store_ready("prod", "False", reason="BackendUnavailable")
        assert secret_as_it_is(ns, slack) == before
        proxy.clear()
        ns.ready(slack, patience=RECOVERY)
        assert elsewhere.requests == []


def test_a_sealed_server(operator: Operator, ns: Namespace, own_bao: OpenBao, folder: str, canary: str) -> None:
    own_bao.write_kv2("secret", f"{folder}/slack", {"token": canary})
    ns.add_store("prod", vault_store(ns, own_bao.address, folder, token=own_bao.root_token))
    ns.add("slack", spec(entry("token", "slack#token"), refreshInterval="1s"))
    ns.ready("slack")
    before = secret_as_it_is(ns, "slack")
    own_bao.seal()
    assert "sealed" in message(ns.ready("slack", "False", reason="BackendUnavailable"))
    assert "sealed" in message(ns.store_ready("prod", "False", reason="BackendUnavailable"))
    assert secret_as_it_is(ns, "slack") == before
    own_bao.unseal()
    ns.ready("slack", patience=RECOVERY)
    assert secret_as_it_is(ns, "slack") == before


# --- too many requests


def test_retry_after_is_waited_for(
    operator: Operator, ns: Namespace, store: str, bao: OpenBao, proxy: FaultProxy, folder: str, canary: str
) -> None:
    bao.write_kv2("secret", f"{folder}/slack", {"token": canary})
    ns.store_ready(store)
    proxy.set(faults.throttle("4"), when=reads, times=1)
    ns.add("slack", spec(entry("token", "slack#token")))
    ns.ready("slack", "False", reason="Throttled")
    throttled = time.monotonic()
    assert condition(ns.store_ready("prod"))["reason"] == "Valid"
    ns.ready("slack")
    assert time.monotonic() - throttled > 3.5
    assert read_count(proxy) == 2


def test_a_short_refresh_interval_goes_before_a_long_retry_after(
    operator: Operator, ns: Namespace, slack: str, proxy: FaultProxy
) -> None:
    before = secret_as_it_is(ns, slack)
    proxy.set(faults.throttle("600"), when=reads)
    ns.ready(slack, "False", reason="Throttled")
    assert secret_as_it_is(ns, slack) == before
    proxy.clear()
    ns.ready(slack, patience=4)


def test_a_backend_that_names_no_time_is_asked_again_after_a_second(
    operator: Operator, ns: Namespace, store: str, bao: OpenBao, proxy: FaultProxy, folder: str, canary: str
) -> None:
    bao.write_kv2("secret", f"{folder}/slack", {"token": canary})
    ns.store_ready(store)
    proxy.set(faults.throttle(), when=reads, times=2)
    ns.add("slack", spec(entry("token", "slack#token")))
    ns.ready("slack", "False", reason="Throttled")
    ns.ready("slack", patience=6)
    assert read_count(proxy) >= 3


def test_a_throttled_probe_waits_for_retry_after(
    operator: Operator, ns: Namespace, store: str, proxy: FaultProxy
) -> None:
    ns.store_ready(store)
    proxy.set(faults.throttle("4"))
    ns.api.patch(ns.store_path(store), {"spec": {"healthCheck": {"interval": "1s"}}})
    ns.store_ready(store, "False", reason="BackendUnavailable")
    asked, told = proxy.count(), time.monotonic()
    proxy.clear()
    ns.store_ready(store)
    assert time.monotonic() - told > 3.5
    assert proxy.count() > asked


# --- refusals


def test_a_policy_that_is_taken_away_and_given_back(
    operator: Operator, ns: Namespace, slack: str, bao: OpenBao, folder: str
) -> None:
    before = secret_as_it_is(ns, slack)
    bao.policy(folder, {"secret/data/elsewhere": ["read"]})
    found = ns.ready(slack, "False", reason="AccessDenied")
    assert "key slack" in message(found)
    assert condition(ns.store_ready("prod"))["reason"] == "Valid"
    assert secret_as_it_is(ns, slack) == before
    bao.policy(folder, {f"secret/data/{folder}/*": ["read"]})
    ns.ready(slack, patience=RECOVERY)
    assert secret_as_it_is(ns, slack) == before


def test_a_login_that_is_dead_until_its_credential_is_rotated(
    operator: Operator, ns: Namespace, slack: str, bao: OpenBao, folder: str
) -> None:
    before = secret_as_it_is(ns, slack)
    role = f"auth/approle/role/{folder}"
    for accessor in bao.call("LIST", f"{role}/secret-id")["data"]["keys"]:
        bao.call("POST", f"{role}/secret-id-accessor/destroy", {"secret_id_accessor": accessor})
    bao.revoke_logins()
    ns.ready(slack, "False", reason="AuthenticationFailed")
    ns.store_ready("prod", "False", reason="AuthenticationFailed")
    assert secret_as_it_is(ns, slack) == before
    set_secret(ns, "prod-login", {"secretId": bao.secret_id(folder)})
    ns.ready(slack, patience=15)
    ns.store_ready("prod", reason="Valid")
    assert secret_as_it_is(ns, slack) == before


def test_a_revoked_token_until_there_is_another(
    operator: Operator, ns: Namespace, bao: OpenBao, folder: str, canary: str
) -> None:
    bao.write_kv2("secret", f"{folder}/slack", {"token": canary})
    bao.policy(folder, {f"secret/data/{folder}/*": ["read"]})
    token = bao.token([folder])
    ns.add_store("prod", vault_store(ns, bao.address, folder, token=token))
    ns.add("slack", spec(entry("token", "slack#token"), refreshInterval="1s"))
    ns.ready("slack")
    before = secret_as_it_is(ns, "slack")
    bao.revoke(token)
    ns.ready("slack", "False", reason="AuthenticationFailed")
    assert secret_as_it_is(ns, "slack") == before
    set_secret(ns, "login", {"token": bao.token([folder])})
    ns.ready("slack", patience=15)
    assert secret_as_it_is(ns, "slack") == before


def test_revoked_tokens_of_a_good_login_are_noticed_by_nobody(
    operator: Operator, ns: Namespace, slack: str, bao: OpenBao, proxy: FaultProxy
) -> None:
    before = ns.ready(slack)
    bao.revoke_logins()
    until(lambda: proxy.count("POST", "/v1/auth/approle/login") >= 2)
    asked = read_count(proxy)
    until(lambda: read_count(proxy) >= asked + 2)
    assert ns.ready(slack) == before
    assert not [kind for kind, _ in ns.events(slack) if kind == "Warning"]


def test_tokens_that_expire_during_the_run_are_noticed_by_nobody(
    operator: Operator, ns: Namespace, store: str, bao: OpenBao, proxy: FaultProxy, folder: str, canary: str
) -> None:
    bao.approle(folder, [folder], token_ttl="1s", token_max_ttl="2s")
    bao.write_kv2("secret", f"{folder}/slack", {"token": canary})
    ns.store_ready(store)
    ns.add("slack", spec(entry("token", "slack#token"), refreshInterval="1s"))
    before = ns.ready("slack")
    until(lambda: proxy.count("POST", "/v1/auth/approle/login") >= 4)
    assert ns.ready("slack") == before
    assert not [kind for kind, _ in ns.events("slack") if kind == "Warning"]


# --- one store's fault is not another's


def test_a_hanging_store_delays_no_other(
    operator: Operator, ns: Namespace, store: str, bao: OpenBao, folder: str, canary: str
) -> None:
    bao.write_kv2("secret", f"{folder}/slack", {"token": canary})
    with faults.FaultProxy(bao.address) as dead:
        dead.set(faults.hang)
        ns.add_store("dead", vault_store(ns, dead.address, folder, token=bao.root_token, timeout="20s"))
        for number in range(150):  # more than may be at work for a store
            ns.add(f"dead-{number}", spec(entry("token", f"key-{number}"), store="dead"))
        dead.wait(1)
        ns.store_ready(store)
        started = time.monotonic()
        ns.add("slack", spec(entry("token", "slack#token")))
        ns.ready("slack")
        assert time.monotonic() - started < 6  # a dead one gives up after 20
