"""The Dockerfile: what it adds to its base is one folder, and a build that makes that too big fails.

The image itself is built by e2e and by `make release`.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from e2e.release import ROOT

if TYPE_CHECKING:
    from pathlib import Path

DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", "")
FOLDER = "/opt/operator"


def instructions() -> list[list[str]]:
    lines = [line.split(maxsplit=1) for line in DOCKERFILE.splitlines() if line and not line.startswith("#")]
    return [[name, " ".join(rest.split())] for name, rest in lines]


def test_the_image_is_its_base_and_one_folder() -> None:
    found = instructions()
    last = max(number for number, (name, _) in enumerate(found) if name == "FROM")
    assert found[last] == ["FROM", "${BASE}"]
    adding = [one for one in found[last:] if one[0] not in {"FROM", "ENV", "USER", "ENTRYPOINT", "CMD"}]
    assert adding == [["COPY", f"--from=build {FOLDER} {FOLDER}"]]


@pytest.mark.parametrize(("megabytes", "code"), [(100, 0), (179, 0), (181, 1)])
def test_a_build_that_takes_more_than_180_megabytes_fails(tmp_path: Path, megabytes: int, code: int) -> None:
    (check,) = [rest for name, rest in instructions() if name == "RUN" and " du " in rest.replace("(", " ")]
    assert instructions().index(["RUN", check]) == max(
        number for number, (name, _) in enumerate(instructions()) if name == "RUN"
    ), "what comes after the check is not measured"
    (tmp_path / "module").touch()
    os.truncate(tmp_path / "module", megabytes * 10**6)  # a hole: no disk is filled
    ran = subprocess.run(
        ["/bin/sh", "-c", check.replace(FOLDER, str(tmp_path))], capture_output=True, text=True, check=False
    )
    assert ran.returncode == code, ran.stderr
    assert f"image: {megabytes}" in ran.stdout or f"image: {megabytes + 1}" in ran.stdout
    assert ("and 180 are the most" in ran.stderr) == bool(code)
