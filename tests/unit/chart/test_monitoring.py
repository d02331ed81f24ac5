"""Alerts and dashboard ask for series that there are, and each alert has a page that ends in a command.

tests/alerts has the cases that promtool runs.
"""

from __future__ import annotations

import json
from typing import Any

import promql_parser as promql
import pytest
import yaml
from prometheus_client import Metric

from beemflow_secrets.telemetry.metrics import PREFIX, registry
from e2e.chart import CHART, render

DASHBOARD = json.loads((CHART / "files" / "dashboard.json").read_text())
RULES = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())["groups"][0]["rules"]
PANELS = {panel["title"]: panel for panel in DASHBOARD["panels"]}
EXPRESSIONS = {
    **{rule["alert"]: rule["expr"] for rule in RULES},
    **{
        f"{title} {target['refId']}": target["expr"].replace("$__rate_interval", "5m")
        for title, panel in PANELS.items()
        for target in panel["targets"]
    },
}
RUNBOOKS = CHART.parents[1] / "docs" / "runbooks"


def families() -> dict[str, set[str]]:
    """Return the labels of each series that the operator can show, by its name."""
    found: dict[str, set[str]] = {}
    for family, names in registry._collector_to_names.items():
        (described,) = family.describe()  # type: ignore[attr-defined]  # each of ours is a metric
        assert isinstance(described, Metric)
        labels = set(family._labelnames)  # type: ignore[attr-defined]  # as above
        found |= {name: labels | ({"le"} if name.endswith("_bucket") else set()) for name in names}
    return found


def parts(expression: Any) -> list[Any]:
    """Return a parsed expression and all that it is made of."""
    found: list[Any] = []
    promql.walk(expression, found.append)
    return found


@pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=list(EXPRESSIONS))
def test_what_is_asked_for_is_there(expression: str) -> None:
    known = families()
    selected = [part for part in parts(promql.parse(expression)) if isinstance(part, promql.VectorSelector)]
    assert selected
    for part in selected:
        assert part.name is not None
        assert part.name.startswith(PREFIX)
        assert {matcher.name for matcher in part.matchers.matchers} <= known[part.name]
    grouped = [
        part.modifier.labels
        for part in parts(promql.parse(expression))
        if isinstance(part, promql.AggregateExpr) and part.modifier
    ]
    labels = set().union(*(known[str(part.name)] for part in selected))
    assert {label for by in grouped for label in by} <= labels


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_each_alert_has_a_page_that_ends_in_a_command(rule: dict[str, Any]) -> None:
    page = (RUNBOOKS / rule["annotations"]["runbook_url"].removeprefix("RUNBOOKS/")).read_text()
    assert rule["alert"] in page.splitlines()[0]
    assert page.rstrip().endswith("```")
    command = page.rstrip().rsplit("```sh\n", 1)[1]
    assert command.startswith(("kubectl ", "beemflow-secrets "))


def test_the_alerts_point_to_where_the_pages_are() -> None:
    made = yaml.safe_load(
        render({"prometheusRule": {"enabled": True, "runbookUrl": "https://wiki/x/"}})["prometheusrule.yaml"]
    )
    (group,) = made["spec"]["groups"]
    assert [rule["alert"] for rule in group["rules"]] == [rule["alert"] for rule in RULES]
    assert group["rules"][0]["annotations"]["runbook_url"] == "https://wiki/x/not-ready.md"


def test_the_dashboard_is_what_the_sidecar_loads() -> None:
    made = yaml.safe_load(render({"grafanaDashboard": {"enabled": True, "sidecarLabelValue": "yes"}})["dashboard.yaml"])
    assert made["metadata"]["labels"]["grafana_dashboard"] == "yes"
    assert json.loads(made["data"]["beemflow-secrets.json"]) == DASHBOARD


def test_no_panel_lies_on_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in PANELS.values():
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not taken & cells
        taken |= cells
