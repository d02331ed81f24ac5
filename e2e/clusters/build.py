"""Build what clusters and tests are made of from Go modules, once a version, into the user's cache folder.

`python -m e2e.clusters.build` makes Kubernetes, of which controlplane.py starts a part and node.py all. A node needs
containerd and CoreDNS beside it. Standard library only: this runs before anything else is there.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from e2e.clusters.golang import BuildFailed, compile_module, say

if TYPE_CHECKING:
    from collections.abc import Iterator

MODULES = Path(__file__).parent
PARTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl")
"""What the one binary of Kubernetes is, by the name that it is called by."""


@dataclass(frozen=True)
class Programs:
    """What one Go module makes: its folder here, the module whose version is its version, and how long it takes."""

    name: str
    source: str
    takes: str
    targets: str = "."
    links: tuple[str, ...] = ()
    stamp: str = ""
    """The Go package, if any, that holds what the programs say of their version."""
    tags: str = ""
    """What is left out or put in, by the module's own words for it."""

    @property
    def version(self) -> str:
        """The version that go.mod names, as ``v1.37.2``."""
        text = (MODULES / self.name / "go.mod").read_text()
        found = re.search(rf"^(?:require)?\s*{re.escape(self.source)} (v\S+)", text, re.MULTILINE)
        if found is None:
            raise BuildFailed(f"{MODULES / self.name / 'go.mod'} names no version of {self.source}")
        return found[1]

    @property
    def folder(self) -> Path:
        """Where the programs are, whether they are there or not."""
        sources = hashlib.sha256()
        for path in sorted((MODULES / self.name).glob("*[!~]")):
            sources.update(path.read_bytes())
        return cache_folder() / self.name / f"{self.version}-{sources.hexdigest()[:12]}-{platform.machine().lower()}"

    def build(self) -> Path:
        """Return `folder`; fill it first, with progress on stderr, if it is not there."""
        folder = self.folder
        if folder.is_dir():
            return folder
        with _alone(folder.parent):
            if not folder.is_dir():  # made while this run waited
                with tempfile.TemporaryDirectory(prefix=".building-", dir=folder.parent) as scratch:
                    self._make(Path(scratch) / "programs")
                    (Path(scratch) / "programs").rename(folder)
        return folder

    def _make(self, folder: Path) -> None:
        version = self.version
        said = f"building {self.name} {version}: {self.takes} the first time, then kept in the cache folder"
        stamps = {"gitVersion": version, "gitMajor": "1", "gitMinor": version.split(".")[1], "gitTreeState": "clean"}
        told = [f"-X {self.stamp}.{name}={value}" for name, value in stamps.items()] if self.stamp else []
        folder.mkdir()
        compile_module(MODULES / self.name, self.targets, " ".join(["-s", "-w", *told]), folder, said, self.tags)
        for part in self.links:
            (folder / part).symlink_to(self.name)


KUBERNETES = Programs(
    "kubernetes", "k8s.io/kubernetes", "5 to 15 minutes", links=PARTS, stamp="k8s.io/component-base/version"
)
CONTAINERD = Programs("containerd", "github.com/containerd/containerd/v2", "2 to 5 minutes", targets="tool")
COREDNS = Programs("coredns", "github.com/coredns/coredns", "1 to 3 minutes")
PROMTOOL = Programs(
    "promtool", "github.com/prometheus/prometheus", "2 to 6 minutes", targets="tool", tags="remove_all_sd"
)
"""Prometheus's own judge of alerts and queries. Without its service discoveries it takes a third of the time."""


def binaries() -> Path:
    """Return the folder of Kubernetes' programs, whether they are there or not."""
    return KUBERNETES.folder


def cache_folder() -> Path:
    """Return the folder that keeps what is costly to make, outside the clone."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if home.startswith("/") else Path.home() / ".cache") / "beemflow-secrets"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one run at a time build."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another run is building this; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build_node() -> None:
    """Build what is not there of a whole node."""
    for programs in (KUBERNETES, CONTAINERD, COREDNS):
        programs.build()


def main(*names: str) -> int:
    """Build Kubernetes, or what is named, if it is not there, and print where it is."""
    try:
        for programs in (KUBERNETES, CONTAINERD, COREDNS, PROMTOOL):
            if programs.name in (names or (KUBERNETES.name,)):
                print(programs.build())
    except BuildFailed as failed:
        say(f"{'no control plane' if not names else 'not built'}: {failed}")
        return 1
    except KeyboardInterrupt:
        say("stopped; what is compiled stays in Go's build cache")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
