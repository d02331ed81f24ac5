"""The chart's alerts judged by promtool: tests/alerts says when each calls and when it does not."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import yaml

from e2e.chart import CHART
from e2e.clusters.build import PROMTOOL
from e2e.clusters.cluster import CommandFailed, run

if TYPE_CHECKING:
    from pathlib import Path

CASES = CHART.parents[1] / "tests" / "alerts" / "alerts_test.yaml"


@pytest.fixture(autouse=True)
def no_defect() -> None:
    """No operator runs here."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where promtool finds rules and cases beside each other."""
    assert PROMTOOL.folder.is_dir(), "promtool is not built; `make promtool` builds it"
    shutil.copy(CHART / "files" / "alerts.yaml", tmp_path)
    shutil.copy(CASES, tmp_path)
    return tmp_path


def promtool(*arguments: str | Path) -> str:
    return run([PROMTOOL.folder / "promtool", *arguments])


def test_the_rules_are_rules(folder: Path) -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", folder / "alerts.yaml")


def test_each_alert_calls_when_it_should(folder: Path) -> None:
    assert "SUCCESS" in promtool("test", "rules", folder / CASES.name)


def test_each_alert_has_a_case(folder: Path) -> None:
    rules = yaml.safe_load((folder / "alerts.yaml").read_text())["groups"][0]["rules"]
    cases = yaml.safe_load(CASES.read_text())["tests"]
    called = {one["alertname"] for case in cases for one in case["alert_rule_test"] if one.get("exp_alerts")}
    quiet = {one["alertname"] for case in cases for one in case["alert_rule_test"] if not one.get("exp_alerts")}
    assert called == {rule["alert"] for rule in rules}
    assert quiet  # and some that do not call


@pytest.mark.parametrize(("right", "wrong"), [("> 300", "> 3000"), ("for: 15m", "for: 2m"), ("== 0", "== 1")])
def test_a_mistake_is_found(folder: Path, right: str, wrong: str) -> None:
    rules = folder / "alerts.yaml"
    text = rules.read_text()
    assert right in text
    rules.write_text(text.replace(right, wrong))
    with pytest.raises(CommandFailed):
        promtool("test", "rules", folder / CASES.name)
