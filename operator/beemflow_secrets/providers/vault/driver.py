"""The driver: reading, listing and writing below the store's path."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from beemflow_secrets.engine.clock import SleeplessClock
from beemflow_secrets.model.keys import key_fault
from beemflow_secrets.providers.base import Driver, no_history
from beemflow_secrets.providers.errors import Denied, Invalid, SecretsError, Unavailable
from beemflow_secrets.providers.value import Ref, SecretValue
from beemflow_secrets.providers.vault.answers import kv1_value, kv2_value
from beemflow_secrets.providers.vault.api import Api
from beemflow_secrets.providers.vault.failures import absent, failure, name_fault
from beemflow_secrets.providers.vault.leases import Leases
from beemflow_secrets.providers.vault.listing import Listing
from beemflow_secrets.providers.vault.login import shared
from beemflow_secrets.providers.vault.methods import Method
from beemflow_secrets.providers.vault.mounts import Mounts, named
from beemflow_secrets.providers.vault.session import Session, check
from beemflow_secrets.providers.vault.wire import Wire
from beemflow_secrets.providers.vault.writing import delete, write
from beemflow_secrets.providers.wire import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from beemflow_secrets.model.store import StoreSpec
    from beemflow_secrets.providers.surroundings import Surroundings
    from beemflow_secrets.providers.value import Content, Found, Search
    from beemflow_secrets.providers.vault.mounts import Mount

_NOTHING = Answer(HTTPStatus.NOT_FOUND, b"")


class VaultDriver(Driver):
    """Reads the engine in which `vault.path` lies. `clock` tells when logins and the like are old."""

    name = "vault"

    def __init__(
        self, spec: StoreSpec, surroundings: Surroundings, *, clock: Callable[[], float] | None = None
    ) -> None:
        clock = clock or SleeplessClock()
        vault = spec.vault
        assert vault is not None  # noqa: S101 - the model demands it
        self._spec = vault
        self._wire = Wire(vault.address, vault.namespace, spec.tls, surroundings.endpoints)
        self._mounts = Mounts(vault, clock)
        self._method = Method(spec, Api(self._wire, None), surroundings)
        self._logins = shared(self._wire, self._method.log_in, clock=clock, timeout=spec.timeout)
        self._session = Session(vault, self._logins, clock)
        self._listing = Listing(self._session, self._mounts)
        self._leases = Leases(clock)

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        """Read the refs one after the other: Vault knows no batch."""
        return {ref: await self._answer(ref) for ref in refs}

    async def find(self, search: Search) -> Found:
        """List what lies below the store's path. A deleted KV2 secret with history is there. Tags: custom metadata."""
        return await self._listing.find(search)

    async def set_secret(self, key: str, value: Content, *, property: str | None = None) -> SecretValue:
        """Write a version of KV2, or a secret of KV1, unless it is there already."""

        async def writing(api: Api) -> SecretValue:
            return await write(api, *await self._standing(api, key), key, value, property)

        return await self._session.do(writing)

    async def delete_secret(self, key: str, *, property: str | None = None) -> None:
        """Delete the newest version of KV2, which can be undeleted, or a secret of KV1, which cannot."""

        async def deleting(api: Api) -> None:
            await delete(api, *await self._standing(api, key), key, property)

        await self._session.do(deleting)

    async def health_check(self) -> None:
        """Log in if need be, and ask the server which mount the path lies in: no policy has to allow that."""
        with suppress(Denied):  # it serves
            await self._session.do(self._probe)

    async def close(self) -> None:
        """Let go of connections and of a login under way."""
        await self._logins.close()
        await self._method.close()
        await self._wire.close()

    async def _answer(self, ref: Ref) -> SecretValue | SecretsError:
        try:
            return await self._session.do(partial(self._read, ref))
        except SecretsError as error:
            return error

    async def _read(self, ref: Ref, api: Api) -> SecretValue:
        if fault := key_fault(ref.key) or name_fault(ref.key):
            raise Invalid(f"the key {fault}", key=ref.key)
        mount = await self._mounts.find(api)
        if mount.version is None:
            return await self._leases.read(ref.key, api, partial(self._made, ref, api))
        mount, answer = await self._found(ref, api)
        if mount.version is None:
            raise _replaced()
        return kv2_value(answer) if mount.version == 2 else kv1_value(answer)  # noqa: PLR2004 - KV2

    async def _made(self, ref: Ref, api: Api) -> Answer:
        mount, answer = await self._found(ref, api)
        if mount.version is not None:
            raise _replaced()
        return answer

    async def _found(self, ref: Ref, api: Api) -> tuple[Mount, Answer]:
        mount, answer = await self._mounts.ask(api, partial(_read, api, ref))
        if answer.status == HTTPStatus.NOT_FOUND:
            raise absent(answer, key=ref.key)
        check(answer, key=ref.key)
        return mount, answer

    async def _standing(self, api: Api, key: str) -> tuple[Mount, Answer]:
        """Read what a change begins with; of an engine that makes its secrets nothing, since reading makes one."""
        if fault := key_fault(key):
            raise Invalid(f"the key {fault}", key=key)
        mount = await self._mounts.find(api)
        return (
            (mount, _NOTHING) if mount.version is None else await self._mounts.ask(api, partial(_read, api, Ref(key)))
        )

    async def _probe(self, api: Api) -> None:
        answer = await api.mount_of(self._spec.path)
        if answer.status == HTTPStatus.OK:
            named(answer, self._spec)
        elif not isinstance(failure(answer), Invalid):  # "not found" comes from a server that serves
            check(answer)


def _replaced() -> Unavailable:
    return Unavailable("the engine at vault.path has just become one of another kind")


async def _read(api: Api, ref: Ref, mount: Mount) -> Answer:
    path = mount.full(ref.key)
    if mount.version == 2:  # noqa: PLR2004 - KV2
        return await api.read_kv2(mount.path, path, _number(ref))
    if ref.version is not None:
        raise no_history(ref)
    return await api.read_plain(mount.path, path)


def _number(ref: Ref) -> int | None:
    if ref.version is None:
        return None
    if re.fullmatch("[1-9][0-9]{0,17}", ref.version) is None:  # for 0 Vault would serve the current one
        raise Invalid("the version is none of KV2: those are numbers, from 1", key=ref.key)
    return int(ref.version)
