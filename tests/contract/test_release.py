"""`make release`: what lies in dist/ is whole, current and installable. The image is built by e2e and by hand."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import tarfile
import zipfile
from email import message_from_string
from typing import TYPE_CHECKING

import helm_python
import pytest
import yaml

from beemflow_secrets.cli.crds import crds_yaml
from e2e.clusters.cluster import CommandFailed
from e2e.release import ROOT, VERSION, release

if TYPE_CHECKING:
    from pathlib import Path

NAMES = {
    "SHA256SUMS",
    "beemflow.yaml",
    "crds.yaml",
    "install.yaml",
    f"beemflow-secrets-{VERSION}.cdx.json",
    f"beemflow-secrets-{VERSION}.tgz",
    f"beemflow_secrets-{VERSION}-py3-none-any.whl",
    f"kubectl-beemflow-{VERSION}.tar.gz",
}


def no_builder(_dist: Path, _image: str) -> None:
    raise CommandFailed("Docker does not answer")


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release") / "dist"
    assert release(folder, "registry.example.com:5000/beemflow-secrets:1", no_builder) == "Docker does not answer"
    return folder


def test_without_an_image_all_else_is_made(dist: Path) -> None:
    assert {path.name for path in dist.iterdir()} == NAMES


def test_the_checksums_are_those_of_the_files(dist: Path) -> None:
    ran = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=dist, capture_output=True, check=False)
    assert ran.returncode == 0
    assert len(ran.stdout.splitlines()) == len(NAMES) - 1


def test_the_wheel_has_every_module_and_both_commands(dist: Path) -> None:
    with zipfile.ZipFile(dist / f"beemflow_secrets-{VERSION}-py3-none-any.whl") as wheel:
        names = set(wheel.namelist())
        info = f"beemflow_secrets-{VERSION}.dist-info"
        commands = wheel.read(f"{info}/entry_points.txt").decode()
        metadata = message_from_string(wheel.read(f"{info}/METADATA").decode())
    here = ROOT / "operator"
    modules = {str(path.relative_to(here)) for path in here.rglob("*.py")}
    assert {name for name in names if not name.startswith(info)} == modules | {"beemflow_secrets/py.typed"}
    assert "beemflow-secrets = " in commands
    assert "kubectl-beemflow = " in commands
    assert metadata["Version"] == VERSION
    assert {"operator", "aws", "vault", "azure", "gcp", "cli", "all"} <= set(metadata.get_all("Provides-Extra", []))


def test_the_packaged_chart_makes_what_the_folder_makes(dist: Path) -> None:
    with (
        helm_python.Chart.load(dist / f"beemflow-secrets-{VERSION}.tgz") as packed,
        helm_python.Chart.load(ROOT / "charts" / "beemflow-secrets") as folder,
    ):
        assert (packed.name, packed.version, packed.metadata["appVersion"]) == ("beemflow-secrets", VERSION, VERSION)
        assert (folder.version, folder.metadata["appVersion"]) == (VERSION, VERSION)
        assert packed.render(name="x", namespace="y") == folder.render(name="x", namespace="y")


def test_the_manifests_run_the_image(dist: Path) -> None:
    found = list(yaml.load_all((dist / "install.yaml").read_text(), yaml.CSafeLoader))
    (deployment,) = [one for one in found if one["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example.com:5000/beemflow-secrets:1"
    assert (dist / "crds.yaml").read_text() == crds_yaml()


def test_the_sbom_names_what_is_pinned_with_its_hashes(dist: Path) -> None:
    bom = json.loads((dist / f"beemflow-secrets-{VERSION}.cdx.json").read_text())
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements" / "operator.txt").read_text(), re.MULTILINE))
    assert bom["bomFormat"] == "CycloneDX"
    assert bom["metadata"]["component"]["name"] == "beemflow-secrets"
    assert {component["name"]: component["version"] for component in bom["components"]} == pinned
    assert all(component["externalReferences"][0]["hashes"] for component in bom["components"])


def test_the_plugin_is_what_its_manifest_says(dist: Path, tmp_path: Path) -> None:
    spec = yaml.safe_load((dist / "beemflow.yaml").read_text())["spec"]
    (platform,) = spec["platforms"]
    archive = dist / platform["uri"].rsplit("/", 1)[1]
    assert platform["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()
    assert spec["version"] == f"v{VERSION}"
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path / "plugin", filter="data")
    # As krew has it: a link on PATH. uv is told which wheel, and what was asked.
    (tmp_path / "bin").mkdir()
    link = tmp_path / "bin" / "kubectl-beemflow"
    link.symlink_to(tmp_path / "plugin" / platform["bin"])
    for tool in ("sh", "dirname", "readlink"):
        (tmp_path / "bin" / tool).symlink_to(f"/usr/bin/{tool}")
    without = subprocess.run([link, "status"], env={"PATH": str(link.parent)}, capture_output=True, check=False)
    assert without.returncode == 1
    assert b"needs uv" in without.stderr
    uv = tmp_path / "bin" / "uv"
    uv.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    uv.chmod(0o755)
    ran = subprocess.run([link, "status", "my slack"], env={"PATH": str(link.parent)}, capture_output=True, check=False)
    wheel = tmp_path / "plugin" / f"beemflow_secrets-{VERSION}-py3-none-any.whl"
    told = ["tool", "run", "--quiet", "--from", f"{wheel}[all]", "kubectl-beemflow", "status", "my slack"]
    assert ran.stdout.decode().splitlines() == told
    assert wheel.exists()


def test_the_same_content_gives_the_same_files(dist: Path, tmp_path: Path) -> None:
    release(tmp_path / "again", "registry.example.com:5000/beemflow-secrets:1", no_builder)

    def sums(folder: Path) -> str:
        # Helm stamps the time into its archive.
        return "".join(line for line in (folder / "SHA256SUMS").read_text().splitlines(True) if ".tgz" not in line)

    assert sums(tmp_path / "again") == sums(dist)
