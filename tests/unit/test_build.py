"""e2e/clusters/build.py, with a Go that is a script: the real one takes minutes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD = [sys.executable, "-m", "e2e.clusters.build"]


@pytest.fixture
def go(tmp_path: Path) -> Path:
    """A folder that is all of PATH, with whatever `go` a test puts there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


def script(folder: Path, text: str) -> None:
    (folder / "go").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "go").chmod(0o755)


def build(go: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(go), "HOME": str(go.parent)}
    return subprocess.run(BUILD, cwd=ROOT, env=environment, text=True, capture_output=True, check=False)


def test_go_is_missing(go: Path) -> None:
    ran = build(go)
    assert ran.returncode == 1
    assert ran.stderr == (
        "no control plane: Go is not installed: clusters are built from source, with Go 1.26 or newer\n"
    )


@pytest.mark.parametrize(
    "answer",
    ["echo go1.22.1", '[ "$PWD" = / ] && echo go1.22.1 || { echo "go.mod requires go >= 1.26.0" >&2; exit 1; }'],
)
def test_go_is_too_old(go: Path, answer: str) -> None:
    script(go, answer)
    ran = build(go)
    assert ran.returncode == 1
    assert ran.stderr.startswith("no control plane: Go 1.26 or newer is needed and this is go1.22.1: ")
    assert "GOTOOLCHAIN" in ran.stderr


WORKING = """
case $1 in
  env) echo go1.26.8;;
  list) printf 'false\\ntrue\\ntrue\\n';;
  build) [ "$CGO_ENABLED" = 0 ] || exit 9; echo one; echo two; echo binary > "$4/kubernetes";;
esac
"""


def test_what_is_built_is_kept(go: Path) -> None:
    script(go, WORKING)
    first = build(go)
    assert first.returncode == 0, first.stderr
    folder = Path(first.stdout.strip())
    assert folder.is_relative_to(go.parent / ".cache" / "beemflow-secrets" / "kubernetes")
    for part in ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl"):
        assert (folder / part).read_text() == "binary\n"
    (go / "go").unlink()
    assert build(go).stdout == first.stdout


def test_a_failed_build_says_what_go_said_and_leaves_nothing(go: Path) -> None:
    script(go, "case $1 in env) echo go1.27.0;; list) ;; build) echo 'no space left on device' >&2; exit 1;; esac")
    ran = build(go)
    assert ran.returncode == 1
    assert "go build failed:\nno space left on device" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert [path.name for path in (go.parent / ".cache/beemflow-secrets/kubernetes").iterdir()] == [".lock"]


def test_two_runs_build_once(go: Path) -> None:
    script(
        go, WORKING.replace("build)", "build) sleep 0.3; echo built >> $HOME/builds;").replace("echo binary", "echo b")
    )
    environment = {"PATH": f"{go}:/bin:/usr/bin", "HOME": str(go.parent)}
    runs = [
        subprocess.Popen(BUILD, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    answers = [run.communicate() for run in runs]
    assert answers[0][0] == answers[1][0]
    assert (go.parent / "builds").read_text() == "built\n"
