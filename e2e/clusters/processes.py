"""Programs that run beside us: started, recognised by who they are and not only by a number, killed for certain."""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Linux: the states of a process that runs no more, and where in /proc/PID/stat, after the name, its start stands.
_ENDED = ("Z", "X")
_START = 19


@dataclass(frozen=True)
class Process:
    """A process of ours. Numbers are used again, so that its start, in ticks since boot, belongs to its identity."""

    pid: int
    started: int

    @classmethod
    def spawn(
        cls,
        command: Sequence[str | Path],
        log: Path | str,
        *,
        stdin: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Self:
        """Start a program in a session of its own, so that no Ctrl-C meant for us reaches it.

        It survives us, unless it watches the pipe that it is given as `stdin`. Not subprocess.Popen: its objects
        warn when they are let go before the process has ended.
        """
        output = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        streams: list[tuple[int, int, int] | tuple[int, int, str, int, int]] = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0) if stdin is None else (os.POSIX_SPAWN_DUP2, stdin, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), output, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        pid = os.posix_spawn(
            str(command[0]),
            [str(word) for word in command],
            os.environ if environment is None else environment,
            file_actions=streams,
            setsid=True,
        )
        return cls(pid, _look(pid)[1])

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        state, started = _look(self.pid)
        return started == self.started and state not in _ENDED

    def kill(self, sign: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal that ends the process, and return when it has ended; nothing if it has ended before."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            if self.alive:  # judged after the handle was taken: from here on it cannot become another's
                signal.pidfd_send_signal(handle, sign)
                ended = select.poll()
                ended.register(handle, select.POLLIN)
                ended.poll()
        finally:
            os.close(handle)
        with suppress(ChildProcessError):  # one that a run before this started is not our child
            os.waitpid(self.pid, os.WNOHANG)


def _look(pid: int) -> tuple[str, int]:
    """Return a process's state and start; ("X", 0) when there is none."""
    try:
        # The name, in brackets, may hold blanks and brackets itself.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "X", 0
    return fields[0], int(fields[_START])
