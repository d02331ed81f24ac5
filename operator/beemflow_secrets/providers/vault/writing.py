"""Writing: a read, the change, and a write that is refused where another one came between."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from beemflow_secrets.providers import jsontext
from beemflow_secrets.providers.errors import Invalid, NotFound, Unavailable
from beemflow_secrets.providers.fields import map_after, map_without, text_of
from beemflow_secrets.providers.value import SecretValue
from beemflow_secrets.providers.vault.answers import kv1_value, kv2_value, kv2_written
from beemflow_secrets.providers.vault.failures import absent, deleted, overtaken
from beemflow_secrets.providers.vault.session import check

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beemflow_secrets.providers.value import Content
    from beemflow_secrets.providers.vault.api import Api
    from beemflow_secrets.providers.vault.mounts import Mount
    from beemflow_secrets.providers.wire import Answer

LARGEST = 1024 * 1024
"""Bytes of a secret: what an entry of Vault's own storage (raft) may hold."""


async def write(api: Api, mount: Mount, read: Answer, key: str, value: Content, property: str | None) -> SecretValue:
    """Set what `read` is the answer about. Raises Refused, or a SecretsError."""
    _may_be_written(mount, key)
    found, newest = _found(mount, read, key)
    fields = found.fields if found is not None and found.fields is not None else {}
    after = map_after(fields, value, property)
    if found is not None and after is fields:
        return found
    texts = {name: text_of(item) if isinstance(item, bytes) else item for name, item in after.items()}
    if len(jsontext.as_bytes(texts)) > LARGEST:
        raise Invalid(f"the secret would be larger than {LARGEST // 1024**2} MiB", key=key)
    path = mount.full(key)
    if mount.version == 1:
        _accepted(await api.write_plain(mount.path, path, texts), key)
        return SecretValue(texts)
    answer = await api.write_kv2(mount.path, path, texts, over=newest)
    if overtaken(answer):
        raise Unavailable("somebody else wrote the secret at the same time")
    _accepted(answer, key)
    return kv2_written(answer, texts, found)


async def delete(api: Api, mount: Mount, read: Answer, key: str, property: str | None) -> None:
    """Delete what `read` is the answer about. Raises Refused, or a SecretsError."""
    _may_be_written(mount, key)
    found, newest = _found(mount, read, key)
    if found is None or found.fields is None:
        return
    after: Mapping[str, object] = map_without(found.fields, property) if property is not None else {}
    if property is not None and after is found.fields:
        return
    path = mount.full(key)
    if after and mount.version == 1:
        answer = await api.write_plain(mount.path, path, after)
    elif after:
        answer = await api.write_kv2(mount.path, path, after, over=newest)
    else:
        answer = await (api.delete_plain if mount.version == 1 else api.delete_kv2)(mount.path, path)
    if overtaken(answer):
        raise Unavailable("somebody else wrote the secret at the same time")
    _accepted(answer, key)


def _may_be_written(mount: Mount, key: str) -> None:
    if mount.version is None:
        raise Invalid("the engine at vault.path makes its secrets itself: there is nothing to write", key=key)


def _found(mount: Mount, read: Answer, key: str) -> tuple[SecretValue | None, int]:
    """Return what is there, and the number of its newest version: 0 where there is none, and in KV1."""
    if read.status == HTTPStatus.NOT_FOUND:
        error = absent(read, key=key)
        if not isinstance(error, NotFound):
            raise error
        return None, deleted(read) or 0
    check(read, key=key)
    found = kv1_value(read) if mount.version == 1 else kv2_value(read)
    return found, int(found.version or 0)


def _accepted(answer: Answer, key: str) -> None:
    if answer.status != HTTPStatus.NO_CONTENT:
        check(answer, key=key)
