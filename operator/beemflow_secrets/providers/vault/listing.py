"""Searches: a call for each folder, and for tags one for each secret."""

from __future__ import annotations

import asyncio
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

from beemflow_secrets.model.keys import key_fault
from beemflow_secrets.providers.base import no_tags
from beemflow_secrets.providers.errors import Invalid
from beemflow_secrets.providers.vault.answers import custom_metadata, names
from beemflow_secrets.providers.vault.failures import name_fault, nothing_there
from beemflow_secrets.providers.vault.session import check

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from beemflow_secrets.providers.value import Found, Search
    from beemflow_secrets.providers.vault.api import Api
    from beemflow_secrets.providers.vault.mounts import Mount, Mounts
    from beemflow_secrets.providers.vault.session import Session
    from beemflow_secrets.providers.wire import Answer

T = TypeVar("T")

_AT_ONCE = 8
"""Calls of one search that are made at the same time."""


class Listing:
    """What lies below the store's path."""

    def __init__(self, session: Session, mounts: Mounts) -> None:
        self._session = session
        self._mounts = mounts

    async def find(self, search: Search) -> Found:
        """Find names, and custom metadata where tags are asked for. Raises a SecretsError."""
        # A letter more, as any name has that the prefix fits.
        if fault := key_fault(f"{search.prefix}x") or name_fault(search.prefix):
            raise Invalid(f"the prefix {fault}")
        if not search.tagged:
            return {name: {} for name in await self._below(search.prefix)}
        await self._session.do(self._check_tags)
        found: Found = {}
        for few in _in_portions(await self._below(search.prefix)):
            told = await _together(few, self._tags)
            found |= {name: tags for name, tags in zip(few, told, strict=True) if tags is not None}
        return found

    async def _below(self, prefix: str) -> list[str]:
        """Return the names that begin with `prefix`, over all levels, sorted."""
        found: set[str] = set()
        folders = [prefix[: prefix.rfind("/") + 1]]
        while folders:
            level, folders = folders[:_AT_ONCE], folders[_AT_ONCE:]
            for folder, entries in zip(level, await _together(level, self._entries), strict=True):
                fitting = [name for entry in entries if (name := folder + entry).startswith(prefix)]
                folders += [name for name in fitting if name.endswith("/")]
                found.update(name for name in fitting if not name.endswith("/"))
        return sorted(found)

    async def _entries(self, folder: str) -> list[str]:
        async def listing(api: Api) -> list[str]:
            _, answer = await self._mounts.ask(api, partial(_list, api, folder))
            if answer.status == HTTPStatus.NOT_FOUND and nothing_there(answer):
                return []
            check(answer)
            return names(answer)

        return await self._session.do(listing)

    async def _tags(self, key: str) -> dict[str, str] | None:
        """Return the custom metadata of a secret, None where it has gone since it was listed."""

        async def asking(api: Api) -> dict[str, str] | None:
            _, answer = await self._mounts.ask(api, partial(_describe, api, key))
            if answer.status == HTTPStatus.NOT_FOUND and nothing_there(answer):
                return None
            check(answer, key=key)
            return custom_metadata(answer)

        return await self._session.do(asking)

    async def _check_tags(self, api: Api) -> None:
        _check_tags(await self._mounts.find(api))


def _in_portions(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[begin : begin + _AT_ONCE] for begin in range(0, len(names), _AT_ONCE)]


async def _together(few: Sequence[str], ask: Callable[[str], Awaitable[T]]) -> list[T]:
    """Ask for a few at the same time. None of them goes on alone when one fails."""
    answers: list[T] = []
    for answer in await asyncio.gather(*map(ask, few), return_exceptions=True):
        if isinstance(answer, BaseException):
            raise answer
        answers.append(answer)
    return answers


async def _list(api: Api, folder: str, mount: Mount) -> Answer:
    path = mount.full(folder.rstrip("/")).rstrip("/")
    listing = api.list_kv2 if mount.version == 2 else api.list_plain  # noqa: PLR2004 - KV2
    return await listing(mount.path, path)


async def _describe(api: Api, key: str, mount: Mount) -> Answer:
    _check_tags(mount)
    return await api.metadata_kv2(mount.path, mount.full(key))


def _check_tags(mount: Mount) -> None:
    if mount.version != 2:  # noqa: PLR2004 - KV2
        raise no_tags()
