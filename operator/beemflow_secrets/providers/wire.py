"""The connections of a driver to one server, over aiohttp.

A request is one attempt without a deadline of its own: whoever calls cancels. Redirects are not followed, answers
are bounded, and of the process's environment only the proxies take part: no netrc, no cookies.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from beemflow_secrets.providers.errors import Unavailable
from beemflow_secrets.providers.pins import WrongKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.abc import ResolveResult

    from beemflow_secrets.providers.endpoints import Endpoints

LARGEST = 8 * 1024 * 1024
"""Bytes of the largest answer that is taken."""

WHOLE = re.compile("[0-9]{1,9}")
"""A number of seconds, up to 31 years."""

_CONNECTIONS = 32

# X509_V_ERR_…: of openssl/x509_vfy.h.
_CERTIFICATES = {
    9: "the server's certificate is not valid yet",
    10: "the server's certificate has expired",
    62: "the server's certificate is for another host name",
    64: "the server's certificate is for another address",
}

# Alerts (RFC 8446, 6.2). A server of TLS 1.3 tells only when the handshake is done, instead of an answer.
_CERTIFICATE_REFUSED = ("BAD_CERTIFICATE", "CERTIFICATE_EXPIRED", "CERTIFICATE_UNKNOWN", "UNKNOWN_CA", "ACCESS_DENIED")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server answered, whatever its status. Never prints its body. `retry_after` is the header."""

    status: int
    body: bytes = field(repr=False)
    retry_after: str | None = None

    @property
    def patience(self) -> float | None:
        """The seconds that Retry-After asks for, None where it does not. It may be a date (RFC 9110, 10.2.3)."""
        if self.retry_after is None:
            return None
        if WHOLE.fullmatch(self.retry_after):
            return float(self.retry_after)
        try:
            then = parsedate_to_datetime(self.retry_after).astimezone(UTC)
        except (ValueError, OverflowError):
            return None
        return max(0.0, (then - datetime.now(UTC)).total_seconds())


class Wire:
    """A pool of connections to `address`, which may have a path. It is opened by the first request.

    `tls` says whom to trust where the address is https://; `headers` go with every request; `endpoints` says whether
    the store may connect there. Raises EndpointNotAllowed where the address itself says that it may not.
    """

    def __init__(
        self, address: str, tls: ssl.SSLContext | None, headers: Mapping[str, str], *, endpoints: Endpoints
    ) -> None:
        endpoints.check(address)
        self._endpoints = endpoints
        self._address = address.rstrip("/")
        self._ssl = tls or True
        # A compressed answer could be small here and grow beyond all bounds.
        self._headers = {"Accept-Encoding": "identity", **headers}
        self._session: aiohttp.ClientSession | None = None

    async def send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: object = None,
    ) -> Answer:
        """Send one request. `path` is quoted already and begins with /.

        Raises Unavailable where no answer came, and EndpointNotAllowed where the server's name leads elsewhere now.
        """
        try:
            return await self._exchange(method, path, headers, params, json)
        except aiohttp.ClientOSError as error:
            raise Unavailable(_unconnected(error)) from error
        except aiohttp.ClientConnectionError:
            fault = "the server closed the connection without an answer"
        except aiohttp.ClientPayloadError:
            fault = "the server's answer was cut off"
        except aiohttp.ClientError:
            fault = "the server's answer is not HTTP"
        # Raised out here, so that the original is not even the context: it holds the token, or pieces of the answer.
        raise Unavailable(fault)

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def _exchange(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None,
        params: Mapping[str, str] | None,
        json: object,
    ) -> Answer:
        async with self._opened().request(
            method,
            # encoded: yarl would take quoting back that was done on purpose.
            URL(self._address + path, encoded=True),
            params=params,
            json=json,
            headers=headers,
            allow_redirects=False,
        ) as response:
            body = await _bounded(response)
            return Answer(response.status, body, response.headers.get("Retry-After"))

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=_CONNECTIONS,
                    ssl=self._ssl,
                    resolver=_Resolver(self._endpoints),
                    use_dns_cache=False,  # resolved and judged at every connection; connections are kept
                ),
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(total=None),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session


class _Resolver(AbstractResolver):
    """Resolves names as the system does. What it answers is connected to, and nothing else is.

    A name that leads to a forbidden address beside others is refused as a whole: nobody has one by accident.
    """

    def __init__(self, endpoints: Endpoints) -> None:
        self._system = aiohttp.ThreadedResolver()
        self._endpoints = endpoints

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Resolve. Raises OSError, and EndpointNotAllowed."""
        found = await self._system.resolve(host, port, family)
        for one in found:
            self._endpoints.check_resolved(host, one["host"])
        return found

    async def close(self) -> None:
        """Do nothing: nothing is open."""


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    parts = []
    size = response.content_length or 0
    if size <= LARGEST:
        size = 0
        async for part in response.content.iter_any():
            parts.append(part)
            size += len(part)
            if size > LARGEST:
                break
    if size > LARGEST:
        response.close()  # else the rest would be read before the connection is used again
        raise Unavailable(f"the server's answer is larger than {LARGEST // 1024**2} MiB")
    return b"".join(parts)


def _unconnected(error: aiohttp.ClientOSError) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"TLS handshake failed: {_certificate_fault(error.certificate_error)}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the server's name does not resolve"
    cause: BaseException = error.__cause__ or error
    if isinstance(error, aiohttp.ClientConnectorError):
        cause = error.os_error
        if isinstance(cause, ConnectionResetError | ConnectionAbortedError):
            return "TLS handshake failed: the server broke it off"  # without TLS nothing is reset that early
    if isinstance(cause, ssl.SSLError):
        return f"TLS handshake failed: {_tls_fault(cause)}"
    if isinstance(cause, ConnectionRefusedError):
        return "connection refused"
    # The system's words for it: those of the exception name addresses.
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
