"""The operator's process: how it starts, what it says when it cannot, and how it ends."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog
import yaml

import beemflow_secrets
from beemflow_secrets.kube.client import KubeClient
from beemflow_secrets.kube.connection import connect
from beemflow_secrets.model import names
from tests.faults.conftest import asked_anew, reads, secret_as_it_is, until, vault_store
from tests.support import faultproxy as faults
from tests.support.fixtures import entry, spec
from tests.support.openbao import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace
    from tests.support.apiproxy import ApiProxy
    from tests.support.faultproxy import FaultProxy
    from tests.support.openbao import OpenBao
    from tests.support.operator import Operator

    Start = Callable[..., Operator]


def command(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `beemflow-secrets`, with nothing of our own environment but the path."""
    return subprocess.run(
        [sys.executable, "-m", "beemflow_secrets", *words],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "COLUMNS": "200", "TERM": "dumb", **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def one_line(ran: subprocess.CompletedProcess[str], *, code: int) -> str:
    """What a command that ended with this code said, which is one line."""
    assert ran.returncode == code, ran.stderr
    (line,) = ran.stderr.splitlines()
    assert ran.stdout == ""
    return line


# --- how it ends


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_0(start_operator: Start, number: signal.Signals) -> None:
    running = start_operator()
    assert running.process is not None
    running.process.send_signal(number)
    assert running.process.wait(timeout=10) == 0
    assert "Traceback" not in running.log()
    assert running.events("Stopped")


def test_it_ends_in_time_while_syncs_hang_in_a_dead_backend(
    start_operator: Start, ns: Namespace, bao: OpenBao, folder: str, canary: str
) -> None:
    bao.write_kv2("secret", f"{folder}/slack", {"token": canary})
    running = start_operator()
    with faults.FaultProxy(bao.address) as dead:
        dead.set(faults.hang)
        ns.add_store("prod", vault_store(ns, dead.address, folder, token=bao.root_token, timeout="60s"))
        for number in range(20):
            ns.add(f"slack-{number}", spec(entry("token", "slack#token")))
        dead.wait(1)
        started = time.monotonic()
        assert running.stop() == 0
        assert time.monotonic() - started < 10
    assert "Traceback" not in running.log()
    assert "defect" not in running.log()


def test_it_ends_in_time_while_the_api_server_hangs(
    start_operator: Start, ns: Namespace, slack_ready: Callable[[], None], proxied: Path, api_proxy: ApiProxy
) -> None:
    running = start_operator(config=proxied)
    slack_ready()
    api_proxy.set(lambda request: request.method in {"PATCH", "POST"}, None)
    ns.api.delete(ns.secret_path("slack"))
    until(lambda: api_proxy.count(lambda request: request.method == "POST" and "/secrets" in request.path) >= 2)
    started = time.monotonic()
    assert running.stop() == 0
    assert time.monotonic() - started < 10
    assert "Traceback" not in running.log()


def test_a_write_that_has_begun_is_ended_before_the_process_is(
    start_operator: Start, ns: Namespace, store: str, bao: OpenBao, proxy: FaultProxy, folder: str, canary: str
) -> None:
    """Every Secret that was written has its status, whenever the signal came."""
    running = start_operator()
    ns.store_ready(store)
    for number in range(60):
        bao.write_kv2("secret", f"{folder}/key-{number}", {"token": canary})
    for number in range(60):
        ns.add(f"key-{number}", spec(entry("token", f"key-{number}#token")))
    proxy.wait(10, when=reads)
    assert running.stop() == 0
    for number in range(60):
        found = ns.api.get(ns.path(f"key-{number}")) or {}
        written = ns.data(f"key-{number}") is not None
        assert written == ("secretRef" in found.get("status", {})), number
    again = start_operator()
    for number in range(60):
        ns.ready(f"key-{number}")
    assert not again.events("Sync ran into a defect")


def test_a_killed_operator_is_followed_by_one_that_goes_on(
    start_operator: Start, ns: Namespace, store: str, bao: OpenBao, folder: str, canary: str
) -> None:
    first = start_operator()
    for number in range(30):
        bao.write_kv2("secret", f"{folder}/key-{number}", {"token": canary})
        ns.add(f"key-{number}", spec(entry("token", f"key-{number}#token")))
    ns.ready("key-0")
    first.kill()
    bao.write_kv2("secret", f"{folder}/new", {"token": canary})
    ns.add("new", spec(entry("token", "new#token")))
    ns.api.delete(ns.secret_path("key-0"))
    ns.api.delete(ns.path("key-1"))
    start_operator()
    ns.wait_data("new", {"token": canary})
    ns.wait_data("key-0", {"token": canary})
    ns.collected("key-1")
    for number in range(2, 30):
        ns.ready(f"key-{number}")
        assert ns.data(f"key-{number}") == {"token": canary}


def test_a_restart_writes_nothing_where_nothing_changed(
    start_operator: Start, ns: Namespace, canary: str, bao: OpenBao, store: str, folder: str
) -> None:
    first = start_operator()
    bao.write_kv2("secret", f"{folder}/slack", {"token": canary})
    ns.add("slack", spec(entry("token", "slack#token")))
    ns.ready("slack")
    secret, resource = secret_as_it_is(ns, "slack"), ns.api.get(ns.path("slack"))
    assert first.stop() == 0
    second = start_operator()
    until(lambda: second.metric(f'secrets{{namespace="{ns.name}",ready="True"}}') == 1)
    asked_anew(ns, "slack")
    ns.api.wait(ns.path("slack"), lambda found: found and "lastHandledRefresh" in found["status"])
    assert secret_as_it_is(ns, "slack") == secret
    assert resource is not None


# --- how it starts


def test_it_waits_for_the_kinds_and_says_so(
    tmp_path: Path,
    control_plane: ControlPlane,
    canary: str,
    api_proxy: ApiProxy,
    proxied: Path,
    start_operator: Start,
    ns: Namespace,
    store: str,
    bao: OpenBao,
    folder: str,
) -> None:
    """The API server answers as one does that has not heard of our kinds."""
    missing = b'{"kind":"Status","status":"Failure","reason":"NotFound","code":404,"message":"not found"}'
    api_proxy.set(lambda request: request.path.startswith("/apis/secrets.beemflow.io"), 404, missing)
    running = start_operator(config=proxied, ready=False)
    until(lambda: running.events("Waiting"))
    status, text = running.get("/readyz")
    assert status == 503
    assert "kubectl apply --server-side -f crds/" in text
    assert running.get("/healthz")[0] == 200
    assert "crds/" in str(running.events("Waiting")[0]["waits_for"])
    api_proxy.clear()
    running.wait_ready()
    bao.write_kv2("secret", f"{folder}/slack", {"token": canary})
    ns.add("slack", spec(entry("token", "slack#token")))
    ns.ready("slack")


def test_a_field_that_older_kinds_do_not_keep_is_told_once(ns: Namespace, kubeconfig: Path, canary: str) -> None:
    """As an operator has it whose kinds in the cluster lack a field that it writes."""
    ns.add("slack", spec(entry("token", "slack#token")))

    async def write(value: str) -> None:
        client = KubeClient(connect(kubeconfig=kubeconfig))
        try:
            for _ in range(2):
                await client.merge_patch(f"{ns.path('slack')}/status", {"status": {"later": {"field": value}}})
        finally:
            await client.close()

    with structlog.testing.capture_logs() as told:
        asyncio.run(write(canary))
    assert [(line["kind"], line["lost"]) for line in told] == [("beemflowsecrets", "status.later")]
    assert "crds/" in told[0]["what_to_do"]
    assert canary not in str(told)


def test_it_waits_for_rights_that_come_later(api_proxy: ApiProxy, proxied: Path, start_operator: Start) -> None:
    denied = b'{"kind":"Status","reason":"Forbidden","code":403,"message":"stores is forbidden: cannot list"}'
    api_proxy.set(lambda request: request.path.endswith("stores"), 403, denied)
    running = start_operator(config=proxied, ready=False)
    until(lambda: "cannot list" in running.get("/readyz")[1])
    api_proxy.clear()
    running.wait_ready()


def test_it_waits_for_an_api_server_that_is_away(api_proxy: ApiProxy, proxied: Path, start_operator: Start) -> None:
    api_proxy.down()
    running = start_operator(config=proxied, ready=False)
    until(lambda: running.get("/readyz")[0] == 503)
    assert "the API server" in running.get("/readyz")[1]
    assert running.get("/healthz")[0] == 200
    until(lambda: running.events("Waiting"))
    api_proxy.up()
    running.wait_ready()


def test_a_signal_ends_it_while_it_waits(api_proxy: ApiProxy, proxied: Path, start_operator: Start) -> None:
    api_proxy.down()
    running = start_operator(config=proxied, ready=False)
    until(lambda: running.events("Waiting"))
    assert running.stop() == 0
    assert "Traceback" not in running.log()


# --- a kubeconfig that will not do


def test_no_cluster_is_named(tmp_path: Path) -> None:
    assert "KUBECONFIG is not set" in one_line(command("run"), code=2)
    assert "does not exist" in one_line(command("run", KUBECONFIG=str(tmp_path / "none")), code=2)


def test_a_kubeconfig_that_may_not_be_read(tmp_path: Path, kubeconfig: Path) -> None:
    folder = tmp_path / "config"
    folder.mkdir()  # a folder cannot be read as a file, whoever reads
    line = one_line(command("run", KUBECONFIG=str(folder)), code=2)
    assert f"cannot read {folder}" in line


TOKEN = "eyJ-token-of-the-kubeconfig"


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "- a\n- b\n",
        f"{{token: {TOKEN}",
        f"\ttoken: {TOKEN}",
        "\x00\x01binary",
        "current-context: c\n",
        "current-context: c\ncontexts: 3\n",
        "current-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\nclusters: [{name: c}]\n",
        f"{{current-context: c, contexts: [{{name: c, context: {{user: u}}}}], users: [{{name: u, user: {TOKEN}}}]}}",
        "current-context: c\ncontexts: [c]\n",
    ],
)
def test_a_kubeconfig_that_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    line = one_line(command("run", KUBECONFIG=str(path)), code=2)
    assert TOKEN not in line
    assert str(path) in line or "kubeconfig" in line


def test_an_authority_that_is_none(tmp_path: Path, kubeconfig: Path) -> None:
    config = json.loads(kubeconfig.read_text())
    path = tmp_path / "config"
    for broken in (
        {"certificate-authority-data": "bm90IGEgY2VydGlmaWNhdGU="},
        {"certificate-authority-data": "no base64"},
        {"certificate-authority": "missing.crt"},
    ):
        server = config["clusters"][0]["cluster"]["server"]
        config["clusters"][0]["cluster"] = {"server": server, **broken}
        path.write_text(json.dumps(config))
        line = one_line(command("run", KUBECONFIG=str(path)), code=2)
        assert str(path) in line
        assert "HTTP" not in line


def test_a_login_that_the_api_server_does_not_accept(tmp_path: Path, kubeconfig: Path) -> None:
    config = json.loads(kubeconfig.read_text())
    config["users"][0]["user"]["token"] = TOKEN
    path = tmp_path / "config"
    path.write_text(json.dumps(config))
    address = f"127.0.0.1:{free_port()}"
    line = one_line(command("run", KUBECONFIG=str(path), BEEMFLOW_SECRETS_HTTP_ADDRESS=address), code=1)
    assert "does not accept the login" in line
    assert TOKEN not in line


# --- flags


def test_an_address_in_use(kubeconfig: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        line = one_line(command("run", "--http-address", address, KUBECONFIG=str(kubeconfig)), code=1)
    assert f"cannot serve HTTP at {address}" in line
    assert "in use" in line


@pytest.mark.parametrize(
    "words",
    [
        ("--no-such-flag",),
        ("--concurrency", "0"),
        ("--concurrency", "many"),
        ("--namespaces", "Team_A"),
        ("--namespaces", "team-a,"),
        ("--log-level", "loud"),
        ("--log-format", "xml"),
        ("--http-address", "nonsense"),
        ("--allowed-endpoint", "vault.example.com"),
        ("--allowed-endpoint", "https://vault.example.com/v1"),
        ("--allowed-endpoint", "https://user:pass@vault.example.com"),
        ("--allowed-endpoint", "https://vault.example.com:99999"),
        ("--http-address", "127.0.0.1:99999"),
        ("--http-address", "::1:8080"),
        ("surplus",),
    ],
)
def test_a_flag_or_value_that_is_none(words: tuple[str, ...]) -> None:
    ran = command("run", *words)
    assert ran.returncode == 2
    assert "Traceback" not in ran.stderr
    assert words[0] in ran.stderr


def test_a_wrong_variable_is_answered_as_a_wrong_flag_is() -> None:
    ran = command("run", BEEMFLOW_SECRETS_LOG_LEVEL="loud")
    assert ran.returncode == 2
    assert "loud" in ran.stderr


def test_every_flag_is_also_a_variable() -> None:
    from typer.main import get_command  # noqa: PLC0415

    from beemflow_secrets.cli.app import app  # noqa: PLC0415

    verb = get_command(app).commands["run"]  # type: ignore[attr-defined]
    flags = {option.opts[0]: option.envvar for option in verb.params}
    assert flags == {flag: "BEEMFLOW_SECRETS_" + flag.strip("-").replace("-", "_").upper() for flag in flags}
    assert set(flags) >= {"--http-address", "--concurrency", "--env-allowed-prefix", "--log-level", "--log-format"}


def test_version_help_and_crds() -> None:
    assert command("--version").stdout == f"{beemflow_secrets.__version__}\n"
    assert "run" in command("--help").stdout
    assert "--http-address" in command("run", "--help").stdout
    kinds = [document["spec"]["names"]["kind"] for document in yaml.safe_load_all(command("crds").stdout)]
    assert kinds == [kind.name for kind in names.KINDS]


@pytest.mark.parametrize(
    ("module", "verb", "extra"),
    [("typer", "--help", "cli"), ("kopf", "run", "operator"), ("uvloop", "run", "operator"), ("hvac", "run", "vault")],
)
def test_a_missing_extra_is_named(tmp_path: Path, kubeconfig: Path, module: str, verb: str, extra: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.modules[{module!r}] = None\n")
    environment = {"KUBECONFIG": "/nonexistent/config", "PYTHONPATH": str(tmp_path)}
    ran = command(verb, **environment)
    if extra == "vault":
        assert "does not exist" in one_line(ran, code=2)  # who has no store of this driver needs nothing of it
    else:
        line = one_line(ran, code=1)
        assert f"beemflow-secrets[{extra}]" in line
        assert module in line


def test_nothing_is_dumped(start_operator: Start) -> None:
    running = start_operator()
    assert running.process is not None
    limits = Path(f"/proc/{running.process.pid}/limits").read_text()
    core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]
    # A process that is not dumpable belongs to root as far as /proc is concerned; as root, that says nothing.
    assert Path(f"/proc/{running.process.pid}").stat().st_uid == 0


def test_it_ends_at_once_while_somebody_holds_a_connection_to_its_pages(start_operator: Start) -> None:
    """A scraper keeps its connection. Kopf would wait for whatever task it did not make."""
    running = start_operator()
    host, _, port = running.address.rpartition(":")
    scraper = http.client.HTTPConnection(host, int(port))
    with closing(scraper):
        scraper.request("GET", "/metrics")
        assert scraper.getresponse().read()
        started = time.monotonic()
        assert running.stop() == 0
        assert time.monotonic() - started < 4
