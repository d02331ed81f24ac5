"""Where the work is done: a control plane, a backend behind the counting proxy, resources, and the operator."""

from __future__ import annotations

import asyncio
import json
import ssl
import tempfile
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any

import aiohttp

from beemflow_secrets.kube import paths
from beemflow_secrets.model import names
from benchmarks import machine
from benchmarks.backends import backend, each
from benchmarks.watch import FIELD, Watch
from e2e.clusters.controlplane import ControlPlane
from tests.support.operator import Operator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from benchmarks.backends import Backend
    from benchmarks.proxy import Request

ROOT = Path(__file__).parents[1]
NAMESPACE = "bench"
ACCOUNT = ("beemflow-secrets", "beemflow-system")
"""The operator's ServiceAccount and its namespace."""
QUIET = 0.3
"""Cores at work: less than this is the control plane alone, idle."""


class Lab:
    """Made by `lab()`. `near` and `far` are the addresses of the backend through the proxy's two doors."""

    def __init__(
        self,
        plane: ControlPlane,
        backend: Backend,
        api: aiohttp.ClientSession,
        *,
        patience: float,
        environment: Mapping[str, str],
    ) -> None:
        self.backend = backend
        self.proxy = backend.proxy
        self.near, self.far = backend.proxy.addresses
        self.watch = Watch(api, NAMESPACE)
        self.kubeconfig = plane.kubeconfig_for(*ACCOUNT)
        self._plane = plane
        self._api = api
        self._patience = patience
        self._environment = environment
        self._runs = 0

    async def prepare(self) -> None:
        """Make the namespace, and the credential of the stores."""
        await self._post("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        login = {"metadata": {"name": "login"}, "stringData": self.backend.login}
        await self._post(paths.secrets(NAMESPACE), login)

    # --- the cluster

    async def add_store(self, name: str, address: str) -> None:
        """Create a store of the backend at `address`."""
        await self._post(
            paths.resources(names.STORE.plural, NAMESPACE),
            {
                "apiVersion": names.API_VERSION,
                "kind": names.STORE.name,
                "metadata": {"name": name},
                "spec": self.backend.spec(address),
            },
        )

    async def add(self, remote: Mapping[str, str], *, store: str = "prod", interval: str = "1h") -> None:
        """Create resources: {name: the key that it reads}."""

        async def create(item: tuple[str, str]) -> None:
            name, key = item
            await self._post(
                paths.resources(names.SECRET.plural, NAMESPACE),
                {
                    "apiVersion": names.API_VERSION,
                    "kind": names.SECRET.name,
                    "metadata": {"name": name},
                    "spec": {
                        "secretStoreRef": {"name": store},
                        "refreshInterval": interval,
                        "data": [{"secretKey": FIELD, "remoteRef": {"key": key, "property": FIELD}}],
                    },
                },
            )

        await each(remote.items(), create)

    async def clear(self) -> None:
        """Delete all stores, resources and Secrets, and wait until they are gone."""
        for path in (paths.resources(names.SECRET.plural, NAMESPACE), paths.resources(names.STORE.plural, NAMESPACE)):
            await self._delete(path)
        await self._delete(paths.secrets(NAMESPACE), labelSelector=names.OWNER_LABEL)
        await asyncio.wait_for(self.watch.empty(), 120)
        self.proxy.taken()

    async def quiet(self) -> float:
        """Wait until the machine does nothing else, but not longer than the patience. Return the cores at work."""
        deadline = monotonic() + self._patience
        while True:
            before = machine.busy_seconds()
            await asyncio.sleep(1.0)
            busy = machine.busy_seconds() - before
            if busy < QUIET or monotonic() > deadline:
                return round(busy, 2)

    # --- the programs

    @contextmanager
    def operator(self) -> Iterator[int]:
        """Run an operator, and give its pid. Its start is not waited for: to be asked costs it CPU."""
        folder = self._plane.state / f"operator-{self._runs}"
        folder.mkdir()
        self._runs += 1
        operator = Operator(self.kubeconfig, folder, env=self._environment)
        operator.start(ready=False)
        assert operator.process is not None
        try:
            yield operator.process.pid
        finally:
            operator.kill()

    def client(self) -> dict[str, str]:
        """Return what another client needs to have the operator's rights."""
        config = json.loads(self.kubeconfig.read_text())
        token = config["users"][0]["user"]["token"]
        return {"server": self._plane.url, "ca": str(self._plane.ca), "token": token, "namespace": NAMESPACE}

    def meter(self, pid: int = 0) -> Meter:
        """Measure from now on, a process that runs already (`pid`) or one that is to be started."""
        helpers = {name: process.pid for name, process in self._plane._processes.items()}
        return Meter(self, pid, {**helpers, **self.backend.pids})

    def requests(self) -> list[dict[str, Any]]:
        """Return the API requests so far with the operator's account, without watches."""
        found = self._plane.requests(":".join(reversed(ACCOUNT)))
        return [event for event in found if event["verb"] != "watch" and event["stage"] == "ResponseComplete"]

    async def _post(self, path: str, body: Any) -> None:
        async with self._api.post(path, json=body) as answer:
            if answer.status >= 400:
                raise RuntimeError(await answer.text())

    async def _delete(self, path: str, **params: str) -> None:
        async with self._api.delete(path, params=params) as answer:
            answer.raise_for_status()


class Meter:
    """What was used between its making and `read`."""

    def __init__(self, lab: Lab, pid: int, helpers: Mapping[str, int]) -> None:
        self._lab = lab
        self._helpers = helpers
        self._requests = len(lab.requests())
        lab.proxy.taken()
        self._before = {name: machine.cpu_seconds(number) for name, number in helpers.items()}
        self._cpu = machine.cpu_seconds(pid) if pid else 0.0
        self._busy = machine.busy_seconds()
        self.started = perf_counter()

    def read(self, pid: int) -> tuple[dict[str, Any], list[Request]]:
        """Return the figures of the process, and what was asked of the backend."""
        cpu = machine.cpu_seconds(pid) - self._cpu
        busy = machine.busy_seconds() - self._busy
        beside = {name: machine.cpu_seconds(number) - self._before[name] for name, number in self._helpers.items()}
        verbs = [event["verb"] for event in self._lab.requests()[self._requests :]]
        reads = sum(verb in {"get", "list"} for verb in verbs)
        backend = self._lab.proxy.taken()
        figures = {
            "cpu_s": round(cpu, 2),
            "rss_mib": round(machine.memory_mib(pid, "VmRSS"), 1),
            "peak_rss_mib": round(machine.memory_mib(pid, "VmHWM"), 1),
            "api_requests": len(verbs),
            "api_reads": reads,
            "api_writes": len(verbs) - reads,
            "backend_calls": len(backend),
            "cpu_of_api_server": round(cpu / max(beside["kube-apiserver"], 0.01), 2),
            "beside_cpu_s": {name: round(seconds, 2) for name, seconds in beside.items()},
            "machine_cpu_s": round(busy, 2),
        }
        return figures, backend


@asynccontextmanager
async def lab(driver: str, *, latency: float, patience: float, environment: Mapping[str, str]) -> AsyncIterator[Lab]:
    """Set everything up; take it down."""
    with ExitStack() as stack:
        state = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmarks-")))
        plane = ControlPlane(state / "plane")
        stack.callback(plane.stop)
        plane.start(ROOT / "crds", ROOT / "manifests" / "rbac.yaml")
        asked = stack.enter_context(backend(driver, latency))
        async with aiohttp.ClientSession(
            plane.url,
            connector=aiohttp.TCPConnector(limit=0, ssl=ssl.create_default_context(cafile=plane.ca)),
            headers={"Authorization": f"Bearer {plane.admin_token}"},
        ) as api:
            made = Lab(plane, asked, api, patience=patience, environment=environment)
            await made.prepare()
            async with made.watch.following():
                yield made
