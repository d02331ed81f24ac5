from __future__ import annotations

import logging

import pytest

from beemflow_secrets.model.store import CredentialRef, StoreSpec
from beemflow_secrets.providers.env import EnvDriver
from beemflow_secrets.providers.errors import Denied, Invalid, NotFound, SecretsError
from beemflow_secrets.providers.surroundings import Surroundings
from beemflow_secrets.providers.value import Ref, SecretValue

CANARY = b"canary-7c41"

ENVIRONMENT = {
    b"FALLBACK_SLACK_BOT": CANARY,
    b"FALLBACK_exact.name": b"exact",
    b"FALLBACK_EXACT_NAME": b"mapped",
    b"FALLBACK_BINARY": b"\xff\x00\xfe",
    b"FALLBACK_EMPTY": b"",
    b"FALLBACK_\xc3\x9cBER": "über".encode(),
    b"FALLBACK_\xff": b"a name that is no text",
    b"PATH": b"/bin",
    b"fallback_lower": b"not allowed",
}


async def no_credentials(_: CredentialRef) -> str:
    raise AssertionError("the environment needs no login")


def driver(*prefixes: str, everything: bool = False) -> EnvDriver:
    surroundings = Surroundings(credential=no_credentials, env_prefixes=None if everything else prefixes)
    return EnvDriver(StoreSpec(), surroundings, environment=ENVIRONMENT)


async def read(env: EnvDriver, *refs: str | Ref) -> list[SecretValue | SecretsError]:
    asked = [ref if isinstance(ref, Ref) else Ref(ref) for ref in refs]
    answers = await env.fetch(asked)
    return [answers[ref] for ref in asked]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("FALLBACK_SLACK_BOT", CANARY),
        ("FALLBACK_slack/bot", CANARY),
        ("FALLBACK_slack.bot", CANARY),
        ("fallback-slack-bot", CANARY),
        ("FALLBACK_exact.name", b"exact"),
        ("FALLBACK_exact/name", b"mapped"),
        ("FALLBACK_binary", b"\xff\x00\xfe"),
        ("FALLBACK_empty", b""),
        ("FALLBACK_über", "über".encode()),
    ],
)
async def test_the_exact_name_first_then_the_mapped_one(key: str, value: bytes) -> None:
    assert (await driver("FALLBACK_").get_secret_with_metadata(key)).raw == value


async def test_what_is_not_there_names_the_variables_it_could_be() -> None:
    (error,) = await read(driver("FALLBACK_"), "FALLBACK_git/hub")
    assert isinstance(error, NotFound)
    assert (error.key, error.message) == (
        "FALLBACK_git/hub",
        "no environment variable FALLBACK_git/hub or FALLBACK_GIT_HUB",
    )
    (error,) = await read(driver("FALLBACK_"), "FALLBACK_GIT_HUB")
    assert str(error) == "FALLBACK_GIT_HUB: no environment variable FALLBACK_GIT_HUB"


@pytest.mark.parametrize("key", ["PATH", "path", "fallback_lower", "FALLBACK", "MY_FALLBACK_SLACK_BOT"])
async def test_a_name_without_an_allowed_prefix_is_denied(key: str) -> None:
    # fallback_lower is there, but FALLBACK_LOWER is what may be read of the two, and that is not.
    (error,) = await read(driver("FALLBACK_"), key)
    assert isinstance(error, NotFound if key == "fallback_lower" else Denied)
    assert error.key == key


async def test_nothing_is_readable_until_a_prefix_is_allowed() -> None:
    (error,) = await read(driver(), "FALLBACK_SLACK_BOT")
    assert isinstance(error, Denied)
    assert "--env-allowed-prefix" in error.message
    with pytest.raises(Denied, match="--env-allowed-prefix"):
        await driver().list_secrets()


async def test_outside_the_operator_everything_is_readable() -> None:
    assert await driver(everything=True).get_secret("PATH") == "/bin"
    assert await driver("").get_secret("PATH") == "/bin"


async def test_each_key_has_its_own_answer() -> None:
    answers = await read(driver("FALLBACK_"), "FALLBACK_SLACK_BOT", "PATH", "FALLBACK_NONE")
    assert [type(answer) for answer in answers] == [SecretValue, Denied, NotFound]


async def test_a_value_tells_the_variable_that_it_is_of() -> None:
    keys = ("FALLBACK_slack/bot", "FALLBACK_slack.bot", "FALLBACK_exact.name", "FALLBACK_exact/name")
    answers = await read(driver("FALLBACK_"), *keys)
    assert [answer.backend_name for answer in answers if isinstance(answer, SecretValue)] == [
        "FALLBACK_SLACK_BOT",
        "FALLBACK_SLACK_BOT",
        "FALLBACK_exact.name",
        "FALLBACK_EXACT_NAME",
    ]


async def test_there_is_no_history() -> None:
    pinned, missing = await read(driver("FALLBACK_"), Ref("FALLBACK_SLACK_BOT", "3"), Ref("FALLBACK_NONE", "3"))
    assert isinstance(pinned, NotFound)
    assert pinned.message == "no version '3': this backend keeps no history"
    assert isinstance(missing, NotFound)
    assert "no environment variable" in missing.message


async def test_a_pinned_key_beside_the_current_one_does_not_meet_it() -> None:
    current, pinned = await read(driver("FALLBACK_"), "FALLBACK_SLACK_BOT", Ref("FALLBACK_SLACK_BOT", "1"))
    assert isinstance(current, SecretValue)
    assert isinstance(pinned, NotFound)


async def test_listings_give_the_environments_names_that_may_be_read() -> None:
    names = ["FALLBACK_BINARY", "FALLBACK_EMPTY", "FALLBACK_EXACT_NAME", "FALLBACK_SLACK_BOT"]
    assert await driver("FALLBACK_").list_secrets() == [*names, "FALLBACK_exact.name", "FALLBACK_ÜBER"]
    assert await driver("FALLBACK_").list_secrets("FALLBACK_E") == ["FALLBACK_EMPTY", "FALLBACK_EXACT_NAME"]
    assert await driver("FALLBACK_", "PA").list_secrets("P") == ["PATH"]
    assert "PATH" in await driver(everything=True).list_secrets()


async def test_binary_is_kept_for_secrets_and_refused_as_text() -> None:
    with pytest.raises(Invalid, match="binary"):
        await driver("FALLBACK_").get_secret("FALLBACK_BINARY")


async def test_it_is_always_healthy_and_needs_no_close() -> None:
    env = driver()
    await env.health_check()
    await env.close()


async def test_no_answer_shows_a_value(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    env = driver("FALLBACK_")
    answers = await read(env, "FALLBACK_SLACK_BOT", "FALLBACK_slack/bot", Ref("FALLBACK_SLACK_BOT", "2"), "PATH")
    answers += await read(env, "FALLBACK_SLACK_BOT")
    shown = f"{answers!r} {[str(answer) for answer in answers]} {env!r} {caplog.text}"
    assert CANARY.decode() not in shown
    assert "***" in shown


async def test_the_processes_own_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    env = EnvDriver(StoreSpec(), Surroundings(credential=no_credentials))
    monkeypatch.setenv("BEEMFLOW_TEST_VARIABLE", "here")
    assert await env.get_secret("beemflow.test-variable") == "here"
