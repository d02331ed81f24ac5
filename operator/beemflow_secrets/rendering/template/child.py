"""The other side of `aside`: a process for one piece of work, with no environment, no files, and bounds of its own."""

from __future__ import annotations

import ctypes
import os
import resource
import sys

from beemflow_secrets.rendering.rewrite import Rewriting
from beemflow_secrets.rendering.template.budget import MIB, aside
from beemflow_secrets.rendering.template.job import Job
from beemflow_secrets.rendering.template.work import run_packed

LONGEST_CPU = 3
"""Seconds of CPU. The clock on the wall is the other side's, who waits a little longer."""

MEMORY = 256 * MIB
"""Bytes of addresses beside those that the interpreter and what it loads take."""

LATER = 5
"""The nice value with which it gets a third of what others get."""

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _SIGKILL = 1, 4, 9


def main() -> None:
    """Do the work that stands on stdin, and answer on stdout."""
    _confine()
    sys.stdout.buffer.write(run_packed(sys.stdin.buffer.read(), aside(), (Job, Rewriting)))
    sys.stdout.buffer.flush()


def _confine() -> None:
    os.nice(LATER)
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    with open("/proc/self/statm") as told:  # noqa: PTH123 - pathlib is more to load than it saves
        taken = int(told.read().split()[0]) * resource.getpagesize()
    for limit, most in (
        (resource.RLIMIT_AS, taken + MEMORY),
        (resource.RLIMIT_CPU, LONGEST_CPU),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        resource.setrlimit(limit, (most, most))
