"""Why a sync failed: the one table from errors to reasons, and the words that a person reads."""

from __future__ import annotations

from beemflow_secrets.model.escape import escaped
from beemflow_secrets.model.reasons import Reason
from beemflow_secrets.providers.errors import (
    AuthFailed,
    Denied,
    EndpointNotAllowed,
    Held,
    Invalid,
    NotFound,
    SecretsError,
    Throttled,
    Unavailable,
)
from beemflow_secrets.rendering.template.faults import TemplateError

LONGEST_MESSAGE = 1024

_REASONS: tuple[tuple[type[SecretsError], Reason], ...] = (
    (NotFound, Reason.KEY_NOT_FOUND),
    (Denied, Reason.ACCESS_DENIED),
    (AuthFailed, Reason.AUTHENTICATION_FAILED),
    (Throttled, Reason.THROTTLED),
    (Unavailable, Reason.BACKEND_UNAVAILABLE),
    (EndpointNotAllowed, Reason.STORE_NOT_READY),
    (TemplateError, Reason.INVALID_TEMPLATE),
    (Invalid, Reason.INVALID_SPEC),
)


class Failed(Exception):
    """A sync that ends without a written Secret. `retry_after` is in seconds, where the backend named a time.

    `held` is set where nothing is wrong but that the Secret has to keep a value for a while.
    """

    def __init__(
        self, reason: Reason, message: str, *, retry_after: float | None = None, held: Held | None = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = printable(message)
        self.retry_after = retry_after
        self.held = held


def from_read(error: SecretsError, store: str) -> Failed:
    """Return the failure that an error of reading from `store` is."""
    message = f"store {store}: key {error.key}: {error.message}" if error.key else f"store {store}: {error.message}"
    return Failed(
        reason_of(error),
        message,
        retry_after=error.retry_after if isinstance(error, Throttled) else None,
        held=error if isinstance(error, Held) else None,
    )


def reason_of(error: SecretsError) -> Reason:
    """Return the reason that stands for an error."""
    if isinstance(error, NotFound) and error.property is not None:
        return Reason.PROPERTY_NOT_FOUND
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), Reason.BACKEND_UNAVAILABLE)


def printable(message: str) -> str:
    """Escape control characters, and cut to what a condition may hold."""
    text = escaped(message)
    return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 1] + "…"
