"""The connections of a driver to one server, over aiohttp.

A request is one attempt without a deadline of its own: whoever calls cancels. Redirects are not followed, answers
are bounded, and of the process's environment only the proxies take part: no netrc, no cookies.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
from multidict import CIMultiDict
from yarl import URL

from beemflow_secrets.kube.client import LARGE
from beemflow_secrets.kube.proxies import BadProxy, proxy_for
from beemflow_secrets.providers.endpoints import EVERYWHERE
from beemflow_secrets.providers.errors import Invalid, Unavailable
from beemflow_secrets.providers.resolver import JudgingResolver
from beemflow_secrets.providers.spending import pay
from beemflow_secrets.providers.unanswered import PROXY, fault_of

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from beemflow_secrets.providers.endpoints import Endpoints

LARGEST = 8 * 1024 * 1024
"""Bytes of the largest answer that is taken."""

WHOLE = re.compile("[0-9]{1,9}")
"""A number of seconds, up to 31 years."""

_CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server answered, whatever its status. Never prints its body.

    `retry_after` is one of the `headers`, which know no upper and lower case.
    """

    status: int
    body: bytes = field(repr=False)
    retry_after: str | None = None
    headers: Mapping[str, str] = field(default_factory=CIMultiDict, repr=False)

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

    def json(self) -> object:
        """Return what the body says, None where it is no JSON."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None

    def document(self) -> dict[str, Any] | None:
        """Return the JSON object that the body is, None where it is none."""
        found = self.json()
        return found if isinstance(found, dict) else None


class Wire:
    """A pool of connections to `address`, which may have a path. It is opened by the first request.

    `tls` says whom to trust where the address is https://; `headers` go with every request; `endpoints` says whether
    the store may connect there. Raises EndpointNotAllowed where the address itself says that it may not, and Invalid
    where the environment names a proxy that is none. A proxy resolves the server's name by itself; none is asked
    with `direct`.
    """

    def __init__(
        self,
        address: str,
        tls: ssl.SSLContext | None,
        headers: Mapping[str, str],
        *,
        endpoints: Endpoints,
        direct: bool = False,
    ) -> None:
        endpoints.check(address)
        try:
            self._proxy = None if direct else proxy_for(address)
        except BadProxy as error:
            raise Invalid(str(error)) from None
        self._endpoints = endpoints if self._proxy is None else EVERYWHERE  # the proxy's own address is nobody's choice
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
        body: bytes | None = None,
    ) -> Answer:
        """Send one request. `path` is quoted already and begins with /; what is sent is `json`, or `body` as it is.

        Raises Unavailable where no answer came, EndpointNotAllowed where the server's name leads elsewhere now, and
        Throttled where the store's own budget does not allow it.
        """
        await pay()
        try:
            return await self._exchange(method, path, headers, params, json, body)
        except aiohttp.ClientError as error:
            fault = fault_of(error, proxied=self._proxy is not None)
        # Raised out here, so that the original is not even the context: it holds the token, the proxy's password, or
        # pieces of the answer.
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
        body: bytes | None,
    ) -> Answer:
        async with self._opened().request(
            method,
            # encoded: yarl would take quoting back that was done on purpose.
            URL(self._address + path, encoded=True),
            params=params,
            json=json,
            # aiohttp hands bytes to the socket in one go, and warns where they are many; of a stream it takes pieces.
            data=BytesIO(body) if body is not None and len(body) > LARGE else body,
            headers=headers,
            allow_redirects=False,
        ) as response:
            if self._proxy is not None and response.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
                raise Unavailable(f"{PROXY} refuses the request ({response.status})")
            headers = response.headers
            return Answer(response.status, await _bounded(response), headers.get("Retry-After"), headers)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=_CONNECTIONS,
                    ssl=self._ssl,
                    resolver=JudgingResolver(self._endpoints),
                    use_dns_cache=False,  # resolved and judged at every connection; connections are kept
                ),
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(total=None),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                proxy=self._proxy,
            )
        return self._session


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
