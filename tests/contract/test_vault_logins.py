"""Logging in to a real OpenBao: one login for all, renewed in time, made anew when the token is dead."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.providers.errors import AuthFailed, Denied, Invalid, NotFound, SecretsError, Unavailable
from beemflow_secrets.providers.value import Ref
from tests.contract.conftest import secret_ref
from tests.support import faultproxy as faults

if TYPE_CHECKING:
    from beemflow_secrets.providers.vault import VaultDriver
    from tests.contract.conftest import Clock, Stores
    from tests.support.openbao import OpenBao

NO_VERSION: dict[str, Any] = {}
VERSION_2: dict[str, Any] = {"kvVersion": 2}
LOGIN = "/v1/auth/approle/login"
RENEW = "/v1/auth/token/renew-self"


@pytest.fixture
def policy(bao: OpenBao, folder: str, canary: str) -> str:
    """A policy that allows reading below the test's folder, where a, b and c lie."""
    for key in "abc":
        bao.write_kv2("secret", f"{folder}/{key}", {"value": canary})
    bao.policy(folder, {f"secret/data/{folder}/*": ["read"], f"secret/metadata/{folder}/*": ["list"]})
    return folder


async def settle(driver: VaultDriver) -> None:
    """Wait for what reads have set off beside themselves."""
    if (task := driver._logins._task) is not None:
        await asyncio.wait({task})


# --- token


async def test_token_is_read_when_first_needed_and_once(stores: Stores, policy: str) -> None:
    stores.credentials["token"] = stores.bao.token([policy]) + "\n"
    driver = stores.open()
    assert stores.credential_reads == []
    await asyncio.gather(*(stores.value(driver, key) for key in "abcabc"))
    assert stores.credential_reads == ["token"]


async def test_revoked_token_is_read_anew(stores: Stores, policy: str, canary: str) -> None:
    stores.credentials["token"] = stores.bao.token([policy])
    driver = stores.open()
    await stores.value(driver, "a")
    stores.bao.revoke(stores.credentials["token"])
    error = await stores.error(driver, "a")
    assert isinstance(error, AuthFailed)
    with pytest.raises(AuthFailed):
        await driver.health_check()
    stores.credentials["token"] = stores.bao.token([policy])
    assert (await stores.value(driver, "a")).value == canary
    await driver.health_check()


async def test_expired_token(stores: Stores, policy: str) -> None:
    stores.credentials["token"] = stores.bao.token([policy], ttl="1s", explicit_max_ttl="1s")
    driver = stores.open()
    await stores.value(driver, "a")
    answer: SecretsError | object = None
    async with asyncio.timeout(10):
        while not isinstance(answer, SecretsError):
            answer = (await driver.fetch([Ref("a")]))[Ref("a")]
    assert isinstance(answer, AuthFailed)


async def test_new_token_without_the_right_is_denied(stores: Stores, policy: str) -> None:
    stores.credentials["token"] = stores.bao.token([policy])
    driver = stores.open()
    await stores.value(driver, "a")
    stores.bao.revoke(stores.credentials["token"])
    stores.bao.policy("elsewhere", {"other/x": ["read"]})
    stores.credentials["token"] = stores.bao.token(["elsewhere"])
    assert isinstance(await stores.error(driver, "a"), Denied)


async def test_token_of_nobody(stores: Stores) -> None:
    stores.credentials["token"] = "s.nobody"
    assert isinstance(await stores.error(stores.open(), "a"), AuthFailed)


@pytest.mark.parametrize("token", ["", "\n", "two words", "to\r\nken", "tökén", "a\x00b"])
async def test_token_that_is_none_is_not_sent(stores: Stores, proxy: faults.FaultProxy, token: str) -> None:
    driver = stores.open(address=proxy.address, token=secret_ref("odd"))
    stores.credentials["odd"] = token
    error = (await driver.fetch([Ref("a")]))[Ref("a")]
    assert isinstance(error, AuthFailed)
    assert error.message.startswith("vault.token ")
    assert proxy.count() == 0


async def test_missing_credential(stores: Stores, proxy: faults.FaultProxy) -> None:
    driver = stores.open(address=proxy.address, token=secret_ref("absent"))
    assert isinstance(await stores.error(driver, "a"), AuthFailed)
    with pytest.raises(AuthFailed):
        await driver.health_check()
    assert proxy.count() == 0


@pytest.mark.parametrize("default", [True, False])
async def test_what_the_policy_refuses_is_denied_and_costs_no_login(
    proxy: faults.FaultProxy, stores: Stores, policy: str, *, default: bool
) -> None:
    """A token without the policy `default` may not even ask about itself."""
    stores.credentials["token"] = stores.bao.token([policy], no_default_policy=not default)
    driver = stores.open(address=proxy.address, path="secret")
    for _ in range(2):
        error = await stores.error(driver, "elsewhere/a")
        assert isinstance(error, Denied)
        assert error.key == "elsewhere/a"
        assert "elsewhere" not in error.message
    await driver.health_check()
    assert stores.credential_reads == ["token"]
    assert (await stores.value(driver, f"{policy}/a")).version == "1"


async def test_token_without_any_right_below_the_mount_is_denied(stores: Stores) -> None:
    stores.bao.policy("elsewhere", {"other/x": ["read"]})
    stores.credentials["token"] = stores.bao.token(["elsewhere"])
    for options in NO_VERSION, VERSION_2:
        driver = stores.open(**options)
        assert isinstance(await stores.error(driver, "a"), Denied)
        await driver.health_check()


# --- approle


def approle(stores: Stores, policy: str, **options: Any) -> tuple[str, str]:
    return stores.bao.approle(policy, [policy], **options)


async def test_one_login_for_many_reads(proxy: faults.FaultProxy, stores: Stores, policy: str, canary: str) -> None:
    driver = stores.open_approle(approle(stores, policy), address=proxy.address)
    values = await asyncio.gather(*(stores.value(driver, key) for key in "abc" * 20))
    assert {value.value for value in values} == {canary}
    assert proxy.count("POST", LOGIN) == 1
    assert stores.credential_reads == ["secret-id"]


async def test_role_id_by_reference_and_auth_method_elsewhere(stores: Stores, policy: str, canary: str) -> None:
    stores.bao.call("POST", f"sys/auth/{policy}/roles", {"type": "approle"})
    role_id, secret_id = approle(stores, policy, mount=f"{policy}/roles")
    stores.credentials |= {"role-id": role_id + "\n", "secret-id": secret_id + "\n"}
    driver = stores.open(
        authMethod="approle",
        mountPath=f"{policy}/roles",
        roleIdRef=secret_ref("role-id"),
        secretId=secret_ref("secret-id"),
    )
    assert (await stores.value(driver, "a")).value == canary


async def test_login_in_a_namespace(stores: Stores, folder: str, canary: str) -> None:
    bao = stores.bao
    bao.namespace(folder)
    bao.mount("kv", namespace=folder)
    bao.write_kv2("kv", "a", {"value": canary}, namespace=folder)
    bao.policy("p", {"kv/data/*": ["read"]}, namespace=folder)
    bao.call("POST", "sys/auth/approle", {"type": "approle"}, namespace=folder)
    role = bao.approle("r", ["p"], namespace=folder)
    assert (await stores.value(stores.open_approle(role, namespace=folder, path="kv"), "a")).value == canary
    error = await stores.error(stores.open_approle(role, namespace="nobody", path="kv"), "a")
    assert isinstance(error, Invalid)


async def test_refused_login_is_shared_and_tried_again_by_the_next(
    proxy: faults.FaultProxy, stores: Stores, policy: str, canary: str
) -> None:
    role_id, secret_id = approle(stores, policy)
    driver = stores.open_approle((role_id, "no-such-secret-id"), address=proxy.address)
    proxy.set(faults.delay(0.2), when=lambda request: request.path == LOGIN)
    errors = await asyncio.gather(*(stores.error(driver, key) for key in "abc" * 5))
    assert {type(error) for error in errors} == {AuthFailed}
    assert len({id(error) for error in errors}) == 15  # each its own: a key will be written into it
    assert proxy.count("POST", LOGIN) == 1
    assert proxy.count() == 1
    with pytest.raises(AuthFailed):
        await driver.health_check()
    with pytest.raises(AuthFailed):
        await driver.list_secrets()
    stores.credentials["secret-id"] = secret_id
    assert (await stores.value(driver, "a")).value == canary


async def test_auth_method_that_is_not_there(stores: Stores, policy: str) -> None:
    error = await stores.error(stores.open_approle(approle(stores, policy), mountPath="nowhere"), "a")
    assert isinstance(error, AuthFailed)
    assert "auth/nowhere" in error.message


async def test_revoked_login_is_made_anew_once_for_all(
    proxy: faults.FaultProxy, stores: Stores, policy: str, canary: str
) -> None:
    driver = stores.open_approle(approle(stores, policy), address=proxy.address)
    await stores.value(driver, "a")
    for logins in (2, 3):
        revoke(stores, proxy)
        values = await asyncio.gather(*(stores.value(driver, key) for key in "abc" * 5))
        assert {value.value for value in values} == {canary}
        assert proxy.count("POST", LOGIN) == logins


def revoke(stores: Stores, proxy: faults.FaultProxy) -> None:
    """Revoke the token that the driver used last."""
    stores.bao.revoke(proxy.requests[-1].headers["x-vault-token"])


async def test_policy_that_refuses_costs_no_second_login(proxy: faults.FaultProxy, stores: Stores, policy: str) -> None:
    driver = stores.open_approle(approle(stores, policy), address=proxy.address, path="secret")
    for _ in range(3):
        assert isinstance(await stores.error(driver, "elsewhere/a"), Denied)
    assert proxy.count("POST", LOGIN) == 1


@pytest.mark.parametrize("default", [True, False])
async def test_role_without_any_right_does_not_hammer(
    proxy: faults.FaultProxy, stores: Stores, ticking: Clock, *, default: bool
) -> None:
    """Such a login looks like a dead one where it may not ask about itself: one new login a minute finds out."""
    stores.bao.policy("elsewhere", {"other/x": ["read"]})
    role = stores.bao.approle("blind", ["elsewhere"], token_no_default_policy=not default)
    driver = stores.open_approle(role, address=proxy.address, clock=ticking)
    for _ in range(5):
        assert isinstance(await stores.error(driver, "a"), Denied)
    await driver.health_check()
    assert proxy.count("POST", LOGIN) == (1 if default else 2)
    ticking.now += 61
    assert isinstance(await stores.error(driver, "a"), Denied)
    assert proxy.count("POST", LOGIN) == (1 if default else 3)


# --- times


async def test_login_is_renewed_at_two_thirds_of_its_time_and_nobody_waits(
    proxy: faults.FaultProxy, stores: Stores, policy: str, ticking: Clock
) -> None:
    driver = stores.open_approle(approle(stores, policy, token_ttl="300s"), address=proxy.address, clock=ticking)
    await stores.value(driver, "a")
    ticking.now += 199
    await stores.value(driver, "a")
    assert proxy.count("POST", RENEW) == 0
    proxy.set(faults.hang, when=lambda request: request.path == RENEW, times=1)
    ticking.now += 2
    await stores.value(driver, "a")
    await stores.value(driver, "b")
    await asyncio.to_thread(proxy.wait, when=lambda request: request.path == RENEW)
    assert (proxy.count("POST", RENEW), proxy.count("POST", LOGIN)) == (1, 1)


async def test_renewed_login_lives_on(proxy: faults.FaultProxy, stores: Stores, policy: str, ticking: Clock) -> None:
    driver = stores.open_approle(approle(stores, policy, token_ttl="300s"), address=proxy.address, clock=ticking)
    for renewals in range(1, 4):
        await stores.value(driver, "a")
        ticking.now += 201
        await stores.value(driver, "a")
        await settle(driver)
        assert proxy.count("POST", RENEW) == renewals
    assert proxy.count("POST", LOGIN) == 1


async def test_login_that_has_ended_is_made_anew(
    proxy: faults.FaultProxy, stores: Stores, policy: str, ticking: Clock
) -> None:
    driver = stores.open_approle(approle(stores, policy, token_ttl="300s"), address=proxy.address, clock=ticking)
    await stores.value(driver, "a")
    ticking.now += 301
    await stores.value(driver, "a")
    assert (proxy.count("POST", RENEW), proxy.count("POST", LOGIN)) == (0, 2)


@pytest.mark.parametrize(
    "options",
    [
        {"token_type": "batch", "token_ttl": "300s"},
        {"token_ttl": "300s", "token_no_default_policy": True},
        {"token_ttl": "300s", "answers": 200},
        {"token_ttl": "300s", "answers": 500},
    ],
    ids=["batch token", "may not renew itself", "near its longest life", "past its longest life"],
)
async def test_login_that_cannot_be_renewed_is_made_anew_in_time(
    proxy: faults.FaultProxy, stores: Stores, policy: str, ticking: Clock, options: dict[str, Any]
) -> None:
    options = dict(options)
    if status := options.pop("answers", None):
        # What the server answers when ten seconds, or none, are left of the token's longest life.
        body = b'{"auth": {"client_token": "s.same", "lease_duration": 10, "renewable": true}}'
        past = b'{"errors": ["1 error occurred:\\n\\t* past the max TTL, cannot renew\\n\\n"]}'
        proxy.set(faults.answer(status, body if status == 200 else past), when=lambda request: request.path == RENEW)
    driver = stores.open_approle(approle(stores, policy, **options), address=proxy.address, clock=ticking)
    await stores.value(driver, "a")
    ticking.now += 201
    await stores.value(driver, "a")
    await settle(driver)
    await stores.value(driver, "a")
    assert proxy.count("POST", LOGIN) == 2


async def test_renewal_that_fails_is_put_off_and_reads_go_on(
    proxy: faults.FaultProxy, stores: Stores, policy: str, ticking: Clock, logs: list[Any]
) -> None:
    driver = stores.open_approle(approle(stores, policy, token_ttl="300s"), address=proxy.address, clock=ticking)
    await stores.value(driver, "a")
    proxy.set(faults.answer(500), when=lambda request: request.path in {RENEW, LOGIN})
    ticking.now += 201
    for _ in range(3):
        await stores.value(driver, "a")
        await settle(driver)
    assert proxy.count("POST", RENEW) == 1
    assert [entry["log_level"] for entry in logs] == ["warning"]
    ticking.now += 51
    await stores.value(driver, "a")
    await settle(driver)
    assert proxy.count("POST", RENEW) == 2
    ticking.now += 60
    assert type(await stores.error(driver, "a")) is Unavailable
    proxy.clear()
    await stores.value(driver, "a")


async def test_short_lived_tokens_never_fail_a_read(stores: Stores, policy: str) -> None:
    """The real clock, a token of one second that lives two at most: renewed and made anew as reads go by."""
    driver = stores.open_approle(approle(stores, policy, token_ttl="1s", token_max_ttl="2s"))
    loop = asyncio.get_running_loop()
    ends = loop.time() + 3
    while loop.time() < ends:
        await stores.value(driver, "a")


# --- whoever waits may leave


async def test_login_is_not_ended_by_one_who_leaves(
    proxy: faults.FaultProxy, stores: Stores, policy: str, canary: str
) -> None:
    driver = stores.open_approle(approle(stores, policy), address=proxy.address)
    proxy.set(faults.delay(0.3), when=lambda request: request.path == LOGIN)
    first = asyncio.create_task(driver.fetch([Ref("a")]))
    await asyncio.to_thread(proxy.wait)
    second = asyncio.create_task(stores.value(driver, "b"))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).value == canary
    assert first.cancelled()
    assert proxy.count("POST", LOGIN) == 1


async def test_login_that_hangs_ends_at_the_timeout_and_is_tried_again(
    proxy: faults.FaultProxy, stores: Stores, policy: str, canary: str
) -> None:
    driver = stores.open_approle(approle(stores, policy), address=proxy.address, spec={"timeout": "2s"})
    proxy.set(faults.hang, when=lambda request: request.path == LOGIN, times=1)
    errors = await asyncio.gather(*(stores.error(driver, key) for key in "abc"))
    assert {type(error) for error in errors} == {Unavailable}
    assert "within 2 s" in errors[0].message
    assert (await stores.value(driver, "a")).value == canary


async def test_closing_ends_a_login_under_way(proxy: faults.FaultProxy, stores: Stores, policy: str) -> None:
    driver = stores.open_approle(approle(stores, policy), address=proxy.address)
    proxy.set(faults.hang)
    waiting = asyncio.create_task(stores.error(driver, "a"))
    await asyncio.to_thread(proxy.wait)
    await driver.close()
    assert type(await waiting) is Unavailable


async def test_closing_what_was_never_used(stores: Stores) -> None:
    await stores.open().close()


# --- health


async def test_health_needs_no_right_that_reading_does_not(stores: Stores, policy: str) -> None:
    stores.credentials["token"] = stores.bao.token([policy], no_default_policy=True)
    await stores.open().health_check()
    await stores.open_approle(approle(stores, policy, token_no_default_policy=True)).health_check()


async def test_health_finds_a_revoked_login(proxy: faults.FaultProxy, stores: Stores, policy: str) -> None:
    driver = stores.open_approle(approle(stores, policy), address=proxy.address)
    await driver.health_check()
    revoke(stores, proxy)
    await driver.health_check()
    assert proxy.count("POST", LOGIN) == 2
    assert type(await stores.error(driver, "missing")) is NotFound
