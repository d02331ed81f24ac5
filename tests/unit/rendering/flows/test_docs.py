"""docs/flows.md, run as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from beemflow_secrets.model.secret import SecretSpec
from beemflow_secrets.model.sources import HAD_BY_ITSELF

TEXT = (Path(__file__).parents[4] / "docs" / "flows.md").read_text()
FILES: dict[str, str] = dict(re.findall(r"^`([\w.]+)`:\n\n```\w+\n(.*?)```", TEXT, flags=re.DOTALL | re.MULTILINE))
PROGRAM, PRINTED = re.findall(r"```python\n(.*?)```\n\nprints\n\n```text\n(.*?)```", TEXT, flags=re.DOTALL)[0]
SESSIONS: list[str] = re.findall(r"```console\n(.*?)```", TEXT, flags=re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    assert list(FILES) == ["hello.flow.yaml", "mcp.json", "secrets.yaml"]
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def run(folder: Path, *command: str) -> str:
    ran = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def environment() -> dict[str, str]:
    return {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def test_the_resource_is_one() -> None:
    (text,) = (found for found in re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL) if "dataFrom" in found)
    (source,) = SecretSpec.model_validate(yaml.safe_load(text)["spec"]).data_from
    assert source.flows is not None
    assert source.flows.exclude == list(HAD_BY_ITSELF)


@pytest.mark.parametrize("session", SESSIONS, ids=range(len(SESSIONS)))
def test_the_commands_print_what_they_say(folder: Path, session: str) -> None:
    commands = [line.removeprefix("$ ") for line in session.splitlines() if line.startswith("$ ")]
    expected = "".join(f"{line}\n" for line in session.splitlines() if not line.startswith("$ "))
    program = "\n".join(commands).replace("mcp.json\n", "mcp.json 2>/dev/null\n")
    assert run(folder, "bash", "-c", program) == expected


def test_the_program_prints_what_it_says(folder: Path) -> None:
    assert run(folder, sys.executable, "-c", PROGRAM) == PRINTED
