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

    It is signed by an authority of `tls.ca_bundle`, which stands in place of the system's. Contexts are shared where
    the configuration is equal, so nobody may change one.
    """
    return _context(_VERSIONS[tls.min_version], tls.ca_bundle)


# Reading the system's authorities takes 25 ms, in which the loop stands still, and a megabyte: once a process will do.
@functools.lru_cache(maxsize=128)
def _context(oldest: ssl.TLSVersion, authorities: str | None) -> ssl.SSLContext:
    # Not create_default_context: that one writes session keys to the file that SSLKEYLOGFILE names.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = oldest
    if authorities is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(cadata=authorities)
        # As in Go, and so in ESO and kubectl: whatever certificate the bundle holds is trusted, an intermediate too.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
