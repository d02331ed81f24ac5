"""docs/cli.md says of each verb what its `--help` says, and its example comes out as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from beemflow_secrets.cli.app import app
from beemflow_secrets.cli.console import Exit

PAGE = (Path(__file__).parents[3] / "docs" / "cli.md").read_text()
USAGES: dict[str, str] = dict(re.findall(r"^### (\S+)\n\n```text\n(.*?)```", PAGE, flags=re.DOTALL | re.MULTILINE))
VERBS = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # a group has them


def test_every_verb_stands_on_the_page() -> None:
    assert USAGES.keys() == VERBS.keys()


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_a_verb_has_the_flags_of_the_page(verb: str) -> None:
    usage = USAGES[verb]
    assert usage.startswith(f"beemflow-secrets {verb}")
    options = {param.opts[0] for param in VERBS[verb].params if param.param_type_name == "option"}
    assert set(re.findall(r"--[a-z][a-z-]+", usage)) == options
    arguments = [param for param in VERBS[verb].params if param.param_type_name == "argument"]
    assert all(argument.metavar in usage for argument in arguments)
    assert bool(arguments) == bool(re.search(rf"{verb} \[?[A-Z]|-- CMD", usage))


def test_the_exit_codes_are_those_of_the_page() -> None:
    assert [int(code) for code in re.findall(r"^\| (\d) \|", PAGE, flags=re.MULTILINE)] == list(Exit)


def test_the_example_comes_out_as_it_stands_there(tmp_path: Path) -> None:
    shown = re.search(r"```console\n(.*?)```", PAGE, flags=re.DOTALL)
    assert shown is not None
    commands = re.split(r"^\$ ", shown[1], flags=re.MULTILINE)[1:]
    for command in commands[:-1]:
        line, _, text = command.partition("\n")
        (tmp_path / line.removeprefix("cat ")).write_text(text)
    line, _, expected = commands[-1].partition("\n")
    arguments = line.split()[1:]
    ran = subprocess.run(
        [sys.executable, "-m", "beemflow_secrets", *arguments], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert ran.stdout == expected
