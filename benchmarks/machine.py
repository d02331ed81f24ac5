"""What /proc tells: CPU and memory of processes, how busy the machine is, and what machine it is."""

from __future__ import annotations

import os
import platform
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import beemflow_secrets

_TICK = os.sysconf("SC_CLK_TCK")
_USER, _CHILDREN_SYSTEM = 11, 14  # in /proc/PID/stat behind the name: user, system, and both of ended children
_IDLE, _IO_WAIT, _GUEST = 3, 4, 8  # in /proc/stat; guests are counted as user too


def cpu_seconds(pid: int) -> float:
    """Return user and system time of a process and all its descendants, those that have ended too."""
    ticks = 0
    for process in _tree(pid):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[_USER : _CHILDREN_SYSTEM + 1]))
    return ticks / _TICK


def memory_mib(pid: int, field: str) -> float:
    """Return VmRSS or VmHWM (the peak) of a process and its descendants."""
    kib = 0
    for process in _tree(pid):
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        kib += next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))
    return kib / 1024


def busy_seconds() -> float:
    """Return the seconds that all cores together have worked since boot."""
    fields = list(map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]))
    return (sum(fields[:_GUEST]) - fields[_IDLE] - fields[_IO_WAIT]) / _TICK


def facts() -> dict[str, Any]:
    """Return what figures must be read with."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "date": datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "cpu": models[0].partition(": ")[2] if models else platform.machine(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "beemflow_secrets": beemflow_secrets.__version__,
    }


def _tree(pid: int) -> list[int]:
    found = [pid]
    for process in found:  # grows while it is walked
        for thread in Path(f"/proc/{process}/task").iterdir():
            found += map(int, (thread / "children").read_text().split())
    return found
