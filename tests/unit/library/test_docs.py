"""docs/library.md, run as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from beemflow_secrets.model.section import OWN_DRIVERS

TEXT = (Path(__file__).parents[3] / "docs" / "library.md").read_text()

FILES: list[tuple[str, str]] = re.findall(r"^`([\w.]+)`:\n\n```\w+\n(.*?)```", TEXT, flags=re.DOTALL | re.MULTILINE)
PROGRAMS: list[tuple[str, str]] = re.findall(
    r"```python\n((?:(?!```).)*?)```\n\n(?:prints\n\n)?```text\n(.*?)```", TEXT, flags=re.DOTALL
)
DRIVER_CONFIG = re.findall(r'```json\n(\{"secrets": \{"driver": "mine".*?)```', TEXT, flags=re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES:
        (tmp_path / name).write_text(text)
    return tmp_path


def run(folder: Path, program: str) -> str:
    environment = {"PATH": os.environ["PATH"], "SECRETS_DIR": str(folder), "PYTHONPATH": str(folder)}
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def test_all_that_stands_there_is_found() -> None:
    assert [name for name, _ in FILES] == ["flow.config.json", "secrets.yaml", "guarded.json", "my_driver.py"]
    assert (len(PROGRAMS), len(DRIVER_CONFIG)) == (5, 1)


@pytest.mark.parametrize(("program", "printed"), PROGRAMS, ids=range(len(PROGRAMS)))
def test_the_examples_print_what_they_say(folder: Path, program: str, printed: str) -> None:
    assert run(folder, program) == printed


def test_the_driver_of_ones_own(folder: Path) -> None:
    metadata = folder / "mine-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[beemflow_secrets.drivers]\nmine = my_driver:MyDriver\n")
    (folder / "flow.config.json").write_text(DRIVER_CONFIG[0])
    program = "from beemflow_secrets import *\nwith open_secrets_sync() as found: print(found.get_secret('a'))"
    assert run(folder, program) == "1\n"


def test_every_driver_has_its_line() -> None:
    assert [name for name in OWN_DRIVERS if f"\n| `{name}`" not in TEXT] == []
