"""docs/backends/aws.md: each right is enough and needed, its store is taken, and its calls are counted.

A policy of the page is given to a server that refuses every other operation.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from beemflow_secrets.model.store import StoreSpec
from beemflow_secrets.providers.aws import AwsDriver
from beemflow_secrets.providers.errors import AuthFailed, Denied, Unavailable
from beemflow_secrets.providers.surroundings import Surroundings
from beemflow_secrets.providers.value import Ref, SecretValue
from beemflow_secrets.testing.cases import in_chain
from tests.contract.conftest import secret_ref
from tests.support.aws import REGION
from tests.support.names import Names

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from beemflow_secrets.model.store import CredentialRef
    from tests.contract.conftest import Clock
    from tests.support.aws import Aws

TEXT = (Path(__file__).parents[2] / "docs" / "backends" / "aws.md").read_text()
(POLICY,) = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", TEXT, flags=re.DOTALL)]
(STORE,) = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)]
OPERATIONS = {
    "GetSecretValue", "BatchGetSecretValue", "ListSecrets", "DescribeSecret", "ListSecretVersionIds",
    "CreateSecret", "PutSecretValue", "UpdateSecret", "UpdateSecretVersionStage", "DeleteSecret", "RestoreSecret",
    "TagResource", "GetResourcePolicy",
}  # fmt: skip
WRITING = ("CreateSecret", "PutSecretValue", "DeleteSecret", "RestoreSecret")


def actions(statement: dict[str, Any]) -> set[str]:
    """Return the operations that a statement allows."""
    named = statement["Action"]
    return {one.removeprefix("secretsmanager:") for one in ([named] if isinstance(named, str) else named)}


READING, CHEAPER = map(actions, POLICY["Statement"])


class Account:
    """An account of AWS in which a, b and c are secrets, and who asks may do what a test says."""

    def __init__(self, aws: Aws, clock: Clock) -> None:
        self.aws = aws
        self.clock = clock
        self.credentials = {"id": aws.access_key, "key": aws.secret_key}
        self.drivers: list[AwsDriver] = []
        for key in "abc":
            aws.put(key, key.encode(), tags={"expires-at": "2031-02-03T04:05:06Z"})

    def allow(self, *allowed: Iterable[str]) -> None:
        """Refuse every other operation."""
        self.aws.tell(refuse={"AccessDeniedException": sorted(OPERATIONS.difference(*allowed))})

    def open(self, **block: Any) -> AwsDriver:
        keys = {"accessKeyId": secret_ref("id"), "secretAccessKey": secret_ref("key")}
        spec = {"driver": "aws-sm", "region": REGION, "aws": {"endpoint": self.aws.address, **keys, **block}}
        driver = AwsDriver(StoreSpec.model_validate(spec), Surroundings(credential=self._lend), clock=self.clock)
        self.drivers.append(driver)
        return driver

    async def _lend(self, ref: CredentialRef) -> str:
        return self.credentials[ref.secret_key_ref.key]


@pytest.fixture
async def account(aws: Aws, ticking: Clock) -> AsyncIterator[Account]:
    aws.reset()
    made = Account(aws, ticking)
    yield made
    for driver in made.drivers:
        await driver.close()


async def read(driver: AwsDriver, keys: str = "abc") -> dict[str, SecretValue]:
    answers = await driver.fetch([Ref(key) for key in keys])
    found = {ref.key: one for ref, one in answers.items() if isinstance(one, SecretValue)}
    assert {key: one.value for key, one in found.items()} == {key: key for key in keys}
    return found


def test_the_store_is_taken() -> None:
    StoreSpec.model_validate(STORE["spec"])


def test_the_policy_names_rights_that_are_in_the_table() -> None:
    rows = re.findall(r"^\| ((?:`[A-Za-z:]+`(?:, )?)+) \|", TEXT, flags=re.MULTILINE)
    told = {name for row in rows for name in re.findall("`([A-Za-z]+)`", row)} & OPERATIONS
    assert told == READING | CHEAPER | set(WRITING)
    assert POLICY["Statement"][0]["Resource"].endswith(f":secret:{STORE['spec']['prefix']}*")


async def test_the_first_statement_is_enough_to_read_and_for_health(account: Account) -> None:
    account.allow(READING)
    driver = account.open()
    assert {value.expires_at for value in (await read(driver)).values()} == {None}
    await driver.health_check()
    with pytest.raises(Denied):
        await driver.list_secrets()
    await read(driver)
    # The two refusals are remembered.
    assert Counter(account.aws.operations) == {
        "BatchGetSecretValue": 1, "ListSecrets": 2, "GetSecretValue": 3 + 1 + 3
    }  # fmt: skip


async def test_the_whole_policy_reads_in_batches_and_tells_when_values_expire(account: Account) -> None:
    account.allow(READING, CHEAPER)
    driver = account.open()
    assert {value.expires_at.year for value in (await read(driver)).values() if value.expires_at} == {2031}
    assert await driver.list_secrets() == ["a", "b", "c"]
    assert Counter(account.aws.operations) == {"BatchGetSecretValue": 1, "ListSecrets": 2}


@pytest.mark.parametrize("lacking", sorted(READING | CHEAPER))
async def test_each_right_of_the_policy_is_needed_for_what_the_table_says(account: Account, lacking: str) -> None:
    account.allow((READING | CHEAPER) - {lacking})
    driver = account.open()
    if lacking in READING:
        # A batch shows no value of a secret that may not be read by itself.
        account.aws.tell(denied=["a"])
        answers = await driver.fetch([Ref("a"), Ref("b")])
        assert isinstance(answers[Ref("a")], Denied)
        assert isinstance((await driver.fetch([Ref("a")]))[Ref("a")], Denied)
        return
    found = await read(driver)
    if lacking == "ListSecrets":
        assert {value.expires_at for value in found.values()} == {None}
        with pytest.raises(Denied):
            await driver.list_secrets()
    else:
        assert Counter(account.aws.operations)["GetSecretValue"] == 3


@pytest.mark.parametrize("lacking", [None, *WRITING])
async def test_each_right_to_write_is_needed_for_its_own(account: Account, lacking: str | None) -> None:
    account.aws.delete("c")
    account.allow(READING, [right for right in WRITING if right != lacking])
    driver = account.open()
    changes = {
        "PutSecretValue": driver.set_secret("a", "2"),
        "CreateSecret": driver.set_secret("new", "1"),
        "DeleteSecret": driver.delete_secret("b"),
        "RestoreSecret": driver.set_secret("c", "2"),
    }
    # A restored secret is then written to.
    denied = {lacking, "RestoreSecret"} if lacking == "PutSecretValue" else {lacking}
    for right, change in changes.items():
        if right in denied:
            with pytest.raises(Denied):
                await change
        else:
            await change
    before = len(account.aws.operations)
    if lacking != "PutSecretValue":
        await driver.set_secret("a", "2")  # it is there already
        assert account.aws.operations[before:] == ["GetSecretValue"]


async def test_what_calls_a_read_costs(account: Account) -> None:
    driver = account.open()
    keys = [f"key-{number:02}" for number in range(45)]
    for key in keys:
        account.aws.put(key, b"x")
    await in_chain(driver).get_secrets(keys)
    calls = Counter(account.aws.operations)
    assert (calls["BatchGetSecretValue"], calls["GetSecretValue"], calls["ListSecrets"]) == (3, 0, 1)
    version = account.aws.put("a", b"1")
    await driver.fetch([Ref("a", version), Ref("b", "AWSCURRENT"), Ref("c", "AWSCURRENT")])
    await driver.health_check()
    assert Counter(account.aws.operations) - calls == {"GetSecretValue": 4}


async def test_a_region_that_this_network_does_not_know(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = Names(tmp_path)
    names.patch(monkeypatch)
    names.lead({"secretsmanager.eu-nowhere-9.amazonaws.com": []})
    driver = account.open(region="eu-nowhere-9", endpoint=None)
    with pytest.raises(Unavailable, match="does not resolve"):
        await driver.health_check()


async def test_a_session_of_the_store_that_has_expired_and_is_replaced(account: Account) -> None:
    """A temporary key of somebody's own: nobody here can renew it."""
    account.credentials["session"] = "ended"
    driver = account.open(sessionToken=secret_ref("session"))
    account.aws.tell(refuse={"ExpiredTokenException": sorted(OPERATIONS)})
    with pytest.raises(AuthFailed, match="the session has expired"):
        await driver.health_check()
    answers = await driver.fetch([Ref("a"), Ref("b")])
    assert {type(one) for one in answers.values()} == {AuthFailed}
    account.aws.tell(refuse={})
    account.credentials["session"] = "fresh"
    await read(driver)
