"""Dynamic secrets, with real leases of a real OpenBao: its engine rabbitmq, before a server that only counts users."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from beemflow_secrets.providers.errors import Denied, Invalid, NotFound, Unavailable
from tests.support import faultproxy as faults
from tests.support.rabbitmq import RabbitMq

if TYPE_CHECKING:
    from collections.abc import Iterator

    from beemflow_secrets.providers.value import SecretValue
    from beemflow_secrets.providers.vault import VaultDriver
    from tests.contract.conftest import Clock, Stores

RENEW = "/v1/sys/leases/renew"
TTL, LONGEST = 90, 150


@pytest.fixture
def rabbit(stores: Stores, folder: str) -> Iterator[RabbitMq]:
    """The engine at a mount of the test's own, with a role `reader` whose leases are of 90 s, and 150 s at most."""
    bao = stores.bao
    with RabbitMq() as server:
        bao.call("POST", f"sys/mounts/{folder}", {"type": "rabbitmq"})
        connection = {"connection_uri": server.address, "username": "a", "password": "b", "verify_connection": False}
        bao.call("POST", f"{folder}/config/connection", connection)
        bao.call("POST", f"{folder}/config/lease", {"ttl": TTL, "max_ttl": LONGEST})
        bao.call("POST", f"{folder}/roles/reader", {"vhosts": '{"/": {"read": ".*"}}'})
        bao.policy(folder, {f"{folder}/creds/*": ["read"]})
        stores.credentials["token"] = bao.token([folder])
        yield server
        bao.unmount(folder)


@pytest.fixture
def driver(rabbit: RabbitMq, stores: Stores, proxy: faults.FaultProxy, folder: str, ticking: Clock) -> VaultDriver:
    return stores.open(address=proxy.address, path=f"{folder}/creds", clock=ticking)


async def read(stores: Stores, driver: VaultDriver) -> SecretValue:
    value = await stores.value(driver, "reader")
    stores.hidden.append(str((value.fields or {})["password"]))
    return value


def renewals(proxy: faults.FaultProxy) -> int:
    return proxy.count("PUT", RENEW)


async def test_it_is_made_once_and_kept(stores: Stores, driver: VaultDriver, rabbit: RabbitMq) -> None:
    values = await asyncio.gather(*(read(stores, driver) for _ in range(10)))
    assert len({str(value.fields) for value in values}) == 1
    first = values[0]
    assert set(first.fields or {}) == {"username", "password"}
    assert (first.version, first.created_at) == (None, None)
    assert first.expires_at is not None
    assert abs(first.expires_at - datetime.now(UTC) - timedelta(seconds=TTL)) < timedelta(seconds=10)
    assert len(rabbit.made) == 1


async def test_its_lease_is_renewed_at_two_thirds(
    stores: Stores, driver: VaultDriver, rabbit: RabbitMq, proxy: faults.FaultProxy, ticking: Clock
) -> None:
    first = await read(stores, driver)
    ticking.now += 59
    assert await read(stores, driver) is first
    assert renewals(proxy) == 0
    ticking.now += 2
    second = await read(stores, driver)
    assert second.fields == first.fields
    assert (renewals(proxy), len(rabbit.made)) == (1, 1)
    assert await read(stores, driver) is second
    assert renewals(proxy) == 1


async def test_a_lease_revoked_by_hand_is_noticed_by_its_renewal(
    stores: Stores, driver: VaultDriver, rabbit: RabbitMq, ticking: Clock, folder: str
) -> None:
    first = await read(stores, driver)
    stores.bao.call("PUT", f"sys/leases/revoke-prefix/{folder}/creds/reader")
    assert rabbit.users == set()
    ticking.now += 61
    second = await read(stores, driver)
    assert second.fields != first.fields
    assert len(rabbit.made) == 2
    assert rabbit.users == {str((second.fields or {})["username"])}


async def test_read_anew_when_little_of_it_can_be_had(
    stores: Stores, driver: VaultDriver, rabbit: RabbitMq, proxy: faults.FaultProxy, ticking: Clock
) -> None:
    """What the server answers near the longest life that the role allows."""
    first = await read(stores, driver)
    body = b'{"lease_id": "x/creds/reader/1", "lease_duration": 29, "renewable": true}'
    proxy.set(faults.answer(200, body), when=lambda request: request.path == RENEW)
    ticking.now += 61
    assert (await read(stores, driver)).fields != first.fields
    assert len(rabbit.made) == 2


async def test_a_short_lease_by_the_real_clock(
    stores: Stores, rabbit: RabbitMq, folder: str, proxy: faults.FaultProxy
) -> None:
    """Leases of two seconds that live three at most: whoever reads often never holds a dead one."""
    stores.bao.call("POST", f"{folder}/config/lease", {"ttl": 2, "max_ttl": 3})
    driver = stores.open(address=proxy.address, path=f"{folder}/creds")
    loop = asyncio.get_running_loop()
    ends = loop.time() + 5
    while loop.time() < ends:
        value = await read(stores, driver)
        assert (value.fields or {})["username"] in rabbit.users
        await asyncio.sleep(0.1)
    assert 2 <= len(rabbit.made) <= 6
    assert renewals(proxy) >= 1


async def test_an_outage_at_the_renewal_is_waited_out_while_the_lease_lives(
    stores: Stores, driver: VaultDriver, proxy: faults.FaultProxy, ticking: Clock
) -> None:
    first = await read(stores, driver)
    for fault in (faults.reset, faults.answer(503), faults.throttle("1")):
        proxy.set(fault)
        ticking.now += 61 if fault is faults.reset else 1
        assert await read(stores, driver) is first
    proxy.set(faults.reset)
    ticking.now += 30
    assert type(await stores.error(driver, "reader")) is Unavailable
    proxy.clear()
    assert (await read(stores, driver)).fields is not None


async def test_a_login_that_may_not_renew_reads_anew(
    stores: Stores, driver: VaultDriver, rabbit: RabbitMq, ticking: Clock, folder: str
) -> None:
    stores.credentials["token"] = stores.bao.token([folder], no_default_policy=True)
    await read(stores, driver)
    ticking.now += 61
    await read(stores, driver)
    assert len(rabbit.made) == 2


async def test_with_its_login_a_secret_ends(stores: Stores, rabbit: RabbitMq, folder: str, ticking: Clock) -> None:
    """The server revokes what a token has leased together with the token."""
    role = stores.bao.approle(folder, [folder], token_ttl="60s", token_type="service", token_num_uses=0)
    driver = stores.open_approle(role, path=f"{folder}/creds", clock=ticking)
    first = await read(stores, driver)
    ticking.now += 61  # the login has ended by its own time, the lease has not
    assert (await read(stores, driver)).fields != first.fields
    assert len(rabbit.made) == 2


async def test_a_restart_reads_anew(stores: Stores, rabbit: RabbitMq, driver: VaultDriver, folder: str) -> None:
    first = await read(stores, driver)
    assert (await read(stores, stores.open(path=f"{folder}/creds"))).fields != first.fields
    assert len(rabbit.made) == 2


async def test_there_is_no_history_and_no_guessing(stores: Stores, rabbit: RabbitMq, folder: str) -> None:
    driver = stores.open(path=f"{folder}/creds")
    assert type(await stores.error(driver, "reader", "1")) is NotFound
    assert isinstance(await stores.error(driver, "nobody"), Invalid | NotFound | Denied)
    error = await stores.error(stores.open(path=f"{folder}/creds", kvVersion=1), "reader")
    assert isinstance(error, Invalid)
    assert rabbit.made == []
    await driver.health_check()


async def test_a_field_ttl_of_kv1_is_no_lease(stores: Stores, folder: str, canary: str) -> None:
    stores.bao.write_kv1("kv1", f"{folder}/a", {"value": canary, "ttl": "5m"})
    driver = stores.open(path=f"kv1/{folder}")
    assert (await stores.value(driver, "a")).expires_at is None
    stores.bao.write_kv1("kv1", f"{folder}/a", {"value": "new", "ttl": "5m"})
    assert (await stores.value(driver, "a")).fields == {"value": "new", "ttl": "5m"}


async def test_what_other_engines_answer_without_a_lease_is_not_kept(stores: Stores, folder: str) -> None:
    stores.bao.call("POST", f"sys/mounts/{folder}", {"type": "transit"})
    stores.bao.call("POST", f"{folder}/keys/a", {})
    driver = stores.open(path=f"{folder}/keys")
    assert (await stores.value(driver, "a")).expires_at is None
    stores.bao.call("POST", f"{folder}/keys/a/rotate", {})
    assert '"latest_version":2' in await driver.get_secret("a")
    stores.bao.unmount(folder)
