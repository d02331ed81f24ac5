"""The operator's audit: who read what, allowed or not, and what happens where it cannot be written."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from tests.controlplane.conftest import entry, spec, until
from tests.support.api import condition

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.api import Namespace
    from tests.support.operator import Operator

TOKEN = entry("token", "slack#token")


def of(ns: Namespace, text: str) -> list[dict[str, Any]]:
    """Return the records of a namespace's flows."""
    found = [json.loads(line) for line in text.splitlines() if '"secret_key"' in line]
    return [record for record in found if record["flow_id"].startswith(f"{ns.name}/")]


@pytest.mark.usefixtures("store")
def test_each_access_is_a_line_on_stdout_allowed_or_not(
    operator: Operator, ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    version = put("slack", token=canary)
    ns.add("slack", spec(TOKEN, entry("again", "slack#token"), refreshInterval="1h"))
    ns.ready("slack")
    ns.add("missing", spec(entry("token", "missing"), refreshInterval="1h"))
    ns.ready("missing", "False")
    ns.api.patch(ns.store_path("prod"), {"spec": {"accessPolicies": [{"secretPatterns": ["other"]}]}})
    ns.ready("slack", "False", reason="AccessDenied")
    until(lambda: [one["decision"] for one in of(ns, operator.log()) if one["secret_key"] == "slack"][-1] == "denied")
    found = of(ns, operator.log())
    first = next(record for record in found if record["flow_id"] == f"{ns.name}/slack")
    assert first.pop("timestamp").endswith("+00:00")
    assert first == {
        "flow_id": f"{ns.name}/slack",
        "secret_key": "slack",  # once, however many of its fields are used
        "action": "read",
        "user_id": "",
        "source": "vault/prod",
        "decision": "allowed",
        "version": str(version),
        "cache": "off",
    }
    missing = next(record for record in found if record["flow_id"] == f"{ns.name}/missing")
    assert (missing["decision"], missing["version"]) == ("allowed", None)
    refused = next(one for one in found if (one["secret_key"], one["decision"]) == ("slack", "denied"))
    assert (refused["flow_id"], refused["version"]) == (f"{ns.name}/slack", None)
    assert operator.metric('audit_failures_total{sink="stdout"}') == 0
    assert 'audit_failures_total{sink="stdout"} 0.0' in operator.get("/metrics")[1]


@pytest.mark.usefixtures("store")
def test_a_file_that_is_written_to_the_end_and_a_disk_that_is_full(
    start_operator: Callable[..., Operator], ns: Namespace, put: Callable[..., int], tmp_path: Path, canary: str
) -> None:
    put("slack", token=canary)
    path = tmp_path / "audit.jsonl"
    running = start_operator("--audit-sink", f"file:{path}", "--audit-sink", "file:/dev/full")
    ns.add("slack", spec(TOKEN, refreshInterval="1h"))
    ns.ready("slack")  # what cannot be written holds up nothing
    until(lambda: running.metric('audit_failures_total{sink="file"}') > 0)
    ns.api.patch(ns.path("slack"), {"metadata": {"annotations": {"secrets.beemflow.io/refresh-requested-at": "now"}}})
    ns.api.wait(ns.path("slack"), lambda found: (found or {})["status"].get("lastHandledRefresh") == "now")
    assert running.stop() == 0
    assert len(of(ns, path.read_text())) == 2
    assert canary not in path.read_text()
    assert of(ns, running.log()) == []


@pytest.mark.usefixtures("store")
def test_required_what_cannot_be_written_down_is_not_read(
    start_operator: Callable[..., Operator], ns: Namespace, put: Callable[..., int], tmp_path: Path, canary: str
) -> None:
    put("slack", token=canary)
    folder = tmp_path / "mounted"
    running = start_operator(
        env={
            "BEEMFLOW_SECRETS_AUDIT_SINK": f"file:{folder}/audit.jsonl stdout",
            "BEEMFLOW_SECRETS_AUDIT_REQUIRED": "true",
        }
    )
    ns.add("slack", spec(TOKEN, refreshInterval="1h"))
    failed = condition(ns.ready("slack", "False", reason="BackendUnavailable"))
    assert failed["message"].startswith(
        "store prod: key slack: the audit, which is required, cannot be written to file: No such file or directory"
    )
    assert ns.data("slack") is None
    ns.store_ready("prod")  # the store itself is well
    assert running.metric('audit_failures_total{sink="file"}') > 0
    folder.mkdir()
    ns.ready("slack")
    assert ns.data("slack") == {"token": canary}
    assert len(of(ns, (folder / "audit.jsonl").read_text())) >= 1


@pytest.mark.usefixtures("store")
def test_a_webhook_that_hangs_holds_up_no_sync_and_not_the_end(
    start_operator: Callable[..., Operator], ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it takes connections, and never answers
        running = start_operator("--audit-sink", f"http://127.0.0.1:{silent.getsockname()[1]}/{canary}")
        for number in range(5):
            ns.add(f"slack-{number}", spec(TOKEN, refreshInterval="1h"))
        for number in range(5):
            ns.ready(f"slack-{number}")
        until(lambda: running.metric('audit_failures_total{sink="webhook"}') >= 5)
        assert running.stop() == 0
    failed = running.events("Audit sink fails")
    assert [(line["sink"], line["error"]) for line in failed] == [("webhook", "no answer within 5 s")]
