"""e2e/clusters/processes.py: what is killed is what was started."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

from e2e.clusters.processes import Process

if TYPE_CHECKING:
    from pathlib import Path


def test_a_process_writes_its_log_and_ends_when_killed(tmp_path: Path) -> None:
    process = Process.spawn(["/bin/sh", "-c", "echo begun; exec sleep 60"], tmp_path / "log")
    while not (tmp_path / "log").read_text():
        assert process.alive
    assert os.getsid(process.pid) == process.pid
    process.kill()
    assert not process.alive
    assert (tmp_path / "log").read_text() == "begun\n"
    process.kill()  # once more: nothing


def test_a_gentle_signal_is_waited_for(tmp_path: Path) -> None:
    script = "trap 'echo bye; exit' TERM; echo begun; while :; do sleep 0.05; done"
    process = Process.spawn(["/bin/sh", "-c", script], tmp_path / "log")
    while not (tmp_path / "log").read_text():
        assert process.alive
    process.kill(signal.SIGTERM)
    assert (tmp_path / "log").read_text() == "begun\nbye\n"


def test_another_process_with_the_number_of_ours_is_left_alone(tmp_path: Path) -> None:
    process = Process.spawn(["/bin/sleep", "60"], tmp_path / "log")
    earlier = replace(process, started=process.started - 1)
    earlier.kill()
    assert not earlier.alive
    assert process.alive
    process.kill()
