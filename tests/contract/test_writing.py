"""Writing on real servers: what the contract suite does not ask, since no other backend has it."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.kube import paths
from beemflow_secrets.model.names import OWNER_LABEL
from beemflow_secrets.providers.errors import Denied, Gone, Invalid, NotFound, Unavailable
from beemflow_secrets.providers.jsontext import as_bytes
from tests.contract.harnesses import AwsHarness, Kv1Harness, Kv2Harness, OtherClusterHarness, VaultHarness

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from e2e.clusters.controlplane import ControlPlane
    from tests.contract.conftest import Stores
    from tests.support.api import Api
    from tests.support.aws import Aws
    from tests.support.openbao import OpenBao


@pytest.fixture
async def kv2(bao: OpenBao) -> AsyncIterator[Kv2Harness]:
    async with Kv2Harness(bao) as made:
        yield made


@pytest.fixture
async def cloud(aws: Aws) -> AsyncIterator[AwsHarness]:
    async with AwsHarness(aws) as made:
        yield made


@pytest.fixture
async def cluster(control_plane: ControlPlane, api: Api) -> AsyncIterator[OtherClusterHarness]:
    async with OtherClusterHarness(control_plane, api) as made:
        yield made


# --- Vault


async def test_vault_keeps_what_others_wrote_beside_a_field_as_they_wrote_it(kv2: Kv2Harness, bao: OpenBao) -> None:
    fields = {"port": 5432, "ratio": 1.5, "on": True, "list": [1, "a"], "nested": {"a": "b"}}
    bao.write_kv2(kv2.mount, "db", fields, custom_metadata={"team": "ops"})
    driver = kv2.open()
    written = await driver.set_secret("db", kv2.canary, property="password")
    await driver.set_secret("db", "c", property="nested.a")
    held = bao.call("GET", f"{kv2.mount}/data/db")["data"]
    assert held["data"] == {**fields, "nested": {"a": "c"}, "password": kv2.canary}
    assert held["metadata"]["custom_metadata"] == written.metadata == {"team": "ops"}
    await driver.set_secret("db", "5432", property="port")  # reads the same
    assert bao.call("GET", f"{kv2.mount}/data/db")["data"] == held


async def test_vault_refuses_a_write_that_another_one_overtook(kv2: Kv2Harness) -> None:
    """Two processes set fields of one secret: whoever came too late is told, and loses nothing when he tries again."""
    drivers = [kv2.open(), kv2.open()]
    writes = [(driver, f"f{n}") for n in range(8) for driver in drivers]
    answers = await asyncio.gather(
        *(driver.set_secret("login", kv2.canary, property=name) for driver, name in writes), return_exceptions=True
    )
    late = [(write, answer) for write, answer in zip(writes, answers, strict=True) if isinstance(answer, BaseException)]
    assert late
    assert {type(answer) for _, answer in late} == {Unavailable}
    for (driver, name), _ in late:
        await driver.set_secret("login", kv2.canary, property=name)
    found = await kv2.value(drivers[0], "login")
    assert found.fields == {f"f{n}": kv2.canary for n in range(8)}


async def test_what_vault_deletes_can_be_undeleted(kv2: Kv2Harness, bao: OpenBao) -> None:
    driver = kv2.open()
    first = await driver.set_secret("token", kv2.canary)
    await driver.delete_secret("token")
    assert type(await kv2.error(driver, "token")) is Gone
    bao.call("POST", f"{kv2.mount}/undelete/token", {"versions": [int(first.version or 0)]})
    assert await driver.get_secret("token") == kv2.canary


@pytest.mark.parametrize("kind", [Kv1Harness, Kv2Harness])
async def test_who_may_only_read_is_denied_a_write(kind: type[VaultHarness], bao: OpenBao) -> None:
    async with kind(bao) as harness:
        await harness.put_text("token")
        bao.policy(harness.mount, {f"{harness.mount}/*": ["read", "list"]})
        driver = harness.open()
        for change in (driver.set_secret("token", "new"), driver.delete_secret("token"), driver.set_secret("b", "new")):
            with pytest.raises(Denied):
                await change
        await driver.set_secret("token", harness.canary)  # it is there
        assert await driver.get_secret("token") == harness.canary


async def test_an_engine_that_makes_its_secrets_takes_none(stores: Stores, bao: OpenBao) -> None:
    bao.call("POST", f"sys/mounts/{stores.folder}", {"type": "pki"})
    driver = stores.open(path=stores.folder)
    for change in (driver.set_secret("issue/x", "new"), driver.delete_secret("issue/x")):
        with pytest.raises(Invalid, match="makes its secrets itself") as caught:
            await change
        stores.shows(caught.value)


# --- AWS


async def test_aws_restores_what_is_scheduled_for_deletion_for_a_write(cloud: AwsHarness, aws: Aws) -> None:
    driver = cloud.open()
    await driver.set_secret("login", {"user": "bot"})
    await driver.delete_secret("login")
    assert type(await cloud.error(driver, "login")) is Gone
    await driver.set_secret("login", cloud.canary, property="token")
    assert aws.operations[-3:] == ["GetSecretValue", "RestoreSecret", "PutSecretValue"]
    assert json.loads(await driver.get_secret("login")) == {"token": cloud.canary}


async def test_aws_is_asked_for_no_more_than_it_takes(cloud: AwsHarness, aws: Aws) -> None:
    driver = cloud.open()
    await driver.set_secret("token", cloud.canary)
    await driver.set_secret("token", cloud.canary)
    await driver.set_secret("token", "b")
    await driver.delete_secret("token")
    read = "GetSecretValue"
    assert aws.operations == [read, "CreateSecret", read, read, "PutSecretValue", "DeleteSecret"]


async def test_aws_takes_a_value_for_a_secret_that_was_made_without_one(cloud: AwsHarness, aws: Aws) -> None:
    aws.put("empty", b"")
    driver = cloud.open()
    await driver.set_secret("empty", cloud.canary)
    assert await driver.get_secret("empty") == cloud.canary


@pytest.mark.parametrize("length", [65536, 65537])
async def test_aws_has_64_kib(cloud: AwsHarness, aws: Aws, length: int) -> None:
    driver = cloud.open()
    if length <= 65536:
        await driver.set_secret("large", "a" * length)
        assert len(await driver.get_secret("large")) == length
        return
    with pytest.raises(Invalid, match="65536 bytes"):
        await driver.set_secret("large", "a" * length)
    assert aws.operations == ["GetSecretValue"]


async def test_aws_text_that_is_no_object_has_no_field_to_set(cloud: AwsHarness, aws: Aws) -> None:
    await cloud.put_text("token")
    driver = cloud.open()
    with pytest.raises(Invalid, match="no JSON object") as caught:
        await driver.set_secret("token", "x", property="a")
    cloud.shows(caught.value)
    await driver.delete_secret("token", property="a")
    assert await driver.get_secret("token") == cloud.canary
    aws.tell(refuse={"AccessDeniedException": ["PutSecretValue", "DeleteSecret"]})
    for change in (driver.set_secret("token", "new"), driver.delete_secret("token")):
        with pytest.raises(Denied):
            await change


# --- Kubernetes


def _make(cluster: OtherClusterHarness, name: str, **fields: Any) -> dict[str, Any]:
    data = {"token": b64encode(cluster.canary.encode()).decode()}
    metadata = {"name": name, **fields.pop("metadata", {})}
    return cluster.api.create(paths.secrets(cluster.namespace), {"metadata": metadata, "data": data, **fields})


async def test_a_secret_of_somebody_else_keeps_all_but_what_is_written(cluster: OtherClusterHarness) -> None:
    foreign = {"labels": {"team": "ops"}, "annotations": {"a": "b"}}
    _make(cluster, "theirs", metadata=foreign, type="example.com/theirs")
    driver = cluster.open()
    written = await driver.set_secret("theirs", b"\xff", property="tls.crt")
    held = cluster.api.get(paths.secrets(cluster.namespace, "theirs"))
    assert held is not None
    assert held["metadata"]["resourceVersion"] == written.version
    assert {name: held["metadata"][name] for name in foreign} == foreign
    assert held["type"] == "example.com/theirs"
    assert written.fields == {"token": cluster.canary.encode(), "tls.crt": b"\xff"}


async def test_a_secret_that_somebody_keeps_is_refused(cluster: OtherClusterHarness) -> None:
    """What a BeemFlowSecret writes it would repair; what the cluster keeps is no person's; and what is immutable is."""
    _make(cluster, "ours", metadata={"labels": {OWNER_LABEL: "6f0c"}})
    _make(cluster, "fixed", immutable=True)
    _make(cluster, "theirs", type="bootstrap.kubernetes.io/token")
    driver = cluster.open()
    for name in ("ours", "fixed", "theirs"):
        with pytest.raises(Invalid) as caught:
            await driver.set_secret(name, "new")
        cluster.shows(caught.value)
        assert caught.value.key == name
    for name in ("ours", "theirs"):
        with pytest.raises(Invalid):
            await driver.delete_secret(name)
    assert await driver.list_secrets() == ["fixed", "ours", "theirs"]


async def test_writes_of_two_to_one_secret_meet_in_a_conflict(cluster: OtherClusterHarness) -> None:
    drivers = [cluster.open(), cluster.open()]
    await drivers[0].set_secret("login", "x", property="first")
    writes = [(driver, f"f{n}") for n in range(8) for driver in drivers]
    answers = await asyncio.gather(
        *(driver.set_secret("login", cluster.canary, property=name) for driver, name in writes), return_exceptions=True
    )
    late = [(write, answer) for write, answer in zip(writes, answers, strict=True) if isinstance(answer, BaseException)]
    assert {type(answer) for _, answer in late} == {Unavailable}
    for (driver, name), _ in late:
        await driver.set_secret("login", cluster.canary, property=name)
    found = await cluster.value(drivers[0], "login")
    assert found.fields == {"first": b"x", **{f"f{n}": cluster.canary.encode() for n in range(8)}}


async def test_a_secret_holds_a_mebibyte(cluster: OtherClusterHarness) -> None:
    driver = cluster.open()
    written = await driver.set_secret("large", "a" * 1024 * 1024)
    assert len(as_bytes((written.fields or {})["value"])) == 1024 * 1024
    with pytest.raises(Invalid, match="1 MiB"):
        await driver.set_secret("large", "b", property="more")
    await driver.delete_secret("large")
    assert type(await cluster.error(driver, "large")) is NotFound


async def test_a_namespace_that_is_not_there_takes_nothing(cluster: OtherClusterHarness) -> None:
    cluster.namespace, real = f"{cluster.namespace}-not", cluster.namespace
    driver = cluster.open()
    cluster.namespace = real
    with pytest.raises((Invalid, Denied)):
        await driver.set_secret("a", cluster.canary)
