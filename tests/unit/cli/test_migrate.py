"""`migrate`, typed as a person types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

Ran = subprocess.CompletedProcess[str]

CANARY = "canary-6b0d"
STORE = """
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: prod, namespace: flows}
spec: {provider: {vault: {server: "https://vault", path: secret, auth: {tokenSecretRef: {name: t, key: k}}}}}
"""
SECRET = """
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: slack, namespace: flows}
spec:
  secretStoreRef: {name: prod}
  target:
    template:
      data:
        config: |
          [bot]
          token={{ .token | b64enc }}
  data: [{secretKey: token, remoteRef: {key: secret/slack, property: token}}]
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def typed(*arguments: str, stdin: str = "") -> Ran:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-m", "beemflow_secrets", "migrate", *arguments],
        env={"PATH": os.environ["PATH"], "COLUMNS": "200"},
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert CANARY not in ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    return ran


def test_files_and_standard_input_become_one_stream_that_reads_as_a_person_writes_it() -> None:
    Path("store.yaml").write_text(STORE)
    ran = typed("store.yaml", "-", stdin=SECRET.replace("property: token", "property: '1e5'"))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "property: '1e5'\n" in ran.stdout  # else a number to kubectl
    store, secret = yaml.safe_load_all(ran.stdout)
    assert (store["kind"], secret["kind"]) == ("BeemFlowSecretStore", "BeemFlowSecret")
    assert secret["spec"]["data"][0]["remoteRef"]["key"] == "slack"
    assert "        config: |\n          [bot]\n          token={{ secrets.token | base64encode }}\n" in ran.stdout


def test_what_the_api_server_would_refuse_is_a_comment_with_a_line_that_says_why() -> None:
    ran = typed("-", stdin=SECRET.replace("data: [", "x: ["))
    assert ran.returncode == 0
    assert list(yaml.safe_load_all(ran.stdout)) == []
    assert "# kind: BeemFlowSecret\n" in ran.stdout
    lines = ran.stderr.splitlines()
    assert lines[0] == "ExternalSecret flows/slack: spec.x: has no counterpart here"
    assert all(line.startswith(("ExternalSecret flows/slack: ", "SecretStore flows/prod: ")) for line in lines)


def test_an_older_version_says_what_to_do() -> None:
    ran = typed("-", stdin=STORE + "---\n" + SECRET.replace("/v1", "/v1beta1"))
    assert (ran.returncode, ran.stdout) == (2, "")
    assert len(ran.stderr.splitlines()) == 1
    assert "-: document 2: ExternalSecret flows/slack: is external-secrets.io/v1beta1" in ran.stderr
    assert "set apiVersion: external-secrets.io/v1" in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "Missing argument"),
        (("missing.yaml",), "missing.yaml: No such file or directory"),
        (("binary",), "binary: is no text"),
        (("config",), "migrate config takes one file"),
        (("config", "half.json"), "half.json: "),
        (("half.json",), "half.json: it is not YAML"),
    ],
)
def test_what_cannot_be_read_is_one_line(arguments: tuple[str, ...], told: str) -> None:
    Path("binary").write_bytes(b"\xff\xfe")
    Path("half.json").write_text(f'{{"secrets": {{"driver": "{CANARY}')
    ran = typed(*arguments)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert told in ran.stderr
    assert "config" not in arguments or len(ran.stderr.splitlines()) == 1


def test_a_configuration_becomes_a_store_and_no_credential_is_printed() -> None:
    vault = {"address": "https://vault", "path": "secret", "token": CANARY}
    Path("flow.config.json").write_text(json.dumps({"secrets": {"driver": "vault", "vault": vault}, "other": 1}))
    ran = typed("config", "flow.config.json", "-n", "flows")
    assert ran.returncode == 0
    assert yaml.safe_load(ran.stdout)["spec"]["vault"]["token"]["secretKeyRef"]["key"] == "vault-token"
    assert ran.stderr == "secrets: vault.token: put it into Secret beemflow-credentials, key vault-token\n"
