"""Chains: what a resource gets from which link, how the store says it stands, and when a value may be replaced."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from beemflow_secrets.model import names
from beemflow_secrets.testing.certs import CertificateAuthority
from tests.controlplane.conftest import entry, spec, until
from tests.support import faultproxy as faults
from tests.support.api import condition, decoded
from tests.support.chains import Server, chain
from tests.support.faultproxy import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.api import Namespace, Object
    from tests.support.openbao import OpenBao
    from tests.support.operator import Operator

pytestmark = pytest.mark.usefixtures("operator")

WAIT = 4.0
"""Seconds of failoverAfter in these tests."""

BACK = 12.0
"""Seconds after which a link that answers again has surely been probed: every 2 to 5, a probe takes up to 1."""

TOKEN = entry("token", "slack#token")


@pytest.fixture
def main(bao: OpenBao, proxy: FaultProxy, folder: str, canary: str) -> Server:
    server = Server(bao, proxy, f"{folder}-main")
    server.put("slack", token=f"main-{canary}")
    return server


@pytest.fixture
def spare(bao: OpenBao, folder: str, canary: str) -> Iterator[Server]:
    with FaultProxy(bao.address) as own:
        server = Server(bao, own, f"{folder}-spare")
        server.put("slack", token=f"spare-{canary}")
        yield server


@pytest.fixture
def failover(ns: Namespace, main: Server, spare: Server) -> str:
    """A store `prod` that fails over from `main` to `spare`."""
    ns.add_store("prod", chain(main.link(ns, "main"), spare.link(ns, "spare"), failoverAfter=f"{WAIT:g}s"))
    ns.store_ready("prod")
    return "prod"


def providers(found: Object) -> dict[str, str]:
    return {row["name"]: row["state"] for row in found["status"]["providers"]}


def served_by(found: Object) -> dict[str, str]:
    return {row["secretKey"]: row["provider"] for row in found["status"]["entries"]}


def degraded(ns: Namespace, status: str, patience: float = 20.0) -> Object:
    """Wait until the store is degraded, or is no more."""
    return ns.api.wait(
        ns.store_path("prod"),
        lambda found: found is not None and condition(found, "Degraded").get("status") == status,
        patience=patience,
    )


def value(ns: Namespace, name: str = "slack") -> str:
    return (ns.data(name) or {}).get("token", "").partition("-")[0]


def ask(ns: Namespace, name: str = "slack") -> None:
    asked = str(time.monotonic())
    ns.api.patch(ns.path(name), {"metadata": {"annotations": {names.REFRESH_REQUESTED_ANNOTATION: asked}}})
    ns.api.wait(
        ns.path(name),
        lambda found: found is not None and found["status"].get("lastHandledRefresh") == asked,
    )


# How it stands.


def test_a_chain_that_serves_says_so_of_every_link(
    operator: Operator, ns: Namespace, failover: str, main: Server, spare: Server
) -> None:
    found = degraded(ns, "False")
    assert [row | {"lastCheck": ""} for row in found["status"]["providers"]] == [
        {"name": name, "driver": "vault", "state": "Healthy", "lastCheck": ""} for name in ("main", "spare")
    ]
    assert (condition(found)["status"], condition(found, "Degraded")["reason"]) == ("True", "AllLinksServe")
    assert found["status"]["capabilities"] == ["Read", "List"]  # none writes through a chain, though its links could
    ns.add("slack", spec(TOKEN))
    assert served_by(ns.ready("slack")) == {"token": "main"}
    assert (value(ns), spare.reads()) == ("main", 0)
    (page,) = [one for one in json.loads(operator.get("/health")[1])["stores"] if one["namespace"] == ns.name]
    assert [(row["name"], row["driver"], row["state"], row["breaker"]) for row in page["providers"]] == [
        ("main", "vault", "Healthy", "closed"),
        ("spare", "vault", "Healthy", "closed"),
    ]
    assert all(row["latencyMs"] > 0 and "lastError" not in row for row in page["providers"])


def test_a_link_that_is_down_is_told_by_name_and_the_chain_serves(
    operator: Operator, ns: Namespace, failover: str, main: Server
) -> None:
    main.proxy.down()
    ns.add("slack", spec(TOKEN))
    assert served_by(ns.ready("slack")) == {"token": "spare"}  # a key without a value does not wait
    assert value(ns) == "spare"
    found = degraded(ns, "True")
    assert providers(found) == {"main": "Down", "spare": "Healthy"}
    assert "refused" in found["status"]["providers"][0]["lastError"]
    logged = next(
        json.loads(line) for line in operator.log().splitlines() if "Link is down" in line and ns.name in line
    )
    assert (logged["store"], logged["link"]) == (f"{ns.name}/prod", "main")
    said = condition(found, "Degraded")
    assert said["reason"] == "LinkDown"
    assert said["message"].startswith("main is down since 20")
    assert condition(found)["status"] == "True"
    (page,) = [one for one in json.loads(operator.get("/health")[1])["stores"] if one["namespace"] == ns.name]
    assert [(row["state"], row["breaker"]) for row in page["providers"]] == [("Down", "open"), ("Healthy", "closed")]
    assert "refused" in page["providers"][0]["lastError"]
    main.proxy.up()
    found = degraded(ns, "False", patience=BACK)
    assert providers(found) == {"main": "Healthy", "spare": "Healthy"}


def test_a_spare_that_is_down_is_seen_although_nobody_reads_from_it(ns: Namespace, main: Server, spare: Server) -> None:
    ns.add_store("prod", {**chain(main.link(ns, "main"), spare.link(ns, "spare")), "healthCheck": {"interval": "1s"}})
    ns.store_ready("prod")
    spare.proxy.set(faults.answer(503))
    assert providers(degraded(ns, "True")) == {"main": "Healthy", "spare": "Down"}


def test_a_chain_of_which_no_link_serves_is_not_ready(
    ns: Namespace, failover: str, main: Server, spare: Server
) -> None:
    main.proxy.down()
    spare.proxy.down()
    ns.add("slack", spec(TOKEN))
    found = ns.ready("slack", "False", reason="BackendUnavailable")
    assert "main: " in condition(found)["message"]
    assert "; spare: " in condition(found)["message"]
    found = ns.store_ready("prod", "False", reason="BackendUnavailable")
    assert condition(found, "Degraded")["status"] == "False"  # it is worse than that
    spare.proxy.up()
    ns.ready("slack", patience=BACK)
    assert value(ns) == "spare"
    degraded(ns, "True")


def test_a_link_whose_credential_lacks_is_down_and_comes_with_it(ns: Namespace, main: Server, spare: Server) -> None:
    links = main.link(ns, "main"), spare.link(ns, "spare")
    ns.api.delete(ns.secret_path("login-main"))
    ns.add_store("prod", chain(*links))
    found = degraded(ns, "True")
    assert "does not exist" in found["status"]["providers"][0]["lastError"]
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    assert value(ns) == "spare"
    ns.add_secret("login-main", {"token": main.token})
    degraded(ns, "False")
    ns.api.wait(ns.path("slack"), lambda found: found is not None and served_by(found) == {"token": "main"})


def test_a_link_whose_authority_lacks_is_down_and_comes_with_it(ns: Namespace, main: Server, spare: Server) -> None:
    trust = {"tls": {"caRef": {"kind": "ConfigMap", "name": "trust", "key": "ca.crt"}}}
    ns.add_store("prod", chain(main.link(ns, "main") | trust, spare.link(ns, "spare")))
    found = degraded(ns, "True")
    assert found["status"]["providers"][0]["lastError"] == f"tls.caRef: ConfigMap {ns.name}/trust does not exist"
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    assert value(ns) == "spare"
    ns.add_config_map("trust", {"ca.crt": CertificateAuthority().pem})
    degraded(ns, "False", patience=30.0)
    ns.api.wait(ns.path("slack"), lambda found: found is not None and served_by(found) == {"token": "main"})


def test_a_chain_that_serves_by_all_links_is_not_given_up_for_a_credential_that_goes(
    ns: Namespace, failover: str, main: Server
) -> None:
    ns.add("slack", spec(TOKEN, refreshInterval="1s"))
    ns.ready("slack")
    ns.api.delete(ns.secret_path("login-main"))
    assert "login-main" in condition(ns.store_ready("prod", "False", reason="CredentialNotFound"))["message"]
    time.sleep(WAIT + 2)  # the login lives, and its values stay
    main.put("slack", token="main-2")
    until(lambda: (ns.data("slack") or {})["token"] == "main-2")
    assert served_by(ns.ready("slack")) == {"token": "main"}


# When a value may be replaced.


def test_a_value_is_replaced_only_when_its_link_has_been_down_for_long_and_comes_back_with_it(
    ns: Namespace, failover: str, main: Server, spare: Server
) -> None:
    ns.add("slack", spec(TOKEN, refreshInterval="1s"))
    ns.ready("slack")
    main.proxy.down()
    degraded(ns, "True")
    began = time.monotonic()
    before = ns.api.get(ns.path("slack")) or {}
    until(lambda: spare.reads() > 0)  # it was tried
    while time.monotonic() - began < WAIT - 1.5:
        assert value(ns) == "main"
        found = ns.api.get(ns.path("slack")) or {}
        assert condition(found)["status"] == "True"
        assert found["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]  # nothing is written
        time.sleep(0.1)
    until(lambda: value(ns) == "spare", patience=WAIT + 2)
    assert time.monotonic() - began > WAIT - 1.5
    ns.api.wait(ns.path("slack"), lambda found: found is not None and served_by(found) == {"token": "spare"})
    ns.api.patch(ns.path("slack"), {"spec": {"refreshInterval": "1h"}})
    ns.ready("slack")
    main.proxy.up()
    until(lambda: value(ns) == "main", patience=BACK)  # although it is not due for an hour


def test_a_link_that_returns_in_time_leaves_all_as_it_was(
    ns: Namespace, main: Server, spare: Server, canary: str
) -> None:
    ns.add_store("prod", chain(main.link(ns, "main"), spare.link(ns, "spare"), failoverAfter="1m"))
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    before = ns.api.get(ns.secret_path("slack"))
    main.proxy.down()
    ask(ns)
    assert condition(ns.api.get(ns.path("slack")) or {})["status"] == "True"
    main.put("slack", token=f"new-{canary}")
    assert ns.api.get(ns.secret_path("slack")) == before
    main.proxy.up()
    until(lambda: value(ns) == "new", patience=BACK)  # it waited for the link


def test_an_edit_that_needs_a_held_value_is_told_and_comes_with_the_link(
    ns: Namespace, main: Server, spare: Server, canary: str
) -> None:
    ns.add_store("prod", chain(main.link(ns, "main"), spare.link(ns, "spare"), failoverAfter="1m"))
    spare.put("other", token=f"spare-{canary}")
    main.put("other", token=f"main-{canary}")
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    main.proxy.down()
    ns.api.patch(ns.path("slack"), {"spec": spec(TOKEN, entry("other", "other#token"))})
    found = ns.ready("slack", "False", reason="BackendUnavailable")
    assert "its value is kept until it has been down for 60 s" in condition(found)["message"]
    assert ns.data("slack") == {"token": f"main-{canary}"}
    main.proxy.up()
    ns.ready("slack", patience=BACK)
    assert ns.data("slack") == {"token": f"main-{canary}", "other": f"main-{canary}"}


def test_a_secret_that_is_gone_has_no_value_to_keep(ns: Namespace, main: Server, spare: Server) -> None:
    ns.add_store("prod", chain(main.link(ns, "main"), spare.link(ns, "spare"), failoverAfter="1m"))
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    main.proxy.down()
    degraded_when_asked(ns)
    ns.api.delete(ns.secret_path("slack"))
    until(lambda: value(ns) == "spare")


def degraded_when_asked(ns: Namespace) -> None:
    ask(ns)
    degraded(ns, "True")


def test_a_spare_without_the_key_takes_nothing_away(ns: Namespace, main: Server, spare: Server, canary: str) -> None:
    ns.add_store("prod", chain(main.link(ns, "main"), spare.link(ns, "spare"), failoverAfter=0))
    main.put("own", token=f"main-{canary}")
    ns.add("slack", spec(TOKEN, entry("own", "own#token"), target={"deletionPolicy": "Delete"}))
    ns.ready("slack")
    main.proxy.down()
    ask(ns)
    found = ns.ready("slack", "False", reason="BackendUnavailable")
    assert "; spare: " in condition(found)["message"]
    assert ns.data("slack") == {"token": f"main-{canary}", "own": f"main-{canary}"}


def test_a_restart_forgets_neither_who_served_nor_to_look_for_the_first_link(
    ns: Namespace, main: Server, spare: Server, start_operator: Callable[..., Operator]
) -> None:
    first = start_operator()
    ns.add_store("prod", chain(main.link(ns, "main"), spare.link(ns, "spare"), failoverAfter="1m"))
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    main.proxy.down()
    ns.add("new", spec(TOKEN))
    ns.ready("new")
    assert (value(ns), value(ns, "new")) == ("main", "spare")
    first.stop()
    start_operator()
    ask(ns)  # it reads, and finds its link down
    degraded(ns, "True")
    assert value(ns) == "main"
    main.proxy.up()
    until(lambda: value(ns, "new") == "main", patience=BACK)


def test_values_of_the_spare_are_looked_after_at_a_start(
    ns: Namespace, failover: str, main: Server, start_operator: Callable[..., Operator]
) -> None:
    first = start_operator()
    main.proxy.down()
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    assert value(ns) == "spare"
    first.stop()
    main.proxy.up()
    start_operator()
    until(lambda: value(ns) == "main")


# What it costs.


def test_a_link_that_hangs_costs_one_timeout_for_a_hundred_keys(
    ns: Namespace, failover: str, main: Server, spare: Server, canary: str
) -> None:
    for number in range(100):
        spare.put(f"k{number}", token=canary)
    main.proxy.set(faults.hang)
    main.proxy.forget()
    began = time.monotonic()
    for number in range(100):
        ns.add(f"r{number}", spec(entry("token", f"k{number}#token")))
    for number in range(100):
        ns.ready(f"r{number}")
    took = time.monotonic() - began
    reads = main.reads()
    assert reads <= 32  # 16 calls may be under way; once more where a probe is answered late
    assert took < 15
    # Nobody waits for it any more; one probe every 3 to 6 seconds is all that it gets.
    before = len(main.proxy.requests)
    began = time.monotonic()
    for number in range(100):
        ask(ns, f"r{number}")
    assert main.reads() == reads
    assert len(main.proxy.requests) - before <= 2 + (time.monotonic() - began) / 3


# merge.


def test_merge_joins_fields_and_tells_where_each_came_from(
    ns: Namespace, main: Server, spare: Server, canary: str
) -> None:
    main.put("db", user="main", password=canary)
    spare.put("db", user="spare", port="5432")
    ns.add_store("prod", chain(main.link(ns, "main"), spare.link(ns, "spare"), strategy="merge"))
    extract = {"secretStoreRef": {"name": "prod"}, "dataFrom": [{"extract": {"key": "db"}}]}
    ns.add("db", {**extract, "data": [entry("url-port", "db#port")]})
    found = ns.ready("db")
    assert ns.data("db") == {"user": "main", "password": canary, "port": "5432", "url-port": "5432"}
    assert served_by(found) == {"user": "main", "password": "main", "port": "spare", "url-port": "spare"}
    ns.api.patch(ns.store_path("prod"), {"spec": {"multi": {"conflictPolicy": "Last"}}})
    ns.api.wait(ns.secret_path("db"), lambda secret: secret is not None and decoded(secret)["user"] == "spare")
    ns.api.patch(ns.store_path("prod"), {"spec": {"multi": {"conflictPolicy": "Error"}}})
    found = ns.ready("db", "False", reason="InvalidSpec")
    assert "main and spare both have the field 'user'" in condition(found)["message"]
    assert (ns.data("db") or {})["user"] == "spare"


def test_merge_without_one_of_its_links_is_unavailable_never_smaller(
    ns: Namespace, main: Server, spare: Server, canary: str
) -> None:
    main.put("db", user=canary)
    spare.put("db", port="5432")
    ns.add_store("prod", chain(main.link(ns, "main"), spare.link(ns, "spare"), strategy="merge"))
    ns.add("db", {"secretStoreRef": {"name": "prod"}, "dataFrom": [{"extract": {"key": "db"}}]})
    ns.ready("db")
    spare.proxy.down()
    ask(ns, "db")
    assert "spare: " in condition(ns.ready("db", "False", reason="BackendUnavailable"))["message"]
    found = ns.store_ready("prod", "False", reason="BackendUnavailable")
    assert providers(found) == {"main": "Healthy", "spare": "Down"}
    assert ns.data("db") == {"user": canary, "port": "5432"}
    spare.proxy.up()
    ns.ready("db", patience=BACK)


# priority.


def test_priority_reads_from_the_first_that_has_it(ns: Namespace, main: Server, spare: Server, canary: str) -> None:
    spare.put("own", token=f"spare-{canary}")
    ns.add_store("prod", chain(main.link(ns, "main"), spare.link(ns, "spare"), strategy="priority"))
    ns.add("slack", spec(TOKEN, entry("own", "own#token")))
    assert served_by(ns.ready("slack")) == {"token": "main", "own": "spare"}
    ns.add("none", spec(entry("none", "none")))
    found = ns.ready("none", "False", reason="KeyNotFound")
    assert condition(found)["message"].count("no such key") == 2


# What it may not be.


def test_an_identity_is_not_lent_to_a_link_either(ns: Namespace, main: Server) -> None:
    ns.add_store("prod", chain(main.link(ns, "main"), {"driver": "env"}))
    found = ns.store_ready("prod", "False", reason="InvalidSpec")
    assert "spec.multi.providers[1].driver: env reads" in condition(found)["message"]
