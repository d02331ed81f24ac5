"""Why there is no usable answer, in words that are safe to show: exceptions name addresses and headers."""

from __future__ import annotations

import os
import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING

import aiohttp

from beemflow_secrets.providers.errors import SecretsError, Throttled, Unavailable
from beemflow_secrets.providers.pins import WrongKey

if TYPE_CHECKING:
    from beemflow_secrets.providers.wire import Answer

PROXY = "the proxy that the environment names"

# X509_V_ERR_…: of openssl/x509_vfy.h.
_CERTIFICATES = {
    9: "the server's certificate is not valid yet",
    10: "the server's certificate has expired",
    62: "the server's certificate is for another host name",
    64: "the server's certificate is for another address",
}

# Alerts (RFC 8446, 6.2). A server of TLS 1.3 tells only when the handshake is done, instead of an answer.
_CERTIFICATE_REFUSED = ("BAD_CERTIFICATE", "CERTIFICATE_EXPIRED", "CERTIFICATE_UNKNOWN", "UNKNOWN_CA", "ACCESS_DENIED")


def fault_of(error: aiohttp.ClientError, *, proxied: bool) -> str:
    """Say why a request was not answered. Where it goes through a proxy, say what that one has to do with it."""
    match error:
        case aiohttp.ClientHttpProxyError():
            return f"{PROXY} refuses the connection ({error.status})"
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientConnectorDNSError() if proxied:
            return f"{PROXY} cannot be reached: {_unconnected(error)}"
        case aiohttp.ClientOSError():
            fault = _unconnected(error)
        case aiohttp.ClientConnectionError():
            fault = "the server closed the connection without an answer"
        case aiohttp.ClientPayloadError():
            fault = "the server's answer was cut off"
        case _:
            fault = "the server's answer is not HTTP"
    return f"{fault} (through {PROXY})" if proxied else fault


def stranger(answer: Answer, backend: str) -> SecretsError:
    """Return what an answer means that has not the backend's form: an ingress, a firewall, a proxy stands before it."""
    if HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
        return Unavailable(f"the server answers with a redirect ({answer.status}), and redirects are not followed")
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return Throttled("the server asks for fewer requests (429)", retry_after=answer.patience)
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Unavailable(f"the server answers with status {answer.status}")
    return Unavailable(f"the answer ({answer.status}) is not one of {backend}: something stands before it")


def _unconnected(error: aiohttp.ClientOSError) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"TLS handshake failed: {_certificate_fault(error.certificate_error)}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the host's name does not resolve"
    cause: BaseException = error.__cause__ or error
    if isinstance(error, aiohttp.ClientConnectorError):
        cause = error.os_error
        if isinstance(cause, ConnectionResetError | ConnectionAbortedError):
            return "TLS handshake failed: the server broke it off"  # without TLS nothing is reset that early
    if isinstance(cause, ssl.SSLError):
        return f"TLS handshake failed: {_tls_fault(cause)}"
    if isinstance(cause, ConnectionRefusedError):
        return "connection refused"
    # The system's words for it.
    number = getattr(cause, "errno", None)
    return f"the connection failed ({os.strerror(number) if number else type(cause).__name__})"


def _certificate_fault(error: Exception) -> str:
    if isinstance(error, WrongKey):
        return "the server's key is none of tls.pinnedCertificates"
    code = error.verify_code if isinstance(error, ssl.SSLCertVerificationError) else 0
    return _CERTIFICATES.get(code, "the server's certificate is signed by no authority that this store trusts")


def _tls_fault(error: ssl.SSLError) -> str:
    match error.reason:
        case "TLSV1_ALERT_PROTOCOL_VERSION" | "UNSUPPORTED_PROTOCOL":
            return "the server offers no TLS version that is new enough for tls.minVersion"
        case "TLSV13_ALERT_CERTIFICATE_REQUIRED":
            return "the server asks for a certificate: tls.clientCertificate"
        case str(reason) if "ALERT" in reason and reason.endswith(_CERTIFICATE_REFUSED):
            return "the server does not accept the certificate of tls.clientCertificate"
        case "WRONG_VERSION_NUMBER" | "RECORD_LAYER_FAILURE" | "HTTP_REQUEST":
            return "the server does not speak TLS at this address"
        case _:
            return "server and client found no common ground"
