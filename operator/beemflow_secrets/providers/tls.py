"""The TLS side of a store's configuration, as the ssl module wants it."""

from __future__ import annotations

import functools
import ssl
from typing import TYPE_CHECKING

from beemflow_secrets.providers.pins import pin

if TYPE_CHECKING:
    from beemflow_secrets.model.store import Tls

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def ssl_context(tls: Tls) -> ssl.SSLContext:
    """Return a context for clients: at least `tls.min_version`, and a certificate for the right name.

    An authority of `tls.ca_bundle` has to have signed it, or one of the system's where there is no bundle. The
    context may be shared: nobody may change it.
    """
    if tls.ca_bundle is None and tls.pinned_certificates is None:
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
    """Return the context, which must be nobody else's and knows whom to trust, with all else that `tls` asks for."""
    context.minimum_version = _VERSIONS[tls.min_version]
    if tls.pinned_certificates is not None:
        pin(context, tls.pinned_certificates)
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
