"""The TLS side of a store's configuration, as the ssl module wants it.

Every context that a driver connects with is made here: `resolved` reads what the configuration refers to when the
store is opened, `ssl_context` needs no more than that.
"""

from __future__ import annotations

import functools
import ssl
from typing import TYPE_CHECKING

from beemflow_secrets.model.credentials import PlainCredential
from beemflow_secrets.model.pem import certificates
from beemflow_secrets.providers.clientcert import show
from beemflow_secrets.providers.errors import Invalid
from beemflow_secrets.providers.pins import pin

if TYPE_CHECKING:
    from beemflow_secrets.model.store import Tls
    from beemflow_secrets.providers.surroundings import Surroundings

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


async def resolved(tls: Tls, surroundings: Surroundings) -> Tls:
    """Return `tls` with what it refers to in its place. Raises a SecretsError: Invalid, AuthFailed or Unavailable."""
    found: dict[str, object] = {}
    if (ref := tls.ca_ref) is not None:
        try:
            found = {"ca_ref": None, "ca_bundle": certificates(await surroundings.authorities(ref))}
        except ValueError as error:  # it holds no text of what was read
            raise Invalid(f"tls.caRef: key {ref.key!r} of {ref.kind} {ref.name} {error}") from None
    if (shown := tls.client_certificate) is not None:
        read = {
            name: PlainCredential.of(await surroundings.credential(part))
            for name, part in (("certificate", shown.certificate), ("key", shown.key))
        }
        found["client_certificate"] = shown.model_copy(update=read)
    return tls.model_copy(update=found)


def ssl_context(tls: Tls) -> ssl.SSLContext:
    """Return a context for clients: at least `tls.min_version`, and a certificate for the right name.

    An authority of `tls.ca_bundle` has to have signed it, or one of the system's where there is no bundle. `tls` is
    one that `resolved` has returned. The context may be shared: nobody may change it. Raises Invalid where the client's
    certificate or key is no good.
    """
    if tls.ca_bundle is None and not tls.needs_handshake:
        return _of_the_system(tls.min_version)
    context = _client()
    if tls.ca_bundle is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(cadata=tls.ca_bundle)
        # As in Go, and so in ESO and kubectl: whatever certificate the bundle holds is trusted, an intermediate too.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return secured(context, tls)


def secured(context: ssl.SSLContext, tls: Tls) -> ssl.SSLContext:
    """Return the context, which must be nobody else's and knows whom to trust, with all else that `tls` asks for.

    Raises Invalid as `ssl_context` does.
    """
    context.minimum_version = _VERSIONS[tls.min_version]
    if tls.pinned_certificates is not None:
        pin(context, tls.pinned_certificates)
    if (shown := tls.client_certificate) is not None:
        certificate, key = shown.certificate, shown.key
        assert isinstance(certificate, PlainCredential)  # noqa: S101 - `resolved` has seen to it
        assert isinstance(key, PlainCredential)  # noqa: S101 - as above
        show(context, certificate.text, key.text)
    return context


# Reading the system's authorities takes 25 ms, in which the loop stands still: once a process will do, as in Go.
@functools.cache
def _of_the_system(oldest: str) -> ssl.SSLContext:
    context = _client()
    context.minimum_version = _VERSIONS[oldest]
    context.load_default_certs()
    return context


def _client() -> ssl.SSLContext:
    # Not create_default_context: that one writes session keys to the file that SSLKEYLOGFILE names.
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
