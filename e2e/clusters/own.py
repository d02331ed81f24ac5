"""What clusters that are started here share: who may call their API server, and that they end with the test run."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any, Self

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from beemflow_secrets.testing.certs import CertificateAuthority
from e2e.clusters.build import binaries
from e2e.clusters.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_NAME = "beemflow-secrets"

# Who asked for what, without bodies, so that tests can count requests and see with which rights they were made.
_AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
        {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
        {"level": "None"},
    ],
}


class OwnCluster(Cluster):
    """A cluster of the programs that build.py makes. Callers have bearer tokens, only the API server a certificate.

    `ca` is the path of a PEM file; `tokens` holds each caller's.
    """

    def __init__(self, state: Path) -> None:
        super().__init__(state, binaries() / "kubectl")
        self.ca = state / "ca.crt"
        self.tokens: dict[str, str] = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def admin_token(self) -> str:
        """The token of who may do everything; empty before the start."""
        return self.tokens.get("admin", "")

    def write_credentials(self, hosts: Sequence[str], callers: dict[str, str]) -> None:
        """Write what the API server knows: its certificate and signing key, the callers' groups, what to record."""
        # An authority of its own: a certificate that signed itself is refused by Python 3.13 and by the manager.
        authority = CertificateAuthority(_NAME)
        server = authority.issue((*hosts, "localhost", "kubernetes.default.svc"))
        # The API server takes an EC key in this old form only.
        signer = ec.generate_private_key(ec.SECP256R1())
        signing_key = signer.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
        self.tokens = {caller: secrets.token_urlsafe() for caller in callers}
        self.ca.write_text(authority.pem)
        self.write_private("apiserver.crt", server.certificate)
        self.write_private("apiserver.key", server.key)
        self.write_private("service-accounts.key", signing_key)
        rows = [f'{self.tokens[caller]},{caller},{caller},"{groups}"\n' for caller, groups in callers.items()]
        self.write_private("tokens.csv", "".join(rows))
        self.write_private("audit.json", json.dumps(_AUDIT))

    def write_kubeconfig(self, name: str, server: str, caller: str) -> Path:
        """Write a kubeconfig for one of the callers."""
        cluster = {"server": server, "certificate-authority": str(self.ca.absolute())}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": _NAME, "cluster": cluster}],
            "users": [{"name": caller, "user": {"token": self.tokens[caller]}}],
            "contexts": [{"name": _NAME, "context": {"cluster": _NAME, "user": caller}}],
            "current-context": _NAME,
        }
        return self.write_private(name, json.dumps(config))

    def requests(self, user: str) -> list[dict[str, Any]]:
        """Return the API server's audit record of what a ServiceAccount asked, `namespace:name`, in order.

        A request is on record when it is answered, a watch when it begins and when it ends.
        """
        events = map(json.loads, (self.state / "audit.log").read_text().splitlines())
        return [event for event in events if event["user"]["username"] == f"system:serviceaccount:{user}"]
