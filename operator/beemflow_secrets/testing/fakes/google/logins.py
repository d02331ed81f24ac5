"""Who asks: service accounts and their keys, workload identity pools, access tokens.

Sources: OAuth 2.0 for service accounts (https://developers.google.com/identity/protocols/oauth2/service-account),
the Security Token Service (https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token), workload identity
federation (https://cloud.google.com/iam/docs/workload-identity-federation-with-kubernetes), and
https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from beemflow_secrets.testing.fakes.tokens import BadToken, read, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from beemflow_secrets.testing.fakes.tokens import PublicKey

TOKEN_ENDPOINT = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
LIFE = 3599
"""Seconds of an access token."""
_LONGEST_ASSERTION = 3600
_SKEW = 300  # seconds by which clocks may differ

_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_REFRESH = "refresh_token"


class OAuthError(Exception):
    """An error as token endpoints write it (RFC 6749, 5.2)."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.body = {"error": error, "error_description": description}


@dataclass
class Account:
    """A service account, by its address."""

    email: str
    keys: dict[str, PublicKey] = field(default_factory=dict)
    disabled: bool = False


@dataclass
class Provider:
    """A provider of a workload identity pool: whose tokens it takes."""

    issuer: str
    keys: list[PublicKey]
    audiences: tuple[str, ...]
    pool: str


@dataclass
class _Grant:
    who: str
    ends: float


class Logins:
    """Makes and knows access tokens. `now` is the clock of the fake."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.accounts: dict[str, Account] = {}
        self.providers: dict[str, Provider] = {}
        self.refresh_tokens: dict[str, str] = {}
        self._tokens: dict[str, _Grant] = {}

    # --- what an administrator does

    def key_file(self, email: str, *, token_uri: str = TOKEN_ENDPOINT, project: str = "") -> str:
        """Make a key of a service account, which is made if need be; return the file that the console would give."""
        account = self.accounts.setdefault(email, Account(email))
        made = rsa.generate_private_key(65537, 2048)
        key_id = secrets.token_hex(20)
        account.keys[key_id] = made.public_key()
        pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        file = {
            "type": "service_account",
            "project_id": project,
            "private_key_id": key_id,
            "private_key": pem,
            "client_email": email,
            "client_id": "1",
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": token_uri,
            "universe_domain": "googleapis.com",
        }
        return json.dumps(file)

    def provide(self, provider: str, *, issuer: str, keys: list[PublicKey], audiences: tuple[str, ...] = ()) -> None:
        """Let a workload identity provider (//iam.googleapis.com/projects/…) take tokens of an issuer.

        Without `audiences` it takes those for itself, with or without https: (Kubernetes' page, "allowed audiences").
        """
        pool = provider.removeprefix("//iam.googleapis.com/").rpartition("/providers/")[0]
        self.providers[provider] = Provider(issuer, keys, audiences or (provider, f"https:{provider}"), pool)

    def lend(self, who: str, *, life: float = LIFE) -> str:
        """Make an access token."""
        token = f"ya29.{secrets.token_urlsafe(30)}"
        self._tokens[token] = _Grant(who, self.now() + life)
        return token

    def revoke(self, who: str) -> None:
        """Let no token of somebody be good any more."""
        self._tokens = {token: one for token, one in self._tokens.items() if one.who != who}

    @property
    def lent(self) -> list[str]:
        """The access tokens that are good, or have expired."""
        return list(self._tokens)

    # --- what is asked

    def who(self, token: str) -> str | None:
        """Return whose token it is, None where it is nobody's, or has expired."""
        found = self._tokens.get(token)
        return found.who if found is not None and found.ends > self.now() else None

    def granted(self, fields: Mapping[str, str], *, own: str) -> dict[str, Any]:
        """Answer the OAuth token endpoint, which is at `own` too. Raises OAuthError."""
        match fields.get("grant_type"):
            case str(kind) if kind == _JWT_BEARER:
                return self._lent(self._by_assertion(fields.get("assertion", ""), {TOKEN_ENDPOINT, own}))
            case str(kind) if kind == _REFRESH:
                who = self.refresh_tokens.get(fields.get("refresh_token", ""))
                if who is None:
                    raise OAuthError("invalid_grant", "Token has been expired or revoked.")
                return self._lent(who)
        raise OAuthError("unsupported_grant_type", "Invalid grant_type: ")

    def exchanged(self, fields: Mapping[str, str]) -> dict[str, Any]:
        """Answer the Security Token Service. Raises OAuthError."""
        if fields.get("grant_type") != _EXCHANGE:
            raise OAuthError("invalid_request", "Invalid grant_type.")
        provider = self.providers.get(fields.get("audience", ""))
        if provider is None:
            raise OAuthError("invalid_target", 'The target service indicated by the "audience" parameters is invalid.')
        claims = self._checked(fields.get("subject_token", ""), provider)
        who = f"principal://iam.googleapis.com/{provider.pool}/subject/{claims['sub']}"
        kind = "urn:ietf:params:oauth:token-type:access_token"
        return self._lent(who) | {"issued_token_type": kind}

    def _lent(self, who: str) -> dict[str, Any]:
        return {"access_token": self.lend(who), "expires_in": LIFE, "token_type": "Bearer"}

    def _by_assertion(self, assertion: str, audiences: set[str]) -> str:
        """Return the account that has signed an assertion; the texts are Google's."""
        try:
            account = self.accounts.get(str(read(assertion).get("iss")))
            if account is None or account.disabled:
                raise OAuthError("invalid_grant", "Invalid grant: account not found")
            claims = verify(assertion, account.keys.values())
        except BadToken:
            raise OAuthError("invalid_grant", "Invalid JWT Signature.") from None
        made, ends, now = float(claims.get("iat", 0)), float(claims.get("exp", 0)), self.now()
        if not (made - _SKEW <= now <= ends + _SKEW and ends - made <= _LONGEST_ASSERTION):
            told = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
            raise OAuthError("invalid_grant", f"{told}Check your iat and exp values in the JWT claim.")
        if claims.get("aud") not in audiences:
            raise OAuthError("invalid_grant", "Invalid JWT: Failed audience check.")
        if SCOPE not in str(claims.get("scope", "")).split():
            raise OAuthError("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
        return account.email

    def _checked(self, token: str, provider: Provider) -> dict[str, Any]:
        try:
            issuer = read(token).get("iss")
            if issuer != provider.issuer:
                raise OAuthError("invalid_grant", "The issuer in ID Token does not match the expected ones.")
            claims = verify(token, provider.keys)
        except BadToken:
            raise OAuthError("invalid_grant", "Unable to verify the ID Token signature.") from None
        audiences = claims.get("aud")
        if not set(audiences if isinstance(audiences, list) else [audiences]) & set(provider.audiences):
            raise OAuthError("invalid_grant", "The audience in ID Token does not match the expected audience.")
        if float(claims.get("exp", 0)) <= self.now():
            raise OAuthError("invalid_grant", "ID Token is stale to sign-in.")
        return claims
