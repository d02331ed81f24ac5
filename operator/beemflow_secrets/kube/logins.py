"""The token that we show the API server: a fixed one, one in a file that is renewed there, or a program's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    from pathlib import Path

TOKEN_TTL = 60.0
"""Seconds for which a token file is not read again. The kubelet renews a token long before it ends."""

Token = Callable[[], Awaitable[str | None]]


class LoginFailed(aiohttp.ClientConnectionError):
    """There is no token now. To aiohttp and to Kopf it is a connection that failed: they try again."""


def fixed(token: str | None) -> Token:
    """Return a token that stays; None where another way to log in is used."""

    async def read() -> str | None:
        return token

    return read


def of_file(path: Path) -> Token:
    """Return the token in a file, read again once a minute. Raises LoginFailed while it never could be read."""
    token, read_at = "", -TOKEN_TTL

    async def read() -> str | None:
        nonlocal token, read_at
        if time.monotonic() - read_at >= TOKEN_TTL:
            try:
                token = path.read_text().strip()  # noqa: ASYNC240 - 1 KiB from a tmpfs
            except OSError as error:
                if not token:
                    raise LoginFailed(f"the token cannot be read: {path}: {error.strerror}") from error
            read_at = time.monotonic()
        return token

    return read


def of_program(kubeconfigs: str, context: str) -> Token:
    """Return the token that the official client gets, by the program or the cloud that a context's user names.

    Raises ModuleNotFoundError where that client is not installed. It is asked in a thread: it runs programs and SDKs.
    """
    from kubernetes import client, config  # noqa: PLC0415 - heavy, and needed here alone

    configuration = client.Configuration()
    loaded = False

    def log_in() -> str | None:
        nonlocal loaded
        if not loaded:
            config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=kubeconfigs, context=context, client_configuration=configuration
            )
        header = configuration.get_api_key_with_prefix("BearerToken", "authorization")  # renews what has expired
        loaded = header is not None
        return str(header).removeprefix("Bearer ") if header else None

    async def read() -> str | None:
        try:
            token = await asyncio.to_thread(log_in)
        except Exception:  # noqa: BLE001 - of a program or an SDK: it may be anything, and its text may hold a token
            token = None
        if token is None:
            raise LoginFailed("the program that the kubeconfig logs in by gave no token: does `kubectl version` work?")
        return token

    return read
