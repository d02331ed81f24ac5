"""SecretStore and ClusterSecretStore: BeemFlowSecretStore and BeemFlowClusterSecretStore."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.migrate.fields import compact
from beemflow_secrets.migrate.selections import selected
from beemflow_secrets.migrate.stores import aws, azure, gcp, kubernetes, onepassword, vault

if TYPE_CHECKING:
    from collections.abc import Callable

    from beemflow_secrets.migrate.fields import Fields
    from beemflow_secrets.migrate.stores.references import Scope

_DRIVERS: dict[str, Callable[[Fields, Scope], dict[str, object]]] = {
    "aws": aws.spec,
    "azurekv": azure.spec,
    "gcpsm": gcp.spec,
    "kubernetes": kubernetes.spec,
    "onepassword": onepassword.spec,
    "vault": vault.spec,
}
MOST_ATTEMPTS = 20


def spec(written: Fields, scope: Scope) -> dict[str, object]:
    """Return the spec of a store; an empty one where there is no driver for its backend."""
    written.default("controller", "", why="has no counterpart here: one operator serves all stores")
    provider = written.part("provider")
    driver = next((name for name in provider.names if name in _DRIVERS), None)
    if driver is None:
        for name in provider.names:
            provider.lose(name, "has no driver here")
        return {}
    made = _DRIVERS[driver](provider.part(driver), scope)
    return made and made | compact(
        retry=_retry(written.part("retrySettings")),
        healthCheck=_health_check(written),
        namespaces=_namespaces(written, scope),
    )


def _retry(written: Fields) -> dict[str, object]:
    most, pause = written.number("maxRetries"), written.text("retryInterval")
    attempts = None if most is None else max(0, most) + 1
    if attempts is not None and attempts > MOST_ATTEMPTS:
        written.lose("maxRetries", f"is more than there is here: {MOST_ATTEMPTS} attempts")
        attempts = MOST_ATTEMPTS
    return compact(attempts=attempts, baseDelay=pause, maxDelay=pause)


def _health_check(written: Fields) -> dict[str, object]:
    interval = written.take("refreshInterval")
    if isinstance(interval, int) and interval > 0:
        return {"interval": f"{interval}s"}
    return compact(interval=interval if interval not in (0, "0", "0s") else None)


def _namespaces(written: Fields, scope: Scope) -> dict[str, object]:
    if not scope.cluster:
        if "conditions" in written:
            written.lose("conditions", "are not read: a namespaced store serves its own namespace")
        return {}
    return selected(written.parts("conditions"))
