"""The key of a service account, as Google's console and gcloud write it, and what is signed with it. Never prints."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import orjson
from google.auth import crypt, jwt

from beemflow_secrets.providers.errors import AuthFailed, Invalid

_TYPE = "service_account"
_OTHERS = ("authorized_user", "external_account", "external_account_authorized_user", "impersonated_service_account")

TOKEN_ENDPOINT = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
"""Where assertions are exchanged, and whom they are for wherever that is (OAuth 2.0 for service accounts, `aud`)."""

_LIFE = 3600  # seconds, the most that Google takes


@dataclass(frozen=True, slots=True)
class Assertion:
    """Who asks for an access token, signed: `project` is his, `token_uri` is where it goes."""

    text: str = field(repr=False)
    token_uri: str
    project: str | None


def sign(key: str, scope: str, *, field: str) -> Assertion:
    """Sign that the account of a key asks for an access token (RFC 7523). Takes 0.1 s, so it is work for a thread.

    Only this type of credential is taken: others name servers, files and programs by which this process would get its
    token. Raises Invalid where it is one of those, AuthFailed where it is none at all.
    """
    try:
        found = orjson.loads(key)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        # Outside of the handler, as below: the originals hold the key.
        raise AuthFailed(f"{field} is no key of a service account: it is not the JSON that Google writes")
    if (kind := found.get("type")) != _TYPE:
        named = f"{kind}" if kind in _OTHERS else "another one"
        raise Invalid(f"{field} must hold a credential of type {_TYPE}, and holds {named}")
    account, project = found.get("client_email"), found.get("project_id")
    now = int(time.time())
    claims = {"iss": account, "scope": scope, "aud": TOKEN_ENDPOINT, "iat": now, "exp": now + _LIFE}
    text = _signed(found, claims) if isinstance(account, str) and account else None
    if text is None:
        raise AuthFailed(f"{field} is no key of a service account: client_email or private_key is missing, or damaged")
    return Assertion(text, str(found.get("token_uri", TOKEN_ENDPOINT)), project if isinstance(project, str) else None)


def _signed(found: dict[str, object], claims: dict[str, object]) -> str | None:
    try:
        return str(jwt.encode(crypt.RSASigner.from_service_account_info(found), claims), "ascii")
    except Exception:  # noqa: BLE001 - whatever its parser says of the key holds pieces of it, or may
        return None
