"""A real Kubernetes control plane on loopback: etcd, kube-apiserver and kube-controller-manager, and nothing else.

There are no nodes, so no pods run; everything that an operator of resources meets is real: schemas, CEL, RBAC,
priority and fairness, garbage collection, namespaces that go away.

    with ControlPlane(Path("state")) as plane:
        plane.kubectl("get", "namespaces")
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import time
import urllib.error
import urllib.request
from contextlib import closing
from typing import TYPE_CHECKING

from e2e.clusters.build import binaries
from e2e.clusters.cluster import ClusterFailed
from e2e.clusters.own import OwnCluster
from e2e.clusters.processes import Process

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PATIENCE = 60
"""Seconds until a part that is not ready is given up: ten times what is usual, for machines that are busy."""

_PARTS = ("etcd", "kube-apiserver", "kube-controller-manager")
_MANAGER = "system:kube-controller-manager"
_NAMESPACES = "/api/v1/namespaces"


class ControlPlaneFailed(ClusterFailed):
    """A part did not start; the text says which, and the end of its log."""


class ControlPlane(OwnCluster):
    """A control plane whose files, logs among them, lie in a folder of its own.

    `url` and `ca` (the path of a PEM file) are what a client needs, `admin_token` and `kubeconfig` may do everything.
    It ends with this process, however that ends, unless it is `detached`; then another ControlPlane of the same
    folder finds it and stops it.
    """

    title = "a control plane of its own"

    def __init__(self, state: Path, *, detached: bool = False) -> None:
        super().__init__(state)
        self.url = ""
        self._detached = detached
        self._processes: dict[str, Process] = {}
        self._pipe: tuple[int, int] | None = None
        if self._record.exists():
            record = json.loads(self._record.read_text())
            self.url, self.tokens = record["url"], record["tokens"]
            self._processes = {name: Process(*found) for name, found in record["processes"].items()}

    @property
    def running(self) -> bool:
        """Whether all three parts run."""
        return set(self._processes) == set(_PARTS) and all(process.alive for process in self._processes.values())

    def start(self, *manifests: Path) -> None:
        """Start from nothing; return when it is ready and makes ServiceAccounts.

        The manifests are applied before the controller manager starts: its garbage collector would take half a
        minute to notice kinds that come later.
        """
        if not binaries().is_dir():
            raise ControlPlaneFailed("the control plane is not built; `make controlplane` builds it")
        self.stop()
        self.state.mkdir(parents=True, exist_ok=True)
        self.state.chmod(0o700)
        for log in self.state.glob("*.log"):
            log.unlink()
        self._pipe = None if self._detached else os.pipe()
        try:
            self.write_credentials(("127.0.0.1",), {"admin": "system:masters", _MANAGER: "system:authenticated"})
            self._start_etcd()
            self._start_api_server_somewhere()
            for manifest in manifests:
                self.apply(manifest)
            self.start_manager()
            self._wait("kube-controller-manager", lambda: self._get(f"{_NAMESPACES}/default/serviceaccounts/default"))
            if manifests:
                self.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
                # What kubectl remembers of the server's kinds may be older than the last of them.
                shutil.rmtree(self.state / "kubectl", ignore_errors=True)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Kill every part. What they stored is worth nothing from now on; their logs stay."""
        for process in self._processes.values():
            process.kill()
        self._processes = {}
        self._record.unlink(missing_ok=True)
        shutil.rmtree(self.state / "etcd", ignore_errors=True)
        if self._pipe is not None:
            for end in self._pipe:
                os.close(end)
            self._pipe = None

    def stop_api_server(self) -> None:
        """Kill the API server: connections to it break and are refused. etcd keeps everything."""
        self._processes["kube-apiserver"].kill()

    def stop_manager(self) -> None:
        """Kill the controller manager: nothing is collected, and namespaces do not end, until `start_manager`."""
        self._processes["kube-controller-manager"].kill()

    def start_manager(self) -> None:
        """Start the controller manager. It takes some seconds until it works."""
        kubeconfig = self.write_kubeconfig("manager.kubeconfig", self.url, _MANAGER)
        self._spawn(
            "kube-controller-manager",
            f"--kubeconfig={kubeconfig}",
            "--secure-port=0",
            "--leader-elect=false",
            "--use-service-account-credentials",
            f"--service-account-private-key-file={self.state}/service-accounts.key",
            f"--root-ca-file={self.ca}",
            # Its own limit of 20 requests a second is what a start would wait for, and garbage collection in tests.
            "--kube-api-qps=1000",
            "--kube-api-burst=1000",
        )

    # --- files

    @property
    def _record(self) -> Path:
        return self.state / "control-plane.json"

    @property
    def _socket(self) -> Path:
        return self.state / "etcd.sock"

    # --- parts

    def _spawn(self, name: str, *flags: str) -> None:
        """Start a part and record it at once, so that whatever comes next can be stopped."""
        self._processes[name] = Process.spawn(
            [binaries() / name, *flags],
            self.state / f"{name}.log",
            stdin=self._pipe[0] if self._pipe else None,
            environment={"PATH": os.defpath, "HOME": str(self.state)},  # ETCD_* and proxies of ours mean nothing here
        )
        processes = {part: (process.pid, process.started) for part, process in self._processes.items()}
        record = {"url": self.url, "tokens": self.tokens, "processes": processes}
        self.write_private(self._record.name, json.dumps(record))

    def _start_etcd(self) -> None:
        self._socket.unlink(missing_ok=True)
        self._spawn(
            "etcd",
            f"--data-dir={self.state}/etcd",
            "--unsafe-no-fsync",
            "--listen-peer-urls=http://127.0.0.1:0",
            f"--listen-client-urls=unix://{self._socket}",
            f"--advertise-client-urls=unix://{self._socket}",
        )
        self._wait("etcd", self._socket.exists)

    def _start_api_server_somewhere(self) -> None:
        """Start the API server on a free port; choose again when somebody was quicker."""
        for last in (False, False, True):
            self.url = f"https://127.0.0.1:{_free_port()}"
            self.write_kubeconfig("kubeconfig", self.url, "admin")
            try:
                self.start_api_server()
            except ControlPlaneFailed as failed:
                if last or "address already in use" not in str(failed):
                    raise
            else:
                return

    def start_api_server(self) -> None:
        """Start the API server at its address, the same after `stop_api_server`; return when it is ready."""
        self._spawn(
            "kube-apiserver",
            f"--etcd-servers=unix://{self._socket}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self.url.rpartition(':')[2]}",
            "--endpoint-reconciler-type=none",
            "--service-cluster-ip-range=10.0.0.0/24",
            f"--tls-cert-file={self.state}/apiserver.crt",
            f"--tls-private-key-file={self.state}/apiserver.key",
            f"--token-auth-file={self.state}/tokens.csv",
            "--authorization-mode=RBAC",
            # As OpenShift has it: an owner that blocks deletion needs a right of its own.
            "--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self.state}/service-accounts.key",
            f"--service-account-signing-key-file={self.state}/service-accounts.key",
            f"--audit-policy-file={self.state}/audit.json",
            f"--audit-log-path={self.state}/audit.log",
            "--audit-log-maxsize=0",
        )
        self._wait("kube-apiserver", lambda: self._get("/readyz"))

    # --- waiting

    def _wait(self, name: str, ready: Callable[[], bool]) -> None:
        process = self._processes[name]
        deadline = time.monotonic() + PATIENCE
        while not ready():
            if not process.alive or time.monotonic() > deadline:
                what = f"is not ready after {PATIENCE} s" if process.alive else "ended"
                log = (self.state / f"{name}.log").read_text(errors="replace")
                raise ControlPlaneFailed(f"{name} {what}; the end of {self.state / name}.log:\n{log[-3000:]}")
            time.sleep(0.02)

    def _get(self, path: str) -> bool:
        """Whether the API server answers a request with 200."""
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {self.admin_token}"})
        tls = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=self.ca))
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({}), tls).open(request, timeout=5):
                return True
        except urllib.error.HTTPError as error:
            error.close()
            return False
        except OSError:
            return False


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
