"""How the contract suite fills each backend, and what each can do."""

from __future__ import annotations

import asyncio
import json
import secrets
import ssl
import time
from abc import abstractmethod
from base64 import b64encode
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from beemflow_secrets.controllers.store.credentials import ServiceAccountTokens
from beemflow_secrets.kube import paths
from beemflow_secrets.kube.client import KubeClient
from beemflow_secrets.kube.connection import Connection, from_kubeconfig
from beemflow_secrets.model.store import StoreSpec
from beemflow_secrets.providers.aws import AwsDriver
from beemflow_secrets.providers.env import EnvDriver
from beemflow_secrets.providers.file import FileDriver
from beemflow_secrets.providers.kubernetes import KubernetesDriver
from beemflow_secrets.providers.kubernetes.answers import is_name, secret_name
from beemflow_secrets.providers.surroundings import Surroundings
from beemflow_secrets.providers.vault import VaultDriver
from beemflow_secrets.testing import Abilities, Harness
from beemflow_secrets.testing.fakes.vaultlogins import Role
from tests.support.aws import NAME, REGION

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    import requests

    from beemflow_secrets.kube.tokens import AccountToken
    from beemflow_secrets.model.store import ServiceAccountRef
    from beemflow_secrets.providers.base import Driver
    from beemflow_secrets.testing.fakes.vaultlogins import AwsMethod, VaultLogins
    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Api
    from tests.support.aws import Aws
    from tests.support.openbao import OpenBao

    Content = Mapping[str, bytes] | bytes


class EnvHarness(Harness):
    title = "env"
    abilities = Abilities(binary=True, denies=True, largest=4 * 1024 * 1024)
    meeting = ("a/b", "a.b")

    def __init__(self) -> None:
        super().__init__()
        self._environment: dict[bytes, bytes] = {}
        self._prefixes: tuple[str, ...] | None = None

    def make(self, address: str) -> Driver:
        del address
        surroundings = Surroundings(credential=self._lend, env_prefixes=self._prefixes)
        return EnvDriver(StoreSpec(), surroundings, environment=self._environment)

    async def put(self, key: str, content: Content, *, expires_at: datetime | None = None) -> None:
        del expires_at
        assert isinstance(content, bytes)
        self._environment[self.listed(key).encode()] = content

    async def delete(self, key: str) -> None:
        del self._environment[self.listed(key).encode()]

    def listed(self, key: str) -> str:
        return key.translate(str.maketrans("/.-", "___")).upper()

    async def deny(self, key: str) -> None:
        names = [name.decode() for name in self._environment]
        self._prefixes = tuple(name for name in names if name != self.listed(key))


class JsonFileHarness(Harness):
    """One file that holds all keys, and is replaced by each change; its version is that of them all."""

    title = "file, JSON"
    abilities = Abilities(
        versions="current", fields=True, created_at=True, denies=False, stops=True, writes=True, largest=1024 * 1024
    )

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.path = folder / "secrets.json"
        self._write({})

    def make(self, address: str) -> Driver:
        del address
        return _file_driver(self.path, self.path.parent)

    async def put(self, key: str, content: Content, *, expires_at: datetime | None = None) -> None:
        del expires_at
        self._write({**self._held(), key: _texts(content)})

    async def delete(self, key: str) -> None:
        self._write({name: value for name, value in self._held().items() if name != key})

    async def stop(self) -> None:
        self.path.rename(self.path.with_name("away"))

    async def start(self) -> None:
        self.path.with_name("away").rename(self.path)

    def _held(self) -> dict[str, object]:
        held: dict[str, object] = json.loads(self.path.read_text())
        return held

    def _write(self, content: dict[str, object]) -> None:
        new = self.path.with_name("new")
        new.write_text(json.dumps(content))
        new.rename(self.path)


class FolderHarness(Harness):
    """A folder with one file a key."""

    title = "file, folder"
    abilities = Abilities(
        versions="current", binary=True, created_at=True, denies=True, stops=True, writes=True, largest=1024 * 1024
    )

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.root = folder / "allowed"
        self.path = self.root / "secrets"
        self.path.mkdir(parents=True)

    def make(self, address: str) -> Driver:
        del address
        return _file_driver(self.path, self.root)

    async def put(self, key: str, content: Content, *, expires_at: datetime | None = None) -> None:
        del expires_at
        assert isinstance(content, bytes)
        at = self.path / key
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_bytes(content)

    async def delete(self, key: str) -> None:
        (self.path / "beside").write_bytes(b"x")  # an empty folder may be a volume that is not mounted
        (self.path / key).unlink()

    async def deny(self, key: str) -> None:
        """By a link that leads out of the folder that is allowed."""
        outside = self.root.with_name("outside")
        (self.path / key).rename(outside)
        (self.path / key).symlink_to(outside)

    async def stop(self) -> None:
        self.path.rename(self.path.with_name("away"))

    async def start(self) -> None:
        self.path.with_name("away").rename(self.path)


class VaultHarness(Harness):
    """A mount of its own, and a token that may read, list, write and delete there."""

    version: ClassVar[int]

    def __init__(self, bao: OpenBao) -> None:
        super().__init__()
        self.bao = bao
        self.upstream = bao.address
        self.mount = f"t-{secrets.token_hex(4)}"
        bao.mount(self.mount, version=self.version)
        self._allow({})
        self.credentials["token"] = bao.token([self.mount])

    async def __aexit__(self, *_: object) -> None:
        await super().__aexit__(*_)
        self.bao.unmount(self.mount)

    def make(self, address: str) -> Driver:
        block = {"address": address, "path": self.mount, "token": secret_ref("token")}
        return VaultDriver(StoreSpec.model_validate({"driver": "vault", "vault": block}), self.surroundings())

    def _allow(self, denied: Mapping[str, list[str]]) -> None:
        self.bao.policy(self.mount, {f"{self.mount}/*": ["create", "read", "update", "delete", "list"], **denied})

    async def revoke(self) -> None:
        self.bao.revoke(self.credentials["token"])

    async def restore(self) -> None:
        self.credentials["token"] = self.bao.token([self.mount])

    @asynccontextmanager
    async def throttled(self) -> AsyncIterator[None]:
        self.bao.rate_limit(self.mount, 1, path=self.mount, interval="1h")
        try:
            yield
        finally:
            self.bao.remove_rate_limit(self.mount)

    async def stop(self) -> None:
        await asyncio.to_thread(self.bao.stop)

    async def start(self) -> None:
        await asyncio.to_thread(self.bao.start)


class Kv2Harness(VaultHarness):
    title = "vault KV2"
    version = 2
    abilities = Abilities(
        versions="history",
        fields=True,
        created_at=True,
        expires_at=True,
        gone=True,
        login=True,
        denies=True,
        throttles=True,
        stops=True,
        wire=True,
        writes=True,
        tags=True,
        largest=400_000,
    )

    async def tag(self, key: str, tags: Mapping[str, str]) -> None:
        self.bao.call("POST", f"{self.mount}/metadata/{key}", {"custom_metadata": dict(tags)})

    async def put(self, key: str, content: Content, *, expires_at: datetime | None = None) -> None:
        tags = {"expires-at": expires_at.isoformat()} if expires_at else None
        self.bao.write_kv2(self.mount, key, _texts(content), custom_metadata=tags)

    async def delete(self, key: str) -> None:
        self.bao.delete_kv2(self.mount, key)

    async def deny(self, key: str) -> None:
        self._allow({f"{self.mount}/data/{key}": ["deny"]})


class VaultAwsHarness(Kv2Harness):
    """As KV2, by Vault's login for AWS: `logins` stands before the server, and asks `aws` who has signed."""

    title = "vault KV2, by AWS"

    def __init__(self, bao: OpenBao, logins: VaultLogins, method: AwsMethod, aws: Aws) -> None:
        super().__init__(bao)
        self.upstream = logins.address
        self._logins = logins
        self._aws = aws
        aws.reset()
        method.roles[self.mount] = Role([self.mount], ["arn:aws:iam::123456789012:user/moto"])
        self.credentials = {"id": aws.access_key, "key": aws.secret_key}

    def make(self, address: str) -> Driver:
        login = {"accessKeyId": secret_ref("id"), "secretAccessKey": secret_ref("key")}
        block = {"address": address, "path": self.mount, "authMethod": "aws", "role": self.mount, "awsLogin": login}
        return VaultDriver(StoreSpec.model_validate({"driver": "vault", "vault": block}), self.surroundings())

    async def revoke(self) -> None:
        self._aws.tell(forget=[self._aws.access_key])
        for token in self._logins.given:
            self.bao.revoke(token)

    async def restore(self) -> None:
        self._aws.tell(keys={self._aws.access_key: self._aws.secret_key})

    async def stop(self) -> None:
        await asyncio.to_thread(self._logins.stop)

    async def start(self) -> None:
        await asyncio.to_thread(self._logins.start)


class Kv1Harness(VaultHarness):
    title = "vault KV1"
    version = 1
    abilities = Abilities(
        fields=True, login=True, denies=True, throttles=True, stops=True, wire=True, writes=True, largest=400_000
    )

    async def put(self, key: str, content: Content, *, expires_at: datetime | None = None) -> None:
        del expires_at
        self.bao.write_kv1(self.mount, key, _texts(content))

    async def delete(self, key: str) -> None:
        self.bao.remove_kv1(self.mount, key)

    async def deny(self, key: str) -> None:
        self._allow({f"{self.mount}/{key}": ["deny"]})


class AwsHarness(Harness):
    """A server that is empty, and an access key that may do all."""

    title = "aws-sm"
    abilities = Abilities(
        versions="history",
        binary=True,
        empty=False,
        created_at=True,
        expires_at=True,
        gone=True,
        login=True,
        denies=True,
        throttles=True,
        stops=True,
        wire=True,
        writes=True,
        tags=True,
    )

    def __init__(self, aws: Aws) -> None:
        super().__init__()
        self.aws = aws
        self.upstream = aws.address
        self._later = 0.0
        aws.reset()
        self.credentials |= {"id": aws.access_key, "key": aws.secret_key}

    def make(self, address: str) -> Driver:
        keys = {"accessKeyId": secret_ref("id"), "secretAccessKey": secret_ref("key")}
        spec = {"driver": "aws-sm", "region": REGION, "aws": {"endpoint": address, **keys}}
        return AwsDriver(
            StoreSpec.model_validate(spec), self.surroundings(), clock=lambda: time.monotonic() + self._later
        )

    async def put(self, key: str, content: Content, *, expires_at: datetime | None = None) -> None:
        assert isinstance(content, bytes)
        tags = {}
        if expires_at:
            tags = {"expires-at": expires_at.isoformat()}
            self._later += 600  # until tags are listed again
        self.aws.put(key, content, tags=tags)

    async def tag(self, key: str, tags: Mapping[str, str]) -> None:
        self.aws.tag(key, tags)

    async def delete(self, key: str) -> None:
        self.aws.delete(key)

    def takes(self, key: str) -> bool:
        return NAME.fullmatch(key) is not None

    async def revoke(self) -> None:
        self.aws.tell(forget=[self.aws.access_key])

    async def restore(self) -> None:
        self.aws.tell(keys={self.aws.access_key: self.aws.secret_key})

    async def deny(self, key: str) -> None:
        self.aws.tell(denied=[key])

    @asynccontextmanager
    async def throttled(self) -> AsyncIterator[None]:
        self.aws.tell(throttle=1000)
        try:
            yield
        finally:
            self.aws.tell(throttle=0)

    async def stop(self) -> None:
        await asyncio.to_thread(self.aws.stop)

    async def start(self) -> None:
        await asyncio.to_thread(self.aws.start)


class ClusterHarness(Harness):
    """A namespace of its own, and a ServiceAccount `reader` that may read and write its Secrets."""

    abilities = Abilities(
        versions="current",
        fields=True,
        binary=True,
        created_at=True,
        expires_at=True,
        login=True,
        denies=True,
        throttles=True,
        stops=True,
        wire=True,
        writes=True,
        tags=True,
        largest=700_000,
    )
    meeting = ("a_b", "a-b")

    def __init__(self, plane: ControlPlane, api: Api) -> None:
        super().__init__()
        self.plane = plane
        self.api = api
        self.upstream = plane.url
        self.upstream_tls = ssl.create_default_context(cafile=plane.ca)
        self.namespace = f"t-{secrets.token_hex(4)}"
        self._names: set[str] = set()
        api.create("/api/v1/namespaces", {"metadata": {"name": self.namespace}})
        self._account()
        self._role = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.namespace}/roles"
        api.create(
            self._role, {"metadata": {"name": "reader"}, "rules": [_rule(verb) for verb in ("get", "list", *_CHANGES)]}
        )
        api.create(
            self._role.replace("roles", "rolebindings"),
            {
                "metadata": {"name": "reader"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
                "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": self.namespace}],
            },
        )
        self._until(lambda: self._as_reader("").status_code == 200)

    async def __aexit__(self, *_: object) -> None:
        await super().__aexit__(*_)
        self.api.delete(f"/api/v1/namespaces/{self.namespace}")

    async def put(self, key: str, content: Content, *, expires_at: datetime | None = None) -> None:
        assert not isinstance(content, bytes)
        name = secret_name(key)
        body: dict[str, Any] = {
            "metadata": {"name": name},
            "data": {field: b64encode(raw).decode() for field, raw in content.items()},
        }
        if expires_at:
            body["metadata"]["annotations"] = {"expires-at": expires_at.isoformat()}
        if name in self._names:
            self.api.patch(paths.secrets(self.namespace, name), body)
        else:
            self.api.create(paths.secrets(self.namespace), body)
        self._names.add(name)

    async def tag(self, key: str, tags: Mapping[str, str]) -> None:
        self.api.patch(paths.secrets(self.namespace, secret_name(key)), {"metadata": {"labels": dict(tags)}})

    async def delete(self, key: str) -> None:
        self.api.delete(paths.secrets(self.namespace, secret_name(key)))
        self._names.discard(secret_name(key))

    def listed(self, key: str) -> str:
        return key.lower().translate(str.maketrans("_/", "--"))

    def takes(self, key: str) -> bool:
        return is_name(secret_name(key))

    async def revoke(self) -> None:
        self.api.delete(f"/api/v1/namespaces/{self.namespace}/serviceaccounts/reader")
        self._until(lambda: not self._accepted())

    async def restore(self) -> None:
        self._account()

    async def deny(self, key: str) -> None:
        name = secret_name(key)
        others = sorted(self._names - {name})
        rules = [_rule("get", resourceNames=others), *(_rule(verb) for verb in ("list", *_CHANGES))]
        self.api.patch(f"{self._role}/reader", {"rules": rules})
        self._until(lambda: self._as_reader(name).status_code == 403)

    @asynccontextmanager
    async def throttled(self) -> AsyncIterator[None]:
        """By the API server's own priority and fairness: a level whose only seat is that of whoever is alone."""
        flow = "/apis/flowcontrol.apiserver.k8s.io/v1"
        level, schema = f"{flow}/prioritylevelconfigurations", f"{flow}/flowschemas"
        limited: dict[str, Any] = {"nominalConcurrencyShares": 0, "lendablePercent": 0, "borrowingLimitPercent": 0}
        limited["limitResponse"] = {"type": "Reject"}
        named = {"metadata": {"name": self.namespace}}
        made = self.api.create(level, {**named, "spec": {"type": "Limited", "limited": limited}})
        subject = {"kind": "ServiceAccount", "serviceAccount": {"name": "reader", "namespace": self.namespace}}
        rule = {"verbs": ["*"], "apiGroups": [""], "resources": ["secrets"], "namespaces": ["*"]}
        spec = {
            "priorityLevelConfiguration": {"name": self.namespace},
            "matchingPrecedence": 10,
            "rules": [{"subjects": [subject], "resourceRules": [rule]}],
        }
        self.api.create(schema, {**named, "spec": spec})
        try:
            self._until(lambda: self._level() == made["metadata"]["uid"])
            yield
        finally:
            self.api.delete(f"{schema}/{self.namespace}")
            self.api.delete(f"{level}/{self.namespace}")
            self._until(lambda: self._level() != made["metadata"]["uid"])

    async def stop(self) -> None:
        await asyncio.to_thread(self.plane.stop_api_server)

    async def start(self) -> None:
        await asyncio.to_thread(self.plane.start_api_server)

    def token(self) -> str:
        """Make a token of the reader."""
        path = paths.service_account_token(self.namespace, "reader")
        return str(self.api.create(path, {"spec": {}})["status"]["token"])

    def _account(self) -> None:
        self.api.create(f"/api/v1/namespaces/{self.namespace}/serviceaccounts", {"metadata": {"name": "reader"}})

    @property
    @abstractmethod
    def given(self) -> str:
        """The token that the driver got last."""

    def _accepted(self) -> bool:
        """Whether the API server takes the driver's token: for ten seconds it does not ask whether that lives."""
        headers = {"Authorization": f"Bearer {self.given}"}
        return self.api.ask(paths.secrets(self.namespace), headers).status_code != 401

    def _as_reader(self, name: str) -> requests.Response:
        whom = {"Impersonate-User": f"system:serviceaccount:{self.namespace}:reader"}
        return self.api.ask(paths.secrets(self.namespace, name), whom)

    def _level(self) -> str:
        return self._as_reader("").headers["X-Kubernetes-Pf-Prioritylevel-Uid"]

    @staticmethod
    def _until(met: Callable[[], bool]) -> None:
        """Wait for what the API server takes over from its own watches."""
        deadline = time.monotonic() + 20
        while not met():
            assert time.monotonic() < deadline
            time.sleep(0.01)


class ThisClusterHarness(ClusterHarness):
    """The cluster of the operator, as a ServiceAccount by TokenRequest."""

    title = "kubernetes"
    given = ""

    def make(self, address: str) -> Driver:
        block = {"namespace": self.namespace, "serviceAccountRef": {"name": "reader"}}
        own = from_kubeconfig([self.plane.kubeconfig])
        trust = own.trust if address.startswith("https") else lambda: None
        surroundings = Surroundings(
            credential=self._lend,
            service_account_token=self._remembering(ServiceAccountTokens(self._client(own), self.namespace)),
            cluster=Connection(address, own.tls, own.token, own.namespace, trust, trust),
        )
        spec = StoreSpec.model_validate({"driver": "kubernetes", "kubernetes": block})
        return KubernetesDriver(spec, surroundings)

    def _client(self, own: Connection) -> KubeClient:
        client = KubeClient(own)
        self.closing.push_async_callback(client.close)
        return client

    def _remembering(self, tokens: ServiceAccountTokens) -> Any:
        async def make(ref: ServiceAccountRef, *, own_audience: bool) -> AccountToken:
            made = await tokens(ref, own_audience=own_audience)
            self.given = made.token
            return made

        return make


class OtherClusterHarness(ClusterHarness):
    """Another cluster, with a token that somebody made."""

    title = "kubernetes, remote"

    def __init__(self, plane: ControlPlane, api: Api) -> None:
        super().__init__(plane, api)
        self.credentials["token"] = self.token()

    def make(self, address: str) -> Driver:
        block: dict[str, Any] = {
            "namespace": self.namespace,
            "server": address,
            "token": secret_ref("token"),
            "caBundle": self.plane.ca.read_text(),
        }
        spec = StoreSpec.model_validate({"driver": "kubernetes", "kubernetes": block})
        return KubernetesDriver(spec, self.surroundings())

    async def restore(self) -> None:
        await super().restore()
        self.credentials["token"] = self.token()

    @property
    def given(self) -> str:
        return self.credentials["token"]


_CHANGES = ("create", "patch", "delete")


def secret_ref(key: str) -> dict[str, Any]:
    return {"secretKeyRef": {"name": "login", "key": key}}


async def _nobody(_: object) -> str:
    raise AssertionError("files need no login")


def _file_driver(path: Path, root: Path) -> Driver:
    spec = StoreSpec.model_validate({"driver": "file", "file": {"path": str(path)}})
    return FileDriver(spec, Surroundings(credential=_nobody, file_roots=(root,)))


def _rule(verb: str, **fields: Any) -> dict[str, Any]:
    return {"apiGroups": [""], "resources": ["secrets"], "verbs": [verb], **fields}


def _texts(content: Content) -> dict[str, str]:
    assert not isinstance(content, bytes)
    return {name: raw.decode() for name, raw in content.items()}
