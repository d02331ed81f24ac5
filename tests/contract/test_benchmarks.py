"""The stand-in that benchmarks ask answers as moto does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import pytest

from beemflow_secrets import open_secrets
from beemflow_secrets.providers.errors import NotFound
from benchmarks.secretsmanager import SecretsManager
from tests.support.aws import REGION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.aws import Aws

VALUES = {f"team/key-{number:03}": f"value {number}" for number in range(45)} | {"other": "1"}


@pytest.fixture(scope="module")
def stand_in() -> Iterator[SecretsManager]:
    with SecretsManager() as server:
        yield server


def config(address: str, access_key: str, secret_key: str) -> dict[str, Any]:
    block = {"endpoint": address, "access_key_id": access_key, "secret_access_key": secret_key}
    return {"driver": "aws-sm", "region": REGION, "retry": {"attempts": 1}, "aws": block}


async def told(section: dict[str, Any]) -> list[object]:
    """Return all that a library's user can tell of a server."""
    async with open_secrets(section) as secrets:
        found: list[object] = [await secrets.get_secrets(list(VALUES)), await secrets.get_secret("other")]
        found += [await secrets.list_secrets(prefix) for prefix in ("", "team/", "none")]
        for missing in (["team/missing", "other", "gone"], ["gone"]):
            with pytest.raises(NotFound) as caught:
                await secrets.get_secrets(missing)
            found += [str(caught.value), caught.value.keys]
        await secrets.health_check()
    return found


async def test_it_answers_as_moto_does(stand_in: SecretsManager, aws: Aws) -> None:
    aws.reset()
    for name, value in VALUES.items():
        aws.put(name, value.encode())
    async with aiohttp.ClientSession() as session:
        await session.put(f"{stand_in.address}/", data=orjson.dumps(VALUES))
    answered = await told(config(stand_in.address, "any", "key"))
    assert answered == await told(config(aws.address, aws.access_key, aws.secret_key))
    assert answered[:2] == [VALUES, "1"]
