"""What must hold between the address in a driver's block and `tls`, of a store and of each link of a chain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic.alias_generators import to_camel

from beemflow_secrets.model.address import LOOPBACK, is_plaintext
from beemflow_secrets.model.cel import Rule, quoted

if TYPE_CHECKING:
    from beemflow_secrets.model.tls import Tls

_ALLOWED = "has({0}.tls) && has({0}.tls.allowPlaintext) && {0}.tls.allowPlaintext"
_HANDSHAKE = "has({0}.tls) && (has({0}.tls.pinnedCertificates) || has({0}.tls.clientCertificate))"


def encryption(block: str, name: str, *, secrets: bool = True) -> tuple[Rule[Any], ...]:
    """Demand https:// but on loopback or where plaintext is allowed, and for what holds in a TLS handshake alone.

    `name` is an address in `block`; `secrets` says whether it is that of the server which has the secrets: pins and the
    client's certificate are for no other.
    """
    field = to_camel(name)

    def plain(address: str, tls: Tls) -> bool:
        return is_plaintext(address) and not tls.allow_plaintext

    def lost(address: str, tls: Tls) -> bool:
        return address.startswith("http://") and tls.needs_handshake

    def in_store(store: Any, fault: Any) -> bool:  # noqa: ANN401 - a store, whose module imports this one
        address = getattr(getattr(store, block), name, None)
        return address is not None and fault(address, store.tls)

    def in_link(store: Any, fault: Any) -> bool:  # noqa: ANN401 - as above
        return any(
            fault(address, link.tls or store.tls)
            for link in (store.multi.providers if store.multi else ())
            if (address := getattr(getattr(link, block), name, None)) is not None
        )

    def http(subject: str) -> str:
        address = f"{subject}.{block}.{field}"
        return f"has({subject}.{block}) && has({address}) && {address}.startsWith('http://')"

    def links(holds: str) -> str:
        return f"!has(self.multi) || self.multi.providers.all(link, !({http('link')}) || {holds})"

    def of_link(tls: str) -> str:
        return f"(has(link.tls) ? {tls.format('link')} : {tls.format('self')})"

    def loopback(subject: str) -> str:
        return f"{subject}.{block}.{field}.matches({quoted(LOOPBACK)})"

    unencrypted = "http:// sends credentials and values unencrypted: use https://, or set tls.allowPlaintext"
    no_handshake = "pinnedCertificates and clientCertificate need an https:// address"
    in_links = ("multi", "providers")
    plaintext: tuple[Rule[Any], ...] = (
        Rule(
            f"!({http('self')}) || ({_ALLOWED.format('self')}) || {loopback('self')}",
            lambda store: not in_store(store, plain),
            unencrypted,
            path=(block, field),
        ),
        Rule(
            links(f"{of_link(_ALLOWED)} || {loopback('link')}"),
            lambda store: not in_link(store, plain),
            unencrypted,
            path=in_links,
        ),
    )
    handshake: tuple[Rule[Any], ...] = (
        Rule(
            f"!({http('self')}) || !({_HANDSHAKE.format('self')})",
            lambda store: not in_store(store, lost),
            no_handshake,
            path=("tls",),
        ),
        Rule(links(f"!{of_link(_HANDSHAKE)}"), lambda store: not in_link(store, lost), no_handshake, path=in_links),
    )
    return (*plaintext, *handshake) if secrets else plaintext
