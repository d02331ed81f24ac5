"""Microsoft Entra ID, as far as machines log in there, and the identities that it lends to machines.

Sources. The request and its answer: Microsoft, "OAuth 2.0 client credentials flow on the Microsoft identity platform"
(entra/identity-platform/v2-oauth2-client-creds-grant-flow). Codes: "Microsoft Entra authentication and authorization
error codes" (entra/identity-platform/reference-error-codes). Federated identities: "Workload identity federation"
(entra/workload-id/workload-identity-federation). Machines: "How to use managed identities for Azure resources on an
Azure VM to acquire an access token" (entra/identity/managed-identities-azure-resources/how-to-use-vm-token).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from beemflow_secrets.testing.fakes.tokens import BadToken, Issuer, read, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from beemflow_secrets.testing.fakes.tokens import PublicKey

LIFE = 3599
"""Seconds of a token, as the flow's page shows it. It is 60 to 90 minutes, 75 on the average."""
MACHINE_LIFE = 86399
"""Seconds of a machine's token: how-to-use-vm-token says 24 hours."""
AUDIENCE = "api://AzureADTokenExchange"
"""Whom the token of another issuer must be for: workload-identity-federation recommends it, and AKS has it so."""

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_SCOPE = "/.default"

Document = dict[str, object]


@dataclass(frozen=True)
class Federation:
    """Whose tokens an application takes as a login. `key` is who must have signed them, where it is known."""

    issuer: str
    subject: str
    audience: str = AUDIENCE
    key: PublicKey | None = None


@dataclass
class App:
    """An application of the tenant: its secrets, {text: when it ends}, and whose tokens it takes."""

    secrets: dict[str, float] = field(default_factory=dict)
    federations: list[Federation] = field(default_factory=list)


@dataclass(frozen=True)
class Lent:
    """What a token is good for: whom it is for, whose it is, of which tenant, until when."""

    audience: str
    client: str
    tenant: str
    ends: float


class Refused(Exception):
    """An error of the token endpoint: status, the OAuth error, the AADSTS code, and a text."""

    def __init__(self, status: int, error: str, code: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.error = error
        self.code = code
        self.text = text

    def document(self, now: float) -> Document:
        """Return the body, in the form that reference-error-codes shows."""
        at = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        trace, correlation = str(uuid4()), str(uuid4())
        told = f"AADSTS{self.code}: {self.text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {at}"
        return {
            "error": self.error,
            "error_description": told,
            "error_codes": [self.code],
            "timestamp": at,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"https://login.microsoftonline.com/error?code={self.code}",
        }


class Entra:
    """One tenant. `now` is its clock, `resources` are those for which there are tokens.

    `machine` are the client ids of the identities that the machine has, its own first; none: it has no identity.
    """

    def __init__(self, now: Callable[[], float], resources: tuple[str, ...]) -> None:
        self.tenant = str(uuid4())
        self.apps: dict[str, App] = {}
        self.resources = set(resources)
        self.machine: list[str] = []
        self._now = now
        self._issuer = Issuer(f"https://sts.windows.net/{self.tenant}/")
        self._lent: dict[str, Lent] = {}

    @property
    def issuer(self) -> str:
        """Who issues its tokens, of version 1."""
        return self._issuer.name

    @property
    def key(self) -> PublicKey:
        """What its tokens are verified with."""
        return self._issuer.key

    def now(self) -> float:
        """Return its time, in seconds since 1970."""
        return self._now()

    def register(self, *, secret: str | None = None, ends: float = float("inf"), client: str | None = None) -> str:
        """Register an application, or give one another secret; return its client id."""
        client = client or str(uuid4())
        app = self.apps.setdefault(client, App())
        if secret is not None:
            app.secrets[secret] = ends
        return client

    def lent(self, token: str) -> Lent | None:
        """Return what a token is good for; None where it is none of this tenant's, or has been revoked."""
        return self._lent.get(token)

    def lend(self, client: str, resource: str, *, seconds: float = LIFE, tenant: str | None = None) -> str:
        """Make a token. Nobody but `resource` may look into it; its form is of no one else's concern."""
        now = self._now()
        # Of an application that asks for itself the object id is the subject.
        claims = {"aud": resource, "appid": client, "tid": tenant or self.tenant, "sub": client, "oid": client}
        claims["jti"] = str(uuid4())
        token = self._issuer.issue(**claims, iat=int(now), nbf=int(now), exp=int(now + seconds))
        self._lent[token] = Lent(resource, client, tenant or self.tenant, now + seconds)
        return token

    def revoke(self) -> None:
        """Let no token that was lent be good any longer."""
        self._lent.clear()

    def token(self, tenant: str, form: Mapping[str, str]) -> Document:
        """Answer the token endpoint of a tenant. Raises Refused."""
        if tenant != self.tenant:
            text = f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID."
            raise Refused(400, "invalid_request", 90002, text)
        if (kind := form.get("grant_type")) != "client_credentials":
            raise Refused(
                400, "unsupported_grant_type", 70003, f"The app requested an unsupported grant type '{kind}'."
            )
        client = form.get("client_id", "")
        app = self.apps.get(client)
        if app is None:
            text = f"Application with identifier '{client}' was not found in the directory '{tenant}'."
            raise Refused(400, "unauthorized_client", 700016, text)
        if "client_assertion" in form:
            self._check_assertion(app, form)
        else:
            self._check_secret(app, client, form.get("client_secret"))
        scope = form.get("scope", "")
        if not scope.endswith(_SCOPE):
            text = f"The provided value for scope {scope} is not valid: it must be the resource's, with /.default."
            raise Refused(400, "invalid_scope", 1002012, text)
        resource = scope.removesuffix(_SCOPE)
        if resource not in self.resources:
            text = f"The resource principal named {resource} was not found in the tenant named {tenant}."
            raise Refused(400, "invalid_resource", 500011, text)
        token = self.lend(client, resource)
        return {"token_type": "Bearer", "expires_in": LIFE, "ext_expires_in": LIFE, "access_token": token}

    def machine_token(self, *, metadata: bool, resource: str | None, client: str | None) -> Document:
        """Answer the machine's metadata service, IMDS, whose numbers are texts. Raises Refused."""
        if not metadata:
            raise Refused(400, "invalid_request", 0, "Required metadata header not specified")
        if resource is None:
            raise Refused(400, "invalid_request", 0, "Required audience parameter not specified")
        if not self.machine or (client is not None and client not in self.machine):
            raise Refused(400, "invalid_request", 0, "Identity not found")
        who, now = client or self.machine[0], int(self._now())
        return {
            "access_token": self.lend(who, resource, seconds=MACHINE_LIFE),
            "client_id": who,
            "expires_in": str(MACHINE_LIFE),
            "expires_on": str(now + MACHINE_LIFE),
            "ext_expires_in": str(MACHINE_LIFE),
            "not_before": str(now),
            "resource": resource,
            "token_type": "Bearer",
        }

    def _check_secret(self, app: App, client: str, secret: str | None) -> None:
        if secret is None:
            text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
            raise Refused(401, "invalid_client", 7000218, text)
        if secret not in app.secrets:
            text = f"Invalid client secret provided. Ensure the secret is not the secret ID, for app '{client}'."
            raise Refused(401, "invalid_client", 7000215, text)
        if app.secrets[secret] <= self._now():
            raise Refused(
                401, "invalid_client", 7000222, f"The provided client secret keys for app '{client}' are expired."
            )

    def _check_assertion(self, app: App, form: Mapping[str, str]) -> None:
        if form.get("client_assertion_type") != ASSERTION:
            raise Refused(401, "invalid_client", 7000218, f"The client_assertion_type must be '{ASSERTION}'.")
        token = form["client_assertion"]
        try:
            claims = read(token)
        except BadToken:
            raise Refused(401, "invalid_client", 50027, "JWT token is invalid or malformed.") from None
        found = [one for one in app.federations if one.issuer == claims.get("iss")]
        if not found:
            text = f"No matching federated identity record found for presented assertion issuer '{claims.get('iss')}'."
            raise Refused(401, "invalid_client", 700211, text)
        found = [one for one in found if one.subject == claims.get("sub")]
        if not found:
            text = f"No matching federated identity record found for presented assertion subject '{claims.get('sub')}'."
            raise Refused(401, "invalid_client", 700213, text)
        meant = claims.get("aud")
        audiences = meant if isinstance(meant, list) else [meant]
        found = [one for one in found if one.audience in audiences]
        if not found:
            text = f"No matching federated identity record found for presented assertion audience '{meant}'."
            raise Refused(401, "invalid_client", 700212, text)
        if not any(one.key is None or _is_signed(token, one.key) for one in found):
            raise Refused(401, "invalid_client", 700027, "The signature of the client assertion is not valid.")
        if not float(claims.get("nbf", 0)) <= self._now() < float(claims.get("exp", 0)):
            raise Refused(401, "invalid_client", 700024, "Client assertion is not within its valid time range.")


def _is_signed(token: str, key: PublicKey) -> bool:
    try:
        verify(token, [key])
    except BadToken:
        return False
    return True
