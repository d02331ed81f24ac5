"""What an error of a vault means, as one of ours: by its status, its code, and the code within. Pure.

Source: Microsoft, "Azure Key Vault REST API error codes". No text of the service goes into an error: it holds names of
applications, tenants and vaults.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from beemflow_secrets.providers.errors import (
    AuthFailed,
    Denied,
    Gone,
    Invalid,
    NotFound,
    SecretsError,
    Throttled,
    Unavailable,
)
from beemflow_secrets.providers.unanswered import stranger

if TYPE_CHECKING:
    from beemflow_secrets.providers.wire import Answer

_MISSING = "SecretNotFound"

_DENIED = {
    "ForbiddenByRbac": "no role of who asks allows this in the vault",
    "ForbiddenByPolicy": "no access policy of the vault allows this to who asks",
    "AccessDenied": "no access policy of the vault allows this to who asks",
    "ForbiddenByFirewall": "the vault's firewall does not let in the network that this comes from",
    "ForbiddenByConnection": "the vault can be reached by a private endpoint alone",
}

# Words only, as the code stands at the beginning of the text.
_REFUSED = {
    "AKV10022": "the token is for another service than this vault: is vaultUrl of another cloud?",
    "AKV10032": "the login is of another tenant than the vault: tenantId",
}
_AKV = re.compile("AKV[0-9]{5}")


class Deleted(Invalid):
    """A deleted secret has this name, and keeps it for as long as it can be recovered."""


class Settling(Unavailable):
    """The secret is being deleted or recovered, which takes seconds."""


def error_of(answer: Answer, found: dict[str, Any] | None, *, key: str | None = None) -> SecretsError:
    """Return the error that an answer stands for; `found` is its JSON, None where it is no object."""
    match found:
        # A "not found" can remove a Secret: it is believed from a vault alone.
        case {"error": {"code": str(code), **rest}} if answer.status != HTTPStatus.NOT_FOUND or code == _MISSING:
            return _error(answer, code, rest, key)
    return stranger(answer, "Key Vault")


def _error(answer: Answer, code: str, rest: dict[Any, Any], key: str | None) -> SecretsError:
    within = rest.get("innererror")
    inner = str(within.get("code")) if isinstance(within, dict) else ""
    error: SecretsError
    match answer.status:
        case HTTPStatus.NOT_FOUND:
            error = NotFound("no such secret in the vault, or no such version of it", key=key)
        case HTTPStatus.FORBIDDEN if inner == "SecretDisabled":
            error = Gone("this version of the secret is disabled", key=key)
        case HTTPStatus.FORBIDDEN:
            error = Denied(_DENIED.get(inner, f"the vault refuses it{_named(inner or code)}"), key=key)
        case HTTPStatus.UNAUTHORIZED:
            error = AuthFailed(f"the vault does not accept the token: {_refused(rest.get('message'))}", key=key)
        case HTTPStatus.CONFLICT if inner == "ObjectIsDeletedButRecoverable":
            error = Deleted("a deleted secret has this name, and can be recovered", key=key)
        case HTTPStatus.CONFLICT:
            error = Settling("the secret is being deleted or recovered, or somebody else writes it", key=key)
        case HTTPStatus.TOO_MANY_REQUESTS:
            error = Throttled("Key Vault asks for fewer requests", retry_after=answer.patience, key=key)
        case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            error = Unavailable(f"Key Vault answers with an internal error ({status})", key=key)
        case _:
            error = Invalid(f"Key Vault refuses the request{_named(code)}", key=key)
    return error


def _refused(text: object) -> str:
    akv = _AKV.match(str(text))
    return _REFUSED.get(akv[0] if akv else "", "it has expired, or has been revoked")


def _named(code: str) -> str:
    """Name a code of ours to show: it is the service's, so only letters of it are taken."""
    return f" ({code})" if code.isascii() and code.isalpha() and len(code) <= 64 else ""  # noqa: PLR2004 - no code is longer
