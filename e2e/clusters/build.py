"""Build etcd, kube-apiserver, kube-controller-manager and kubectl from their Go modules, once a version.

The result is one binary in the user's cache folder with a link for each part; controlplane.py starts them from there.
Standard library only: this runs before the virtual environment exists.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

MODULE = Path(__file__).parent / "k8s"
PARTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl")
MAIN = "controlplane"
"""The module's name, and so its main package's: what Go compiles last, before it links."""
GO = (1, 26)
LINES_KEPT = 15
"""How much of what Go said is shown when it fails."""


class BuildFailed(Exception):
    """Says in one line why there is no control plane and what to do; Go's own words may follow."""


def cache_folder() -> Path:
    """Return the folder that keeps what is costly to make, outside the clone."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if home.startswith("/") else Path.home() / ".cache") / "beemflow-secrets"


def kubernetes_version() -> str:
    """Return the version of Kubernetes that the module names, as ``v1.37.2``."""
    found = re.search(r"^\s*k8s\.io/kubernetes (v\S+)$", (MODULE / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise BuildFailed(f"{MODULE / 'go.mod'} names no version of k8s.io/kubernetes")
    return found[1]


def binaries() -> Path:
    """Return the folder of the four programs, whether they are there or not."""
    sources = hashlib.sha256()
    for name in ("go.mod", "go.sum", "main.go"):
        sources.update((MODULE / name).read_bytes())
    key = f"{kubernetes_version()}-{sources.hexdigest()[:12]}-{platform.machine().lower()}"
    return cache_folder() / "control-plane" / key


def build() -> Path:
    """Return the folder of the four programs; make it first, with progress on stderr, if it is not there."""
    folder = binaries()
    if folder.is_dir():
        return folder
    with _alone(folder.parent):
        if not folder.is_dir():  # made while this run waited
            with tempfile.TemporaryDirectory(prefix=".building-", dir=folder.parent) as scratch:
                _make(Path(scratch) / "programs")
                (Path(scratch) / "programs").rename(folder)
    return folder


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one run at a time build."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another run is building the control plane; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(folder: Path) -> None:
    """Fill a folder with the binary and its names."""
    environment = _go_environment()
    _check_go(environment)
    version = kubernetes_version()
    _say(
        f"building Kubernetes {version}'s control plane: 5 to 15 minutes the first time, then kept in the cache folder"
    )
    stamps = {"gitVersion": version, "gitMajor": "1", "gitMinor": version.split(".")[1], "gitTreeState": "clean"}
    flags = " ".join(
        ["-s", "-w", *(f"-X k8s.io/component-base/version.{name}={value}" for name, value in stamps.items())]
    )
    folder.mkdir()
    with _Progress() as progress:
        _go(["list", "-deps", "-f", "{{.Stale}}", "."], environment, progress.listed)
        _go(["build", "-v", "-o", str(folder / "k8s"), "-ldflags", flags, "."], environment, progress.compiled)
    for part in PARTS:
        (folder / part).symlink_to("k8s")


def _go_environment() -> dict[str, str]:
    """Return this environment without what would change what is built."""
    kept = {name: value for name, value in os.environ.items() if name not in {"GOOS", "GOARCH"}}
    return kept | {"CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": "-trimpath -buildvcs=false"}


def _check_go(environment: dict[str, str]) -> None:
    wanted = ".".join(map(str, GO))
    if shutil.which("go") is None:
        raise BuildFailed(f"Go is not installed: the control plane is built from source, with Go {wanted} or newer")
    # Asked inside the module, so that Go fetches a newer toolchain where GOTOOLCHAIN lets it.
    found = re.match(r"go(\d+)\.(\d+)", _answer(["go", "env", "GOVERSION"], MODULE, environment))
    if found is None or (int(found[1]), int(found[2])) < GO:
        here = _answer(["go", "env", "GOVERSION"], Path("/"), environment) or "one that does not run"
        raise BuildFailed(
            f"Go {wanted} or newer is needed and this is {here}: install it, or set GOTOOLCHAIN=auto to let Go fetch it"
        )


def _answer(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    """Return what a command prints, nothing if it fails."""
    ran = subprocess.run(command, cwd=folder, env=environment, text=True, capture_output=True, check=False)
    return "" if ran.returncode else ran.stdout.strip()


def _go(arguments: list[str], environment: dict[str, str], told: Callable[[str], None]) -> None:
    """Run Go in the module and hand on each line that it prints."""
    last: deque[str] = deque(maxlen=LINES_KEPT)
    with subprocess.Popen(
        ["go", *arguments], cwd=MODULE, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as go:
        for line in go.stdout or ():
            last.append(line)
            told(line.rstrip())
    if go.returncode:
        raise BuildFailed(f"go {arguments[0]} failed:\n{''.join(last)}".rstrip())


class _Progress:
    """Tells what is going on: in place on a terminal, by a line every half minute elsewhere."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._began = time.monotonic()
        self._step = "looking at the modules"
        self._fetched = self._total = self._done = 0
        self._over = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Self:
        self._ticker.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._over.set()
        self._ticker.join()
        if self._terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
        if kind is None:
            _say(f"built in {self._elapsed()}")

    def listed(self, line: str) -> None:
        """Count a line of ``go list``: a package, true when it is to be compiled, or a module that is fetched."""
        if line == "true":
            self._total += 1
        elif line.startswith("go: downloading"):
            self._fetched += 1
            self._step = f"fetching modules: {self._fetched}"

    def compiled(self, line: str) -> None:
        """Count a line of ``go build -v``: the package that is being compiled."""
        if line == MAIN:
            self._step = "linking"
        elif not line.startswith("go: "):
            self._done += 1
            self._step = f"compiling: {self._done} of {self._total} packages"

    def _tick(self) -> None:
        while not self._over.wait(0.2 if self._terminal else 30):
            if self._terminal:
                print(f"\r\033[K  {self._elapsed()}  {self._step}", end="", file=sys.stderr, flush=True)
            else:
                _say(f"  {self._elapsed()}  {self._step}")

    def _elapsed(self) -> str:
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        return f"{minutes}:{seconds:02}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Build what is not there and print where it is."""
    try:
        print(build())
    except BuildFailed as failed:
        _say(f"no control plane: {failed}")
        return 1
    except KeyboardInterrupt:
        _say("stopped; what is compiled stays in Go's build cache")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
