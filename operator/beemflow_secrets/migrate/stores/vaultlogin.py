"""How ESO's provider vault logs in. Each method returns fields of the block `vault`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.migrate.fields import compact
from beemflow_secrets.migrate.stores.aws import keys
from beemflow_secrets.migrate.stores.references import Scope, credential, service_account

if TYPE_CHECKING:
    from collections.abc import Callable

    from beemflow_secrets.migrate.fields import Fields

    Found = dict[str, object]

_ANY_CERTIFICATE = (
    "is asked for as vault.role here, default beemflow: ESO leaves it to the server which certificate fits. Write the "
    "certificate's name"
)

DEFAULT_AUDIENCE = "vault"


def login(auth: Fields, scope: Scope) -> tuple[Found, Found]:
    """Return the fields of a login, and those of `tls` that it needs."""
    if "tokenSecretRef" in auth:
        return compact(token=credential(auth, "tokenSecretRef", scope)), {}
    for name, method in _METHODS.items():
        if name in auth:
            return method(auth.part(name), scope), {}
    if "cert" in auth:
        return _cert(auth, scope)
    return {}, {}


def _approle(part: Fields, scope: Scope) -> Found:
    return compact(
        authMethod="approle",
        mountPath=part.text("path"),
        roleId=part.text("roleId"),
        roleIdRef=credential(part, "roleRef", scope),
        secretId=credential(part, "secretRef", scope),
    )


def _kubernetes(part: Fields, scope: Scope) -> Found:
    mount, role = part.text("mountPath"), part.text("role")
    account, jwt = service_account(part, "serviceAccountRef", scope), credential(part, "secretRef", scope, "token")
    if account is None and jwt is not None:
        # Both methods are sent a role and a JWT: jwt is the one that takes it from a Secret.
        return compact(authMethod="jwt", mountPath=mount or "kubernetes", role=role, jwt=jwt)
    if jwt is not None:
        part.lose("secretRef", "is not read beside serviceAccountRef")
    return compact(authMethod="kubernetes", mountPath=mount, role=role, serviceAccountRef=account)


def _jwt(part: Fields, scope: Scope) -> Found:
    account = None
    if "kubernetesServiceAccountToken" in part:
        asked = part.part("kubernetesServiceAccountToken")
        account = service_account(asked, "serviceAccountRef", scope) or {}
        # Both lists are asked for, and vault where the second is left out.
        audiences = [*_audiences(account), *(asked.items("audiences") or [DEFAULT_AUDIENCE])]
        account |= {"audiences": list(dict.fromkeys(audiences))}
        asked.default("expirationSeconds", 600, why="is ten minutes here")
    return compact(
        authMethod="jwt",
        mountPath=part.text("path"),
        role=part.text("role"),
        jwt=credential(part, "secretRef", scope),
        serviceAccountRef=account,
    )


def _audiences(account: Found) -> list[object]:
    match account.get("audiences"):
        case [*audiences]:
            return audiences
    return []


def _userpass(part: Fields, scope: Scope) -> Found:
    return compact(
        authMethod="userpass",
        mountPath=part.text("path"),
        username=part.text("username"),
        password=credential(part, "secretRef", scope),
    )


def _ldap(part: Fields, scope: Scope) -> Found:
    # The server is asked the same under auth/ldap/login as under auth/userpass/login.
    return {"mountPath": "ldap", **_userpass(part, scope)}


def _iam(part: Fields, scope: Scope) -> Found:
    account = service_account(part.part("jwt"), "serviceAccountRef", scope) if "jwt" in part else None
    role = part.text("role")
    if account is not None and role is None:
        part.lose("jwt.serviceAccountRef", "needs awsLogin.roleArn here, which ESO takes from its annotation: write it")
    part.default("externalID")
    asked = compact(
        region=part.text("region"),
        serverId=part.text("vaultAwsIamServerID"),
        roleArn=role,
        serviceAccountRef=account,
    ) | keys(part, scope)
    return compact(authMethod="aws", mountPath=part.text("path"), role=part.text("vaultRole"), awsLogin=asked)


def _cert(auth: Fields, scope: Scope) -> tuple[Found, Found]:
    part = auth.part("cert")
    role = part.text("vaultRole")
    if role is None:
        part.lose("vaultRole", _ANY_CERTIFICATE)
    certificate = credential(part, "clientCert", scope, "tls.crt")
    shown = compact(certificate=certificate, key=credential(part, "secretRef", scope, "tls.key"))
    return compact(authMethod="cert", mountPath=part.text("path"), role=role), {"clientCertificate": shown}


_METHODS: dict[str, Callable[[Fields, Scope], Found]] = {
    "appRole": _approle,
    "kubernetes": _kubernetes,
    "jwt": _jwt,
    "userPass": _userpass,
    "ldap": _ldap,
    "iam": _iam,
}
