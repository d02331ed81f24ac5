"""A node of our own leaves nothing on the machine, however the test run ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from e2e.clusters.cluster import run
from e2e.tests.words import ROOT, until

if TYPE_CHECKING:
    from e2e.clusters.choose import ClusterWithNode

RUN = """
import sys, time
from pathlib import Path
from e2e.clusters.node import Node
node = Node(Path(sys.argv[1]))
node.start()
print(node.name, flush=True)
time.sleep(600)
"""


def traces(name: str, state: Path) -> list[str]:
    """Return what stands on this machine of a node: its device, its route, its cgroups, its mounts, its programs."""
    net = f"198.18.{name.removeprefix('bf')}.0/24"
    devices = [str(path) for path in Path("/sys/class/net").glob(name)]
    routes = [line for line in run(["ip", "route"]).splitlines() if net in line]
    groups = [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/{name}")]
    mounts = [line for line in Path("/proc/mounts").read_text().splitlines() if str(state) in line]
    programs = [line for line in run(["ps", "-eo", "args"]).splitlines() if f"{state}/" in line]
    return devices + routes + groups + mounts + programs


def test_a_run_that_is_killed_leaves_nothing_on_the_machine(cluster: ClusterWithNode, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RUN, tmp_path / "node"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as runs:
        assert runs.stdout is not None
        name = runs.stdout.readline().strip()
        assert name
        assert len(traces(name, tmp_path / "node")) > 4
        runs.send_signal(signal.SIGKILL)
    until("nothing is left of the node", lambda: not traces(name, tmp_path / "node"))
    assert not list((tmp_path / "node").glob("containerd/*"))
    assert (tmp_path / "node" / "log" / "kubelet").exists()
    assert cluster.kubectl("get", "nodes")  # and the other one beside it stands
