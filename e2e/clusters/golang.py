"""Go, and what it says while it builds: fetched modules, compiled packages, time.

Standard library only: the control plane is built before anything else is there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

GO = (1, 26)
LINES_KEPT = 15
"""How much of what Go said is shown when it fails."""


class BuildFailed(Exception):
    """Says in one line why a program is not there and what to do; Go's own words may follow."""


def compile_module(module: Path, targets: str, flags: str, folder: Path, said: str, tags: str = "") -> None:
    """Compile packages of a module, or its `tool` lines, into a folder, with progress on stderr. Raises BuildFailed."""
    environment = _go_environment(tags)
    _check_go(module, environment)
    say(said)
    with _Progress() as progress:
        _go(module, ["list", "-deps", "-f", "{{.Stale}}", targets], environment, progress.listed)
        _go(module, ["build", "-v", "-o", f"{folder}/", "-ldflags", flags, targets], environment, progress.compiled)


def _go_environment(tags: str) -> dict[str, str]:
    """Return this environment without what would change what is built."""
    kept = {name: value for name, value in os.environ.items() if name not in {"GOOS", "GOARCH"}}
    return kept | {"CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": f"-trimpath -buildvcs=false -tags={tags}"}


def _check_go(module: Path, environment: dict[str, str]) -> None:
    wanted = ".".join(map(str, GO))
    if shutil.which("go") is None:
        raise BuildFailed(f"Go is not installed: clusters are built from source, with Go {wanted} or newer")
    # Asked inside the module, so that Go fetches a newer toolchain where GOTOOLCHAIN lets it.
    found = re.match(r"go(\d+)\.(\d+)", _answer(["go", "env", "GOVERSION"], module, environment))
    if found is None or (int(found[1]), int(found[2])) < GO:
        here = _answer(["go", "env", "GOVERSION"], Path("/"), environment) or "one that does not run"
        raise BuildFailed(
            f"Go {wanted} or newer is needed and this is {here}: install it, or set GOTOOLCHAIN=auto to let Go fetch it"
        )


def _answer(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    """Return what a command prints, nothing if it fails."""
    ran = subprocess.run(command, cwd=folder, env=environment, text=True, capture_output=True, check=False)
    return "" if ran.returncode else ran.stdout.strip()


def _go(module: Path, arguments: list[str], environment: dict[str, str], told: Callable[[str], None]) -> None:
    """Run Go in the module and hand on each line that it prints."""
    last: deque[str] = deque(maxlen=LINES_KEPT)
    with subprocess.Popen(
        ["go", *arguments], cwd=module, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
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
            say(f"built in {self._elapsed()}")

    def listed(self, line: str) -> None:
        """Count a line of ``go list``: a package, true when it is to be compiled, or a module that is fetched."""
        if line == "true":
            self._total += 1
        elif line.startswith("go: downloading"):
            self._fetched += 1
            self._step = f"fetching modules: {self._fetched}"

    def compiled(self, line: str) -> None:
        """Count a line of ``go build -v``: the package that is being compiled."""
        if not line.startswith("go: "):
            self._done += 1
            # The main package is the last to be compiled, in no time, before it is linked.
            last = self._done >= self._total
            self._step = "linking" if last else f"compiling: {self._done} of {self._total} packages"

    def _tick(self) -> None:
        while not self._over.wait(0.2 if self._terminal else 30):
            if self._terminal:
                print(f"\r\033[K  {self._elapsed()}  {self._step}", end="", file=sys.stderr, flush=True)
            else:
                say(f"  {self._elapsed()}  {self._step}")

    def _elapsed(self) -> str:
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        return f"{minutes}:{seconds:02}"


def say(text: str) -> None:
    """Tell a person who waits."""
    print(text, file=sys.stderr, flush=True)
