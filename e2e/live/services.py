"""The real services of `make live`: whose login is taken, how the contract suite fills them, how all of it goes again.

Logins come from the variables that each service's own tools use. Everything is written below a random beginning of
names, by which it is found and removed, whatever became of the run.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import hvac
from azure.identity import ClientSecretCredential
from azure.keyvault.secrets import SecretClient
from hvac.exceptions import InvalidPath
from onepasswordconnectsdk.client import new_client
from onepasswordconnectsdk.models import Field, Item, ItemVault

from beemflow_secrets.providers.aws import AwsDriver
from beemflow_secrets.providers.azure import AzureDriver
from beemflow_secrets.providers.gcp import GcpDriver
from beemflow_secrets.providers.onepassword import OnePasswordDriver
from beemflow_secrets.providers.vault import VaultDriver
from beemflow_secrets.testing import Abilities
from e2e.live.service import Service, by_driver, ref

if TYPE_CHECKING:
    from datetime import datetime

    from e2e.live.service import Content


class Aws(Service):
    title = "aws-sm, live"
    abilities = Abilities(
        versions="history", binary=True, empty=False, created_at=True, gone=True, login=True, writes=True
    )
    variables = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION")
    driver = AwsDriver

    @staticmethod
    def login() -> dict[str, str]:
        names = {"id": "AWS_ACCESS_KEY_ID", "key": "AWS_SECRET_ACCESS_KEY", "session": "AWS_SESSION_TOKEN"}
        return {key: os.environ[name] for key, name in names.items() if name in os.environ}

    @classmethod
    def spec(cls) -> dict[str, Any]:
        block: dict[str, Any] = {"accessKeyId": ref("id"), "secretAccessKey": ref("key")}
        if "session" in cls.login():
            block["sessionToken"] = ref("session")
        if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
            block["endpoint"] = endpoint
        return {"driver": "aws-sm", "region": os.environ["AWS_REGION"], "aws": block}

    def takes(self, key: str) -> bool:
        return all(letter.isascii() and (letter.isalnum() or letter in "/_+=.@!-") for letter in key)

    @classmethod
    async def clean(cls, beginning: str) -> int:
        client = boto3.client("secretsmanager", region_name=os.environ["AWS_REGION"])
        pages = client.get_paginator("list_secrets").paginate(
            Filters=[{"Key": "name", "Values": [beginning]}], IncludePlannedDeletion=True
        )
        found = [one["Name"] for page in pages for one in page["SecretList"] if one["Name"].startswith(beginning)]
        for name in found:
            client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
        client.close()
        return len(found)


class Vault(Service):
    title = "vault KV2, live"
    abilities = Abilities(
        versions="history", fields=True, created_at=True, gone=True, login=True, writes=True, largest=400_000
    )
    variables = ("VAULT_ADDR", "VAULT_TOKEN")
    driver = VaultDriver

    @staticmethod
    def login() -> dict[str, str]:
        return {"token": os.environ["VAULT_TOKEN"]}

    @staticmethod
    def spec() -> dict[str, Any]:
        block = {"address": os.environ["VAULT_ADDR"], "path": "secret", "token": ref("token")}
        if namespace := os.environ.get("VAULT_NAMESPACE"):
            block["namespace"] = namespace
        return {"driver": "vault", "vault": block}

    @classmethod
    async def clean(cls, beginning: str) -> int:
        client = hvac.Client()  # of VAULT_ADDR, VAULT_TOKEN and their like
        kv = client.secrets.kv.v2
        removed = sum(_remove(kv, name) for name in _listed(kv, "") if name.startswith(beginning))
        client.adapter.close()
        return removed


def _listed(kv: Any, folder: str) -> list[str]:
    try:
        return [f"{folder}{name}" for name in kv.list_secrets(folder)["data"]["keys"]]
    except InvalidPath:  # an empty folder
        return []


def _remove(kv: Any, name: str) -> int:
    if name.endswith("/"):
        return sum(_remove(kv, below) for below in _listed(kv, name))
    kv.delete_metadata_and_all_versions(name)
    return 1


class Google(Service):
    title = "gcp-sm, live"
    abilities = Abilities(versions="history", binary=True, empty=False, created_at=True, login=True, writes=True)
    variables = ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT")
    driver = GcpDriver
    meeting = ("a/b", "a--b")

    @staticmethod
    def login() -> dict[str, str]:
        return {"key": Path(os.environ["GOOGLE_APPLICATION_CREDENTIALS"]).read_text()}

    @staticmethod
    def spec() -> dict[str, Any]:
        block = {"projectId": os.environ["GOOGLE_CLOUD_PROJECT"], "serviceAccountKey": ref("key")}
        if endpoint := os.environ.get("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER"):
            block["endpoint"] = endpoint
        return {"driver": "gcp-sm", "gcp": block}

    def listed(self, key: str) -> str:
        return key.replace("/", "--").replace(".", "---")

    def takes(self, key: str) -> bool:
        return all(letter.isascii() and (letter.isalnum() or letter in "-_") for letter in self.listed(key))

    @classmethod
    async def clean(cls, beginning: str) -> int:
        return await by_driver(cls.own(), beginning)


class Azure(Service):
    title = "azure-kv, live"
    abilities = Abilities(versions="history", created_at=True, login=True, writes=True, largest=25_000)
    variables = ("AZURE_KEYVAULT_URL", "AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")
    driver = AzureDriver
    meeting = ("a/b", "a--b")

    @staticmethod
    def login() -> dict[str, str]:
        return {"secret": os.environ["AZURE_CLIENT_SECRET"]}

    @staticmethod
    def spec() -> dict[str, Any]:
        block = {
            "vaultUrl": os.environ["AZURE_KEYVAULT_URL"],
            "tenantId": os.environ["AZURE_TENANT_ID"],
            "clientId": os.environ["AZURE_CLIENT_ID"],
            "clientSecret": ref("secret"),
        }
        if authority := os.environ.get("AZURE_AUTHORITY_HOST"):
            block["authority"] = authority
        return {"driver": "azure-kv", "azure": block}

    def listed(self, key: str) -> str:
        return key.replace("_", "-").replace("/", "--").replace(".", "---")

    def takes(self, key: str) -> bool:
        return all(letter.isascii() and (letter.isalnum() or letter == "-") for letter in self.listed(key))

    @classmethod
    async def clean(cls, beginning: str) -> int:
        await by_driver(cls.own(), beginning)
        environment = (os.environ[name] for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"))
        # It takes AZURE_AUTHORITY_HOST by itself. A challenge for another host than Azure's is one of a test.
        client = SecretClient(
            os.environ["AZURE_KEYVAULT_URL"],
            ClientSecretCredential(*environment, disable_instance_discovery=True),
            verify_challenge_resource=False,
        )
        with client:
            deleted = [one.name or "" for one in client.list_deleted_secrets()]
            found = [name for name in deleted if name.startswith(beginning)]
            for name in found:
                client.purge_deleted_secret(name)
        return len(found)


class OnePassword(Service):
    title = "1password, live"
    abilities = Abilities(versions="current", fields=True, empty=False, created_at=True, login=True, largest=60_000)
    variables = ("OP_CONNECT_HOST", "OP_CONNECT_TOKEN", "OP_VAULT")
    driver = OnePasswordDriver

    @staticmethod
    def login() -> dict[str, str]:
        return {"token": os.environ["OP_CONNECT_TOKEN"]}

    @staticmethod
    def spec() -> dict[str, Any]:
        host, vault = os.environ["OP_CONNECT_HOST"], os.environ["OP_VAULT"]
        return {
            "driver": "1password",
            "onepassword": {"connectHost": host, "connectToken": ref("token"), "vault": vault},
        }

    async def put(self, key: str, content: Content, *, expires_at: datetime | None = None) -> None:
        del expires_at
        assert not isinstance(content, bytes)
        fields = [Field(label=name, value=raw.decode(), type="CONCEALED") for name, raw in content.items()]
        client, vault = _connect()
        title = self.prefix + key
        item = Item(title=title, category="API_CREDENTIAL", vault=ItemVault(id=vault), fields=fields)
        former = [one.id for one in client.get_items(vault) if one.title == title]
        if former:
            client.update_item(former[0], vault, item)
        else:
            client.create_item(vault, item)
        client.session.close()

    async def delete(self, key: str) -> None:
        await self.clean(self.prefix + key)

    @classmethod
    async def clean(cls, beginning: str) -> int:
        client, vault = _connect()
        found = [one.id for one in client.get_items(vault) if one.title.startswith(beginning)]
        for one in found:
            client.delete_item(one, vault)
        client.session.close()
        return len(found)


def _connect() -> tuple[Any, str]:
    client: Any = new_client(os.environ["OP_CONNECT_HOST"], os.environ["OP_CONNECT_TOKEN"])
    wanted = os.environ["OP_VAULT"]
    return client, next(vault.id for vault in client.get_vaults() if wanted in {vault.id, vault.name})


SERVICES: dict[str, type[Service]] = {
    "aws": Aws,
    "azure": Azure,
    "gcp": Google,
    "vault": Vault,
    "1password": OnePassword,
}
