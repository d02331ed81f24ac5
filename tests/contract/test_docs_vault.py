"""docs/backends/vault.md: each right is enough and needed, its stores are taken, and its calls are counted."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from beemflow_secrets.model.store import StoreSpec
from beemflow_secrets.model.vault import VaultSpec
from beemflow_secrets.providers.errors import Denied, NoTags
from beemflow_secrets.providers.value import Ref, Search
from tests.contract.conftest import secret_ref
from tests.support.faultproxy import answer
from tests.support.rabbitmq import RabbitMq

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from beemflow_secrets.providers.vault import VaultDriver
    from tests.contract.conftest import Clock, Stores
    from tests.support.faultproxy import FaultProxy
    from tests.support.openbao import OpenBao

TEXT = (Path(__file__).parents[2] / "docs" / "backends" / "vault.md").read_text()
POLICIES = re.findall(r"```hcl\n(.*?)```", TEXT, flags=re.DOTALL)
STORES = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)]
KV2, KV1, DYNAMIC = POLICIES


class Rights:
    """Logs in with policies of the page and nothing else, not even `default` where that is not asked for."""

    def __init__(self, bao: OpenBao, stores: Stores, address: str) -> None:
        self.bao = bao
        self.stores = stores
        self.address = address

    def open(self, path: str, *policies: str, default: bool = False, clock: Any = None, **block: Any) -> VaultDriver:
        names = [f"{self.stores.folder}-{number}" for number in range(len(policies))]
        for name, policy in zip(names, policies, strict=True):
            self.bao.call("PUT", f"sys/policies/acl/{name}", {"policy": policy})
        options: dict[str, Any] = {"token_no_default_policy": not default, "token_ttl": "90s"}
        role_id, self.stores.credentials["secret-id"] = self.bao.approle(self.stores.folder, names, **options)
        how: dict[str, Any] = {"authMethod": "approle", "roleId": role_id, "secretId": secret_ref("secret-id")}
        return self.stores.open(address=self.address, path=path, clock=clock, **how, **block)


@pytest.fixture
def rights(bao: OpenBao, stores: Stores, proxy: FaultProxy) -> Rights:
    return Rights(bao, stores, proxy.address)


def rule(path: str, *capabilities: str) -> str:
    """Write a right of the page's table as a policy."""
    return f'path "{path}" {{ capabilities = {json.dumps(capabilities)} }}'


def methods() -> dict[str, Any]:
    return {str(store["vault"].get("authMethod", "token")): store for store in STORES if "spec" not in store}


def test_there_is_a_store_for_every_method() -> None:
    assert set(methods()) == set(VaultSpec.model_fields["auth_method"].annotation.__args__)  # type: ignore[union-attr]


@pytest.mark.parametrize("store", STORES, ids=range(len(STORES)))
def test_every_store_is_taken(store: dict[str, Any]) -> None:
    StoreSpec.model_validate(store.get("spec", store))


@dataclass(frozen=True)
class Engine:
    """A KV engine, its policy, and where the page's table has its lists and its secrets."""

    mount: str
    policy: str
    lists: str
    secrets: str

    def write(self, bao: OpenBao, key: str, value: str) -> None:
        (bao.write_kv2 if self.mount == "secret" else bao.write_kv1)(self.mount, f"beemflow/{key}", {"value": value})


ENGINES = [
    Engine("secret", KV2, "secret/metadata/beemflow/*", "secret/data/beemflow/*"),
    Engine("kv1", KV1, "kv1/beemflow/*", "kv1/beemflow/*"),
]


@pytest.fixture(params=ENGINES, ids=lambda engine: engine.mount)
def engine(request: pytest.FixtureRequest, bao: OpenBao, canary: str) -> Engine:
    """An engine that holds a, b, and deep/c."""
    found: Engine = request.param
    for key in ("a", "b", "deep/c"):
        found.write(bao, key, canary)
    return found


def test_the_table_has_what_is_tried_here() -> None:
    told = re.findall(r"^\| `[a-z`, ]+` on `([^`]+)`", TEXT, flags=re.MULTILINE)
    assert told == ["sys/leases/renew", *[ENGINES[0].lists] * 2, "auth/token/renew-self", ENGINES[0].secrets]
    assert all(f"(KV1: `{ENGINES[1].lists}`)" in line for line in TEXT.splitlines() if line.startswith("| `list`"))


async def test_the_policy_is_enough_to_read_and_for_health(
    rights: Rights, proxy: FaultProxy, engine: Engine, canary: str
) -> None:
    driver = rights.open(f"{engine.mount}/beemflow", engine.policy)
    await driver.health_check()
    for key in "ab":
        assert (await rights.stores.value(driver, key)).value == canary
    # A login, the mount for the health check and for the first read, and one call a key.
    assert proxy.count() == 5


async def test_without_the_policy_nothing_is_read_and_the_health_check_is_good(rights: Rights, engine: Engine) -> None:
    driver = rights.open(f"{engine.mount}/beemflow", rule("elsewhere/*", "read"))
    await driver.health_check()
    assert isinstance(await rights.stores.error(driver, "a"), Denied)


async def test_a_listing_takes_the_right_to_list_and_a_call_for_each_folder(
    rights: Rights, proxy: FaultProxy, engine: Engine
) -> None:
    with pytest.raises(Denied):
        await rights.open(f"{engine.mount}/beemflow", engine.policy).list_secrets()
    driver = rights.open(f"{engine.mount}/beemflow", engine.policy, rule(engine.lists, "list"))
    before = proxy.count("GET", f"/v1/{engine.lists.rstrip('*/')}")
    assert {"a", "b", "deep/c"} <= set(await driver.list_secrets())
    assert proxy.count("GET", f"/v1/{engine.lists.rstrip('*/')}") - before == 2


async def test_tags_take_the_right_to_read_metadata_and_a_call_for_each_secret(
    rights: Rights, proxy: FaultProxy, engine: Engine
) -> None:
    driver = rights.open(f"{engine.mount}/beemflow", engine.policy, rule(engine.lists, "list"))
    if engine.mount != "secret":
        with pytest.raises(NoTags, match="this backend has no tags: find by path or name"):
            await driver.find(Search(tagged=True))
        return
    with pytest.raises(Denied):
        await driver.find(Search(tagged=True))
    driver = rights.open(f"{engine.mount}/beemflow", engine.policy, rule(engine.lists, "list", "read"))
    rights.bao.call("POST", "secret/metadata/beemflow/deep/c", {"custom_metadata": {"team": "flows"}})
    before = proxy.count("GET", "/v1/secret/metadata/beemflow/deep/c")
    assert await driver.find(Search("deep/", tagged=True)) == {"deep/c": {"team": "flows"}}
    assert proxy.count("GET", "/v1/secret/metadata/beemflow/deep/c") - before == 1


CHANGES = ("create", "update", "delete")


@pytest.mark.parametrize("lacking", [None, *CHANGES])
async def test_each_right_to_write_is_needed_for_its_own(
    rights: Rights, bao: OpenBao, engine: Engine, canary: str, lacking: str | None
) -> None:
    engine.write(bao, "old", canary)
    allowed = [right for right in CHANGES if right != lacking]
    driver = rights.open(f"{engine.mount}/beemflow", engine.policy, rule(engine.secrets, *allowed))
    done: dict[str, Awaitable[object]] = {
        "update": driver.set_secret("old", f"{canary}-2"),
        "create": driver.set_secret(f"new-{rights.stores.folder}", canary),
        "delete": driver.delete_secret("old"),
    }
    for right, change in done.items():
        if right == lacking:
            with pytest.raises(Denied):
                await change
        else:
            await change


@pytest.mark.parametrize("how", ["right", "default", "neither"])
async def test_a_login_is_renewed_by_right_else_made_anew_in_time(
    rights: Rights, proxy: FaultProxy, engine: Engine, ticking: Clock, how: str
) -> None:
    more = [rule("auth/token/renew-self", "update")] if how == "right" else []
    driver = rights.open(f"{engine.mount}/beemflow", engine.policy, *more, default=how == "default", clock=ticking)
    await rights.stores.value(driver, "a")
    for _ in range(2):
        ticking.now += 61
        await rights.stores.value(driver, "a")
        if (task := driver._logins._task) is not None:
            await asyncio.wait({task})
    assert proxy.count("POST", "/v1/auth/approle/login") == (3 if how == "neither" else 1)


async def test_where_the_mount_may_not_be_asked_for_the_block_says_it(
    rights: Rights, proxy: FaultProxy, engine: Engine, canary: str
) -> None:
    proxy.set(answer(403, b'{"errors": ["permission denied"]}'), when=lambda one: "/internal/ui/" in one.path)
    version = 2 if engine.policy == KV2 else 1
    driver = rights.open(f"{engine.mount}/beemflow", engine.policy, kvVersion=version)
    assert (await rights.stores.value(driver, "a")).value == canary
    assert isinstance(await rights.stores.error(rights.open(f"{engine.mount}/beemflow", engine.policy), "a"), Denied)


async def test_each_key_is_a_call(rights: Rights, proxy: FaultProxy, engine: Engine) -> None:
    driver = rights.open(f"{engine.mount}/beemflow", engine.policy)
    await rights.stores.value(driver, "a")
    before = proxy.count()
    await driver.fetch([Ref(key) for key in ("a", "b", "deep/c")])
    assert proxy.count() - before == 3
    await driver.health_check()
    assert proxy.count() - before == 4


@pytest.mark.parametrize("how", ["policy", "default", "without its second line"])
async def test_what_is_made_is_renewed_by_right_else_made_anew(
    rights: Rights, proxy: FaultProxy, ticking: Clock, folder: str, how: str
) -> None:
    bao, policy = rights.bao, DYNAMIC.replace("database", folder)
    if how != "policy":
        policy = policy[: policy.index('path "sys/')]
    with RabbitMq() as server:
        bao.call("POST", f"sys/mounts/{folder}", {"type": "rabbitmq"})
        connection = {"connection_uri": server.address, "username": "a", "password": "b", "verify_connection": False}
        bao.call("POST", f"{folder}/config/connection", connection)
        bao.call("POST", f"{folder}/config/lease", {"ttl": 60, "max_ttl": 900})
        bao.call("POST", f"{folder}/roles/reader", {"vhosts": '{"/": {"read": ".*"}}'})
        driver = rights.open(f"{folder}/creds", policy, default=how == "default", clock=ticking)
        await rights.stores.value(driver, "reader")
        ticking.now += 39
        await rights.stores.value(driver, "reader")
        assert (proxy.count("PUT", "/v1/sys/leases/renew"), len(server.made)) == (0, 1)
        ticking.now += 2
        await rights.stores.value(driver, "reader")
        assert (proxy.count("PUT", "/v1/sys/leases/renew"), len(server.made)) == (1, 1 if "line" not in how else 2)
        bao.unmount(folder)
