from __future__ import annotations

import asyncio
import json
import logging
import pickle
import subprocess
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog

import beemflow_secrets
from beemflow_secrets import (
    Denied,
    Invalid,
    NotFound,
    SecretsError,
    SecretValue,
    Unavailable,
    open_secrets,
    open_secrets_sync,
)
from beemflow_secrets.chain.layer import Layer
from beemflow_secrets.library.secrets import Secrets
from beemflow_secrets.providers.base import FetchingProvider
from beemflow_secrets.providers.finding import found

if TYPE_CHECKING:
    from collections.abc import Iterable

    from beemflow_secrets.providers.value import Found, Ref, Search

CANARY = "canary-88b3"


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLACK_BOT", json.dumps({"token": CANARY, "a.b": "dotted", "n": 1.50}))
    monkeypatch.setenv("PLAIN", "plain text")
    monkeypatch.setenv("FALLBACK_X", "below")


def write(name: str, text: str) -> None:
    Path(name).write_text(text, encoding="utf-8")


class Backend(FetchingProvider):
    """Answers from a dict; counts what it is asked."""

    def __init__(self, **answers: SecretValue | SecretsError) -> None:
        self.answers = answers
        self.asked: list[list[str]] = []

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        asked = list(refs)
        self.asked.append([ref.key for ref in asked])
        return {ref: self.answers.get(ref.key) or NotFound("no such key", key=ref.key) for ref in asked}

    async def find(self, search: Search) -> Found:
        return found(search, ((name, {}) for name in self.answers))

    async def health_check(self) -> None:
        return

    async def close(self) -> None:
        return


async def test_the_six_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_secrets({"driver": "env", "prefix": "FALLBACK_"}) as secrets:
        assert await secrets.get_secret("x") == "below"
        assert await secrets.list_secrets() == ["X"]
        monkeypatch.setenv("FALLBACK_SLACK_A", "1")
        assert await secrets.list_secrets("SLACK_") == ["SLACK_A"]
        await secrets.health_check()
        value = await secrets.get_secret_with_metadata("X")
        assert (value.value, value.version, value.metadata) == ("below", None, {"provider": "env"})
    for closed in (secrets.get_secret("x"), secrets.list_secrets(), secrets.health_check()):
        with pytest.raises(Invalid, match="closed"):
            await closed
    await secrets.close()


async def test_properties() -> None:
    async with open_secrets({}) as secrets:
        assert await secrets.get_secret("slack/bot#token") == CANARY
        assert await secrets.get_secret("slack/bot#a.b") == "dotted"
        assert (await secrets.get_secret_with_metadata("SLACK_BOT#n")).raw == b"1.5"
        with pytest.raises(NotFound) as caught:
            await secrets.get_secret("slack/bot#none")
        error = caught.value
        assert (error.key, error.property, error.keys) == ("slack/bot", "none", ("slack/bot#none",))
        with pytest.raises(Invalid, match="names no property"):
            await secrets.get_secret("slack/bot#")
        for key in ("", "/a", "a/../b", "a\n"):
            with pytest.raises(Invalid, match="the key"):
                await secrets.get_secret(key)


async def test_many_are_one_read_and_answer_to_what_was_asked() -> None:
    backend = Backend(a=SecretValue({"value": "one"}), b=SecretValue({"x": "1", "y": "2"}, "7"))
    secrets = Secrets(backend, "vault")
    many = await secrets.get_secrets(["a", "b#x", "b#y", "b", "a"])
    assert many == {"a": "one", "b#x": "1", "b#y": "2", "b": '{"x":"1","y":"2"}'}
    assert backend.asked == [["a", "b"]]
    assert await secrets.get_secrets([]) == {}
    field = await secrets.get_secret_with_metadata("b#x")
    assert (field.value, field.version, field.metadata) == ("1", "7", {"provider": "vault"})
    whole = await secrets.get_secret_with_metadata("b")
    assert whole.fields == {"x": "1", "y": "2"}


async def test_all_that_is_missing_is_in_one_error() -> None:
    secrets = Secrets(Backend(a=SecretValue("one"), b=SecretValue({"x": "1"})), "vault")
    with pytest.raises(NotFound) as caught:
        await secrets.get_secrets(["a", "none", "b#x", "b#y"])
    assert caught.value.keys == ("none", "b#y")
    assert str(caught.value) == "not found: none, b#y"
    with pytest.raises(NotFound) as caught:
        await secrets.get_secrets(["a", "b#y"])
    assert (caught.value.keys, caught.value.property) == (("b#y",), "y")


async def test_what_is_not_missing_comes_first() -> None:
    secrets = Secrets(Backend(a=Denied("no", key="a")), "vault")
    with pytest.raises(Denied):
        await secrets.get_secrets(["none", "a"])


async def test_binary_is_invalid_as_text_and_there_as_bytes() -> None:
    secrets = Secrets(Backend(a=SecretValue(b"\xff\x00"), b=SecretValue({"c": b"\xfe"})), "file")
    for asked in ("a", "b#c"):
        with pytest.raises(Invalid, match="binary") as caught:
            await secrets.get_secret(asked)
        assert caught.value.key == asked
        with pytest.raises(Invalid, match="binary"):
            await secrets.get_secrets([asked])
    assert (await secrets.get_secret_with_metadata("a")).raw == b"\xff\x00"
    assert (await secrets.get_secret_with_metadata("b#c")).raw == b"\xfe"


async def test_an_error_that_others_hold_too_is_not_written_into() -> None:
    cause = OSError("x")
    shared = Unavailable("away", key="other")
    shared.__cause__ = cause
    secrets = Secrets(Layer(Backend(a=shared)), "vault")
    with pytest.raises(Unavailable) as caught:
        await secrets.get_secret("a")
    assert (caught.value.key, caught.value.__cause__) == ("a", cause)
    assert shared.key == "other"


# Beside the environment: .env


async def test_dotenv_stands_below_the_environment_and_is_followed(tmp_path: Path) -> None:
    write(".env", "PLAIN=below\nONLY_HERE='it is here'\nslack/team=exact\n")
    async with open_secrets() as secrets:
        assert await secrets.get_secret("PLAIN") == "plain text"
        assert await secrets.get_secret("only.here") == "it is here"
        assert {"ONLY_HERE", "PLAIN"} <= set(await secrets.list_secrets())
        write(".env", "ONLY_HERE=changed\n")
        assert await secrets.get_secret("ONLY_HERE") == "changed"
        (tmp_path / ".env").unlink()
        with pytest.raises(NotFound):
            await secrets.get_secret("ONLY_HERE")
        (tmp_path / ".env").mkdir()  # a virtual environment of that name
        assert await secrets.get_secret("PLAIN") == "plain text"


async def test_a_broken_dotenv_hides_nothing_of_the_environment() -> None:
    write(".env", f"A=1\nB='{CANARY}")
    async with open_secrets({"retry": {"attempts": 1}}) as secrets:
        assert await secrets.get_secret("PLAIN") == "plain text"
        for asked in (secrets.get_secret("A"), secrets.list_secrets()):
            with pytest.raises(Unavailable, match=r"\.env: it is not dotenv \(line 2\)"):
                await asked


async def test_a_file_of_secrets() -> None:
    write("secrets.yaml", "slack/bot: {token: x}\nplain: text\n")
    async with open_secrets({"driver": "file", "prefix": "slack/", "file": {"path": "secrets.yaml"}}) as secrets:
        assert await secrets.get_secret("bot#token") == "x"
        assert await secrets.list_secrets() == ["bot"]
        assert (await secrets.get_secret_with_metadata("bot")).metadata["provider"] == "file"


async def test_a_wrong_configuration_opens_nothing() -> None:
    with pytest.raises(Invalid, match=r"secrets\.driver"):
        async with open_secrets({"driver": "no"}):
            raise AssertionError


# Without await.


def test_sync_outside_a_loop() -> None:
    with open_secrets_sync({}) as secrets:
        assert secrets.get_secret("PLAIN") == "plain text"
        assert secrets.get_secrets(["slack/bot#token"]) == {"slack/bot#token": CANARY}
        assert secrets.get_secret_with_metadata("PLAIN").metadata == {"provider": "env"}
        assert "PLAIN" in secrets.list_secrets("PL")
        secrets.health_check()
        with pytest.raises(NotFound):
            secrets.get_secret("NONE_OF_IT")
    with pytest.raises(Invalid, match="closed"):
        secrets.get_secret("PLAIN")


async def test_sync_inside_a_running_loop() -> None:
    with open_secrets_sync({}) as secrets:
        assert secrets.get_secret("PLAIN") == "plain text"
        assert await asyncio.to_thread(secrets.get_secret, "PLAIN") == "plain text"


def test_sync_passes_errors_and_closes() -> None:
    with open_secrets_sync({}) as secrets:
        secrets.close()
        with pytest.raises(Invalid, match="closed"):
            secrets.get_secret("PLAIN")
    with pytest.raises(ZeroDivisionError), open_secrets_sync({}):
        raise ZeroDivisionError
    with pytest.raises(Invalid, match="no such file"), open_secrets_sync("gone"):
        raise AssertionError
    assert "beemflow-secrets" not in {thread.name for thread in threading.enumerate()}


# What may be seen.


async def test_nothing_prints_a_value(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    caplog.set_level(logging.DEBUG)
    async with open_secrets({}) as secrets:
        value = await secrets.get_secret_with_metadata("SLACK_BOT")
        logging.getLogger("x").warning("%s %r", value, secrets)
        shown = [f"{value} {value!r} {secrets} {secrets!r}", repr(pickle.dumps(value)), repr(pickle.dumps(secrets))]
        shown += [json.dumps([value, secrets], default=str), caplog.text]
    with open_secrets_sync({}) as sync:
        shown += [f"{sync} {sync!r}", repr(pickle.dumps(sync))]
    shown += ["".join(traceback.format_exception(RuntimeError(value, secrets)))]
    assert all("***" in text for text in shown)
    assert CANARY not in "".join(shown) + "".join(capfd.readouterr())


async def test_logs_go_through_the_standard_library_and_an_applications_structlog_stays(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    async with open_secrets({}) as secrets:
        await secrets.get_secret("PLAIN")
    (record,) = [record for record in caplog.records if record.name == "beemflow_secrets.chain.access"]
    assert record.getMessage().startswith("Secret retrieved successfully provider='env' key='PLAIN' cache_hit=False")
    assert capfd.readouterr() == ("", "")
    with structlog.testing.capture_logs() as entries:
        async with open_secrets({}) as secrets:
            await secrets.get_secret("PLAIN")
    assert [entry["event"] for entry in entries] == ["Secret retrieved successfully"]


PROGRAM = """
import asyncio, sys
import beemflow_secrets
def loaded(*names): return [name for name in names if any(m == name or m.startswith(name + ".") for m in sys.modules)]
SDKS = ("hvac", "boto3", "azure", "google.cloud", "kopf", "kubernetes", "typer", "uvloop")
UNUSED = ("aiohttp", "pydantic", "structlog", "yaml", "jinja2", "beemflow_secrets.library")
assert not loaded(*SDKS, *UNUSED), sys.modules
from beemflow_secrets import NotFound, SecretValue, open_secrets, open_secrets_sync
async def main():
    async with open_secrets({"driver": "env"}) as secrets:
        assert await secrets.get_secret("PLAIN") == "plain text"
asyncio.run(main())
with open_secrets_sync() as secrets:
    secrets.get_secret("PLAIN")
beemflow_secrets.references({"steps": [{"id": "a", "with": {"text": "{{ vars.x }}", "env": "$env:Y"}}]})
assert not loaded(*SDKS, "aiohttp", "jinja2"), loaded(*SDKS, "aiohttp", "jinja2")
"""


def test_importing_loads_no_sdk_and_using_it_prints_nothing() -> None:
    ran = subprocess.run([sys.executable, "-W", "error", "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_the_public_names_are_there_and_are_the_contracts() -> None:
    assert set(beemflow_secrets.__all__) == {
        "open_secrets", "open_secrets_sync", "access", "references", "validate", "render", "SecretsConfig",
        "SecretsProvider", "SecretValue", "SecretsError",
        "NotFound", "Gone", "Denied", "AuthFailed", "Throttled", "Unavailable", "Invalid",
    }  # fmt: skip
    for name in beemflow_secrets.__all__:
        assert getattr(beemflow_secrets, name) is not None
        assert name in dir(beemflow_secrets)
    with pytest.raises(AttributeError, match="nothing"):
        _ = beemflow_secrets.nothing


def test_what_stays_open_ends_with_the_process(tmp_path: Path) -> None:
    opened = "open_secrets_sync({'driver': 'env'}).__enter__()"
    program = f"from beemflow_secrets import *; held = {opened}; print(held.get_secret('A'))"
    environment = {"A": "1"}
    command = [sys.executable, "-W", "error", "-c", program]
    ran = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "1\n", "")


FORKING = """
import os, warnings
from beemflow_secrets import Invalid, open_secrets_sync
warnings.simplefilter("ignore")  # Python itself warns of forks where there are threads
secrets = open_secrets_sync({"driver": "env"}).__enter__()
child = os.fork()
try:
    print(secrets.get_secret("PLAIN"))
except Invalid as error:
    print(error, flush=True)
if child:
    os.waitpid(child, 0)
"""


def test_a_fork_of_an_opened_store_is_told_so_and_does_not_wait_for_ever() -> None:
    ran = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, check=False, timeout=60)
    assert sorted(ran.stdout.splitlines()) == [
        "plain text",
        "these secrets were opened before this process was forked: open them in it",
    ]
    assert (ran.returncode, ran.stderr) == (0, "")
