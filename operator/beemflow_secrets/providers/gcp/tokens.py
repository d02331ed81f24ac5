"""Access tokens, and the endpoints that lend them: Google's OAuth, and its Security Token Service."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from beemflow_secrets.providers.errors import AuthFailed, SecretsError, Throttled, Unavailable
from beemflow_secrets.providers.logins import Grant
from beemflow_secrets.providers.unanswered import stranger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beemflow_secrets.providers.gcp.keyfile import Assertion
    from beemflow_secrets.providers.gcp.lines import Lines
    from beemflow_secrets.providers.wire import Answer

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
"""The only one that Secret Manager knows."""

_STS = "https://sts.googleapis.com/v1/token"

# What a refusal may be due to, by what the endpoint's words hold: they name accounts and audiences.
_WRONG = (
    ("signature", "the key is none of its service account: it was deleted there, or is damaged"),
    ("account not found", "there is no such service account, or it is disabled"),
    ("timeframe", "this machine's clock is wrong"),
    ("disabled", "the service account, its key, or the pool is disabled"),
    ("audience", "the workload identity provider does not take the token's audience"),
    ("issuer", "the workload identity provider trusts another issuer than this cluster"),
    ("expired", "the token of the ServiceAccount has expired: this machine's clock is wrong"),
)


@dataclass(frozen=True, slots=True)
class Token:
    """What goes with every request; `project` is that of who logs in, where it is known. Never prints."""

    headers: Mapping[str, str] = field(repr=False)
    project: str | None = None


def bearer(text: str, project: str | None = None) -> Token:
    """Make a token of its text. Raises Unavailable where no header can hold it."""
    if re.fullmatch("[!-~]+", text) is None:
        raise Unavailable("the token endpoint's answer has not the form that Google's has")
    return Token({"Authorization": f"Bearer {text}"}, project)


async def by_assertion(lines: Lines, assertion: Assertion) -> Grant[Token]:
    """Log in by what a service account's key has signed. Raises AuthFailed where that is refused."""
    fields = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion.text}
    return await _asked(lines, assertion.token_uri, fields, project=assertion.project)


async def by_exchange(lines: Lines, audience: str, subject: str) -> Grant[Token]:
    """Log in by a token that a workload identity provider, named by `audience`, takes (RFC 8693)."""
    fields = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "audience": audience,
        "scope": SCOPE,
        "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "subject_token": subject,
    }
    return await _asked(lines, _STS, fields, project=None)


async def _asked(lines: Lines, url: str, fields: Mapping[str, str], *, project: str | None) -> Grant[Token]:
    try:
        answer = await lines.send(
            "POST",
            url,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode(fields).encode(),
        )
    except Unavailable as error:
        # There are two servers to be away.
        error.message = f"the token endpoint: {error.message}"
        raise
    found = answer.document()
    if answer.status != HTTPStatus.OK:
        raise _refusal(answer, found)
    match found:
        case {"access_token": str(text), "expires_in": int(seconds)}:
            return Grant.lasting(bearer(text, project), seconds)
    raise Unavailable("the token endpoint's answer has not the form that Google's has")


def _refusal(answer: Answer, found: Mapping[str, Any] | None) -> SecretsError:
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return Throttled("the token endpoint asks for fewer requests", retry_after=answer.patience)
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Unavailable(f"the token endpoint answers with status {answer.status}")
    match found:
        case {"error": str(), **rest}:
            text = str(rest.get("error_description")).lower()
            why = next((why for piece, why in _WRONG if piece in text), "it knows no such key, account or provider")
            return AuthFailed(f"Google refuses the login: {why}")
    return stranger(answer, "Google's token endpoint")
