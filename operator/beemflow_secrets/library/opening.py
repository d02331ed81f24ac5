"""`open_secrets`: from a configuration to an open store."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from beemflow_secrets.chain.access import Audited
from beemflow_secrets.chain.asking import Asking
from beemflow_secrets.chain.audit.trail import STDOUT, open_trail
from beemflow_secrets.chain.factory import open_chain
from beemflow_secrets.library.config import SecretsConfig
from beemflow_secrets.library.secrets import Secrets
from beemflow_secrets.model.credentials import PlainCredential
from beemflow_secrets.providers.errors import AuthFailed
from beemflow_secrets.providers.surroundings import Surroundings

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Iterable, Mapping

    from structlog.typing import EventDict, WrappedLogger

    from beemflow_secrets.chain.factory import Opened
    from beemflow_secrets.model.credentials import CredentialRef

    Given = str | os.PathLike[str] | Mapping[str, object] | SecretsConfig | None

DOTENV = Path(".env")
"""Beside the environment, as BeemFlow reads it."""


@asynccontextmanager
async def open_secrets(
    config: Given = None, *, flow: str | None = None, roles: Iterable[str] = (), user: str | None = None
) -> AsyncIterator[Secrets]:
    """Open the store that a configuration describes, and close it at the end.

    `config` is the path of a file, a dict (the section, or the whole document), a SecretsConfig, or nothing:
    then the file that BEEMFLOW_SECRETS_CONFIG names, else ./flow.config.json, else the environment.
    Raises Invalid for a wrong configuration. Opening calls no backend.

    `flow`, `roles` and `user` say who asks, for every read; an `access` block inside says it anew.
    """
    async with opened(SecretsConfig.of(config), Asking.of(flow, roles, user)) as secrets:
        yield secrets


@asynccontextmanager
async def opened(config: SecretsConfig, asking: Asking, *, stdout: int = STDOUT) -> AsyncIterator[Secrets]:
    """Open a store and its audit, which writes what goes to stdout to the file of that number."""
    async with AsyncExitStack() as stack:
        secrets = Secrets((await chained(config, stack, stdout=stdout)).reader, config.driver, asking)
        stack.push_async_callback(secrets.close)
        yield secrets


async def chained(config: SecretsConfig, stack: AsyncExitStack, *, stdout: int = STDOUT) -> Opened:
    """Open a store, which the caller closes, and its audit, which the stack closes. Raises Invalid."""
    log_through_the_application()
    # This process is its user's own: it reads what he may read.
    surroundings = Surroundings(credential=_lend, env_prefixes=None, file_roots=None, dotenv=DOTENV)
    if (trail := open_trail(config.audit, stdout=stdout)) is not None:
        stack.push_async_callback(trail.close)
    return await open_chain(config, surroundings, Audited(trail))


async def _lend(credential: CredentialRef) -> str:
    if isinstance(credential, PlainCredential):
        return credential.text
    raise AuthFailed("a reference to a Secret leads nowhere outside a cluster")


def log_through_the_application() -> None:
    """Send logs through the standard library, unless the application has set up structlog: its default prints."""
    if not structlog.is_configured():
        structlog.configure(
            processors=[structlog.stdlib.filter_by_level, _as_text],
            wrapper_class=structlog.stdlib.BoundLogger,
            logger_factory=_logger,
            cache_logger_on_first_use=False,
        )


def _as_text(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    said = event.pop("event")
    return " ".join([str(said), *(f"{name}={value!r}" for name, value in event.items())])


def _logger(name: str = "beemflow_secrets", *_: object) -> logging.Logger:
    return logging.getLogger(name)
