"""Chains out of a configuration, over real files and variables."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from beemflow_secrets import Invalid, NotFound, SecretsConfig, Unavailable, open_secrets, open_secrets_sync
from beemflow_secrets.providers.errors import SecretsError

CANARY = "canary-51d2"


@pytest.fixture(autouse=True)
def _somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "added_driver"))
    monkeypatch.setenv("FALLBACK_SLACK_BOT", CANARY)
    monkeypatch.setenv("FALLBACK_DB", json.dumps({"user": "spare", "port": 1}))


def write(**secrets: object) -> None:
    Path("secrets.json").write_text(json.dumps({name.replace("__", "/"): item for name, item in secrets.items()}))


def chain(strategy: str, *links: dict[str, Any], **multi: object) -> dict[str, Any]:
    providers = links or ({"driver": "file", "file": {"path": "secrets.json"}}, {"prefix": "FALLBACK_"})
    return {"driver": "multi", "multi": {"strategy": strategy, "providers": list(providers), **multi}}


async def test_failover_from_a_file_to_the_environment(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with open_secrets({"secrets": chain("failover") | {"retry": {"attempts": 1}}}) as secrets:
            value = await secrets.get_secret_with_metadata("slack/bot")  # the file is not there
            assert (value.value, value.metadata["provider"]) == (CANARY, "env")
            with pytest.raises(Unavailable, match=r"db2: file: .*; env: "):
                await secrets.get_secret("db2")
            await secrets.health_check()
    assert CANARY not in caplog.text
    write(slack__bot={"value": "of the file"})
    async with open_secrets({"secrets": chain("failover")}) as secrets:
        value = await secrets.get_secret_with_metadata("slack/bot")
        assert (value.value, value.metadata["provider"]) == ("of the file", "file")
        with pytest.raises(NotFound):
            await secrets.get_secret("db")


async def test_the_stores_prefix_stands_before_the_key_and_a_links_before_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FALLBACK_TEAM_X", "found")
    async with open_secrets({**chain("priority", {"prefix": "FALLBACK_"}), "prefix": "team/"}) as secrets:
        assert await secrets.get_secret("x") == "found"


def test_merge_tells_of_each_field_where_it_came_from() -> None:
    write(db={"user": "main", "password": CANARY})
    named: list[dict[str, Any]] = [
        {"name": "main", "driver": "file", "file": {"path": "secrets.json"}},
        {"prefix": "FALLBACK_"},
    ]
    with open_secrets_sync(chain("merge", *named)) as secrets:
        assert secrets.get_secrets(["db#user", "db#port"]) == {"db#user": "main", "db#port": "1"}
        told = {key: secrets.get_secret_with_metadata(key).metadata["provider"] for key in ("db", "db#user", "db#port")}
        assert told == {"db": "main, env", "db#user": "main", "db#port": "env"}
        assert secrets.list_secrets("db") == ["db"]
    with (
        open_secrets_sync(chain("merge", *named, conflict_policy="Error")) as secrets,
        pytest.raises(Invalid) as caught,
    ):
        secrets.get_secret("db#port")
    assert str(caught.value) == "db: main and env both have the field 'user'"


async def test_a_driver_of_another_package_is_a_link_too() -> None:
    links = ({"driver": "six", "name": "mine", "options": {"secrets": {"a": "1"}}}, {"prefix": "FALLBACK_"})
    async with open_secrets(chain("priority", *links)) as secrets:
        assert (await secrets.get_secret_with_metadata("a")).metadata["provider"] == "mine"
        assert await secrets.get_secret("slack/bot") == CANARY


async def test_a_link_that_cannot_be_opened_is_named() -> None:
    config = chain("failover", {}, {"driver": "six", "options": {"secret": CANARY}})
    with pytest.raises(SecretsError, match=r"multi\.providers\[1\]: options: takes `secrets`") as caught:
        async with open_secrets(config):
            pass
    assert CANARY not in str(caught.value)


def test_the_config_map_of_the_examples_loads() -> None:
    config = SecretsConfig.from_file(Path(__file__).parents[3] / "examples" / "kubernetes.yaml")
    assert [(name, spec.driver) for _, name, spec in config.backends] == [
        ("vault", "vault"),
        ("kubernetes", "kubernetes"),
    ]
