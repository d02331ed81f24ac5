"""The key of a service account, as Google's console and gcloud write it, and what is signed with it. Never prints."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import orjson
from google.auth import crypt, jwt

from beemflow_secrets.providers.errors import AuthFailed, Invalid

if TYPE_CHECKING:
    from collections.abc import Callable

_TYPE = "service_account"
_OTHERS = ("authorized_user", "external_account", "external_account_authorized_user", "impersonated_service_account")

TOKEN_ENDPOINT = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
"""Where assertions are exchanged, and whom they are for wherever that is (OAuth 2.0 for service accounts, `aud`)."""

_LIFE = 3600  # seconds, the most that Google takes


@dataclass(frozen=True, slots=True)
class Key:
    """A key: `account` is its service account, `project` that one's, `token_uri` where its assertions go."""

    account: str
    project: str | None
    token_uri: str
    signer: crypt.Signer = field(repr=False)

    def assertion(self, scope: str, *, now: Callable[[], float] = time.time) -> str:
        """Sign that the account asks for an access token (RFC 7523)."""
        made = int(now())
        claims = {"iss": self.account, "scope": scope, "aud": TOKEN_ENDPOINT, "iat": made, "exp": made + _LIFE}
        return str(jwt.encode(self.signer, claims), "ascii")


def parse(text: str, *, field: str) -> Key:
    """Read a key. Raises Invalid where it is a credential of another type, AuthFailed where it is none at all.

    Only this type is taken: others name servers, files and programs by which this process would get its token.
    """
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        # Outside of the handler, as below: the originals hold the key.
        raise AuthFailed(f"{field} is no key of a service account: it is not the JSON that Google writes")
    if (kind := found.get("type")) != _TYPE:
        named = f"{kind}" if kind in _OTHERS else "another one"
        raise Invalid(f"{field} must hold a credential of type {_TYPE}, and holds {named}")
    match found:
        case {"client_email": str(account), "private_key": str()}:
            signer = _signer(found)
            if signer is not None and account:
                project, token_uri = found.get("project_id"), found.get("token_uri", TOKEN_ENDPOINT)
                return Key(account, project if isinstance(project, str) else None, str(token_uri), signer)
    raise AuthFailed(f"{field} is no key of a service account: client_email or private_key is missing, or damaged")


def _signer(found: dict[str, object]) -> crypt.Signer | None:
    try:
        return cast("crypt.Signer", crypt.RSASigner.from_service_account_info(found))
    except Exception:  # noqa: BLE001 - whatever its parser says of the key holds pieces of it, or may
        return None
