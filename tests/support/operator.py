"""The operator as a process of its own, started as users start it, with the rights that it is shipped with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Self

import orjson

from tests.support.openbao import free_port

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Operator:
    """`beemflow-secrets run`. Its log goes to a file; its pages are at `address`."""

    def __init__(self, kubeconfig: Path, folder: Path, *flags: str, env: Mapping[str, str] | None = None) -> None:
        self._kubeconfig = kubeconfig
        self._flags = flags
        self._env = dict(env or {})
        self.log_file = folder / "operator.log"
        self.temporary = folder / "tmp"
        self.temporary.mkdir(exist_ok=True)
        self.address = ""
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def running(self) -> bool:
        """Whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def start(self, *, ready: bool = True) -> None:
        """Start, and return when it is ready."""
        self.address = f"127.0.0.1:{free_port()}"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.temporary),
            "TMPDIR": str(self.temporary),
            "KUBECONFIG": str(self._kubeconfig),
            "BEEMFLOW_SECRETS_HTTP_ADDRESS": self.address,
            "PYTHONWARNINGS": "error",
            **self._env,
        }
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "beemflow_secrets", "run", *self._flags],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if ready:
            self.wait_ready()

    def wait_ready(self, patience: float = 30.0) -> None:
        """Wait until /readyz answers 200."""
        deadline = time.monotonic() + patience
        while self.get("/readyz")[0] != 200:
            assert self.process is not None
            assert self.process.poll() is None, f"the operator ended:\n{self.log()}"
            assert time.monotonic() < deadline, f"the operator is not ready:\n{self.log()}"
            time.sleep(0.02)

    def get(self, page: str) -> tuple[int, str]:
        """Return status and text of a page; status 0 while nobody listens."""
        try:
            with urllib.request.urlopen(f"http://{self.address}{page}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, line: str) -> float:
        """Return the value of one sample, named as /metrics prints it; 0 for none."""
        for found in self.get("/metrics")[1].splitlines():
            if found.startswith(f"beemflow_secrets_{line} "):
                return float(found.rsplit(" ", 1)[1])
        return 0.0

    def log(self) -> str:
        """Return all that was logged."""
        return self.log_file.read_text()

    def events(self, event: str) -> list[dict[str, object]]:
        """Return the log's lines of one kind."""
        lines = [orjson.loads(line) for line in self.log().splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("event") == event]

    def stop(self) -> int:
        """Send SIGTERM, and return the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=15)

    def kill(self) -> None:
        """Send SIGKILL, if it still runs."""
        if self.process is not None and self.running:
            self.process.kill()
            self.process.wait()
