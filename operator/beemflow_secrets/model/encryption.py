"""What must hold between a driver's block and `tls`, of a store and of each link of a chain.

A link without a `tls` has the store's, so that no rule of its own could tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic.alias_generators import to_camel

from beemflow_secrets.model.address import LOOPBACK, is_plaintext
from beemflow_secrets.model.cel import Rule, quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from beemflow_secrets.model.tls import Tls


@dataclass(frozen=True, slots=True)
class _Tie:
    """Where `applies` says so of a backend, `demands` must hold of its tls. `cel_…` write it for a subject in CEL."""

    cel_applies: Callable[[str], str]
    applies: Callable[[Any], bool]  # a store or link, whose modules import this one
    cel_demands: Callable[[str], str]
    demands: Callable[[Tls], bool]
    message: str

    def rules(self, *path: str) -> tuple[Rule[Any], Rule[Any]]:
        """Return the rules of a store, for itself and for its links. `path` leads to the field of the store."""
        in_link = f"(has(link.tls) ? {self.cel_demands('link')} : {self.cel_demands('self')})"
        return (
            Rule(
                f"!({self.cel_applies('self')}) || {self.cel_demands('self')}",
                lambda store: not self.applies(store) or self.demands(store.tls),
                self.message,
                path=path,
            ),
            Rule(
                f"!has(self.multi) || self.multi.providers.all(link, !({self.cel_applies('link')}) || {in_link})",
                lambda store: all(
                    not self.applies(link) or self.demands(link.tls or store.tls)
                    for link in (store.multi.providers if store.multi else ())
                ),
                self.message,
                path=("multi", "providers"),
            ),
        )


def encryption(block: str, name: str, *, secrets: bool = True) -> tuple[Rule[Any], ...]:
    """Demand https:// but on loopback or where plaintext is allowed, and for what holds in a TLS handshake alone.

    `name` is an address in `block`. `secrets` says whether it is that of the server which has the secrets: pins and the
    client's certificate are for no other.
    """
    field = to_camel(name)

    def address(backend: Any) -> str:  # noqa: ANN401 - as in _Tie
        return getattr(getattr(backend, block), name, None) or ""

    def http(subject: str) -> str:
        found = f"{subject}.{block}.{field}"
        return f"has({subject}.{block}) && has({found}) && {found}.startsWith('http://')"

    unencrypted = _Tie(
        lambda subject: f"{http(subject)} && !{subject}.{block}.{field}.matches({quoted(LOOPBACK)})",
        lambda backend: is_plaintext(address(backend)),
        lambda subject: f"(has({subject}.tls) && has({subject}.tls.allowPlaintext) && {subject}.tls.allowPlaintext)",
        lambda tls: tls.allow_plaintext,
        "http:// sends credentials and values unencrypted: use https://, or set tls.allowPlaintext",
    )
    without_handshake = _Tie(
        http,
        lambda backend: address(backend).startswith("http://"),
        lambda subject: (
            f"!(has({subject}.tls) && (has({subject}.tls.pinnedCertificates) || has({subject}.tls.clientCertificate)))"
        ),
        lambda tls: not tls.needs_handshake,
        "pinnedCertificates and clientCertificate need an https:// address",
    )
    return (*unencrypted.rules(block, field), *(without_handshake.rules("tls") if secrets else ()))


def certificate_login() -> tuple[Rule[Any], ...]:
    """Demand a certificate where Vault's login is by one."""
    tie = _Tie(
        lambda subject: (
            f"has({subject}.vault) && has({subject}.vault.authMethod) && {subject}.vault.authMethod == 'cert'"
        ),
        lambda backend: backend.vault is not None and backend.vault.auth_method == "cert",
        lambda subject: f"(has({subject}.tls) && has({subject}.tls.clientCertificate))",
        lambda tls: tls.client_certificate is not None,
        "vault.authMethod cert needs tls.clientCertificate",
    )
    return tie.rules("tls")
