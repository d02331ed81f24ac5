"""ESO's provider kubernetes: the driver of the same name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from beemflow_secrets.migrate.fields import compact
from beemflow_secrets.migrate.stores.references import (
    Scope,
    authorities,
    credential,
    merged,
    plaintext,
    service_account,
)

if TYPE_CHECKING:
    from beemflow_secrets.migrate.fields import Fields

_THIS_CLUSTER = re.compile(r"(https://)?kubernetes\.default(\.svc(\.cluster\.local)?)?(:443)?/?")
_OWN_AUTHORITY = "is not read: whom to trust in this cluster is known"
_CLUSTERS_CA = ("kube-root-ca.crt", "ca.crt")
"""Name and key of the ConfigMap that every namespace has."""


def spec(provider: Fields, scope: Scope) -> dict[str, object]:
    """Return the spec of a store."""
    server = provider.part("server")
    url = server.text("url")
    if url is None or _THIS_CLUSTER.fullmatch(url):
        url, tls = None, {}
        _own_authority(server)
    else:
        url = url if "://" in url else f"https://{url}"
        tls = authorities(server, scope)
    auth = provider.part("auth")
    token = credential(auth.part("token"), "bearerToken", scope, "token") if "token" in auth else None
    tls = merged(tls, plaintext(url), _certificate(auth, scope))
    return compact(
        driver="kubernetes",
        kubernetes=compact(
            namespace=provider.text("remoteNamespace"),
            server=url,
            token=token,
            serviceAccountRef=service_account(auth, "serviceAccount", scope),
        ),
        tls=tls,
    )


def _own_authority(server: Fields) -> None:
    if "caBundle" in server:
        server.lose("caBundle", _OWN_AUTHORITY)
    if "caProvider" not in server:
        return
    part = server.part("caProvider")
    named = (part.take("name"), part.take("key"))
    for name in part.names:
        part.take(name)
    if named != _CLUSTERS_CA:
        server.lose("caProvider", _OWN_AUTHORITY)


def _certificate(auth: Fields, scope: Scope) -> dict[str, object]:
    if "cert" not in auth:
        return {}
    part = auth.part("cert")
    certificate, key = credential(part, "clientCert", scope), credential(part, "clientKey", scope)
    return {"clientCertificate": compact(certificate=certificate, key=key)}
