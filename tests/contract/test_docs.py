"""docs/drivers.md: the driver that stands there is proven as it says, and a driver with a mistake is not."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

TEXT = (Path(__file__).parents[2] / "docs" / "drivers.md").read_text()
FILES: dict[str, str] = dict(re.findall(r"`(\w+\.py)`:\n\n```python\n(.*?)```", TEXT, flags=re.DOTALL))


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    for name, text in FILES.items():
        (folder / name).write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto", "-W", "error"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_driver_of_the_page_is_proven(tmp_path: Path) -> None:
    assert list(FILES) == ["test_mine.py", "conftest.py"]
    ran = run(tmp_path)
    assert ran.returncode == 0, ran.stdout
    assert "contract of providers: cases by driver" in ran.stdout
    assert re.search(r"^listing +ok$", ran.stdout, flags=re.MULTILINE)
    assert re.search(r"^login refused +-$", ran.stdout, flags=re.MULTILINE)
    assert "skipped" not in ran.stdout


@pytest.mark.parametrize(
    ("right", "wrong", "case"),
    [
        ('raise NotFound("there is no such file", key=key)', 'return SecretValue("")', "missing"),
        ("name.startswith(prefix)", "prefix in name", "listing"),
        (".read_bytes()", '.read_text(errors="replace")', "binary"),
        ('raise Unavailable("there is no such folder")', "return {}", "stopped"),
        ("SecretValue(self._files()[key].read_bytes())", 'SecretValue(b"x", "1")', "versions"),
    ],
)
def test_a_mistake_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, right: str, wrong: str, case: str) -> None:
    assert right in FILES["test_mine.py"]
    monkeypatch.setitem(FILES, "test_mine.py", FILES["test_mine.py"].replace(right, wrong))
    ran = run(tmp_path)
    assert ran.returncode == 1, ran.stdout
    assert re.search(rf"^{case} +FAIL$", ran.stdout, flags=re.MULTILINE), ran.stdout
