"""/healthz, /readyz, /metrics and /health of the running operator."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.conftest import until
from tests.support import faultproxy as faults
from tests.support.fixtures import entry, spec

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.api import Namespace
    from tests.support.faultproxy import FaultProxy
    from tests.support.openbao import OpenBao
    from tests.support.operator import Operator

    Start = Callable[..., Operator]

PREFIX = "beemflow_secrets_"

SAMPLES_FROM_THE_START = [
    'requests_total{operation="read",outcome="success",provider="vault"}',
    'requests_total{operation="health",outcome="success",provider="vault"}',
    'request_duration_seconds_count{operation="read",provider="vault"}',
    'errors_total{kind="Unavailable",provider="vault"}',
    'errors_total{kind="NotFound",provider="vault"}',
    'active_connections{provider="vault"}',
    "sync_duration_seconds_count",
    'queue_depth{priority="now"}',
    'queue_depth{priority="refresh"}',
    "oldest_due_seconds",
    "leader",
]


def samples(running: Operator) -> dict[str, float]:
    """What /metrics shows, by the sample as it is printed, without the prefix."""
    lines = running.get("/metrics")[1].splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if line.startswith(PREFIX))
    return {name.removeprefix(PREFIX): float(value) for name, value in pairs}


def health(running: Operator, ns: Namespace, name: str) -> dict[str, Any]:
    """What /health shows of a store."""
    stores = json.loads(running.get("/health")[1])["stores"]
    (found,) = [store for store in stores if (store["namespace"], store["name"]) == (ns.name, name)]
    return dict(found)


def test_all_is_well(operator: Operator) -> None:
    assert operator.get("/healthz") == (200, "ok\n")
    assert operator.get("/readyz") == (200, "ok\n")
    assert operator.get("/nowhere")[0] == 404


def test_what_has_samples_from_the_start(operator: Operator, ns: Namespace, store: str, canary: str) -> None:
    ns.store_ready(store)
    found = samples(operator)
    assert [name for name in SAMPLES_FROM_THE_START if name not in found] == []


def test_reads_and_failures_are_counted(
    operator: Operator, ns: Namespace, slack: str, proxy: FaultProxy, canary: str
) -> None:
    before = samples(operator)
    assert before['requests_total{operation="read",outcome="success",provider="vault"}'] >= 1
    assert before["sync_duration_seconds_count"] >= 1
    assert before[f'secrets{{namespace="{ns.name}",ready="True"}}'] == 1
    proxy.set(faults.answer(500))
    ns.ready(slack, "False", reason="BackendUnavailable")
    until(lambda: operator.metric(f'secrets{{namespace="{ns.name}",ready="False"}}') == 1)
    after = samples(operator)
    errors = 'errors_total{kind="Unavailable",provider="vault"}'
    assert after[errors] > before.get(errors, 0)
    assert after['requests_total{operation="read",outcome="Unavailable",provider="vault"}'] >= 1
    assert f'secrets{{namespace="{ns.name}",ready="True"}}' not in after


def test_a_store_that_is_down_has_a_series_that_says_so(
    operator: Operator, ns: Namespace, slack: str, store: str, proxy: FaultProxy, canary: str
) -> None:
    series = f'store_ready{{kind="BeemFlowSecretStore",name="{store}",namespace="{ns.name}"}}'
    until(lambda: operator.metric(series) == 1)
    proxy.set(faults.answer(500))
    ns.ready(slack, "False", reason="BackendUnavailable")
    until(lambda: samples(operator).get(series) == 0)
    ns.api.delete(ns.store_path(store))
    until(lambda: series not in samples(operator))


def test_calls_in_flight_are_shown(
    operator: Operator, ns: Namespace, store: str, proxy: FaultProxy, canary: str
) -> None:
    ns.store_ready(store)
    ns.api.patch(ns.store_path(store), {"spec": {"timeout": "3s"}})
    proxy.set(faults.hang, when=lambda request: "/data/" in request.path)
    ns.add("slack", spec(entry("token", "slack")))
    until(lambda: operator.metric('active_connections{provider="vault"}') >= 1)


def test_no_label_holds_a_key(
    operator: Operator, ns: Namespace, store: str, bao: OpenBao, folder: str, canary: str
) -> None:
    bao.write_kv2("secret", f"{folder}/peculiar-key", {"peculiar-field": canary})
    ns.add("slack", spec(entry("peculiar-entry", "peculiar-key#peculiar-field")))
    ns.ready("slack")
    ns.add("missing", spec(entry("token", "peculiar-missing")))
    ns.ready("missing", "False", reason="KeyNotFound")
    assert "peculiar" not in operator.get("/metrics")[1]


def test_series_go_with_their_resource(
    operator: Operator, ns: Namespace, store: str, bao: OpenBao, folder: str, canary: str
) -> None:
    expires = (datetime.now(UTC) + timedelta(days=3)).replace(microsecond=0)
    bao.write_kv2("secret", f"{folder}/slack", {"token": canary}, custom_metadata={"expires-at": expires.isoformat()})
    ns.add("slack", spec(entry("token", "slack#token")))
    ns.ready("slack")
    expiry = f'expiry_timestamp_seconds{{name="slack",namespace="{ns.name}"}}'
    until(lambda: samples(operator).get(expiry) == expires.timestamp())
    ns.api.delete(ns.path("slack"))
    ns.api.delete(ns.store_path(store))
    until(lambda: ns.name not in operator.get("/metrics")[1])


def test_a_store_that_serves(operator: Operator, ns: Namespace, slack: str) -> None:
    found = health(operator, ns, "prod")
    assert found["kind"] == "BeemFlowSecretStore"
    assert found["reason"] == "Valid"
    (provider,) = found["providers"]
    assert (provider["name"], provider["driver"], provider["state"]) == ("prod", "vault", "Healthy")
    assert "lastError" not in provider
    assert isinstance(found["latencyMs"], float)


def test_a_store_that_does_not(operator: Operator, ns: Namespace, slack: str, proxy: FaultProxy, canary: str) -> None:
    proxy.set(faults.delay(0.3, faults.answer(503)))
    ns.store_ready("prod", "False", reason="BackendUnavailable")
    until(lambda: health(operator, ns, "prod")["reason"] == "BackendUnavailable")
    found = health(operator, ns, "prod")
    (provider,) = found["providers"]
    assert provider["state"] == "Down"
    assert "503" in provider["lastError"]
    assert found["latencyMs"] >= 300
    # A dead backend is no reason to start the operator again, or to take it out of service.
    assert operator.get("/healthz")[0] == 200
    assert operator.get("/readyz")[0] == 200
    ns.api.delete(ns.store_path("prod"))
    until(lambda: ns.name not in operator.get("/health")[1])


def test_critical_keys_are_shown_one_by_one(
    operator: Operator, ns: Namespace, slack: str, proxy: FaultProxy, canary: str
) -> None:
    critical = {"interval": "1s", "criticalKeys": ["slack", "billing"]}
    ns.api.patch(ns.store_path("prod"), {"spec": {"healthCheck": critical}})
    ns.store_ready("prod", "False", reason="CriticalKeyMissing")
    assert health(operator, ns, "prod")["criticalKeys"] == [
        {"key": "slack", "state": "Readable"},
        {"key": "billing", "state": "Missing"},
    ]
    proxy.down()
    ns.store_ready("prod", "False", reason="BackendUnavailable")
    assert {row["state"] for row in health(operator, ns, "prod")["criticalKeys"]} == {"Unknown"}


# --- logs


def lines(running: Operator) -> list[dict[str, object]]:
    found = [json.loads(line) for line in running.log().splitlines()]
    return [line for line in found if "secret_key" not in line]  # records of the audit, which goes to stdout


def test_every_line_is_json_and_a_read_is_told(
    start_operator: Start, ns: Namespace, store: str, bao: OpenBao, proxy: FaultProxy, folder: str, canary: str
) -> None:
    running = start_operator("--log-level", "debug")
    bao.write_kv2("secret", f"{folder}/slack", {"token": canary})
    ns.add("slack", spec(entry("token", "slack#token"), refreshInterval="1s"))
    ns.ready("slack")
    proxy.down()
    ns.ready("slack", "False")
    assert running.stop() == 0
    found = lines(running)
    assert all({"event", "level", "timestamp"} <= line.keys() for line in found)
    told = next(line for line in found if line["event"] == "Secret retrieved successfully" and line["key"] == "slack")
    assert told["provider"] == "vault"
    assert told["cache_hit"] is False
    assert isinstance(told["duration_ms"], float)
    assert told["level"] == "info"
    resource = f"BeemFlowSecret {ns.name}/slack"
    failed = next(line for line in found if line["event"] == "Not in sync" and line["resource"] == resource)
    assert failed["reason"] == "BackendUnavailable"


def test_text(start_operator: Start, ns: Namespace, slack_ready: Callable[[], None]) -> None:
    running = start_operator("--log-format", "text")
    slack_ready()
    (told,) = [line for line in running.log().splitlines() if "Secret retrieved successfully" in line]
    assert re.search(r"provider=.?vault", told)
    assert "\x1b" not in running.log()
    assert not told.startswith("{")


@pytest.mark.parametrize("how", ["flag", "variable"])
def test_a_level_leaves_out_what_is_below_it(
    start_operator: Start, ns: Namespace, slack_ready: Callable[[], None], how: str
) -> None:
    running = (
        start_operator("--log-level", "warning")
        if how == "flag"
        else start_operator(env={"BEEMFLOW_SECRETS_LOG_LEVEL": "warning"})
    )
    slack_ready()
    ns.add("missing", spec(entry("token", "missing")))
    ns.ready("missing", "False")
    until(lambda: running.events("Not in sync"))
    assert {line["level"] for line in lines(running)} == {"warning"}
