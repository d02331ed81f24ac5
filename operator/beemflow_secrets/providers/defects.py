"""What a driver raises that is no SecretsError: a defect of it, or an error of an SDK that it did not map."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from beemflow_secrets.providers.errors import SecretsError, Unavailable
from beemflow_secrets.telemetry.logs import where

if TYPE_CHECKING:
    from collections.abc import Iterator

log = structlog.get_logger(__name__)


def defect(error: Exception) -> Unavailable:
    """Log it, without the text that it carries, and return what callers are told."""
    log.error("Driver failed unexpectedly", error=type(error).__name__, at=where(error))
    return Unavailable(f"the driver failed unexpectedly ({type(error).__name__})")


@contextmanager
def mapped() -> Iterator[None]:
    """Raise as a defect what is no SecretsError."""
    try:
        yield
    except SecretsError:
        raise
    except Exception as error:
        raise defect(error) from error
