"""cli/diagnosis.py: what there is to say of one resource, and when it is read next."""

from __future__ import annotations

from typing import Any

import pytest

from beemflow_secrets.cli.diagnosis import diagnose

NOW = 1_800_000_000.0
CAUSE = "store prod: key slack: connection refused"


def resource(*conditions: tuple[str, str, str, str], **spec: Any) -> dict[str, Any]:
    data = [{"secretKey": "token", "remoteRef": {"key": "slack"}}]
    said = [dict(zip(("type", "status", "reason", "message"), condition, strict=True)) for condition in conditions]
    return {
        "metadata": {"namespace": "ns", "name": "slack", "uid": "u", "generation": 1},
        "spec": {"secretStoreRef": {"name": "prod"}, "data": data, **spec},
        "status": {"observedGeneration": 1, "conditions": said},
    }


def told(*conditions: tuple[str, str, str, str], **spec: Any) -> dict[str, str]:
    return dict(diagnose(resource(*conditions, **spec), None, NOW))


SYNCED = ("Ready", "True", "Synced", "1 key synced")


def test_one_that_nobody_has_looked_at() -> None:
    found = resource()
    found["status"] = {"observedGeneration": -1}
    assert dict(diagnose(found, None, NOW))["message"] == "no operator has looked at it yet"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"refreshInterval": "1h"}, "2027-01-15T"),
        ({"refreshInterval": 0}, "when the spec changes"),
        ({"refreshPolicy": "OnChange"}, "when the spec changes"),
        ({"refreshPolicy": "CreatedOnce"}, "when the Secret does not stand any more"),
    ],
)
def test_when_it_is_read_next(spec: dict[str, Any], said: str) -> None:
    assert told(SYNCED, **spec)["next"].startswith(said)


def test_a_stale_one_says_why_though_it_is_ready() -> None:
    found = told(SYNCED, ("Stale", "True", "BackendUnavailable", CAUSE))
    assert found["stale"] == f"BackendUnavailable: {CAUSE}"
    assert found["next"].startswith("within a minute")
    assert found["run next"] == "kubectl describe bfss -n ns prod"


def test_one_beyond_the_limit_leads_to_the_cause() -> None:
    beyond = ("Ready", "False", "StaleBeyondLimit", "…")
    found = told(beyond, ("Stale", "True", "AuthenticationFailed", CAUSE))
    assert found["run next"] == "kubectl describe bfss -n ns prod"


def test_an_expiry_that_is_near_is_told() -> None:
    assert told(SYNCED, ("Expiring", "True", "ExpiresSoon", "token expires at …"))["expiring"] == "token expires at …"
    assert "expiring" not in told(SYNCED, ("Expiring", "False", "ExpiresLater", "…"))


@pytest.mark.parametrize("status", ["True", "False", "Unknown"])
def test_a_suspended_one_is_not_read(status: str) -> None:
    assert told(("Ready", status, "Suspended", "…"))["next"] == "never, while it is suspended"


def test_a_restart_that_is_owed_is_told_with_its_cause() -> None:
    found = resource(SYNCED)
    why = "Deployment slack does not exist in namespace ns"
    found["status"]["restarts"] = [{"kind": "Deployment", "name": "slack", "restartedFor": "a", "message": why}]
    assert dict(diagnose(found, None, NOW))["restart"] == why
