"""`exec` and `export`: secrets as the environment of a command, or written out, on a real OpenBao."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from dotenv import dotenv_values

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.openbao import OpenBao

Ran = subprocess.CompletedProcess[bytes]

PRINT = "import json, os, sys; print(json.dumps(dict(os.environ))); sys.exit(7)"
"""A command that tells its environment, and exits with a code that is nobody else's."""

FLOW = """
name: hello
steps:
  - id: greet
    use: slack.chat.postMessage
    with:
      token: "{{ secrets.SLACK_TOKEN }}"
      other: "{{ secrets[\\"db/main#password\\"] }}"
      maybe: "{{ secrets.ABSENT | default('x') }}"
      home: "$env:HOME"
"""


@pytest.fixture
def cli(bao: OpenBao, folder: str, canary: str, tmp_path: Path) -> Callable[..., Ran]:
    """Run a verb in a folder with a configuration, a flow and two secrets in OpenBao."""
    vault = {"address": bao.address, "token": "${BAO_TOKEN}", "path": f"secret/{folder}"}
    section = {"driver": "vault", "retry": {"attempts": 1}, "vault": vault}
    (tmp_path / "flow.config.json").write_text(json.dumps({"secrets": section}))
    (tmp_path / "hello.flow.yaml").write_text(FLOW)
    bao.write_kv2("secret", f"{folder}/SLACK_TOKEN", {"value": f"{canary}'\n\"\\ 100%"})
    bao.write_kv2("secret", f"{folder}/db/main", {"password": f"{canary}-$db", "user": "app"})

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


@pytest.fixture
def values(canary: str) -> dict[str, str]:
    """What the flow asks for, by variables."""
    return {"SLACK_TOKEN": f"{canary}'\n\"\\ 100%", "DB_MAIN_PASSWORD": f"{canary}-$db"}


BY_KEYS = ("--key", "SLACK_TOKEN", "--key", "db/main#password")
BY_FLOW = ("--for-flow", "hello.flow.yaml")
WHAT = pytest.mark.parametrize("what", [BY_KEYS, BY_FLOW])


@WHAT
def test_a_command_has_the_secrets_in_its_environment_and_its_exit_code_is_ours(
    cli: Callable[..., Ran], values: dict[str, str], what: tuple[str, ...]
) -> None:
    ran = cli("exec", *what, "--", sys.executable, "-c", PRINT, OWN="kept")
    assert ran.returncode == 7
    told = json.loads(ran.stdout)
    assert {name: told[name] for name in values} == values
    assert told["OWN"] == "kept"
    assert "ABSENT" not in told
    assert ran.stderr == b""


def test_nothing_runs_where_secrets_are_missing_and_all_are_named(cli: Callable[..., Ran], canary: str) -> None:
    keys = ("--key", "SLACK_TOKEN", "--key", "one", "--key", "db/main#no")
    ran = cli("exec", *keys, "--", sys.executable, "-c", PRINT)
    assert (ran.returncode, ran.stdout) == (3, b"")
    assert ran.stderr == b"not found: one, db/main#no\n"
    assert canary.encode() not in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("exec", *BY_KEYS, "--", "/no/such/command"), 2, "/no/such/command: there is no such command"),
        (("exec", "--", "true"), 2, "which secrets?"),
        (("export",), 2, "which secrets?"),
        (("export", "--for-flow", "absent.yaml"), 2, "absent.yaml: No such file"),
        (("export", "--key", "db/main#user", "--key", "DB_MAIN_USER"), 3, "not found: DB_MAIN_USER"),
        (("export", "--key", "db/main#user", "--key", "db.main#user"), 3, "not found: db.main#user"),
        (("export", "--key", "db/main#user", "--key", "db-main#user"), 3, "not found: db-main#user"),
        (("export", "--key", "ü"), 3, "not found: ü"),
    ],
)
def test_what_is_wrong_is_one_line(cli: Callable[..., Ran], arguments: tuple[str, ...], code: int, told: str) -> None:
    ran = cli(*arguments)
    assert (ran.returncode, ran.stdout) == (code, b"")
    assert ran.stderr.decode().startswith(told)
    assert ran.stderr.count(b"\n") == 1


def test_two_keys_of_one_variable_and_keys_of_none_are_told(
    cli: Callable[..., Ran], bao: OpenBao, folder: str, canary: str
) -> None:
    for key in ("a-b", "a.b", "1"):
        bao.write_kv2("secret", f"{folder}/{key}", {"value": canary})
    ran = cli("export", "--key", "a-b", "--key", "a.b")
    assert (ran.returncode, ran.stderr) == (2, b"a-b and a.b both become the variable A_B\n")
    ran = cli("export", "--key", "1")
    assert (ran.returncode, ran.stderr) == (2, b"no variable can be called as the key 1\n")
    bao.write_kv2("secret", f"{folder}/nul", {"value": f"{canary}\0"})
    ran = cli("export", "--key", "nul", "--show")
    assert (ran.returncode, ran.stderr) == (2, b"nul: the value holds a NUL byte, which no variable can\n")


@WHAT
@pytest.mark.parametrize("form", ["dotenv", "github", "json"])
def test_an_export_is_masked_unless_it_is_to_be_shown(
    cli: Callable[..., Ran], canary: str, what: tuple[str, ...], form: str
) -> None:
    ran = cli("export", "--format", form, *what)
    assert ran.returncode == 0
    assert b"SLACK_TOKEN" in ran.stdout
    assert b"***" in ran.stdout
    assert canary.encode() not in ran.stdout + ran.stderr


@WHAT
def test_dotenv_and_json_are_read_back_as_they_were(
    cli: Callable[..., Ran], values: dict[str, str], what: tuple[str, ...]
) -> None:
    assert json.loads(cli("export", "--format", "json", "--show", *what).stdout) == values
    shown = cli("export", "--show", *what).stdout.decode()
    assert dict(dotenv_values(stream=StringIO(shown), interpolate=False)) == values


def _github(text: str) -> dict[str, str]:
    """Read variables as the runner reads the file of GITHUB_ENV."""
    found = re.findall(r"^(\w+)<<(\S+)\n(.*?)\n\2\n", text, re.MULTILINE | re.DOTALL)
    return {name: value for name, _, value in found}


def test_github_masks_each_line_before_anything_is_written(
    cli: Callable[..., Ran], values: dict[str, str], canary: str, tmp_path: Path
) -> None:
    file = tmp_path / "env"
    file.write_text("BEFORE=1\n")
    ran = cli("export", "--format", "github", "--show", *BY_KEYS, GITHUB_ENV=str(file))
    assert ran.returncode == 0
    masks = [f"::add-mask::{line}" for line in (f"{canary}'", '"\\ 100%25', f"{canary}-$db")]
    assert sorted(ran.stdout.decode().splitlines()) == sorted(masks)
    assert file.read_text().startswith("BEFORE=1\n")
    assert _github(file.read_text()) == values
    # Without that file one sees what would be written, masks first.
    shown = cli("export", "--format", "github", "--show", *BY_KEYS).stdout.decode()
    assert sorted(shown.splitlines()[:3]) == sorted(masks)
    assert _github(shown) == values


def test_a_policy_hears_which_flow_asks(cli: Callable[..., Ran], tmp_path: Path, canary: str) -> None:
    path = tmp_path / "flow.config.json"
    found = json.loads(path.read_text())
    found["secrets"]["access_policies"] = [{"flow_patterns": ["hello"], "allowed_actions": ["read"]}]
    path.write_text(json.dumps(found))
    assert cli("export", *BY_FLOW).returncode == 0
    assert cli("export", *BY_KEYS, "--flow", "hello").returncode == 0
    for refused in (cli("export", *BY_KEYS), cli("export", *BY_FLOW, "--flow", "other")):
        assert (refused.returncode, refused.stdout) == (3, b"")
        assert canary.encode() not in refused.stderr
