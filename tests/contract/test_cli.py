"""The verbs that need no cluster, typed as a person types them, on a real OpenBao and on files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.openbao import OpenBao

Ran = subprocess.CompletedProcess[bytes]


@pytest.fixture
def cli(bao: OpenBao, folder: str, tmp_path: Path) -> Callable[..., Ran]:
    """Run a verb in a folder whose flow.config.json leads to a folder of OpenBao."""
    section = {"driver": "vault", "retry": {"attempts": 1}, "vault": {"address": bao.address, "token": "${BAO_TOKEN}"}}
    section["vault"]["path"] = f"secret/{folder}"  # type: ignore[index]
    (tmp_path / "flow.config.json").write_text(json.dumps({"secrets": section}))

    def run(*arguments: str, **environment: str) -> Ran:
        return subprocess.run(
            [sys.executable, "-m", "beemflow_secrets", *arguments],
            env={"PATH": os.environ["PATH"], "BAO_TOKEN": bao.root_token, **environment},
            cwd=tmp_path,
            capture_output=True,
            check=False,
            timeout=60,
        )

    return run


def test_get_is_masked_unless_asked_and_then_nothing_else(
    bao: OpenBao, folder: str, cli: Callable[..., Ran], canary: str
) -> None:
    bao.write_kv2("secret", f"{folder}/slack", {"token": canary, "user": "bot"})
    masked = cli("get", "slack#token")
    assert (masked.returncode, masked.stdout, masked.stderr) == (0, b"***\n", b"")
    assert cli("get", "slack#token", "--show").stdout == f"{canary}\n".encode()
    assert cli("get", "slack", "--show").stdout == f'{{"token":"{canary}","user":"bot"}}\n'.encode()


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_get_as_data(bao: OpenBao, folder: str, cli: Callable[..., Ran], form: str, canary: str) -> None:
    bao.write_kv2("secret", f"{folder}/slack", {"token": canary})
    read = json.loads if form == "json" else yaml.safe_load
    data = read(cli("get", "slack#token", "-o", form).stdout)
    assert list(data) == ["key", "value", "version", "created_at", "expires_at", "metadata"]
    assert (data["key"], data["value"], data["version"], data["expires_at"]) == ("slack#token", "***", "1", None)
    assert data["metadata"]["provider"] == "vault"
    assert read(cli("get", "slack#token", "-o", form, "--show").stdout)["value"] == canary


def test_list(bao: OpenBao, folder: str, cli: Callable[..., Ran], canary: str) -> None:
    for name in ("slack/bot", "slack/app", "stripe"):
        bao.write_kv2("secret", f"{folder}/{name}", {"value": canary})
    assert cli("list").stdout == b"NAME\nslack/app\nslack/bot\nstripe\n"
    assert json.loads(cli("list", "slack/", "-o", "json").stdout) == ["slack/app", "slack/bot"]


def test_health(cli: Callable[..., Ran]) -> None:
    good = cli("health")
    assert (good.returncode, good.stdout) == (0, b"DRIVER   STATE     ERROR\nvault    Healthy\n")
    bad = cli("health", "-o", "json", BAO_TOKEN="wrong")
    assert bad.returncode == 1
    assert json.loads(bad.stdout)["state"] == "Down"
    assert b"Traceback" not in bad.stderr


def test_health_tells_of_a_critical_key_that_is_missing(cli: Callable[..., Ran], tmp_path: Path) -> None:
    section = {"driver": "env", "health_check": {"critical_keys": ["THERE", "NOT_THERE"]}}
    (tmp_path / "flow.config.json").write_text(json.dumps({"secrets": section}))
    ran = cli("health", "-o", "json", THERE="x")
    told = json.loads(ran.stdout)
    assert (ran.returncode, told["state"]) == (1, "Degraded")
    assert "NOT_THERE" in told["error"]
    assert cli("health", THERE="x", NOT_THERE="x").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "said"),
    [
        (("get", "absent"), {}, 3, "absent: no such key"),
        (("get", "absent#field"), {}, 3, "absent: no such key"),
        (("get", "../etc"), {}, 2, "has a segment '.' or '..'"),
        (("get", "a#"), {}, 2, "names no property"),
        (("get", "a\nb"), {}, 2, "a\\nb: the key holds a control character"),
        (("get", "x"), {"BAO_TOKEN": "wrong"}, 1, "x: "),
        (("get", "x", "--config", "absent.json"), {}, 2, "absent.json: there is no such file"),
        (("get",), {}, 2, "Missing argument"),
        (("list", "-o", "xml"), {}, 2, "xml"),
    ],
)
def test_what_cannot_be_done_is_one_clear_answer(
    cli: Callable[..., Ran], arguments: tuple[str, ...], environment: dict[str, str], code: int, said: str
) -> None:
    ran = cli(*arguments, **environment)
    assert ran.returncode == code
    assert ran.stdout == b""
    assert said in ran.stderr.decode()
    assert "Traceback" not in ran.stderr.decode()
    assert len(ran.stderr.decode().splitlines()) == 1


def test_an_unset_variable_and_every_other_mistake_is_told_in_one_line(cli: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "wrong.json").write_text(
        '{"secrets": {"driver": "vault", "timeuot": "1s", "vault": {"address": "ftp://x", "token": "${NOT_SET}"}}}'
    )
    ran = cli("get", "x", "--config", "wrong.json")
    said = ran.stderr.decode()
    assert ran.returncode == 2
    assert len(said.splitlines()) == 1
    for part in ("secrets.timeuot", "did you mean timeout?", "secrets.vault.address", "NOT_SET", "secrets.vault.path"):
        assert part in said


def test_without_a_configuration_the_environment_and_dotenv(cli: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "flow.config.json").unlink()
    (tmp_path / ".env").write_text("FROM_FILE=file\nBOTH=file\n")
    assert cli("get", "FROM_FILE", "--show").stdout == b"file\n"
    assert cli("get", "BOTH", "--show", BOTH="environment").stdout == b"environment\n"


def test_binary_is_printed_byte_for_byte(cli: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "key").write_bytes(b"\xff\x00\n")
    (tmp_path / "file.json").write_text(json.dumps({"secrets": {"driver": "file", "file": {"path": "keys"}}}))
    assert cli("get", "key", "--show", "--config", "file.json").stdout == b"\xff\x00\n\n"
    ran = cli("get", "key", "--show", "-o", "json", "--config", "file.json")
    assert ran.returncode == 1
    assert b"binary" in ran.stderr


def test_flow_and_roles_say_who_asks(cli: Callable[..., Ran], tmp_path: Path, canary: str) -> None:
    policy = {"flow_patterns": ["finance/*"], "secret_patterns": ["STRIPE*"], "required_roles": ["a", "b"]}
    (tmp_path / "guarded.json").write_text(json.dumps({"secrets": {"driver": "env", "access_policies": [policy]}}))
    environment = {"STRIPE": canary, "OTHER": canary, "BEEMFLOW_SECRETS_CONFIG": "guarded.json"}
    named = ("--flow", "finance/pay", "--role", "a", "--role", "b")
    assert cli("get", "STRIPE", "--show", *named, **environment).stdout == f"{canary}\n".encode()
    assert json.loads(cli("list", "-o", "json", *named, **environment).stdout) == ["STRIPE"]
    for arguments, said in (
        (("get", "STRIPE"), "STRIPE: the store has access policies, and nobody is named: say which flow asks"),
        (("get", "OTHER", *named), "OTHER: no access policy of the store lets flow 'finance/pay' read it"),
        (("get", "STRIPE", *named[:4]), "STRIPE: no access policy of the store lets flow 'finance/pay' read it"),
        (("list", "--flow", "other"), "no access policy of the store lets flow 'other' list its keys"),
    ):
        ran = cli(*arguments, **environment)
        assert (ran.returncode, ran.stdout, ran.stderr.decode()) == (3, b"", f"{said}\n")
    assert cli("health", **environment).returncode == 0


def test_schema_is_json(cli: Callable[..., Ran]) -> None:
    assert json.loads(cli("schema").stdout)["title"] == "flow.config.json"
