"""The library against a real OpenBao: credentials that stand in a file log in, and values come with their origin."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest

from beemflow_secrets import AuthFailed, Invalid, NotFound, SecretsConfig, open_secrets, open_secrets_sync
from beemflow_secrets.testing.certs import CertificateAuthority
from tests.support.openbao import OpenBao

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_token_out_of_a_variable(
    bao: OpenBao, folder: str, canary: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bao.write_kv2("secret", f"{folder}/slack/bot", {"token": canary, "team": "ops"})
    bao.write_kv2("secret", f"{folder}/one", {"value": "alone"})
    monkeypatch.setenv("VAULT_TOKEN", bao.root_token)
    path = tmp_path / "flow.config.json"
    block = {"address": bao.address, "path": f"secret/{folder}", "token": "${VAULT_TOKEN}"}
    path.write_text(json.dumps({"secrets": {"driver": "vault", "vault": block}}))
    async with open_secrets(path) as secrets:
        await secrets.health_check()
        assert await secrets.get_secret("slack/bot#token") == canary
        many = await secrets.get_secrets(["slack/bot#token", "slack/bot#team", "one"])
        assert many == {"slack/bot#token": canary, "slack/bot#team": "ops", "one": "alone"}
        value = await secrets.get_secret_with_metadata("slack/bot")
        assert (value.version, value.metadata["provider"]) == ("1", "vault")
        assert value.created_at is not None
        assert await secrets.list_secrets("slack/") == ["slack/bot"]
        with pytest.raises(NotFound) as caught:
            await secrets.get_secrets(["one", "none", "slack/bot#none"])
        assert caught.value.keys == ("none", "slack/bot#none")


def test_approle_without_await(bao: OpenBao, folder: str, canary: str) -> None:
    bao.write_kv2("secret", f"{folder}/a", {"value": canary})
    bao.policy(folder, {f"secret/data/{folder}/*": ["read"]})
    role_id, secret_id = bao.approle(folder, [folder])
    block = {
        "address": bao.address,
        "path": f"secret/{folder}",
        "auth_method": "approle",
        "role_id": role_id,
        "secret_id": secret_id,
    }
    with open_secrets_sync(SecretsConfig(driver="vault", vault=block)) as secrets:
        assert secrets.get_secret("a") == canary
    with open_secrets_sync({"driver": "vault", "vault": {**block, "secret_id": "wrong"}}) as secrets:
        with pytest.raises(AuthFailed) as caught:
            secrets.get_secret("a")
        assert secret_id not in repr(caught.value)


async def test_a_certificate_out_of_a_file(folder: str, canary: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clients = CertificateAuthority("clients")
    mine = clients.issue(client=True)
    with OpenBao(tls=True, clients=clients) as asking:
        assert asking.ca is not None
        assert asking.cert is not None
        asking.call("POST", "sys/auth/cert", {"type": "cert"})
        asking.call("POST", "auth/cert/certs/beemflow", {"certificate": clients.pem, "token_policies": ["reads"]})
        asking.policy("reads", {f"secret/data/{folder}/*": ["read"]})
        asking.write_kv2("secret", f"{folder}/a", {"value": canary})
        monkeypatch.setenv("CLIENT_KEY", b64encode(mine.key.encode()).decode())
        config = {
            "driver": "vault",
            "tls": {
                "ca_bundle": asking.ca.pem,
                "pinned_certificates": [asking.cert.pin],
                "client_certificate": {"certificate": mine.certificate, "key": "${CLIENT_KEY}"},
            },
            "vault": {"address": asking.address, "path": f"secret/{folder}", "auth_method": "cert"},
        }
        async with open_secrets(config) as secrets:
            assert await secrets.get_secret("a") == canary
    monkeypatch.setenv("CLIENT_KEY", "canary-key")
    with pytest.raises(Invalid, match=r"^tls\.clientCertificate\.key: holds no PEM block"):
        async with open_secrets(config):
            pass


async def test_a_password_and_a_jwt_out_of_a_file(bao: OpenBao, folder: str) -> None:
    for method, fields in (("userpass", {"username": "u", "password": "canary-p"}), ("jwt", {"jwt": "canary-j"})):
        block = {"address": bao.address, "path": f"secret/{folder}", "auth_method": method, **fields}
        async with open_secrets({"driver": "vault", "vault": block}) as secrets:
            with pytest.raises(AuthFailed, match=f"nothing at auth/{method}") as caught:
                await secrets.get_secret("a")
        assert "canary" not in str(caught.value)
