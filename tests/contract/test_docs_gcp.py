"""docs/backends/gcp.md: each right is enough and needed, its store is taken, and its calls are counted."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from beemflow_secrets.model.store import StoreSpec
from beemflow_secrets.providers.errors import Denied
from beemflow_secrets.providers.gcp.names import secret_id
from beemflow_secrets.testing.cases import in_chain
from beemflow_secrets.testing.fakes.google import GoogleCloud
from tests.contract.gcp import KEY, PROVIDER, Opened, read, text, value
from tests.contract.harness_gcp import READER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

TEXT = (Path(__file__).parents[2] / "docs" / "backends" / "gcp.md").read_text()
(STORE,) = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)]
ROWS = re.findall(r"^\| ((?:`secretmanager\.[a-z.]+`(?:, )?)+) \|", TEXT, flags=re.MULTILINE)
READING, LISTING, WRITING = (re.findall(r"`secretmanager\.([a-z.]+)`", row) for row in ROWS)


@pytest.fixture
def cloud() -> Iterator[GoogleCloud]:
    with GoogleCloud() as running:
        for name in "abc":
            running.put(name, name.encode(), annotations={"expires-at": "2031-02-03T04:05:06Z"})
        yield running


@pytest.fixture
async def opened(cloud: GoogleCloud) -> AsyncIterator[Opened]:
    made = Opened(cloud)
    yield made
    await made.close()


def test_the_store_is_taken_and_the_name_that_is_told_is_the_secrets() -> None:
    spec = StoreSpec.model_validate(STORE["spec"])
    assert spec.gcp is not None
    assert spec.gcp.workload_identity is not None
    assert spec.gcp.workload_identity.audience == PROVIDER
    assert f"the secret `{secret_id(f'{spec.prefix}slack/bot')}`" in TEXT
    assert f"secrets/{secret_id(f'{spec.prefix}x')[:-1]}" in TEXT


async def test_the_first_right_is_enough_to_read_and_for_health(cloud: GoogleCloud, opened: Opened) -> None:
    cloud.allow(READER, *READING)
    driver = opened(**KEY)
    await driver.health_check()
    assert [await text(driver, name) for name in "abc"] == ["a", "b", "c"]
    assert (await value(driver, "a")).expires_at is None
    with pytest.raises(Denied):
        await driver.list_secrets()
    cloud.allow(READER, *LISTING, *WRITING)
    denied = (await read(opened(**KEY), "a"))[0]
    assert type(denied) is Denied


async def test_the_right_to_list_tells_names_and_times(cloud: GoogleCloud, opened: Opened) -> None:
    cloud.allow(READER, *READING, *LISTING)
    driver = opened(**KEY)
    found = await value(driver, "a")
    assert found.created_at is not None
    assert found.expires_at is not None
    assert await driver.list_secrets() == ["a", "b", "c"]


@pytest.mark.parametrize("lacking", [None, *WRITING])
async def test_each_right_to_write_is_needed_for_its_own(
    cloud: GoogleCloud, opened: Opened, lacking: str | None
) -> None:
    cloud.allow(READER, *READING, *(right for right in WRITING if right != lacking))
    driver = opened(**KEY)
    changes = {
        "versions.add": driver.set_secret("a", "2"),
        "secrets.create": driver.set_secret("new", "1"),
        "secrets.delete": driver.delete_secret("b"),
    }
    # What was made is then given a version.
    denied = {lacking, "secrets.create"} if lacking == "versions.add" else {lacking}
    for right, change in changes.items():
        if right in denied:
            with pytest.raises(Denied):
                await change
        else:
            await change
    if lacking != "versions.add":
        before = len(cloud.asked)
        await driver.set_secret("a", "2")  # it is there already
        assert [one.path.rpartition(":")[2] for one in cloud.asked[before:]] == ["access"]


async def test_what_calls_a_read_costs(cloud: GoogleCloud, opened: Opened) -> None:
    driver = opened(**KEY)
    keys = [f"key-{number:02}" for number in range(45)]
    for key in keys:
        cloud.put(key, b"x")
    await in_chain(driver).get_secrets(keys)
    paths = [one.path for one in cloud.asked]
    assert sum(path.endswith(":access") for path in paths) == 45
    assert sum(path.endswith("/secrets") for path in paths) == 1
    assert paths.count("/token") == 1
    await driver.health_check()
    assert len(cloud.asked) == len(paths) + 1
