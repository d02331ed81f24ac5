"""ESO's provider gcpsm: the driver gcp-sm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.migrate.fields import compact
from beemflow_secrets.migrate.stores.references import Scope, credential, service_account

if TYPE_CHECKING:
    from beemflow_secrets.migrate.fields import Fields

_IMPERSONATES = (
    "logs in as the ServiceAccount itself here: its annotation iam.gke.io/gcp-service-account is not followed, so "
    "grant the ServiceAccount the right to read"
)
_NO_CLUSTER = (
    "needs workloadIdentity.audience here, which ESO asks the metadata server for: give clusterProjectID, "
    "clusterLocation and clusterName"
)


def spec(provider: Fields, scope: Scope) -> dict[str, object]:
    """Return the spec of a store."""
    auth = provider.part("auth")
    key = credential(auth.part("secretRef"), "secretAccessKeySecretRef", scope) if "secretRef" in auth else None
    provider.default("secretVersionSelectionPolicy", "LatestOrFail")
    provider.default("getLatestEnabledSecret", False)
    project = provider.text("projectID")
    identity: dict[str, object] | None = None
    if "workloadIdentity" in auth:
        identity = _of_gke(auth, project, scope)
    elif "workloadIdentityFederation" in auth:
        part = auth.part("workloadIdentityFederation")
        account = service_account(part, "serviceAccountRef", scope)
        identity = compact(serviceAccountRef=account, audience=part.text("audience"))
    return compact(
        driver="gcp-sm",
        gcp=compact(
            projectId=project,
            location=provider.text("location"),
            serviceAccountKey=key,
            workloadIdentity=identity,
        ),
    )


def _of_gke(auth: Fields, project: str | None, scope: Scope) -> dict[str, object]:
    """Return the identity of a cluster of Google's: its pool and provider are named after the cluster."""
    part = auth.part("workloadIdentity")
    account = service_account(part, "serviceAccountRef", scope) or {}
    owner = part.text("clusterProjectID") or project
    location, name = part.text("clusterLocation"), part.text("clusterName")
    if owner is None or location is None or name is None:
        auth.lose("workloadIdentity", _NO_CLUSTER)
        return {"serviceAccountRef": account}
    auth.lose("workloadIdentity", _IMPERSONATES)
    pool = f"{owner}.svc.id.goog"
    cluster = f"https://container.googleapis.com/v1/projects/{owner}/locations/{location}/clusters/{name}"
    account = {**account, "audiences": [pool]}
    return {"serviceAccountRef": account, "audience": f"identitynamespace:{pool}:{cluster}"}
