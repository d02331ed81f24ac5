"""ESO's provider vault: the driver of the same name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.migrate.fields import compact
from beemflow_secrets.migrate.stores.references import Scope, authorities, credential, merged, plaintext
from beemflow_secrets.migrate.stores.vaultlogin import login

if TYPE_CHECKING:
    from beemflow_secrets.migrate.fields import Fields

_NO_PATH = (
    "must be named here, and keys stand below it: without it ESO takes the mount from each key. Write the mount in "
    "place of REPLACE-ME, and take it off the keys"
)
_VERSIONS: dict[object, int] = {None: 2, "v1": 1, "v2": 2}


def spec(provider: Fields, scope: Scope) -> dict[str, object]:
    """Return the spec of a store."""
    address, path = provider.must("server"), provider.text("path")
    version = _VERSIONS.get(provider.text("version"))
    if path is None:
        provider.lose("path", _NO_PATH)
    namespace = provider.text("namespace")
    if version is None:
        provider.lose("version", "must be v1 or v2")
    for name in ("readYourWrites", "forwardInconsistent"):
        provider.default(name, False)
    auth = provider.part("auth")
    auth.default(
        "namespace", namespace, why="is that of the store here: the login and the secrets share vault.namespace"
    )
    shown: dict[str, object] = {}
    if "tls" in provider:
        part = provider.part("tls")
        certificate = credential(part, "certSecretRef", scope, "tls.crt")
        key = credential(part, "keySecretRef", scope, "tls.key")
        shown = compact(clientCertificate=compact(certificate=certificate, key=key))
    method, certificates = login(auth, scope)
    if shown and certificates:
        provider.lose("tls", "is not shown: a connection shows one certificate, and auth.cert names it")
    return compact(
        driver="vault",
        vault=compact(address=address, path=(path or "REPLACE-ME").strip("/"), kvVersion=version, namespace=namespace)
        | method,
        tls=merged(authorities(provider, scope), plaintext(address), shown, certificates),
    )
