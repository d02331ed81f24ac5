"""The login of this process, as google-auth finds it (Application Default Credentials).

GOOGLE_APPLICATION_CREDENTIALS, gcloud's files, the metadata server of a machine or of GKE, and whatever those name:
all that it knows, in its order. It waits in threads, so each store has one, and no more. What it asks of others goes
over our own connections, where the store's tls and the operator's endpoints hold, and one attempt is one attempt.
"""

from __future__ import annotations

import asyncio
import math
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import google.auth
from google.auth import transport
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError

from beemflow_secrets.providers.blocking import Blocking
from beemflow_secrets.providers.errors import AuthFailed, SecretsError, Throttled, Unavailable
from beemflow_secrets.providers.gcp.tokens import SCOPE, Token
from beemflow_secrets.providers.logins import Grant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.auth.credentials import Credentials

    from beemflow_secrets.providers.gcp.lines import Lines
    from beemflow_secrets.providers.wire import Answer

_PATIENCE = 5.0  # seconds for an answer

# Which google-auth would ask for again by itself, sleeping meanwhile.
_BUSY = frozenset({408, 500, 502, 503, 504})

# Metadata servers speak plain HTTP to their own machine, and these variables name another one.
_METADATA = frozenset({"169.254.169.254", "metadata.google.internal"})
_METADATA_ELSEWHERE = ("GCE_METADATA_HOST", "GCE_METADATA_ROOT", "GCE_METADATA_IP")


# Whom google-auth asks for the project of an external account, and cannot do without.
_PROJECTS = "cloudresourcemanager.googleapis.com"


class Ambient:
    """The login of the process, looked for when it is first needed. `wants_project`: the store names none."""

    def __init__(self, lines: Lines, *, wants_project: bool) -> None:
        self._lines = lines
        self._wants_project = wants_project
        self._found: tuple[Credentials, str | None] | None = None
        self._asking: Blocking[Grant[Token]] = Blocking("gcp-login", _explain)

    async def log_in(self, *, anew: bool) -> Grant[Token]:
        """Return a token. `anew` looks for the login again. Raises a SecretsError."""
        request = _Request(self._lines, asyncio.get_running_loop(), wants_project=self._wants_project)
        try:
            return await self._asking.run(lambda: self._made(request, anew=anew))
        except AuthFailed:
            if anew or self._found is None:
                raise
        # What was found before is refused: a key may have been rotated.
        return await self._asking.run(lambda: self._made(request, anew=True))

    def _made(self, request: _Request, *, anew: bool) -> Grant[Token]:
        kept = None if anew else self._found
        credentials, project = self._found = kept or google.auth.default([SCOPE], request)
        if kept or not credentials.valid:  # looking for it, google-auth may have got a token
            credentials.refresh(request)
        headers: dict[str, str] = {}
        credentials.apply(headers)  # the token, and the project that is billed for it, where it is a person's
        ends = credentials.expiry  # in UTC, without saying so
        seconds = math.inf if ends is None else (ends.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds()
        return Grant.lasting(Token(headers, project), max(0.0, seconds))


@dataclass(frozen=True, slots=True)
class _Response:
    """An answer as google-auth wants it."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class _Request(transport.Request):
    """A request as google-auth makes it, in its thread; `loop` has the connections."""

    def __init__(self, lines: Lines, loop: asyncio.AbstractEventLoop, *, wants_project: bool) -> None:
        self._lines = lines
        self._loop = loop
        self._wants_project = wants_project

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: object,
    ) -> _Response:
        """Send it. Raises a SecretsError, which ends the login."""
        del timeout  # the caller's is ours
        place = urlsplit(url)
        if place.hostname == _PROJECTS and not self._wants_project:
            return _Response(HTTPStatus.NOT_FOUND, {}, b"{}")
        sent = body.encode() if isinstance(body, str) else body
        try:
            answer = asyncio.run_coroutine_threadsafe(self._ask(method, url, headers, sent), self._loop).result()
        except Unavailable as error:
            if place.path.strip("/"):
                raise
            # It looks whether there is a metadata server: that there is none is an answer too.
            raise TransportError(error.message) from error
        if answer.status in _BUSY:
            raise Unavailable(f"the place that this process has its login from answers with status {answer.status}")
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise Throttled(
                "the place that this process has its login from asks for fewer requests", retry_after=answer.patience
            )
        return _Response(answer.status, answer.headers, answer.body)

    async def _ask(self, method: str, url: str, headers: Mapping[str, str] | None, body: bytes | None) -> Answer:
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                return await self._lines.send(method, url, headers=headers, body=body, local=_is_metadata(url))
        raise Unavailable("the place that this process has its login from does not answer")


def _is_metadata(url: str) -> bool:
    place = urlsplit(url).netloc
    return place in _METADATA or place in {os.environ.get(name) for name in _METADATA_ELSEWHERE}


def _explain(error: Exception) -> SecretsError:
    if isinstance(error, DefaultCredentialsError):
        return AuthFailed("this process has no login of Google that is good")
    if isinstance(error, TransportError):
        return Unavailable("the place that this process has its login from does not answer")
    known = "" if isinstance(error, GoogleAuthError) else f" ({type(error).__name__})"
    return AuthFailed(f"the login that this process has is refused by Google{known}")
