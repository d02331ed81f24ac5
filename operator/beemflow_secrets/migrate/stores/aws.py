"""ESO's provider aws, as far as it is Secrets Manager: the driver aws-sm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.migrate.fields import compact
from beemflow_secrets.migrate.stores.references import Scope, credential, service_account

if TYPE_CHECKING:
    from beemflow_secrets.migrate.fields import Fields

UNKNOWN_ROLE = "arn:aws:iam::000000000000:role/REPLACE-ME"

_NO_ROLE = (
    "needs aws.roleArn here, which ESO takes from the ServiceAccount's annotation eks.amazonaws.com/role-arn: "
    f"write that role in place of {UNKNOWN_ROLE}"
)
_OTHER_ROLE = (
    "is assumed by the ServiceAccount itself here, not by the role of its annotation eks.amazonaws.com/role-arn: "
    "the role's trust policy must allow that"
)
_PUSHES = "has no counterpart here: secrets are deleted with the recovery window of the service"


def spec(provider: Fields, scope: Scope) -> dict[str, object]:
    """Return the spec of a store."""
    if provider.default("service", "SecretsManager", why="has no driver here, which has SecretsManager alone"):
        return {}
    role = provider.text("role")
    auth = provider.part("auth")
    login = keys(auth, scope)
    if "jwt" in auth and (account := service_account(auth.part("jwt"), "serviceAccountRef", scope)) is not None:
        if role is None:
            auth.lose("jwt.serviceAccountRef", _NO_ROLE)
        else:
            provider.lose("role", _OTHER_ROLE)
        role = role or UNKNOWN_ROLE
        login = {"serviceAccountRef": account}
    external = provider.text("externalID")
    if external is not None and (role is None or "serviceAccountRef" in login):
        provider.lose("externalID", "is not sent: it belongs to a role that is assumed without serviceAccountRef")
        external = None
    provider.default("sessionTagsPolicy", "None")
    if "secretsManager" in provider:
        provider.lose("secretsManager", _PUSHES)
    return compact(
        driver="aws-sm",
        region=provider.must("region"),
        prefix=provider.text("prefix"),
        aws=login | compact(roleArn=role, externalId=external),
    )


def keys(auth: Fields, scope: Scope) -> dict[str, object]:
    """Return the access key by which somebody logs in to AWS, nothing where there is none."""
    if "secretRef" not in auth:
        return {}
    part = auth.part("secretRef")
    return compact(
        accessKeyId=credential(part, "accessKeyIDSecretRef", scope),
        secretAccessKey=credential(part, "secretAccessKeySecretRef", scope),
        sessionToken=credential(part, "sessionTokenSecretRef", scope),
    )
