"""What the token endpoint's errors mean, as one of ours. Pure.

OAuth's own error says whether it is a refusal. Microsoft wants nobody to depend on the AADSTS codes, which change: so
they choose words only. No text of the service goes into an error: it holds names of tenants, applications, addresses.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from beemflow_secrets.providers.errors import AuthFailed, SecretsError, Throttled, Unavailable
from beemflow_secrets.providers.unanswered import stranger

if TYPE_CHECKING:
    from beemflow_secrets.providers.wire import Answer

# RFC 6749, 4.1.2.1: what passes by itself.
_PASSING = frozenset({"temporarily_unavailable", "server_error"})

_NO_CREDENTIAL = "no federated credential of the application fits the token that it is shown"

# Microsoft, "Microsoft Entra authentication and authorization error codes".
_SAID = {
    50027: "the token that stands for a secret is none that it can read",
    53003: "a Conditional Access policy blocks it",
    70021: _NO_CREDENTIAL,
    90002: "there is no such tenant here: tenantId, or authority, is another's",
    500011: "the tenant does not know the service that the token is for",
    700016: "the tenant has no application of this clientId",
    700024: "the token that stands for a secret is too old or too new: somebody's clock is wrong",
    700027: "the token that stands for a secret is not signed by who it says",
    700211: f"{_NO_CREDENTIAL}: its issuer is another",
    700212: f"{_NO_CREDENTIAL}: its audience is another",
    700213: f"{_NO_CREDENTIAL}: its subject is another",
    900023: "tenantId is neither a tenant's id nor a domain of one",
    7000112: "the application is disabled",
    7000215: "the client secret is wrong: its value is asked for, not its id",
    7000222: "the client secret has expired",
    7002138: f"{_NO_CREDENTIAL}: its subject differs in upper and lower case",
}


def refusal(answer: Answer, found: dict[str, Any] | None) -> SecretsError:
    """Return the error that an answer stands for; `found` is its JSON, None where it is no object."""
    error = (found or {}).get("error")
    if not isinstance(error, str):
        return stranger(answer, "Entra ID")
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return Throttled("Entra ID asks for fewer logins", retry_after=answer.patience)
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or error in _PASSING:
        return Unavailable(f"Entra ID answers with an internal error ({answer.status})")
    return AuthFailed(f"Entra ID refuses the login: {_reason((found or {}).get('error_codes'))}")


def _reason(codes: object) -> str:
    told = [code for code in codes if isinstance(code, int)] if isinstance(codes, list) else []
    for code in told:
        if code in _SAID:
            return _SAID[code]
    return f"AADSTS{told[0]}, see https://login.microsoftonline.com/error" if told else "it does not say why"
