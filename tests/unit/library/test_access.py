"""Who asks, as the library is told: by `access`, or when a store is opened."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets import Denied, SecretsConfig, access, open_secrets, open_secrets_sync

if TYPE_CHECKING:
    from pathlib import Path

CONFIG: dict[str, Any] = {
    "driver": "env",
    "access_policies": [
        {"flow_patterns": ["finance/*"], "secret_patterns": ["STRIPE*"], "required_roles": ["admin"]},
        {"flow_patterns": ["public"], "secret_patterns": ["OPEN"], "allowed_actions": ["read"]},
    ],
}


@pytest.fixture(autouse=True)
def _variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRIPE_KEY", '{"live":"x"}')
    monkeypatch.setenv("OPEN", "y")


async def test_where_a_policy_stands_who_asks_must_be_named() -> None:
    async with open_secrets(CONFIG) as secrets:
        with pytest.raises(Denied, match="STRIPE_KEY: the store has access policies, and nobody is named"):
            await secrets.get_secret("STRIPE_KEY")
        with access(flow="finance/pay", roles=["admin"]):
            assert await secrets.get_secret("STRIPE_KEY#live") == "x"
            with pytest.raises(Denied, match="OPEN: no access policy of the store lets flow 'finance/pay' read it"):
                await secrets.get_secrets(["STRIPE_KEY", "OPEN"])
            assert await secrets.list_secrets("S") == ["STRIPE_KEY"]
        with access(flow="public"), pytest.raises(Denied):
            await secrets.list_secrets()
        await secrets.health_check()
    async with open_secrets({"driver": "env"}) as secrets:
        assert await secrets.get_secret("OPEN") == "y"


async def test_the_innermost_stands_alone() -> None:
    async with open_secrets(CONFIG, flow="finance/pay", roles=["admin"]) as secrets:
        assert await secrets.get_secret("STRIPE_KEY#live") == "x"
        with access(flow="public"):
            assert await secrets.get_secret("OPEN") == "y"
            with access(flow="finance/pay"), pytest.raises(Denied):  # the roles of others do not come with it
                await secrets.get_secret("STRIPE_KEY")
            with access(), pytest.raises(Denied, match="nobody is named"):
                await secrets.get_secret("OPEN")
            assert await secrets.get_secret("OPEN") == "y"
        assert await secrets.get_secret("STRIPE_KEY#live") == "x"
    with access(flow="public"):
        opening = open_secrets(CONFIG, flow="finance/pay", roles=["admin"])
        secrets = await opening.__aenter__()
        assert await secrets.get_secret("STRIPE_KEY#live") == "x"
    assert await secrets.get_secret("STRIPE_KEY#live") == "x"
    with access(), pytest.raises(Denied, match="nobody is named"):
        await secrets.get_secret("STRIPE_KEY#live")
    await opening.__aexit__(None, None, None)


async def test_who_opened_a_store_stands_until_a_block_is_entered_since() -> None:
    async with AsyncExitStack() as stack:
        with access(user="somebody"):
            with access(flow="finance/pay", roles=["admin"]):
                secrets = await stack.enter_async_context(open_secrets(CONFIG, flow="public"))
            assert await secrets.get_secret("OPEN") == "y"
        with access(user="somebody"), pytest.raises(Denied, match="a caller without a flow"):
            await secrets.get_secret("OPEN")


async def test_a_star_admits_a_caller_without_a_flow_and_every_other_pattern_takes_one() -> None:
    policies = [
        {"flow_patterns": ["*"], "secret_patterns": ["OPEN"]},
        {"flow_patterns": ["*/*", "finance*"], "secret_patterns": ["STRIPE*"]},
    ]
    async with open_secrets({"driver": "env", "access_policies": policies}) as secrets:
        with access(user="somebody"):
            assert await secrets.get_secret("OPEN") == "y"
            with pytest.raises(Denied, match="lets a caller without a flow read it"):
                await secrets.get_secret("STRIPE_KEY")
        with pytest.raises(Denied, match="nobody is named"):
            await secrets.get_secret("OPEN")


async def test_it_holds_for_the_task_alone_and_what_it_begins() -> None:
    entered, read = asyncio.Event(), asyncio.Event()

    async def as_finance() -> None:
        with access(flow="finance/pay", roles=["admin"]):
            entered.set()
            await read.wait()
            both = await asyncio.gather(*(secrets.get_secret("STRIPE_KEY#live") for _ in range(2)))
            assert both == ["x", "x"]

    async with open_secrets(CONFIG) as secrets, asyncio.TaskGroup() as group:
        group.create_task(as_finance())
        await entered.wait()
        with pytest.raises(Denied):
            await secrets.get_secret("STRIPE_KEY")
        read.set()


def test_the_same_without_await() -> None:
    with open_secrets_sync(CONFIG, flow="public") as secrets:
        assert secrets.get_secret("OPEN") == "y"
        with access(flow="finance/pay", roles=["admin"]):
            assert secrets.get_secret("STRIPE_KEY#live") == "x"
        with pytest.raises(Denied):
            secrets.get_secret("STRIPE_KEY")


def test_the_policies_of_the_brief_load() -> None:
    policies = SecretsConfig.from_dict(
        {
            "secrets": {
                "driver": "vault",
                "vault": {"address": "https://vault:8200", "path": "secret/beemflow", "token": "t"},
                "access_policies": [
                    {
                        "flow_patterns": ["finance/*", "accounting/*"],
                        "secret_patterns": ["stripe/*", "quickbooks/*"],
                        "required_roles": ["finance-admin"],
                    }
                ],
            }
        }
    ).access_policies
    assert policies[0].required_roles == ["finance-admin"]
    assert policies[0].allowed_actions is None


@pytest.mark.parametrize(
    ("policies", "said"),
    [
        ([{"allowed_actions": ["write"]}], "no access policy of the store lets anybody read it"),
        ([{"secret_patterns": ["nothing"]}], "no access policy of the store lets flow 'finance/pay' read it"),
        ([{"required_roles": ["nobody-has-it"]}], "no access policy of the store lets flow 'finance/pay' read it"),
    ],
    ids=["no reading", "no secret", "a role nobody has"],
)
def test_a_file_whose_policies_allow_nothing_says_so_at_every_read(
    tmp_path: Path, policies: list[dict[str, Any]], said: str
) -> None:
    path = tmp_path / "flow.config.json"
    path.write_text(json.dumps({"secrets": {"driver": "env", "access_policies": policies}}))
    with open_secrets_sync(path, flow="finance/pay", roles=["admin"]) as secrets:
        for key in ("OPEN", "STRIPE_KEY", "MISSING"):
            with pytest.raises(Denied, match=f"{key}: {said}"):
                secrets.get_secret(key)
        secrets.health_check()  # the store itself serves
