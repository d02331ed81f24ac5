"""`make demo`: the main job on real parts, in under a minute. What it starts runs on until `make demo-down`.

The story is the same for each backend; `e2e.backends` says what is particular to one.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import sys
import textwrap
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2e.backends import BACKENDS, example_secret, hold
from e2e.clusters.build import KUBERNETES, binaries, cache_folder
from e2e.clusters.choose import choose, default
from e2e.clusters.cluster import Cluster, ClusterFailed
from e2e.clusters.golang import BuildFailed
from e2e.clusters.processes import Process
from tests.support.openbao import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from e2e.backends import Backend

ROOT = Path(__file__).parents[1]
STATE = cache_folder() / "demo"
RECORD = STATE / "demo.json"
NAMESPACE = "beemflow-demo"
PATIENCE = 60
"""Seconds to wait for what takes a few."""


class DemoFailed(Exception):
    """Says in one line what did not happen."""


def up(name: str, choice: str) -> None:
    """Start everything, show the main job on the backend of that name, and leave it running."""
    if name not in BACKENDS:
        raise DemoFailed(f"BACKEND is one of {', '.join(BACKENDS)}")
    backend = BACKENDS[name]()
    if choice == "own":
        KUBERNETES.build()
    down()
    STATE.mkdir(parents=True, mode=0o700)
    began = time.monotonic()
    with ExitStack() as undo:
        undo.callback(_stop)
        cluster = choose(choice, STATE)
        _note("cluster", choice)
        namespace = STATE / "namespace.json"
        namespace.write_text(json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}))
        with _step(f"starting on {cluster.title}, with crds/ and manifests/rbac.yaml"):
            cluster.start(ROOT / "crds", ROOT / "manifests" / "rbac.yaml", namespace)
        with _step(f"starting {backend.title}"):
            undo.callback(backend.close)
            backend.start()
        with _step("starting the operator, with the rights of its ServiceAccount and no more"):
            pages = _start_operator(cluster)
        _story(cluster, backend)
        _leave_running(backend)
        undo.pop_all()
    print(f"\nAll in {time.monotonic() - began:.0f} s. It runs on until `make demo-down`, for a day at most. Try:\n")
    print(textwrap.indent(_what_next(cluster, backend, pages), "  "))


def down() -> None:
    """Stop what a demo left running, and remove its files."""
    _stop()
    shutil.rmtree(STATE, ignore_errors=True)


# --- the story


def _story(cluster: Cluster, backend: Backend) -> None:
    value = _new_value(backend)
    with _step(f"applying examples/{backend.example}: a store, and a secret to read from it"):
        for manifest in (*backend.prepare(), example_secret(backend)):
            cluster.kubectl("apply", "--server-side", "-n", NAMESPACE, "-f", "-", stdin=manifest)
        _until("the native Secret is not there", lambda: _token(cluster) == value)
        _until("Ready is not True", lambda: _ready(cluster)["status"] == "True")
    _show(cluster, "The native Secret is there")

    with _step(f"rotating the value in {backend.title}"):
        value = _new_value(backend)
        _until("the native Secret has not followed", lambda: _token(cluster) == value)
    _show(cluster, "The native Secret has followed")

    with _step(f"stopping {backend.title}"):
        backend.stop()
        _until("Ready is not False", lambda: _ready(cluster)["status"] == "False")
    if _token(cluster) != value:
        raise DemoFailed(f"the native Secret was not kept while {backend.title} was away")
    _show(cluster, "The native Secret is kept")

    with _step(f"starting {backend.title} again"):
        backend.start()
        _until("Ready is not True again", lambda: _ready(cluster)["status"] == "True")
    _show(cluster, "All is well again")


def _new_value(backend: Backend) -> str:
    value = secrets.token_urlsafe()
    backend.rotate(value)
    return value


def _ready(cluster: Cluster) -> dict[str, Any]:
    """Return the condition Ready of the example's BeemFlowSecret."""
    found = json.loads(cluster.kubectl("get", "beemflowsecret", "slack", "-n", NAMESPACE, "-o", "json"))
    conditions = found.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == "Ready"), {"status": "Unknown", "message": ""})


def _token(cluster: Cluster) -> str:
    """Return the value in the native Secret, nothing while there is none."""
    path = "jsonpath={.data.token}"
    return base64.b64decode(
        cluster.kubectl("get", "secret", "slack", "-n", NAMESPACE, "--ignore-not-found", "-o", path)
    ).decode()


# --- what runs


def _start_operator(cluster: Cluster) -> str:
    """Start the operator as a user would; return the address of its pages."""
    address = f"127.0.0.1:{free_port()}"
    log = STATE / "operator.log"
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(STATE),
        "KUBECONFIG": str(cluster.kubeconfig_for("beemflow-secrets", "beemflow-system")),
    }
    program = Path(sys.executable).with_name("beemflow-secrets")
    operator = Process.spawn([program, "run", "--http-address", address], log, environment=environment)
    _note("operator", (operator.pid, operator.started))

    def ready() -> bool:
        if not operator.alive:
            raise DemoFailed(f"the operator ended; {log} says why")
        try:
            with urllib.request.urlopen(f"http://{address}/readyz", timeout=5):
                return True
        except OSError:
            return False

    _until("the operator is not ready", ready)
    return address


def _leave_running(backend: Backend) -> None:
    """Let the backend outlive this process."""
    holder = hold(backend)
    _note("backend", (holder.pid, holder.started))
    if backend.folder is not None:
        _note("folder", backend.folder)


def _stop() -> None:
    """Stop what is noted: the processes, if they are still those that were started, then the cluster."""
    if not RECORD.exists():
        return
    noted = json.loads(RECORD.read_text())
    for name in ("operator", "backend"):
        if name in noted:
            Process(*noted[name]).kill()
    if "folder" in noted:
        shutil.rmtree(noted["folder"], ignore_errors=True)
    choose(noted["cluster"], STATE).stop()
    RECORD.unlink()


def _note(name: str, value: object) -> None:
    """Write down what was started, at once, so that `make demo-down` finds it whatever happens next."""
    noted = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    RECORD.write_text(json.dumps(noted | {name: value}))


# --- what is said


@contextmanager
def _step(text: str) -> Iterator[None]:
    print(f"{text} … ", end="", flush=True)
    began = time.monotonic()
    try:
        yield
    except BaseException:
        print("failed")
        raise
    print(f"{time.monotonic() - began:.1f} s")


def _show(cluster: Cluster, what: str) -> None:
    """Print how the resource stands, and the native Secret with its value masked."""
    table = cluster.kubectl("get", "beemflowsecret", "slack", "-n", NAMESPACE)
    value = "token=***" if _token(cluster) else "no token"
    print(textwrap.indent(f"{table}{_ready(cluster)['message']}\n{what}: {value}\n", "    "))


def _what_next(cluster: Cluster, backend: Backend, pages: str) -> str:
    path = "" if shutil.which("kubectl") else f"export PATH={binaries()}:$PATH\n"
    return f"""\
{path}export KUBECONFIG={cluster.kubeconfig}
kubectl get beemflow -A                          # all of ours, and how it stands
kubectl describe bfs slack -n {NAMESPACE}      # conditions, versions, Events
kubectl delete secret slack -n {NAMESPACE}     # it is back at once
{backend.hint(STATE)}
curl http://{pages}/health               # stores and their links; /metrics is there too
tail -f {STATE / "operator.log"}"""


def _until(failure: str, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > deadline:
            raise DemoFailed(f"{failure} after {PATIENCE} s; {STATE / 'operator.log'} says more")
        time.sleep(0.1)


def main(arguments: list[str]) -> int:
    """Run one of the verbs: up BACKEND [current, kind or own], down."""
    try:
        match arguments:
            case ["up", backend, *choice]:
                up(backend, choice[0] if choice else default())
            case _:
                down()
    except (DemoFailed, ClusterFailed, BuildFailed) as failed:
        print(f"demo: {str(failed).splitlines()[0]}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: stopped, and nothing left running", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
