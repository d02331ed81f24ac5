"""docs/security.md: what it says is shown, is shown by tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))


@pytest.mark.parametrize(("file", "name"), NAMED, ids=[name for _, name in NAMED])
def test_a_test_that_the_page_names_is_there(file: str, name: str) -> None:
    assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(), flags=re.MULTILINE), f"no {name} in {file}"


def test_every_threat_names_a_test_that_shows_what_stops_it() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("|")][2:]
    assert len(rows) > 20
    assert [row for row in rows if "::test_" not in row.split("|")[-2]] == []
    assert all(row.count("|") == 5 for row in rows)


def test_what_the_image_takes_is_pinned_by_its_hash() -> None:
    for name in ("operator", "build"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text().replace("\\\n", " ")
        pinned = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
        assert pinned
        assert [line for line in pinned if not re.match(r"[\w.-]+(\[.*\])?==\S+ .*--hash=sha256:", line)] == []
    recipe = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    installs = [part for part in re.split(r"&&|\n", recipe) if "pip install" in part]
    assert installs
    assert [part for part in installs if "--require-hashes" not in part and "--no-deps" not in part] == []
