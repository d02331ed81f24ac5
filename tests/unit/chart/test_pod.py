"""What reaches the pod: a cloud's identity, proxies, volumes; and that all that selects pods selects these."""

from __future__ import annotations

import pytest

from tests.support.chart import EVERYTHING, IDENTITIES, Object, Values, made, of_kind

SELECTING = {
    "Deployment": ("selector", "matchLabels"),
    "PodDisruptionBudget": ("selector", "matchLabels"),
    "NetworkPolicy": ("podSelector", "matchLabels"),
    "Service": ("selector",),
}


def pod(values: Values) -> Object:
    """Return the Deployment's template of a pod."""
    (deployment,) = of_kind(made(values), "Deployment")
    found: Object = deployment["spec"]["template"]
    return found


@pytest.mark.parametrize("values", IDENTITIES.values(), ids=list(IDENTITIES))
def test_an_identity_of_a_cloud_is_the_service_accounts_that_the_pod_runs_as(values: Values) -> None:
    (account,) = of_kind(made(values), "ServiceAccount")
    assert account["metadata"]["annotations"] == values["serviceAccount"]["annotations"]
    found = pod(values)
    assert found["spec"]["serviceAccountName"] == account["metadata"]["name"]
    assert found["metadata"]["labels"].items() >= values.get("podLabels", {}).items()


def test_proxies_and_volumes_are_the_operators() -> None:
    spec = pod(EVERYTHING)["spec"]
    (container,) = spec["containers"]
    assert {"name": "HTTPS_PROXY", "value": "http://proxy.example.com:3128"} in container["env"]
    assert spec["volumes"] == EVERYTHING["extraVolumes"]
    assert container["volumeMounts"] == EVERYTHING["extraVolumeMounts"]


def test_what_selects_pods_selects_these_and_no_other_releases() -> None:
    labels = pod(EVERYTHING)["metadata"]["labels"]
    (other,) = of_kind(made(EVERYTHING, name="other"), "Deployment")
    for kind, path in SELECTING.items():
        (one,) = of_kind(made(EVERYTHING), kind)
        selected = one["spec"]
        for part in path:
            selected = selected[part]
        assert selected.items() <= labels.items(), kind
        assert not selected.items() <= other["spec"]["template"]["metadata"]["labels"].items(), kind


def test_a_scrape_finds_the_service_and_keeps_the_namespaces_of_series() -> None:
    found = made(EVERYTHING)
    (monitor,), (service,) = of_kind(found, "ServiceMonitor"), of_kind(found, "Service")
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": [service["metadata"]["namespace"]]}
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert (endpoint["path"], endpoint["honorLabels"]) == ("/metrics", True)


@pytest.mark.parametrize(
    ("asked", "stands"),
    [
        ({}, {"minAvailable": 1}),
        ({"minAvailable": "30%"}, {"minAvailable": "30%"}),
        ({"maxUnavailable": 0}, {"maxUnavailable": 0}),
    ],
)
def test_a_disruption_budget_says_one_of_two(asked: Values, stands: Values) -> None:
    (budget,) = of_kind(made({"podDisruptionBudget": {"enabled": True, **asked}}), "PodDisruptionBudget")
    del budget["spec"]["selector"]
    assert budget["spec"] == stands
