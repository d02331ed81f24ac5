"""What an answer of Connect that is no success means, as an error of ours.

Its errors are `{"status": …, "message": …}` (1Password Connect API 1.7.1, ErrorResponse). No text of it goes into an
error: it can hold names.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from beemflow_secrets.providers.errors import AuthFailed, Denied, Invalid, SecretsError
from beemflow_secrets.providers.unanswered import stranger

if TYPE_CHECKING:
    from beemflow_secrets.providers.wire import Answer


def failure(answer: Answer) -> SecretsError:
    """Return the error that an answer other than 200 stands for. What a 404 means, the question decides."""
    status = answer.status
    known = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and is_own(answer)
    if not known or status == HTTPStatus.TOO_MANY_REQUESTS:
        # Believing what stands before the server could remove Secrets, or blame the token.
        return stranger(answer, "Connect")
    if status == HTTPStatus.UNAUTHORIZED:
        return AuthFailed("the server refuses the token: it is expired, revoked, or of another server")
    if status == HTTPStatus.FORBIDDEN:
        return Denied("the token has no access to the vault (403)")
    return Invalid(f"the server refuses the request ({status})")


def is_own(answer: Answer) -> bool:
    """Tell whether it was Connect that refused."""
    return isinstance((answer.document() or {}).get("message"), str)
