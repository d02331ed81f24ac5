"""What an answer of Connect that is no success means, as an error of ours.

Its errors are `{"status": …, "message": …}` (1Password Connect API 1.7.1, ErrorResponse). No text of it goes into an
error: it can hold names.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson

from beemflow_secrets.providers.errors import AuthFailed, Denied, Invalid, SecretsError, Throttled, Unavailable

if TYPE_CHECKING:
    from beemflow_secrets.providers.wire import Answer


def failure(answer: Answer) -> SecretsError:
    """Return the error that an answer other than 200 stands for. What a 404 means, the question decides."""
    status = answer.status
    error: SecretsError
    match status:
        case 429:
            error = Throttled("the server asks for fewer requests (429)", retry_after=answer.patience)
        case _ if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            error = Unavailable(f"the server answers with a redirect ({status}), and redirects are not followed")
        case _ if not HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
            error = Unavailable(f"the server answers with status {status}")
        case _ if not is_own(answer):
            # An ingress or a firewall on the way: believing it could remove Secrets, or blame the token.
            error = Unavailable(f"the answer ({status}) is not one of Connect: something stands before the server")
        case 401:
            error = AuthFailed("the server refuses the token: it is expired, revoked, or of another server")
        case 403:
            error = Denied("the token has no access to the vault (403)")
        case _:
            error = Invalid(f"the server refuses the request ({status})")
    return error


def is_own(answer: Answer) -> bool:
    """Tell whether it was Connect that refused."""
    try:
        said = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return False
    return isinstance(said, dict) and isinstance(said.get("message"), str)
