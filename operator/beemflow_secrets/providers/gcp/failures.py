"""What an error of Google means, as one of ours: its canonical status decides (google.rpc.Code, AIP-193).

No text of the service goes into an error: it holds names of projects, accounts and keys.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

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
    from collections.abc import Iterator, Mapping

    from beemflow_secrets.providers.wire import Answer

# Reasons (google.rpc.ErrorInfo) that concern the store as a whole: no key could be read with its spec.
_OF_THE_PROJECT = {
    "SERVICE_DISABLED": "the Secret Manager API is not enabled in the project",
    "CONSUMER_INVALID": "there is no such project, or who asks has nothing to do with it",
    "BILLING_DISABLED": "the project has no billing account, or none that is active",
    "LOCATION_ORG_POLICY_VIOLATED": "a policy of the organization does not allow this location",
}
_REFUSED = {
    "ACCESS_TOKEN_EXPIRED": "the access token has expired",
    "ACCOUNT_STATE_INVALID": "the account is disabled or deleted",
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": "the login lacks the scope cloud-platform: that of the machine, or of its nodes",
}
_BROKEN = frozenset({"UNAVAILABLE", "INTERNAL", "UNKNOWN", "DEADLINE_EXCEEDED", "DATA_LOSS", "CANCELLED"})
_DELAY = re.compile(r"([0-9]{1,9}(?:\.[0-9]+)?)s")
_STATUS = re.compile("[A-Z_]{1,64}")  # it is the service's, so only letters of it are shown


class Exists(Invalid):
    """A secret of this name is there already."""


class _Error(NamedTuple):
    """An error as Google writes it."""

    status: str
    message: str
    details: list[dict[str, Any]]

    def reason(self) -> str:
        return next((str(one.get("reason")) for one in self._of_type("ErrorInfo")), "")

    def patience(self) -> float | None:
        """Return the seconds after which to try again (google.rpc.RetryInfo), None where that is not told."""
        for one in self._of_type("RetryInfo"):
            if (delay := _DELAY.fullmatch(str(one.get("retryDelay")))) is not None:
                return float(delay[1])
        return None

    def _of_type(self, name: str) -> Iterator[Mapping[str, Any]]:
        return (one for one in self.details if str(one.get("@type")).endswith(f"google.rpc.{name}"))


def refuses_login(answer: Answer) -> bool:
    """Tell whether an answer says that the token is no good, so that another may be."""
    return answer.status == HTTPStatus.UNAUTHORIZED and _parsed(answer) is not None


def failure(answer: Answer, *, key: str | None = None) -> SecretsError:
    """Return the error that an answer other than 200 stands for."""
    error = _parsed(answer)
    if error is None:
        # An ingress or a firewall on the way: believing it could remove Secrets, or blame a role.
        return stranger(answer, "Google")
    status, shown = error.status, f" ({error.status})" if _STATUS.fullmatch(error.status) else ""
    found: SecretsError
    if status == "NOT_FOUND":
        found = NotFound("no such secret, or no such version of it", key=key)
    elif status == "FAILED_PRECONDITION":
        found = _precondition(error.message, key)
    elif status == "PERMISSION_DENIED":
        found = _denied(error.reason(), key)
    elif status == "UNAUTHENTICATED":
        found = AuthFailed(f"Google refuses the login: {_REFUSED.get(error.reason(), 'it knows no such token')}")
    elif status == "RESOURCE_EXHAUSTED":
        patience = answer.patience if answer.patience is not None else error.patience()
        found = Throttled("Google asks for fewer requests", retry_after=patience)
    elif status == "ALREADY_EXISTS":
        found = Exists("a secret of this name is there already", key=key)
    elif status == "ABORTED":
        found = Unavailable("somebody else changed the secret at the same time", key=key)
    elif status in _BROKEN or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        found = Unavailable(f"Google answers with an internal error ({answer.status})")
    else:
        found = Invalid(f"Google refuses the request{shown}", key=key)
    return found


def _precondition(message: str, key: str | None) -> SecretsError:
    """Say what state stands in the way. Gone can remove a Secret, so the text must say it: there is nothing else."""
    if re.search(r"\bversion\b.*\bDESTROYED state", message, flags=re.IGNORECASE):
        return Gone("the version is destroyed: the newest one counts, whatever its state", key=key)
    if re.search(r"\bversion\b.*\bDISABLED state", message, flags=re.IGNORECASE):
        return Gone("the version is disabled: the newest one counts, whatever its state", key=key)
    if re.search("kms|cryptokey", message, flags=re.IGNORECASE):
        return Denied("the KMS key of the secret may not be used: it is disabled, or destroyed", key=key)
    return Invalid("Google refuses the request in the state that the secret is in (FAILED_PRECONDITION)", key=key)


def _denied(reason: str, key: str | None) -> SecretsError:
    if reason in _OF_THE_PROJECT:
        return Invalid(f"gcp.projectId: {_OF_THE_PROJECT[reason]}", key=key)
    if reason in _REFUSED:
        return AuthFailed(f"Google refuses the login: {_REFUSED[reason]}")
    return Denied("no role of who asks allows this, or there is no such secret: Google tells who may know", key=key)


def _parsed(answer: Answer) -> _Error | None:
    """Return the error that an answer holds, None where it is none of Google."""
    match answer.json():
        case {"error": {"code": int(), "status": str(status), **rest}}:
            details = rest.get("details")
            listed = details if isinstance(details, list) else []
            return _Error(status, str(rest.get("message")), [one for one in listed if isinstance(one, dict)])
    return None
