"""What the API server answers when it does not do what it was asked.

ApiError
├── NotFound          404
├── Conflict          409: another uid, another version
│   └── AlreadyExists 409 to a create
├── Unauthorized      401: the login is not accepted
├── Forbidden         403: a right that lacks, a quota, a webhook, a namespace that is going away
├── Refused           any other 4xx: the object is not valid, or too large
├── Expired           410: a watch or a listing that is too old to go on
├── ApiUnavailable    429, 5xx, no connection, no answer in time
└── NotLeading        not asked at all: another process may be writing
"""

from __future__ import annotations

import orjson


class ApiError(Exception):
    """`message` is the API server's own sentence, `reason` its one word, `fields` what it is about (metav1.Status)."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        reason: str = "",
        retry_after: float | None = None,
        fields: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.reason = reason
        self.retry_after = retry_after
        self.fields = fields


class NotFound(ApiError):
    """There is no such object, or no such kind."""


class Conflict(ApiError):
    """The object is not as the request supposes."""


class AlreadyExists(Conflict):
    """An object of this name is there."""


class Unauthorized(ApiError):
    """The API server does not know who asks."""


class Forbidden(ApiError):
    """The API server or an admission step refuses."""


class Refused(ApiError):
    """The object is not acceptable as it is."""


class Expired(ApiError):
    """The resourceVersion or continue token is too old."""


class ApiUnavailable(ApiError):
    """The API server did not answer, or not now. `retry_after` is in seconds."""


class NotLeading(ApiError):
    """The request was not made: it would write, and this process does not hold the lease."""


def from_response(status: int, body: bytes, retry_after: str | None) -> ApiError:
    """Return the error for an answer that is no success. `body` is a metav1.Status, or anything a proxy may send."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        parsed = None
    answer = parsed if isinstance(parsed, dict) else {}
    reason = str(answer.get("reason") or "")
    message = str(answer.get("message") or f"HTTP status {status}")
    seconds = float(retry_after) if retry_after and retry_after.isascii() and retry_after.isdigit() else None
    fields = tuple(str(cause.get("field") or "") for cause in (answer.get("details") or {}).get("causes") or ())
    return _class(status, reason)(message, status=status, reason=reason, retry_after=seconds, fields=fields)


def _class(status: int, reason: str) -> type[ApiError]:
    if status == 409:  # noqa: PLR2004 - the numbers are HTTP's, and the tree above names them
        return AlreadyExists if reason == "AlreadyExists" else Conflict
    if status == 429 or status >= 500:  # noqa: PLR2004
        return ApiUnavailable
    return {401: Unauthorized, 403: Forbidden, 404: NotFound, 410: Expired}.get(status, Refused)
