"""The TLS side of a store's configuration, as the ssl module wants it."""

from __future__ import annotations

import functools
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from beemflow_secrets.model.store import Tls

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def ssl_context(tls: Tls) -> ssl.SSLContext:
    """Return a context for clients: at least `tls.min_version`, and a certificate for the right name.

    An authority of `tls.ca_bundle` has to have signed it, or one of the system's where there is no bundle. The
    context may be shared: nobody may change it.
    """
    oldest = _VERSIONS[tls.min_version]
    if tls.ca_bundle is None:
        return _of_the_system(oldest)
    context = _client(oldest)
    context.load_verify_locations(cadata=tls.ca_bundle)
    # As in Go, and so in ESO and kubectl: whatever certificate the bundle holds is trusted, an intermediate too.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def with_floor(context: ssl.SSLContext | None, tls: Tls) -> ssl.SSLContext | None:
    """Return the context, which must be nobody else's, with `tls.min_version` as its oldest version."""
    if context is not None:
        context.minimum_version = _VERSIONS[tls.min_version]
    return context


# Reading the system's authorities takes 25 ms, in which the loop stands still: once a process will do, as in Go.
@functools.cache
def _of_the_system(oldest: ssl.TLSVersion) -> ssl.SSLContext:
    context = _client(oldest)
    context.load_default_certs()
    return context


def _client(oldest: ssl.TLSVersion) -> ssl.SSLContext:
    # Not create_default_context: that one writes session keys to the file that SSLKEYLOGFILE names.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = oldest
    return context
