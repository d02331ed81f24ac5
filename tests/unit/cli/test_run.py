"""The flags of `run`, as far as what they become: a Settings, or an answer that says what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from beemflow_secrets import process
from beemflow_secrets.cli.app import app
from beemflow_secrets.kube import connection
from beemflow_secrets.model.audit import Audit, AuditSink
from beemflow_secrets.model.notify import Notify
from beemflow_secrets.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Callable

    from beemflow_secrets.model.settings import Settings


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings | str]:
    """Return the settings that flags and variables come to, or what is said of them."""
    started: list[Settings] = []

    async def start(settings: Settings, _connection: object) -> None:
        started.append(settings)

    monkeypatch.setattr(process, "run", start)
    monkeypatch.setattr(process, "leave_no_dump", lambda: None)
    monkeypatch.setattr(connection, "connect", lambda: None)
    monkeypatch.setattr(logs, "configure", lambda **_: None)

    def invoke(*flags: str, **variables: str) -> Settings | str:
        result = CliRunner().invoke(app, ["run", *flags], env={"COLUMNS": "1000", "NO_COLOR": "1", **variables})
        if result.exit_code == 0:
            return started.pop()
        assert (result.exit_code, started, result.stdout) == (2, [], "")
        return result.stderr

    return invoke


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--env-allowed-prefix="], "must not be empty"),
        (["--env-allowed-prefix", "APP_", "--env-allowed-prefix", ""], "must not be empty"),
        (["--file-allowed-root="], "must be an absolute path"),
        (["--file-allowed-root", "secrets"], "'secrets' must be an absolute path"),
    ],
)
def test_an_empty_value_opens_no_fence(run: Callable[..., str], flags: list[str], told: str) -> None:
    assert told in run(*flags)


def test_fences(run: Callable[..., Settings]) -> None:
    none = run(BEEMFLOW_SECRETS_ENV_ALLOWED_PREFIX="", BEEMFLOW_SECRETS_FILE_ALLOWED_ROOT="")
    assert (none.env_allowed_prefixes, none.file_allowed_roots) == ((), ())
    some = run("--env-allowed-prefix", "APP_", "--file-allowed-root", "/etc/secrets")
    assert (some.env_allowed_prefixes, some.file_allowed_roots) == (("APP_",), (Path("/etc/secrets"),))


def test_roles_of_namespaces(run: Callable[..., Settings]) -> None:
    assert run().namespace_roles == {}
    expected = {"a": frozenset({"x", "y"}), "b": frozenset()}
    assert (
        run("--namespaces", "a,b", "--namespace-roles", "a=x, y", "--namespace-roles", "b=").namespace_roles == expected
    )
    variables = {"BEEMFLOW_SECRETS_NAMESPACES": "a,b", "BEEMFLOW_SECRETS_NAMESPACE_ROLES": "a=x a=y b="}
    assert run(**variables).namespace_roles == expected


@pytest.mark.parametrize(
    "flags",
    [["--namespace-roles", "a=x"], ["--namespaces", "b", "--namespace-roles", "a=x"], ["--namespace-roles", "a"]],
)
def test_roles_of_a_namespace_that_is_not_served(run: Callable[..., str], flags: list[str]) -> None:
    assert "must be NAMESPACE=ROLE,ROLE for one of --namespaces" in run(*flags)


def test_sinks_of_the_audit(run: Callable[..., Settings]) -> None:
    assert run().audit == Audit(sinks=[AuditSink(type="stdout")])
    assert run("--audit-sink", "none").audit == Audit()
    flags = ("--audit-sink", "file:/var/log/a b", "--audit-sink", "https://h/x", "--audit-sink", "https://h/x")
    both = [AuditSink(type="file", path="/var/log/a b"), AuditSink(type="webhook", url="https://h/x")]
    assert run(*flags, "--audit-required").audit == Audit(sinks=both, required=True)
    variables = {"BEEMFLOW_SECRETS_AUDIT_SINK": "stdout http://localhost:1/", "BEEMFLOW_SECRETS_AUDIT_REQUIRED": "1"}
    two = [AuditSink(type="stdout"), AuditSink(type="webhook", url="http://localhost:1/")]
    assert run(**variables).audit == Audit(sinks=two, required=True)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--audit-sink", "syslog"], "must be stdout, file:PATH, https://… or none"),
        (["--audit-sink", "none", "--audit-sink", "stdout"], "none stands alone"),
        (["--audit-sink", "none", "--audit-required"], "needs a sink that is not none"),
        (["--audit-sink", "http://example.com/"], "must be https://"),
        (["--audit-sink", "https://user:secret@example.com/"], "must carry no user name or password"),
        (["--audit-sink", "file:"], "file: needs a path"),
        ([flag for number in range(9) for flag in ("--audit-sink", f"file:/{number}")], "at most 8 items"),
    ],
)
def test_a_sink_that_is_none(run: Callable[..., str], flags: list[str], said: str) -> None:
    answer = run(*flags)
    assert said in answer
    assert "user:secret" not in answer


def test_who_is_notified(run: Callable[..., Settings], tmp_path: Path) -> None:
    assert run().notify is None
    key = tmp_path / "key"
    key.write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    expected = Notify(webhook="https://h/x", key_file=str(key))
    assert run("--notify-webhook", "https://h/x", "--notify-key-file", str(key)).notify == expected
    variables = {"BEEMFLOW_SECRETS_NOTIFY_WEBHOOK": "https://h/x", "BEEMFLOW_SECRETS_NOTIFY_KEY_FILE": str(key)}
    assert run(**variables).notify == expected


@pytest.mark.parametrize(
    ("url", "key", "said"),
    [
        ("https://h/", None, "need each other"),
        (None, b"key", "need each other"),
        ("https://h/", b"", "holds no key"),
        ("https://h/", b"whsec_canary?", "holds no base64 behind whsec_"),
        ("http://example.com/", b"key", "must be https://"),
        ("https://user:canary@example.com/", b"key", "must carry no user name or password"),
        ("hooks", b"key", "must be http:// or https://"),
        ("https://[1::2.3]/", b"key", "must have an IPv6 address"),
    ],
)
def test_who_cannot_be_notified(
    run: Callable[..., str], tmp_path: Path, url: str | None, key: bytes | None, said: str
) -> None:
    (tmp_path / "key").write_bytes(key or b"")
    flags = [f"--notify-webhook={url}"] if url is not None else []
    answer = run(*flags, *([f"--notify-key-file={tmp_path / 'key'}"] if key is not None else []))
    assert said in answer
    assert "canary" not in answer


def test_a_key_file_that_is_not_there(run: Callable[..., str], tmp_path: Path) -> None:
    said = run("--notify-webhook=https://h/", f"--notify-key-file={tmp_path / 'absent'}")
    assert "cannot be read: No such file or directory" in said
