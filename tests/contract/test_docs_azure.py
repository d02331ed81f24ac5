"""docs/backends/azure.md: each right is enough and needed, its store is taken, and its calls are counted."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from beemflow_secrets.model.azure import AzureSpec
from beemflow_secrets.model.store import StoreSpec
from beemflow_secrets.providers.azure.names import secret_name
from beemflow_secrets.providers.errors import Denied
from tests.contract.azure import Opened, calls, error, text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from beemflow_secrets.testing.fakes.azure import FakeAzure, Right

TEXT = (Path(__file__).parents[2] / "docs" / "backends" / "azure.md").read_text()
(STORE,) = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)]
(ROLE,) = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", TEXT, flags=re.DOTALL)]

# By what Azure calls an action on data ("Azure built-in roles for Security"): what it allows.
RIGHTS: dict[str, Right] = {
    "secrets/getSecret/action": "get",
    "secrets/readMetadata/action": "list",
    "secrets/setSecret/action": "set",
    "secrets/delete": "delete",
    "secrets/recover/action": "recover",
}
READING, LISTING, WRITING = (
    [RIGHTS[name] for name in re.findall(r"`(secrets/[A-Za-z/]+)`", row)]
    for row in re.findall(r"^\| (`secrets/.*?) \|", TEXT, flags=re.MULTILINE)
)


@pytest.fixture
async def opened(azure: FakeAzure) -> AsyncIterator[Opened]:
    azure.reset()
    for name in "abc":
        azure.put(name, name)
    azure.vault.settling = 0.0
    made = Opened(azure)
    yield made
    await made.close()
    azure.vault.settling = 0.1


def test_the_store_is_taken_and_the_name_that_is_told_is_the_secrets() -> None:
    spec = StoreSpec.model_validate(STORE["spec"])
    for key in (f"{spec.prefix}slack/bot", "slack/bot"):
        assert f"`{secret_name(key)}`" in TEXT


def test_there_is_a_line_for_every_login() -> None:
    told = set(re.findall(r"^\| `([a-z_]+)`", TEXT.partition("## Logging in")[2], flags=re.MULTILINE))
    assert told == set(AzureSpec.model_fields["auth_method"].annotation.__args__)  # type: ignore[union-attr]


async def test_the_role_is_enough_to_read_and_for_health(azure: FakeAzure, opened: Opened) -> None:
    azure.access.rights = frozenset(
        RIGHTS[one.removeprefix("Microsoft.KeyVault/vaults/")] for one in ROLE["DataActions"]
    )
    assert azure.access.rights == frozenset(READING)
    driver = opened()
    await driver.health_check()
    assert [await text(driver, name) for name in "abc"] == ["a", "b", "c"]
    for refused in (driver.list_secrets(), driver.set_secret("a", "new"), driver.delete_secret("a")):
        with pytest.raises(Denied):
            await refused
    azure.access.rights = frozenset(LISTING + WRITING)
    assert type(await error(driver, "a")) is Denied


async def test_the_right_to_list_is_enough_for_listings(azure: FakeAzure, opened: Opened) -> None:
    azure.access.rights = frozenset(LISTING)
    assert await opened().list_secrets() == ["a", "b", "c"]


@pytest.mark.parametrize("lacking", [None, *WRITING])
async def test_each_right_to_write_is_needed_for_its_own(
    azure: FakeAzure, opened: Opened, lacking: Right | None
) -> None:
    azure.vault.delete("c")
    azure.access.rights = frozenset({*READING, *WRITING} - {lacking})
    driver = opened()
    changes = {"set": ["a"], "recover": ["c"], "delete": ["b"]}
    for right, keys in changes.items():
        for key in keys:
            change = driver.delete_secret(key) if right == "delete" else driver.set_secret(key, "new")
            if lacking == right or (lacking == "set" and right == "recover"):
                with pytest.raises(Denied):
                    await change
            else:
                await change


async def test_what_is_said_of_calls_is_so(azure: FakeAzure, opened: Opened) -> None:
    for number in range(60):
        azure.put(f"key-{number:02}", "x")
    driver = opened()
    for _ in range(2):
        await text(driver, "a")
    assert calls(azure) == {"token": 1, "GET secrets": 2}
    azure.asked.clear()
    await driver.list_secrets("key-1")
    assert calls(azure) == {"GET secrets": 3}  # 63 names
    azure.asked.clear()
    await driver.health_check()
    assert calls(azure) == {"GET secrets": 1}
