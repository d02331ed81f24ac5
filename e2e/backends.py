"""The backends of `make demo`: for each how it is started, what its example needs, how a value is rotated there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from e2e.clusters.processes import Process
from tests.support.aws import Aws
from tests.support.openbao import OpenBao

if TYPE_CHECKING:
    from collections.abc import Callable

    Manifest = dict[str, Any]

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"


class Backend(Protocol):
    """A backend that runs here."""

    @property
    def title(self) -> str:
        """What it is called."""

    @property
    def example(self) -> str:
        """Its folder in examples/."""

    def start(self) -> None:
        """Start it, or start it again with all that it held."""

    def stop(self) -> None:
        """Stop it, as an outage does."""

    def close(self) -> None:
        """End it, and remove its files."""

    def prepare(self) -> list[str]:
        """Return manifests to apply before the example's secret: its login and its store."""

    def rotate(self, value: str) -> None:
        """Write the value that the example's secret reads."""

    def lifeline(self) -> int:
        """Return the pipe that it lives by: it ends when nobody holds the other end any more."""

    @property
    def folder(self) -> str | None:
        """Return the folder that goes with it."""

    def hint(self, folder: Path) -> str:
        """Return commands for a person who rotates a value. What they need is written to `folder`."""


class OpenBaoBackend:
    """A real OpenBao, by AppRole."""

    title = "OpenBao"
    example = "openbao"

    def __init__(self) -> None:
        self._bao = OpenBao(keep=True)
        self.start, self.stop, self.close = self._bao.start, self._bao.stop, self._bao.close

    def prepare(self) -> list[str]:
        """Return the role's login, and the store."""
        self._bao.policy("flows", {"secret/data/slack": ["read"]})
        role_id, secret_id = self._bao.approle("flows", ["flows"])
        store = _store(self, {"https://openbao.example.com:8200": self._bao.address})
        return [_secret("openbao-login", {"role-id": role_id, "secret-id": secret_id}), store]

    def rotate(self, value: str) -> None:
        """Write a version."""
        self._bao.write_kv2("secret", "slack", {"bot-token": value})

    def lifeline(self) -> int:
        """Return the pipe of the shell that guards it."""
        return _pipe(self._bao._guard)

    @property
    def folder(self) -> str | None:
        """Return its storage."""
        return str(self._bao._folder)

    def hint(self, folder: Path) -> str:
        """Return how bao writes."""
        token = _private(folder / "openbao-root-token", self._bao.root_token)
        return (
            f"export BAO_ADDR={self._bao.address} BAO_TOKEN=$(cat {token})\n"
            ".venv/bin/bao kv put secret/slack bot-token=mine # a rotation of your own"
        )


class AwsBackend:
    """moto with AWS's manners, as a ServiceAccount by IRSA."""

    title = "AWS Secrets Manager (moto)"
    example = "aws"
    folder = None

    def __init__(self) -> None:
        self._aws = Aws(quiet=True)
        self.start, self.stop, self.close = self._aws.start, self._aws.stop, self._aws.stop

    def prepare(self) -> list[str]:
        """Return the ServiceAccount, and the store."""
        places = f"  aws:\n    endpoint: {self._aws.address}\n    stsEndpoint: {self._aws.address}\n"
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "flows"}}
        return [json.dumps(account), _store(self, {"  aws:\n": places})]

    def rotate(self, value: str) -> None:
        """Write a version."""
        self._aws.put("beemflow/prod/slack/bot", json.dumps({"token": value}).encode())

    def lifeline(self) -> int:
        """Return its standard input."""
        return _pipe(self._aws._process)

    def hint(self, folder: Path) -> str:
        """Return how the AWS command line writes."""
        keys = f"AWS_ACCESS_KEY_ID={self._aws.access_key} AWS_SECRET_ACCESS_KEY={self._aws.secret_key}"
        login = _private(folder / "aws-keys", f"export {keys} AWS_REGION=eu-west-1\n")
        return (
            f". {login}\naws --endpoint-url {self._aws.address} secretsmanager put-secret-value \\\n"
            '  --secret-id beemflow/prod/slack/bot --secret-string \'{"token": "mine"}\' # a rotation of your own'
        )


class FakeBackend:
    """A fake of this project, from its command line: it says itself what a store of it looks like."""

    folder = None
    example: ClassVar[str]
    title: ClassVar[str]
    fake: ClassVar[str]
    prefix: ClassVar[str] = ""
    secret: ClassVar[str]
    field: ClassVar[str]

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._told: dict[str, Any] = {}

    def start(self) -> None:
        """Start the process, or have it serve again."""
        if self._process is None:
            command = [sys.executable, "-m", "beemflow_secrets.testing.fakes", self.fake]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # it outlives us, and so would what reads ours
                text=True,
                start_new_session=True,
            )
            self._told = self._hear()
        else:
            self._tell("start")

    def stop(self) -> None:
        """Have it refuse connections."""
        self._tell("stop")

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def prepare(self) -> list[str]:
        """Return the login, and a store of the name that the example's secret reads from."""
        name = re.search(r"secretStoreRef:\s+name: (\S+)", (EXAMPLES / self.example / "secret.yaml").read_text())
        assert name is not None
        spec = {**self._told["store"], **({"prefix": self.prefix} if self.prefix else {})}
        store = {
            "apiVersion": "secrets.beemflow.io/v1",
            "kind": "BeemFlowSecretStore",
            "metadata": {"name": name[1]},
            "spec": spec,
        }
        return [_secret("login", self._told["login"]), json.dumps(store)]

    def rotate(self, value: str) -> None:
        """Write the secret."""
        self._tell(f"put {self.secret} {json.dumps({self.field: value})}")

    def lifeline(self) -> int:
        """Return its standard input."""
        return _pipe(self._process)

    def hint(self, folder: Path) -> str:
        """Return where it is, and what signs its certificate."""
        authority = _private(folder / "ca.pem", self._told["ca"])
        login = _private(folder / "login.json", json.dumps(self._told["login"]))
        return (
            f"export FAKE={self._told['address']} CA={authority}  # speaks the API of {self.title}\n"
            f"cat {login}  # its login, for a rotation of your own"
        )

    def _tell(self, line: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        assert "done" in self._hear()

    def _hear(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found


class OnePasswordBackend(FakeBackend):
    title, example, fake = "1Password Connect (our fake)", "1password", "1password"
    secret, field = "slack", "bot-token"


class GoogleBackend(FakeBackend):
    title, example, fake = "Google Secret Manager (our fake)", "gcp", "gcp"
    prefix, secret, field = "beemflow/prod/", "beemflow--prod--slack--bot", "token"


class AzureBackend(FakeBackend):
    title, example, fake = "Azure Key Vault (our fake)", "azure", "azure"
    prefix, secret, field = "beemflow/prod/", "beemflow--prod--slack--bot", "token"


BACKENDS: dict[str, Callable[[], Backend]] = {
    "vault": OpenBaoBackend,
    "aws": AwsBackend,
    "azure": AzureBackend,
    "1password": OnePasswordBackend,
    "gcp": GoogleBackend,
}


def hold(backend: Backend) -> Process:
    """Let a backend outlive this process: one that does nothing else holds its lifeline."""
    return Process.spawn(["/bin/sleep", "infinity"], "/dev/null", stdin=backend.lifeline())


def example_secret(backend: Backend) -> str:
    """Return the example's secret, read every five seconds."""
    text = (EXAMPLES / backend.example / "secret.yaml").read_text()
    return re.sub(r"refreshInterval: \S+", "refreshInterval: 5s", text)


def _store(backend: Backend, places: dict[str, str]) -> str:
    text = (EXAMPLES / backend.example / "store.yaml").read_text()
    for there, here in places.items():
        assert there in text
        text = text.replace(there, here)
    return text


def _secret(name: str, data: dict[str, str]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data})


def _pipe(process: subprocess.Popen[str] | None) -> int:
    assert process is not None
    assert process.stdin is not None
    return process.stdin.fileno()


def _private(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text)
    return path
