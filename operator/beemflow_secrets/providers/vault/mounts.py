"""Where the store's path lies: in which mount, in which folder of it, and in an engine of which kind."""

from __future__ import annotations

import asyncio
import math
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from beemflow_secrets.providers.errors import Denied, Invalid, Unavailable
from beemflow_secrets.providers.vault.answers import document
from beemflow_secrets.providers.vault.failures import failure
from beemflow_secrets.providers.vault.session import Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from beemflow_secrets.model.store import VaultSpec
    from beemflow_secrets.providers.vault.api import Api
    from beemflow_secrets.providers.wire import Answer

_KIND = re.compile("[A-Za-z0-9_-]{1,64}")
_BELIEVED = 60.0
"""Seconds for which a mount is taken to be what it was when a key is missing."""


@dataclass(frozen=True, slots=True)
class Mount:
    """An engine at `path`: KV of `version`, or another where that is None. Keys lie in `folder`, which may be empty."""

    path: str
    version: int | None
    folder: str

    def full(self, name: str) -> str:
        """Return the path of `name` below the mount."""
        return f"{self.folder}/{name}" if self.folder else name


class Mounts:
    """Asks the server once, and again when a key is missing and the last answer is a minute old.

    An engine can be replaced or upgraded in place. Its keys would then seem to be missing, and a missing key can
    remove a Secret.
    """

    def __init__(self, spec: VaultSpec, clock: Callable[[], float]) -> None:
        self._spec = spec
        self._clock = clock
        self._asking = asyncio.Lock()
        self._mount: Mount | None = None
        self._asked = -math.inf

    async def find(self, api: Api) -> Mount:
        """Return the mount. Raises Refused, or a SecretsError."""
        if self._mount is None:
            async with self._asking:
                if self._mount is None:
                    return await self._ask(api)
        return self._mount

    async def ask(self, api: Api, ask: Callable[[Mount], Awaitable[Answer]]) -> tuple[Mount, Answer]:
        """Ask the mount; again where it turns out to have been replaced by another."""
        mount = await self.find(api)
        answer = await ask(mount)
        if answer.status == HTTPStatus.NOT_FOUND and (now := await self._confirm(api, mount)) != mount:
            mount, answer = now, await ask(now)
        return mount, answer

    async def _confirm(self, api: Api, mount: Mount) -> Mount:
        """Return what `mount` is now; it is asked for again only where that was a while ago."""
        if self._clock() < self._asked + _BELIEVED:
            return mount
        async with self._asking:
            return await self._ask(api)

    async def _ask(self, api: Api) -> Mount:
        asked = self._clock()
        answer = await api.mount_of(self._spec.path)
        if answer.status == HTTPStatus.OK:
            self._mount, self._asked = named(answer, self._spec), asked
            return self._mount
        return self._guess(answer)

    def _guess(self, answer: Answer) -> Mount:
        """Take the first segment for the mount, where the KV version is known. It is not remembered."""
        error = failure(answer)
        if not isinstance(error, Denied | Invalid):
            raise error
        path, version = self._spec.path, self._spec.kv_version
        if version is None:
            raise Refused(_unnamed()) if isinstance(error, Denied) else error
        mount, _, folder = path.partition("/")
        return Mount(mount, version, folder)


def named(answer: Answer, spec: VaultSpec) -> Mount:
    """Read what the server says of the mount in which `spec.path` lies. Raises Invalid where `spec` says another."""
    match document(answer):
        case {"data": {"path": str(path), "type": str(kind), **rest}} if (
            path and f"{spec.path}/".startswith(path) and _KIND.fullmatch(kind)
        ):
            options = rest.get("options")
        case _:
            raise Unavailable("the server's answer about the mount has not the form that Vault's has")
    version = _version(options) if kind in {"kv", "generic"} else None
    if spec.kv_version is not None and version is None:
        raise Invalid(f"vault.kvVersion is {spec.kv_version}, but vault.path leads to an engine of type {kind}")
    if spec.kv_version not in {None, version}:
        raise Invalid(f"vault.kvVersion is {spec.kv_version}, but the engine at vault.path has version {version}")
    return Mount(path.rstrip("/"), version, spec.path[len(path) :])


def _version(options: object) -> int:
    return 2 if isinstance(options, dict) and options.get("version") == "2" else 1


def _unnamed() -> Denied:
    return Denied("the server names no mount at vault.path: there is none, or the login has no right below it")
