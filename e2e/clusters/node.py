"""A real cluster of one node: all of Kubernetes, containerd, CoreDNS; no Docker, no virtual machine, no image registry.

It runs in namespaces of its own (mounts, processes, network), so that ending its first process ends all of it.
Pods have a network of their own and reach nothing outside the node. Needs Linux, root and the Debian packages that
e2e/packages.sh names. Not there: NetworkPolicy, LoadBalancer, storage classes, metrics.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from e2e.clusters.build import CONTAINERD, COREDNS, KUBERNETES
from e2e.clusters.cluster import ClusterFailed, CommandFailed, run
from e2e.clusters.images import saved
from e2e.clusters.own import OwnCluster
from e2e.clusters.processes import Process

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent / "node"
PATIENCE = 120
"""Seconds until a node that is not ready is given up: ten times what is usual, for machines that are busy."""
SANDBOX = "localhost/beemflow-e2e:1"
"""The image that holds a pod's namespaces, and of the tests' own pods: all that it does is to be there."""

_PROGRAMS = (KUBERNETES, CONTAINERD, COREDNS)
_TRIES = 10
"""How many addresses are tried: others' nodes may stand on this machine."""


class NodeFailed(ClusterFailed):
    """The node did not come up; the text says how far it came, and where the logs are."""


class Node(OwnCluster):
    """A cluster with a kubelet. Its state lies in a folder that must be neither in /run nor in /var.

    `name` is the node's, and that of all that is its on this machine. It ends with this process, however that ends, and
    takes with it cgroups, network and mounts. The logs stay.
    """

    title = "a node of its own"

    def __init__(self, state: Path) -> None:
        super().__init__(state)
        self.name = ""
        self._guard: Process | None = None
        self._pipe: tuple[int, int] | None = None

    def start(self, *manifests: Path) -> None:
        """Start from nothing; return when the node is ready, and holds the image that its pods need."""
        missing = [programs.name for programs in _PROGRAMS if not programs.folder.is_dir()]
        if missing:
            raise NodeFailed(f"not built: {', '.join(missing)}; `make e2e` builds it")
        self.stop()
        self.state.mkdir(parents=True, exist_ok=True)
        self.state.chmod(0o700)
        try:
            self._start_somewhere()
            self.load(SANDBOX)
            ready = ("wait", "--for=condition=Ready", f"node/{self.name}", "--timeout=5s")
            self._until("the node is not Ready", lambda: bool(self.kubectl(*ready)))
            self._until(
                "ServiceAccounts are not made", lambda: bool(self.kubectl("get", "sa", "default", "-n", "default"))
            )
            for manifest in manifests:
                self.apply(manifest)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the node, and return when nothing of it is left but its logs."""
        if self._guard is not None:
            self._guard.kill(signal.SIGTERM)
            self._guard = None
        if self._pipe is not None:
            for end in self._pipe:
                os.close(end)
            self._pipe = None

    def load(self, image: str) -> str:
        """Give the node an image that `make image` made; return its name there."""
        with saved(image, self.state) as (name, archive):
            self._ctr("images", "import", archive)
        return name

    def _start_somewhere(self) -> None:
        """Start at addresses that nobody has: 198.18.0.0/15 is for tests of networks, and routed nowhere."""
        for number in random.sample(range(1, 256), _TRIES):
            self._spawn(f"bf{number}", f"198.18.{number}")
            if self._answers():
                return
        raise NodeFailed(f"no addresses are left: {_TRIES} networks in 198.18.0.0/16 are taken")

    def _spawn(self, name: str, net: str) -> None:
        """Write what the node reads, and start it."""
        for folder in ("log", "run", "kubelet", "containerd", "cni", "etcd"):
            shutil.rmtree(self.state / folder, ignore_errors=True)
            (self.state / folder).mkdir()
        self.name, node = name, f"{net}.2"
        self._write_access(f"https://{node}:6443", (node, f"{net}.65"))
        values = {
            "name": name,
            "node": node,
            "pods": f"{net}.128/25",
            "sandbox": SANDBOX,
            "state": self.state.absolute(),
        }
        for source in (HERE / "config").iterdir():
            self.write_private(source.name, Template(source.read_text()).substitute(values))
        (self.state / "pods.conflist").rename(self.state / "cni" / "pods.conflist")
        self._pipe = self._pipe or os.pipe()
        places = [str(programs.folder) for programs in _PROGRAMS]
        self._guard = Process.spawn(
            [HERE / "guard.sh"],
            self._log,
            stdin=self._pipe[0],
            environment={
                "PATH": ":".join([*places, "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]),
                "HOME": str(self.state),
                "STATE": str(self.state.absolute()),
                "NAME": name,
                "NET": net,
                "SERVICES": f"{net}.64/26",
            },
        )

    def _answers(self) -> bool:
        """Wait until containerd answers; return False when somebody has these addresses."""
        try:
            self._until("containerd does not answer", lambda: bool(self._ctr("version")))
        except NodeFailed:
            if "File exists" in self._log.read_text():
                return False
            raise
        return True

    def _until(self, failure: str, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            with suppress(CommandFailed):
                if done():
                    return
            if self._guard is None or not self._guard.alive or time.monotonic() > deadline:
                raise NodeFailed(f"{failure}; see {self._log.parent}:\n{self._log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.1)

    def _ctr(self, *arguments: str | Path) -> str:
        socket = (self.state / "run" / "containerd.sock").absolute()
        return run([CONTAINERD.folder / "ctr", "--address", socket, "-n", "k8s.io", *arguments])

    @property
    def _log(self) -> Path:
        return self.state / "log" / "node"

    def _write_access(self, url: str, hosts: tuple[str, ...]) -> None:
        roles = {"manager": "kube-controller-manager", "scheduler": "kube-scheduler", "proxy": "kube-proxy"}
        callers = {f"system:{role}": "system:authenticated" for role in roles.values()}
        kubelet = f"system:node:{self.name}"
        self.write_credentials(hosts, {"admin": "system:masters", kubelet: "system:nodes", **callers})
        self.write_kubeconfig("kubeconfig", url, "admin")
        self.write_kubeconfig("kubelet.kubeconfig", url, kubelet)
        for file, role in roles.items():
            self.write_kubeconfig(f"{file}.kubeconfig", url, f"system:{role}")
