"""`make release`: all that a release is, in dist/.

A wheel, the image as an archive (`docker load`, `ctr images import`), the packaged chart, manifests, what the image
holds (SBOM), the plugin for `kubectl beemflow` with its krew manifest, and the checksums of all of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import helm_python

from beemflow_secrets.cli.crds import crds_yaml
from e2e.chart import CHART
from e2e.clusters.cluster import CommandFailed, run
from e2e.manifests import manifests
from e2e.plugin import write_plugin

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[1]
VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
URL = os.environ.get("RELEASE_URL", f"https://github.com/beemflow/beemflow-secrets/releases/download/v{VERSION}")
"""Where the files of the release will be had from: the krew manifest names it."""


def write_wheel(dist: Path) -> Path:
    """Build the wheel."""
    hatchling = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(dist)]
    subprocess.run(hatchling, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    (wheel,) = dist.glob("*.whl")
    return wheel


def write_manifests(dist: Path, image: str) -> None:
    """Write what kubectl installs: everything, and the kinds alone."""
    (dist / "install.yaml").write_text(manifests(image)["install.yaml"])
    (dist / "crds.yaml").write_text(crds_yaml())


def write_sbom(dist: Path) -> None:
    """Write what the image holds beside its base, as CycloneDX, from the locked and hashed requirements."""
    path = dist / f"beemflow-secrets-{VERSION}.cdx.json"
    options = ["--pyproject", "pyproject.toml", "--output-reproducible", "--output-format", "JSON", "-o", str(path)]
    command = [sys.executable, "-m", "cyclonedx_py", "requirements", *options, "requirements/operator.txt"]
    subprocess.run(command, cwd=ROOT, stderr=subprocess.DEVNULL, check=True)
    found = json.loads(path.read_text())
    for component in found["components"]:
        del component["description"]  # the whole line of the file, with all hashes, which stand apart
    path.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


def write_image(dist: Path, image: str) -> None:
    """Build the image and write it to an archive. Raises CommandFailed."""
    build = ROOT / "e2e" / "image.sh"
    run([build, image])
    run([build, "--save", image, dist / f"beemflow-secrets-{VERSION}.image.tar"])


def write_checksums(dist: Path) -> None:
    """Write what `sha256sum --check` reads."""
    files = sorted(path for path in dist.iterdir() if path.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (dist / "SHA256SUMS").write_text("".join(lines))


def release(dist: Path, image: str, build: Callable[[Path, str], None] = write_image) -> str:
    """Fill a folder anew. Return why there is no image in it; nothing if there is one."""
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir(parents=True)
    wheel = write_wheel(dist)
    helm_python.package(CHART, destination=dist, version=VERSION, app_version=VERSION)
    write_manifests(dist, image)
    write_sbom(dist)
    write_plugin(dist, wheel, VERSION, URL)
    failed = ""
    try:
        build(dist, image)
    except CommandFailed as error:
        failed = str(error)
    write_checksums(dist)
    return failed


def main(image: str) -> int:
    """Make the release, and say what it holds."""
    dist = ROOT / "dist"
    failed = release(dist, image)
    for path in sorted(dist.iterdir()):
        print(f"{path.stat().st_size:>12,}  dist/{path.name}")
    if failed:
        print(f"release: all but the image, which could not be built: {failed}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
