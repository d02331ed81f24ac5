"""What an error of AWS means, as one of ours. Its code decides: the HTTP status is 400 for nearly all of them.

No text of the service goes into an error: it can hold ARNs and names.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from beemflow_secrets.providers.wire import Answer

# AWS writes some codes with, some without "Exception" or "Fault" at the end: here they stand without.
_THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded", "EC2Throttled", "LimitExceeded", "PriorRequestNotComplete",
        "ProvisionedThroughputExceeded", "RequestLimitExceeded", "RequestThrottled", "SlowDown", "Throttled",
        "Throttling", "TooManyRequests", "TransactionInProgress",
    }
)  # fmt: skip
_INTERNAL = frozenset(
    {"IDPCommunicationError", "InternalFailure", "InternalServerError", "InternalServiceError", "ServiceUnavailable"}
)
_DENIED = {
    "AccessDenied": "no policy of who asks allows this",
    "NotAuthorized": "no policy of who asks allows this",
    "UnauthorizedOperation": "no policy of who asks allows this",
    "OptInRequired": "the account has not opted in to this region",
    "DecryptionFailure": "the KMS key of the secret may not be used: kms:Decrypt is not allowed, or it is disabled",
}
_REFUSED = {
    "ExpiredToken": "the session has expired",
    "RequestExpired": "the signature is too old: this machine's clock is wrong, or the session has expired",
    "RequestTimeTooSkewed": "this machine's clock is wrong",
    "UnrecognizedClient": "AWS knows no such access key, or not in this region",
    "InvalidClientTokenId": "AWS knows no such access key, or not in this region",
    "InvalidAccessKeyId": "AWS knows no such access key",
    "AuthFailure": "AWS does not accept the access key",
    "InvalidToken": "the session token is not that of the access key",
    "InvalidSignature": "the secret access key is not that of the id, the region is another than the endpoint's, or "
    "this machine's clock is wrong",
    "SignatureDoesNotMatch": "the secret access key is not that of the id, the region is another than the endpoint's, "
    "or this machine's clock is wrong",
    "IncompleteSignature": "the access key holds what none can hold",
    "MissingAuthenticationToken": "the session token or the access key is missing",
    "InvalidIdentityToken": "AWS does not trust who issued the token of the ServiceAccount, or not for its audience",
    "IDPRejectedClaim": "AWS does not take the token of the ServiceAccount",
    "RegionDisabled": "the Security Token Service is not active in this region",
}


class Exists(Invalid):
    """A secret of this name is there already."""


def code_of(text: object) -> str:
    """Return an error code without its namespace, its address, and its ending."""
    code = str(text or "").rpartition("#")[2].partition(":")[0]
    return code.removesuffix("Exception").removesuffix("Fault")


def refuses_login(code: str) -> bool:
    """Tell whether an error says that the keys are no good, so that others may be."""
    return code in _REFUSED


def error_of(code: str, text: object, *, key: str | None = None, answer: Answer | None = None) -> SecretsError:
    """Return the error that a code stands for. `text` is looked at where the code alone does not say it.

    `answer` is the whole answer, where the error concerns the whole request.
    """
    error: SecretsError
    if code == "ResourceNotFound":
        error = NotFound("no such secret, or no such version of it", key=key)
    elif code == "InvalidRequest" and "delet" in str(text):
        # "marked for deletion". Of a read the code says nothing else, but it can remove a Secret: the text must agree.
        error = Gone("the secret is scheduled for deletion", key=key)
    elif code == "ResourceExists":
        error = Exists("a secret of this name is there already", key=key)
    elif code in _DENIED:
        error = Denied(_DENIED[code], key=key)
    elif code in _REFUSED:
        error = AuthFailed(f"AWS refuses the login: {_REFUSED[code]}", key=key)
    elif code in _THROTTLED:
        error = Throttled("AWS asks for fewer requests", key=key, retry_after=answer.patience if answer else None)
    elif code in _INTERNAL or (answer is not None and answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR):
        error = Unavailable(f"AWS answers with an internal error{_shown(answer)}", key=key)
    else:
        error = Invalid(f"AWS refuses the request{_named(code)}", key=key)
    return error


def _shown(answer: Answer | None) -> str:
    return f" ({answer.status})" if answer is not None else ""


def _named(code: str) -> str:
    """Name a code of ours to show: it is the service's, so only letters of it are taken."""
    return f" ({code})" if code.isascii() and code.isalpha() and len(code) <= 64 else ""  # noqa: PLR2004 - no code is longer
