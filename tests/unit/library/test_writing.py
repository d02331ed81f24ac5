"""Writing, as the library has it: by key or `key#property`, as who is named, and nothing of a value shows."""

from __future__ import annotations

import asyncio
import json
import pickle
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from beemflow_secrets import Denied, Invalid, NotFound, access, open_secrets, open_secrets_sync

if TYPE_CHECKING:
    from pathlib import Path

CANARY = "canary-31de"


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "secrets.json").write_text('{"login": {"user": "bot"}, "other": "x"}')
    return {"driver": "file", "file": {"path": str(tmp_path / "secrets.json")}}


async def test_a_secret_and_a_field_of_it_are_written_and_deleted(config: dict[str, Any]) -> None:
    async with open_secrets(config) as secrets:
        assert secrets.writes
        written = await secrets.set_secret("login#a.b", CANARY)
        assert (written.value, written.metadata["provider"], written.version is not None) == (CANARY, "file", True)
        await secrets.set_secret("login", CANARY, property="token")
        assert json.loads(await secrets.get_secret("login")) == {"user": "bot", "a.b": CANARY, "token": CANARY}
        await secrets.delete_secret("login#user")
        assert await secrets.get_secrets(["login#a.b", "login#token"]) == {"login#a.b": CANARY, "login#token": CANARY}
        whole = await secrets.set_secret("login", {"only": b"this"})
        assert whole.fields == {"only": "this"}
        await secrets.delete_secret("login")
        with pytest.raises(NotFound):
            await secrets.get_secret("login")
        assert await secrets.list_secrets() == ["other"]
        await secrets.delete_secret("login")


async def test_what_cannot_be_meant_is_refused(config: dict[str, Any]) -> None:
    async with open_secrets(config) as secrets:
        for change in (
            secrets.set_secret("login#a", "x", property="b"),
            secrets.set_secret("login", "x", property=""),
            secrets.set_secret("login#", "x"),
            secrets.set_secret("../login", "x"),
            secrets.set_secret("login#a", {"a": "b"}),
            secrets.delete_secret("login#"),
            secrets.delete_secret("login#a", property="a"),
        ):
            with pytest.raises(Invalid):
                await change
        assert json.loads(await secrets.get_secret("login")) == {"user": "bot"}
    with pytest.raises(Invalid, match="closed"):
        await secrets.set_secret("login", "x")
    async with open_secrets({"driver": "env"}) as secrets:
        assert not secrets.writes
        with pytest.raises(Invalid, match="login: this backend is read only"):
            await secrets.set_secret("login", "x")


async def test_who_asks_is_judged(config: dict[str, Any]) -> None:
    config["access_policies"] = [
        {"flow_patterns": ["push"], "secret_patterns": ["login"], "allowed_actions": ["write"]},
        {"flow_patterns": ["clean"], "allowed_actions": ["delete"], "required_roles": ["admin"]},
    ]
    async with open_secrets(config, flow="push") as secrets:
        written = await secrets.set_secret("login#token", CANARY)
        assert (written.value, written.fields) == (CANARY, None)  # who may not read is shown no other field
        with pytest.raises(Denied, match="lets flow 'push' delete it"):
            await secrets.delete_secret("login")
        with access(flow="clean", roles=["admin"]):
            await secrets.delete_secret("login")
            with pytest.raises(Denied):
                await secrets.set_secret("login", "x")
        with access(flow="clean"), pytest.raises(Denied):
            await secrets.delete_secret("other")


def test_scripts_write_too(config: dict[str, Any]) -> None:
    with open_secrets_sync(config) as secrets:
        assert secrets.set_secret("login#token", CANARY).value == CANARY
        assert secrets.get_secret("login#token") == CANARY
        secrets.delete_secret("login")
        with pytest.raises(NotFound):
            secrets.get_secret("login")


async def test_nothing_of_a_value_shows(config: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    with structlog.testing.capture_logs() as logs:
        async with open_secrets(config) as secrets:
            written = await secrets.set_secret("login", CANARY.encode() + b"\n")
            with pytest.raises(Invalid) as caught:
                await secrets.set_secret("login", CANARY.encode() + b"\xff")
            await secrets.delete_secret("login")
    shown = [repr(written), str(written), f"{written}", repr(pickle.dumps(written)), repr(caught.value), caplog.text]
    told = [(entry["event"], entry["key"]) for entry in logs if entry["event"].startswith("Secret ")]
    assert told == [("Secret written", "login"), ("Secret deleted", "login")]
    assert not any(CANARY in text for text in [*shown, repr(logs)])


async def test_many_fields_at_once(config: dict[str, Any]) -> None:
    async with open_secrets({**config, "cache": {"enabled": True, "strategy": "write-through"}}) as secrets:
        await asyncio.gather(*(secrets.set_secret(f"login#f{n}", CANARY) for n in range(10)))
        found = await secrets.get_secret_with_metadata("login")
        assert found.kept is not None
        assert (found.fields or {}).keys() == {"user", *(f"f{n}" for n in range(10))}
