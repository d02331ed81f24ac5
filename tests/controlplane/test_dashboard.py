"""The dashboard's queries, asked of Prometheus's own engine over what an operator tells, in an outage too."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

from e2e.chart import CHART
from e2e.clusters.build import PROMTOOL
from e2e.clusters.cluster import run
from tests.controlplane.conftest import entry, spec, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.api import Namespace, Object
    from tests.support.faultproxy import FaultProxy
    from tests.support.openbao import OpenBao

PANELS = json.loads((CHART / "files" / "dashboard.json").read_text())["panels"]
VARIABLES = {"$__rate_interval": "5m", "$namespace": ".*", "$provider": ".*"}
TOKEN = entry("token", "slack#token")

EMPTY_WHEN_WELL = {"Stores that are down", "Stale secrets", "Errors by provider"}
WELL = {"Stores up": 1, "Secrets ready": 1, "Not ready": 0, "Expiring in 7 days": 2}
OUTAGE = {"Stores up": 0, "Secrets ready": 0, "Not ready": 2, "Expiring in 7 days": 2}


def queries() -> list[tuple[str, str, list[str]]]:
    """Return each query: its panel, its text with the variables filled in, the labels that its legend names."""
    found = []
    for panel in PANELS:
        for target in panel["targets"]:
            text = target["expr"]
            for name, value in VARIABLES.items():
                text = text.replace(name, value)
            found.append((panel["title"], text, re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])))
    return found


def asked(empty: set[str], values: dict[str, int]) -> list[tuple[str, list[Object]]]:
    """Return what is asked and its answer: whether there are numbers, with each label of the legend; some values."""
    cases: list[tuple[str, list[Object]]] = []
    for panel, query, labels in queries():
        numbers = f"({query}) >= 0"  # which NaN is not
        gives: list[Object] = [] if panel in empty else [{"labels": "{}", "value": 1}]
        cases.append((f"count({numbers}) > bool 0", gives))
        for label in labels:
            marked = f'label_replace({numbers}, "has", "{label}", "{label}", ".+")'
            cases.append(
                (f"count by (has) ({marked}) > bool 0", [one | {"labels": f'{{has="{label}"}}'} for one in gives])
            )
        if panel in values:
            cases.append((query, [{"labels": "{}", "value": values[panel]}]))
    return cases


def judge(folder: Path, pages: list[str], cases: list[tuple[str, list[Object]]]) -> None:
    """Ask Prometheus's engine after the last of the pages, which are a minute apart for it. Raises CommandFailed."""
    samples: dict[str, list[str]] = {}
    for number, page in enumerate(pages):
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                labels = ",".join(f"{name}={json.dumps(value)}" for name, value in sample.labels.items())
                samples.setdefault(f"{sample.name}{{{labels}}}", ["stale"] * len(pages))[number] = str(sample.value)
    last = f"{len(pages) - 1}m"
    group: dict[str, Any] = {
        "interval": "1m",
        "start_timestamp": int(time.time()),
        "input_series": [{"series": name, "values": " ".join(values)} for name, values in samples.items()],
        "promql_expr_test": [{"expr": expr, "eval_time": last, "exp_samples": gives} for expr, gives in cases],
    }
    file = folder / "dashboard_test.yaml"
    file.write_text(yaml.safe_dump({"evaluation_interval": "1m", "tests": [group]}))
    assert PROMTOOL.folder.is_dir(), "promtool is not built; `make promtool` builds it"
    run([PROMTOOL.folder / "promtool", "test", "rules", file])


def test_each_panel_shows_what_there_is_in_good_days_and_in_an_outage(
    ns: Namespace,
    bao: OpenBao,
    store_spec: Object,
    login: str,
    folder: str,
    proxy: FaultProxy,
    canary: str,
    start_operator: Callable[..., Any],
    tmp_path: Path,
) -> None:
    del login
    tomorrow = datetime.fromtimestamp(int(time.time()) + 86400, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    bao.write_kv2("secret", f"{folder}/slack", {"token": canary}, custom_metadata={"expires-at": tomorrow})
    operator = start_operator("--namespaces", ns.name)
    ns.add_store("prod", store_spec | {"cache": {"enabled": True, "ttl": "1h"}})
    ns.add("tolerant", spec(TOKEN, refreshInterval="1s", staleness={"maxAge": "1s"}))
    ns.add("plain", spec(TOKEN, refreshInterval="1s"))
    ns.ready("tolerant")
    ns.ready("plain")
    before = operator.get("/metrics")[1]
    done = operator.metric("sync_duration_seconds_count")
    until(lambda: operator.metric("sync_duration_seconds_count") > done + 1)
    well = operator.get("/metrics")[1]
    judge(tmp_path, [before, well], asked(EMPTY_WHEN_WELL, WELL))

    proxy.down()
    ns.store_ready("prod", "False")
    ns.ready("tolerant", "False", reason="StaleBeyondLimit")
    ns.ready("plain", "False")
    age = f'oldest_sync_seconds{{namespace="{ns.name}"}}'
    until(lambda: operator.metric(age) > 3)
    judge(tmp_path, [before, well, operator.get("/metrics")[1]], asked(set(), OUTAGE))

    proxy.up()
    reached = operator.metric(age)
    until(lambda: operator.metric(age) < reached)
    ns.ready("tolerant")
