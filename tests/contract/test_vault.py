"""Reading and listing with the vault driver, against a real OpenBao."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.providers.errors import Denied, Gone, Invalid, NotFound, Unavailable

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contract.conftest import Clock, Stores
    from tests.support.faultproxy import FaultProxy
    from tests.support.openbao import OpenBao

NO_VERSION: dict[str, Any] = {}
VERSION_2: dict[str, Any] = {"kvVersion": 2}
SOON = timedelta(minutes=5)


async def test_kv2_secret_has_fields_version_and_times(bao: OpenBao, stores: Stores, folder: str, canary: str) -> None:
    before = datetime.now(UTC)
    bao.write_kv2("secret", f"{folder}/slack/bot", {"token": canary, "team": "ops"}, custom_metadata={"owner": "ops"})
    value = await stores.value(stores.open(), "slack/bot")
    assert value.fields == {"token": canary, "team": "ops"}
    assert value.version == "1"
    assert value.created_at is not None
    assert abs(value.created_at - before) < SOON
    assert value.expires_at is None
    assert value.metadata == {"owner": "ops"}


async def test_field_value_alone_is_the_text(bao: OpenBao, stores: Stores, folder: str, canary: str) -> None:
    bao.write_kv2("secret", f"{folder}/a", {"value": canary})
    assert await stores.open().get_secret("a") == canary


async def test_numbers_and_structures_keep_their_spelling(
    bao: OpenBao, stores: Stores, folder: str, canary: str
) -> None:
    fields = {"n": 12345678901, "f": 0.1, "deep": {"list": [1, None, True]}, "s": canary}
    bao.write_kv2("secret", f"{folder}/a", fields)
    text = await stores.open().get_secret("a")
    assert text == ('{"deep":{"list":[1,null,true]},"f":0.1,"n":12345678901,' + f'"s":"{canary}"' + "}")


async def test_pinned_version_is_read(bao: OpenBao, stores: Stores, folder: str, canary: str) -> None:
    for text in (canary, "second", "third"):
        bao.write_kv2("secret", f"{folder}/a", {"value": text})
    driver = stores.open()
    assert (await stores.value(driver, "a", "1")).value == canary
    assert (await stores.value(driver, "a", "2")).value == "second"
    assert (await stores.value(driver, "a")).version == "3"
    assert isinstance(await stores.error(driver, "a", "4"), NotFound)


@pytest.mark.parametrize("version", ["0", "-1", "latest", "1.0", "01", "٣", "", "9" * 19, "9" * 5000])
async def test_version_that_is_none_is_invalid(
    bao: OpenBao, stores: Stores, folder: str, canary: str, version: str
) -> None:
    """Vault itself would serve the current version for 0."""
    bao.write_kv2("secret", f"{folder}/a", {"value": canary})
    assert isinstance(await stores.error(stores.open(), "a", version), Invalid)


@pytest.mark.parametrize("key", ["a//b", "sl\u202eack", "a\u00a0b"])
async def test_a_name_that_no_path_can_hold_is_invalid_and_no_outage(
    bao: OpenBao, stores: Stores, folder: str, canary: str, key: str
) -> None:
    """The server answers as a proxy would that stands before it: with a redirect, or an empty 400."""
    bao.write_kv2("secret", f"{folder}/a", {"value": canary})
    assert isinstance(await stores.error(stores.open(), key), Invalid)
    with pytest.raises(Invalid):
        await stores.open().list_secrets(key)


async def test_expiry_is_the_servers_else_the_owners(bao: OpenBao, stores: Stores, folder: str, canary: str) -> None:
    at = f"{folder}/a"
    bao.write_kv2("secret", at, {"value": canary}, custom_metadata={"expires-at": "2031-02-03T04:05:06+01:00"})
    driver = stores.open()
    assert (await stores.value(driver, "a")).expires_at == datetime(2031, 2, 3, 3, 5, 6, tzinfo=UTC)
    bao.call("POST", f"secret/metadata/{at}", {"delete_version_after": "1h"})
    bao.write_kv2("secret", at, {"value": canary})
    ends = (await stores.value(driver, "a")).expires_at
    assert ends is not None
    assert abs(ends - datetime.now(UTC) - timedelta(hours=1)) < SOON


async def test_unreadable_expiry_is_ignored(bao: OpenBao, stores: Stores, folder: str, canary: str) -> None:
    bao.write_kv2("secret", f"{folder}/a", {"value": canary}, custom_metadata={"expires-at": "next spring"})
    assert (await stores.value(stores.open(), "a")).expires_at is None


async def test_deleted_and_destroyed_are_gone_and_missing_is_not(
    bao: OpenBao, stores: Stores, folder: str, canary: str
) -> None:
    for _ in range(2):
        bao.write_kv2("secret", f"{folder}/a", {"value": canary})
    bao.delete_kv2("secret", f"{folder}/a")
    bao.destroy_kv2("secret", f"{folder}/a", [1])
    driver = stores.open()
    deleted, destroyed = await stores.error(driver, "a"), await stores.error(driver, "a", "1")
    assert (type(deleted), deleted.message) == (Gone, "version 2 is deleted")
    assert (type(destroyed), destroyed.message) == (Gone, "version 1 is destroyed")
    missing = await stores.error(driver, "b")
    assert type(missing) is NotFound
    assert missing.key == "b"
    assert "b" not in missing.message.split()


async def test_kv1_secret_has_fields_alone(bao: OpenBao, stores: Stores, folder: str, canary: str) -> None:
    bao.write_kv1("kv1", f"{folder}/slack/bot", {"token": canary, "ttl": "5m"})
    driver = stores.open(path=f"kv1/{folder}")
    value = await stores.value(driver, "slack/bot")
    assert value.fields == {"token": canary, "ttl": "5m"}
    assert (value.version, value.created_at, value.expires_at) == (None, None, None)
    assert type(await stores.error(driver, "b")) is NotFound
    assert type(await stores.error(driver, "slack/bot", "1")) is NotFound


@pytest.mark.parametrize("version", [1, 2, None])
async def test_mount_of_several_segments(
    bao: OpenBao, stores: Stores, folder: str, canary: str, version: int | None
) -> None:
    mount = f"{folder}/team/kv"
    bao.mount(mount, version=version or 2)
    write = bao.write_kv1 if version == 1 else bao.write_kv2
    write(mount, "app/slack", {"value": canary})
    options: dict[str, Any] = {} if version is None else {"kvVersion": version}
    assert await stores.open(path=f"{mount}/app", **options).get_secret("slack") == canary
    assert await stores.open(path=mount, **options).get_secret("app/slack") == canary
    assert await stores.open(path=mount, **options).list_secrets() == ["app/slack"]
    bao.unmount(mount)


async def test_mount_is_asked_for_once(
    bao: OpenBao, proxy: FaultProxy, stores: Stores, folder: str, canary: str
) -> None:
    for key in "abc":
        bao.write_kv2("secret", f"{folder}/{key}", {"value": canary})
    driver = stores.open(address=proxy.address)
    await asyncio.gather(*(stores.value(driver, key) for key in "abcabc"))
    await stores.error(driver, "missing")
    assert proxy.count("GET", "/v1/sys/internal/ui/mounts/") == 1
    assert proxy.count() == 8


async def test_replaced_engine_is_noticed_before_a_key_is_called_missing(
    bao: OpenBao, stores: Stores, folder: str, canary: str, ticking: Clock
) -> None:
    bao.mount(folder, version=2)
    driver = stores.open(path=folder, clock=ticking)
    assert type(await stores.error(driver, "a")) is NotFound
    bao.unmount(folder)
    bao.mount(folder, version=1)
    bao.write_kv1(folder, "a", {"value": canary})
    ticking.now += 61
    assert (await stores.value(driver, "a")).value == canary


async def test_upgraded_engine_never_makes_a_key_missing(
    bao: OpenBao, stores: Stores, folder: str, canary: str, ticking: Clock
) -> None:
    bao.mount(folder, version=1)
    bao.write_kv1(folder, "a", {"value": canary})
    driver = stores.open(path=folder, clock=ticking)
    await stores.value(driver, "a")
    bao.upgrade(folder)
    assert isinstance(await stores.error(driver, "a"), Unavailable)
    ticking.now += 61
    assert (await stores.value(driver, "a")).version == "1"


@pytest.mark.parametrize(
    "key", ["Ein Schlüssel", "a+b", "a#b", "a?b=c", "a%2Fb", "x:y@z", "ü/ö.ä-1_2~", "%", "a&b;c", "日本"]
)
async def test_names_that_the_server_takes_are_read_and_listed(
    bao: OpenBao, stores: Stores, folder: str, canary: str, key: str
) -> None:
    bao.write_kv2("secret", f"{folder}/{key}", {"value": canary})
    bao.write_kv1("kv1", f"{folder}/{key}", {"value": canary})
    for path in (f"secret/{folder}", f"kv1/{folder}"):
        driver = stores.open(path=path)
        assert await driver.get_secret(key) == canary
        assert await driver.list_secrets() == [key]


@pytest.mark.parametrize("key", ["", "/a", "a/", "../other", "a/../../b", "./a", "a/.", "a\nb", "a\x00b", "a\x7f"])
async def test_malformed_key_is_invalid_and_never_sent(
    proxy: FaultProxy, stores: Stores, canary: str, bao: OpenBao, folder: str, key: str
) -> None:
    bao.write_kv2("secret", f"{folder}/b", {"value": canary})
    error = await stores.error(stores.open(address=proxy.address, path=f"secret/{folder}/x"), key)
    assert isinstance(error, Invalid)
    assert error.key == key
    assert proxy.count() == 0


async def test_listing_is_recursive_and_a_plain_prefix(bao: OpenBao, stores: Stores, folder: str, canary: str) -> None:
    written = ["slack", "slack/bot", "slack/bottle/green", "slack/x", "slacker", "a/b/c/d", "z"]
    for path, write, mount in (("secret", bao.write_kv2, "secret"), ("kv1", bao.write_kv1, "kv1")):
        for key in written:
            write(mount, f"{folder}/{key}", {"value": canary})
        driver = stores.open(path=f"{path}/{folder}")
        assert await driver.list_secrets() == sorted(written)
        assert await driver.list_secrets("slack") == sorted(k for k in written if k.startswith("slack"))
        assert await driver.list_secrets("slack/") == ["slack/bot", "slack/bottle/green", "slack/x"]
        assert await driver.list_secrets("slack/bo") == ["slack/bot", "slack/bottle/green"]
        assert await driver.list_secrets("slack/bot") == ["slack/bot", "slack/bottle/green"]
        assert await driver.list_secrets("nothing/here") == []
        assert await driver.list_secrets("..") == []
        for prefix in ("/", "/slack", "../", "a/../b", "a\n"):
            with pytest.raises(Invalid):
                await driver.list_secrets(prefix)


async def test_listing_an_empty_mount(bao: OpenBao, stores: Stores, folder: str) -> None:
    for version in (1, 2):
        bao.mount(folder, version=version)
        assert await stores.open(path=folder).list_secrets() == []
        bao.unmount(folder)


async def test_listing_many_folders(bao: OpenBao, proxy: FaultProxy, stores: Stores, folder: str, canary: str) -> None:
    names = [f"f{number:02}/key" for number in range(30)]
    for name in names:
        bao.write_kv1("kv1", f"{folder}/{name}", {"value": canary})
    driver = stores.open(address=proxy.address, path=f"kv1/{folder}")
    assert await driver.list_secrets() == names
    assert proxy.count("GET", f"/v1/kv1/{folder}") == 31


async def test_listing_that_is_denied_below_is_denied(bao: OpenBao, stores: Stores, folder: str, canary: str) -> None:
    bao.write_kv2("secret", f"{folder}/a", {"value": canary})
    bao.write_kv2("secret", f"{folder}/sub/b", {"value": canary})
    bao.policy(folder, {f"secret/metadata/{folder}/": ["list"], f"secret/data/{folder}/*": ["read"]})
    stores.credentials["token"] = bao.token([folder])
    driver = stores.open()
    with pytest.raises(Denied):
        await driver.list_secrets()
    assert await driver.get_secret("sub/b") == canary


async def test_namespace(bao: OpenBao, stores: Stores, folder: str, canary: str) -> None:
    bao.namespace(folder)
    bao.mount("kv", namespace=folder)
    bao.write_kv2("kv", "a", {"value": canary}, namespace=folder)
    driver = stores.open(namespace=folder, path="kv")
    assert await driver.get_secret("a") == canary
    assert await driver.list_secrets() == ["a"]
    assert isinstance(await stores.error(stores.open(path="kv"), "a"), Invalid | Denied)


async def test_unknown_namespace_is_invalid_and_not_a_missing_key(stores: Stores) -> None:
    for options in NO_VERSION, VERSION_2:
        error = await stores.error(stores.open(namespace="nobody", **options), "a")
        assert isinstance(error, Invalid)
        assert "namespace" in error.message


async def test_unknown_mount_is_not_a_missing_key(stores: Stores) -> None:
    assert isinstance(await stores.error(stores.open(path="nowhere/x"), "a"), Denied)  # the server says no more
    error = await stores.error(stores.open(path="nowhere/x", kvVersion=2), "a")
    assert isinstance(error, Invalid)


async def test_engine_that_is_no_kv_is_never_read(bao: OpenBao, proxy: FaultProxy, stores: Stores, folder: str) -> None:
    bao.call("POST", f"sys/mounts/{folder}", {"type": "transit"})
    driver = stores.open(address=proxy.address, path=f"{folder}/keys", kvVersion=1)
    error = await stores.error(driver, "a")
    assert isinstance(error, Invalid)
    assert "transit" in error.message
    with pytest.raises(Invalid):
        await driver.health_check()
    assert proxy.count("GET", f"/v1/{folder}") == 0


async def test_wrong_kv_version_is_invalid(bao: OpenBao, stores: Stores, folder: str, canary: str) -> None:
    """Believed, it would make every key a missing one."""
    bao.write_kv2("secret", f"{folder}/a", {"value": canary})
    error = await stores.error(stores.open(kvVersion=1), "a")
    assert isinstance(error, Invalid)
    assert "kvVersion" in error.message


async def test_what_is_sent(bao: OpenBao, proxy: FaultProxy, stores: Stores, folder: str, canary: str) -> None:
    bao.namespace(folder)
    bao.mount("kv", namespace=folder)
    bao.write_kv2("kv", "a", {"value": canary}, namespace=folder)
    await stores.value(stores.open(address=f"{proxy.address}/", namespace=folder, path="kv"), "a")
    for request in proxy.requests:
        assert request.headers["x-vault-request"] == "true"
        assert request.headers["x-vault-namespace"] == folder
        assert request.headers["accept-encoding"] == "identity"


async def test_ambient_identity_is_never_used(
    proxy: FaultProxy,
    stores: Stores,
    folder: str,
    canary: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    (tmp_path / ".vault-token").write_text("ambient")
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login ambient password ambient")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("VAULT_TOKEN", "BAO_TOKEN", "VAULT_NAMESPACE", "VAULT_ADDR"):
        monkeypatch.setenv(name, "ambient")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    stores.bao.write_kv2("secret", f"{folder}/a", {"value": canary})
    role = stores.bao.approle(folder, [_reader(stores.bao, folder)])
    await stores.value(stores.open_approle(role, address=proxy.address), "a")
    assert not [request for request in proxy.requests if "ambient" in repr(request.headers)]
    assert not [request for request in proxy.requests if "authorization" in request.headers]


def _reader(bao: OpenBao, folder: str) -> str:
    bao.policy(folder, {f"secret/data/{folder}/*": ["read"]})
    return folder
