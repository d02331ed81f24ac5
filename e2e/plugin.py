"""`kubectl beemflow` as krew installs it: an archive of the wheel and what starts it, and the manifest of that."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import yaml

LICENSE = Path(__file__).parents[1] / "LICENSE"
START = """\
#!/bin/sh
# kubectl beemflow: the wheel beside this file, in an environment that uv makes the first time and keeps.
set -eu
here=$(dirname "$(readlink -f "$0")")
if ! command -v uv >/dev/null; then
  echo "kubectl beemflow needs uv, which brings Python and what it needs: https://docs.astral.sh/uv/" >&2
  exit 1
fi
exec uv tool run --quiet --from "$here/WHEEL[all]" kubectl-beemflow "$@"
"""
DESCRIPTION = """\
Shows how BeemFlowSecrets stand and what to run next, asks for a sync and waits for its answer, and shows what a sync
would write. It reads with your own rights.
"""
CAVEATS = "Needs uv (https://docs.astral.sh/uv/) on PATH. The first call fetches what it needs, and takes a moment."


def write_plugin(dist: Path, wheel: Path, version: str, url: str) -> None:
    """Write `kubectl-beemflow-VERSION.tar.gz`, equal for equal content, and `beemflow.yaml`, krew's manifest of it."""
    archive = dist / f"kubectl-beemflow-{version}.tar.gz"
    files = {
        "kubectl-beemflow": (START.replace("WHEEL", wheel.name).encode(), 0o755),
        wheel.name: (wheel.read_bytes(), 0o644),
        "LICENSE": (LICENSE.read_bytes(), 0o644),
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, (content, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    archive.write_bytes(gzip.compress(packed.getvalue(), mtime=0))
    checksum = hashlib.sha256(archive.read_bytes()).hexdigest()
    text = yaml.safe_dump(manifest(version, f"{url}/{archive.name}", checksum), sort_keys=False, width=120)
    (dist / "beemflow.yaml").write_text(text)


def manifest(version: str, uri: str, checksum: str) -> dict[str, Any]:
    """Return krew's manifest of the plugin."""
    return {
        "apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
        "kind": "Plugin",
        "metadata": {"name": "beemflow"},
        "spec": {
            "version": f"v{version}",
            "homepage": "https://github.com/beemflow/beemflow-secrets",
            "shortDescription": "Why a secret is not there, and a sync at once",
            "description": DESCRIPTION,
            "caveats": CAVEATS,
            "platforms": [
                {
                    "selector": {
                        "matchExpressions": [{"key": "os", "operator": "In", "values": ["linux"]}],
                    },
                    "uri": uri,
                    "sha256": checksum,
                    "bin": "kubectl-beemflow",
                }
            ],
        },
    }
