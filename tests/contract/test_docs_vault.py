"""docs/backends/vault.md: its policies are enough, its stores are taken, and its calls are counted."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from beemflow_secrets.model.store import StoreSpec
from beemflow_secrets.model.vault import VaultSpec
from tests.contract.conftest import secret_ref
from tests.support.rabbitmq import RabbitMq

if TYPE_CHECKING:
    from tests.contract.conftest import Clock, Stores
    from tests.support.faultproxy import FaultProxy
    from tests.support.openbao import OpenBao

TEXT = (Path(__file__).parents[2] / "docs" / "backends" / "vault.md").read_text()
POLICIES = re.findall(r"```hcl\n(.*?)```", TEXT, flags=re.DOTALL)
STORES = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)]
KV2, KV1, DYNAMIC = POLICIES


def login(bao: OpenBao, stores: Stores, policy: str) -> dict[str, Any]:
    """Log in with one policy of the page and nothing else, not even `default`."""
    bao.call("PUT", f"sys/policies/acl/{stores.folder}", {"policy": policy})
    role = bao.approle(stores.folder, [stores.folder])
    bao.call("POST", f"auth/approle/role/{stores.folder}", {"token_no_default_policy": True})
    stores.credentials["secret-id"] = role[1]
    return {"authMethod": "approle", "roleId": role[0], "secretId": secret_ref("secret-id")}


def methods() -> dict[str, Any]:
    return {str(store["vault"].get("authMethod", "token")): store for store in STORES if "spec" not in store}


def test_there_is_a_store_for_every_method() -> None:
    assert set(methods()) == set(VaultSpec.model_fields["auth_method"].annotation.__args__)  # type: ignore[union-attr]


@pytest.mark.parametrize("store", STORES, ids=range(len(STORES)))
def test_every_store_is_taken(store: dict[str, Any]) -> None:
    StoreSpec.model_validate(store.get("spec", store))


@pytest.mark.parametrize(("mount", "policy"), [("secret", KV2), ("kv1", KV1)])
async def test_the_policy_is_enough_to_read_and_for_health(
    bao: OpenBao, stores: Stores, proxy: FaultProxy, canary: str, mount: str, policy: str
) -> None:
    write = bao.write_kv2 if mount == "secret" else bao.write_kv1
    for key in "ab":
        write(mount, f"beemflow/{key}", {"value": canary})
    driver = stores.open(address=proxy.address, path=f"{mount}/beemflow", **login(bao, stores, policy))
    await driver.health_check()
    for key in "ab":
        assert (await stores.value(driver, key)).value == canary
    # A login, the mount for the health check and for the first read, and one call a key.
    assert proxy.count() == 5


async def test_the_policy_for_what_is_made_renews_it_too(
    bao: OpenBao, stores: Stores, proxy: FaultProxy, ticking: Clock, folder: str
) -> None:
    with RabbitMq() as server:
        bao.call("POST", f"sys/mounts/{folder}", {"type": "rabbitmq"})
        connection = {"connection_uri": server.address, "username": "a", "password": "b", "verify_connection": False}
        bao.call("POST", f"{folder}/config/connection", connection)
        bao.call("POST", f"{folder}/config/lease", {"ttl": 90, "max_ttl": 900})
        bao.call("POST", f"{folder}/roles/reader", {"vhosts": '{"/": {"read": ".*"}}'})
        how = login(bao, stores, DYNAMIC.replace("database", folder))
        driver = stores.open(address=proxy.address, path=f"{folder}/creds", clock=ticking, **how)
        await stores.value(driver, "reader")
        ticking.now += 61
        await stores.value(driver, "reader")
        assert (proxy.count("PUT", "/v1/sys/leases/renew"), len(server.made)) == (1, 1)
        bao.unmount(folder)
