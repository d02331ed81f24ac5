"""AWS Secrets Manager and STS on loopback, for tests: moto as a process of its own, with AWS's manners before it.

with Aws() as aws:
    aws.put("slack/bot", b"xoxb")
    print(aws.address, aws.access_key, aws.secret_key)
"""

from __future__ import annotations

import json
import re
import secrets
import ssl
import subprocess
import sys
import tempfile
import urllib.request
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from beemflow_secrets.providers.awsauth.api import signed
from beemflow_secrets.providers.awsauth.keys import Keys
from beemflow_secrets.testing.certs import CertificateAuthority
from tests.support.openbao import free_port

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# As AWS has it (CreateSecret).
NAME = re.compile("[A-Za-z0-9/_+=.@!-]{1,512}")

ROOT = Path(__file__).parents[2]
REGION = "eu-west-1"
ROLE = "arn:aws:iam::123456789012:role/reader"


class Aws:
    """A server of its own. `access_key` and `secret_key` are those of who reads; whoever writes has others.

    `tls=True` serves HTTPS with a certificate that `ca` signed, for `hosts` too.
    `quiet=True` writes nothing to our standard error, so that one that outlives us holds nobody who reads it.
    """

    def __init__(self, *, tls: bool = False, hosts: Sequence[str] = (), quiet: bool = False) -> None:
        self._stderr = subprocess.DEVNULL if quiet else None
        self.port = free_port()
        self.address = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.ca = CertificateAuthority() if tls else None
        self.cert = self.ca.issue(("localhost", "127.0.0.1", "vault.test", *hosts)) if self.ca else None
        self.access_key, self.secret_key = f"AKIA{secrets.token_hex(8).upper()}", secrets.token_hex(20)
        self._admin = Keys(f"AKIA{secrets.token_hex(8).upper()}", secrets.token_hex(20))
        trust = ssl.create_default_context(cadata=self.ca.pem if self.ca else None)
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
        )
        self._process: subprocess.Popen[str] | None = None
        self._held: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server; after `stop` with the secrets that it held, in versions of new names."""
        command = [sys.executable, "-m", "tests.support.awsprocess", str(self.port)]
        with tempfile.TemporaryDirectory() as folder:
            if self.cert is not None:
                for name, text in (("tls.crt", self.cert.certificate), ("tls.key", self.cert.key)):
                    (Path(folder) / name).write_text(text)
                    command.append(f"{folder}/{name}")
            self._process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr, text=True
            )
            assert self._process.stdout is not None
            assert self._process.stdout.readline() == "ready\n"
        keys = {self._admin.access_key: self._admin.secret_key, self.access_key: self.secret_key}
        self.tell(keys=keys, admin=self._admin.access_key)
        for fields in self._held.values():
            self._write("CreateSecret", fields)

    def stop(self) -> None:
        """Stop the server."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def reset(self) -> None:
        """Forget all secrets, and all that was told."""
        self._held = {}
        self._send("/moto-api/reset", b"")
        self.tell(reset=True, keys={self.access_key: self.secret_key})

    def tell(self, **what: Any) -> dict[str, Any]:
        """Tell the server whom to refuse what; see awsprocess.Strict."""
        return cast("dict[str, Any]", json.loads(self._send("/strict", json.dumps(what).encode())))

    @property
    def asked(self) -> list[dict[str, Any]]:
        """What was asked, but for what this object itself has: operation, who, and for what."""
        return cast("list[dict[str, Any]]", self.tell()["asked"])

    @property
    def operations(self) -> list[str]:
        """The operations that were asked for."""
        return [one["operation"] for one in self.asked]

    @property
    def sessions(self) -> list[str]:
        """The access keys that roles have lent."""
        return [key for key in self.tell()["keys"] if key.startswith("ASIA")]

    def put(self, name: str, content: bytes, *, tags: Mapping[str, str] | None = None) -> str:
        """Write a secret; return the VersionId. What is no text is written as binary, and nothing makes no version."""
        try:
            fields: dict[str, Any] = {"SecretString": content.decode()} if content else {}
        except UnicodeDecodeError:
            fields = {"SecretBinary": b64encode(content).decode()}
        if name in self._held:
            self._held[name] |= fields
            return str(self._write("PutSecretValue", {"SecretId": name, **fields})["VersionId"])
        fields["Tags"] = [{"Key": key, "Value": text} for key, text in (tags or {}).items()]
        self._held[name] = {"Name": name, **fields}
        return str(self._write("CreateSecret", self._held[name]).get("VersionId"))

    def tag(self, name: str, tags: Mapping[str, str]) -> None:
        """Give a secret tags."""
        self._write("TagResource", {"SecretId": name, "Tags": [{"Key": key, "Value": tags[key]} for key in tags]})

    def delete(self, name: str) -> None:
        """Schedule a secret for deletion, as its owner would."""
        self._held.pop(name)
        self._write("DeleteSecret", {"SecretId": name})

    def arn(self, name: str) -> str:
        """Return a secret's ARN."""
        return str(self._write("DescribeSecret", {"SecretId": name})["ARN"])

    def move_stage(self, name: str, stage: str, version: str) -> None:
        """Put a stage on a version."""
        self._write("UpdateSecretVersionStage", {"SecretId": name, "VersionStage": stage, "MoveToVersionId": version})

    def _write(self, operation: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        body = json.dumps(fields).encode()
        plain = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"secretsmanager.{operation}"}
        url = f"{self.address}/"
        headers = signed(plain, body, self._admin, url, service="secretsmanager", region=REGION)
        return cast("dict[str, Any]", json.loads(self._send("/", body, headers)))

    def _send(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
        request = urllib.request.Request(f"{self.address}{path}", body, dict(headers or {}), method="POST")
        with self._opener.open(request) as answer:
            return bytes(answer.read())
