"""The driver 1password beyond the contract: what a read costs, names, fields, a copy that lags, and its login."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets import open_secrets
from beemflow_secrets.chain.budget import OverBudget
from beemflow_secrets.chain.factory import chain
from beemflow_secrets.model.backend import RequestBudget
from beemflow_secrets.model.store import Retry, StoreSpec
from beemflow_secrets.providers.endpoints import Endpoints
from beemflow_secrets.providers.errors import (
    AuthFailed,
    Denied,
    EndpointNotAllowed,
    Gone,
    Invalid,
    NotFound,
    Throttled,
    Unavailable,
)
from beemflow_secrets.providers.onepassword import OnePasswordDriver
from beemflow_secrets.providers.onepassword.catalogue import LAG
from beemflow_secrets.providers.surroundings import Surroundings
from beemflow_secrets.providers.value import Ref, SecretValue
from beemflow_secrets.rendering.property import fields_of, pick
from beemflow_secrets.testing import FaultProxy
from beemflow_secrets.testing.certs import CertificateAuthority
from beemflow_secrets.testing.fakes.onepassword import OnePassword
from beemflow_secrets.testing.faultproxy import answer, delay
from tests.contract.harness_onepassword import OnePasswordHarness
from tests.support.connectproxy import ConnectProxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from tests.contract.conftest import Clock

LOOKS_LIKE_UUID = "abcdefghijklmnopqrstuvwxyz"


@pytest.fixture
async def server(connect: OnePassword) -> AsyncIterator[OnePasswordHarness]:
    """A vault of the test's own."""
    connect.asked.clear()
    async with OnePasswordHarness(connect) as made:
        yield made
    connect.show(None)


def put(server: OnePasswordHarness, key: str, **fields: str) -> str:
    return server.fake.put(server.vault, key, fields)


def opened(server: OnePasswordHarness, address: str | None = None, **spec: Any) -> OnePasswordDriver:
    driver = server.make(address or server.upstream, **spec)
    server.closing.push_async_callback(driver.close)
    return driver


def asked(server: OnePasswordHarness) -> list[str]:
    """Return what was asked for since the last look: `vaults`, `vault`, `items`, `item`."""
    names = {3: "vaults", 4: "vault", 5: "items", 6: "item"}
    found = [names[len(one.path.split("/"))] for one in server.fake.asked]
    server.fake.asked.clear()
    return found


# --- what it costs


async def test_an_unchanged_vault_costs_one_call_however_many_items(server: OnePasswordHarness) -> None:
    keys = [f"key-{number}" for number in range(60)]
    for key in keys:
        put(server, key, password=key)
    driver = opened(server)
    reads = chain(driver, StoreSpec())  # batches of 50
    assert await reads.get_secrets(keys) == {key: key for key in keys}
    first = asked(server)
    assert (first.count("vaults"), first.count("items"), first.count("item")) == (1, 1, 60)
    since = asyncio.get_running_loop().time()
    answers = await reads.fetch([Ref(key, since=since) for key in keys])
    assert all(isinstance(one, SecretValue) and one.value == ref.key for ref, one in answers.items())
    assert asked(server) == ["vault"]
    await reads.close()


async def test_each_item_takes_from_the_stores_budget(server: OnePasswordHarness) -> None:
    keys = [f"key-{number}" for number in range(10)]
    for key in keys:
        put(server, key, password=key)
    budget = RequestBudget(per_second=0.01, burst=5)
    reader = chain(opened(server), StoreSpec(request_budget=budget))
    answers = (await reader.fetch([Ref(key) for key in keys])).values()
    assert Counter(type(one) for one in answers) == {SecretValue: 3, OverBudget: 7}
    assert Counter(asked(server)) == {"vaults": 1, "items": 1, "item": 3}
    await reader.close()


async def test_a_change_costs_a_listing_and_what_has_changed(server: OnePasswordHarness) -> None:
    for key in ("a", "b", "c"):
        put(server, key, password=key)
    driver = opened(server)
    refs = [Ref(key) for key in ("a", "b", "c")]
    await driver.fetch(refs)
    asked(server)
    put(server, "b", password="new")
    answers = await driver.fetch(refs)
    assert [one.value for one in answers.values() if isinstance(one, SecretValue)] == ["a", "new", "c"]
    assert asked(server) == ["vault", "items", "item"]
    await driver.fetch(refs)
    assert asked(server) == ["vault"]


async def test_a_read_of_later_shares_no_answer_of_before(server: OnePasswordHarness) -> None:
    put(server, "a", password="1")
    driver = opened(server)
    for number in range(2, 30):
        put(server, "a", password=str(number))
        assert await driver.get_secret("a") == str(number)


async def test_no_value_that_is_kept_lies_open(server: OnePasswordHarness) -> None:
    put(server, "a", password=server.canary)
    driver = opened(server)
    await driver.get_secret("a")
    kept = driver._reading._kept
    assert [server.canary.encode() in one.sealed for one in kept.values()] == [False]
    put(server, "b", password="b")
    server.fake.remove(server.vault, server.fake.id_of(server.vault, "a"))
    await driver.get_secret("b")
    assert list(kept) != list(driver._reading._kept) == [server.fake.id_of(server.vault, "b")]


# --- items by title and UUID


async def test_an_item_by_its_uuid(server: OnePasswordHarness) -> None:
    found = put(server, "a", password=server.canary)
    assert await opened(server).get_secret(found) == server.canary


async def test_a_title_that_looks_like_a_uuid(server: OnePasswordHarness) -> None:
    put(server, LOOKS_LIKE_UUID, password=server.canary)
    assert await opened(server).get_secret(LOOKS_LIKE_UUID) == server.canary


async def test_nobody_takes_the_place_of_an_item_by_a_title(server: OnePasswordHarness) -> None:
    found = put(server, "a", password=server.canary)
    put(server, found, password="of somebody else")
    assert await opened(server).get_secret(found) == server.canary


async def test_twin_titles_are_an_error_that_says_so_and_take_no_other_with_them(server: OnePasswordHarness) -> None:
    first = put(server, "twin", password="1")
    server.fake.write(server.vault, server.fake.vaults[server.vault].items[first])
    put(server, "other", password=server.canary)
    driver = opened(server)
    error = await server.error(driver, "twin")
    assert type(error) is Invalid
    assert error.message == "the vault has 2 items of this title: rename one, or name it by its UUID"
    assert await driver.get_secret(first) == "1"
    assert await driver.get_secret("other") == server.canary
    assert await driver.list_secrets() == ["other", "twin"]


async def test_an_archived_item_is_gone_and_no_twin(server: OnePasswordHarness) -> None:
    old = put(server, "a", password="old")
    driver = opened(server)
    await driver.get_secret("a")
    server.fake.archive(server.vault, old)
    assert type(await server.error(driver, "a")) is Gone
    assert type(await server.error(driver, old)) is Gone
    assert await driver.list_secrets() == []
    content = {**server.fake.vaults[server.vault].items[old], "state": None}
    server.fake.write(server.vault, {name: part for name, part in content.items() if part is not None})
    assert await driver.get_secret("a") == "old"


# --- fields


async def test_fields_by_label_and_by_section(server: OnePasswordHarness) -> None:
    server.fake.put(
        server.vault,
        "app",
        {"username": "bot", "password": "secret"},
        sections={
            "db": {"host": "h", "token": "t1"},
            "api": {"token": "t2", "a.b": '{"c": ["d"]}'},
            "": {"plain": "p"},
        },
    )
    value = await server.value(opened(server), "app")
    for name, text in {
        "username": "bot",
        "host": "h",
        "db.host": "h",
        "db.token": "t1",
        "api.token": "t2",
        "plain": "p",
        "a.b": '{"c": ["d"]}',
        "api.a.b": '{"c": ["d"]}',
        r"a\.b.c.0": "d",
    }.items():
        assert pick(value, name) == text.encode(), name
    with pytest.raises(Invalid, match=r"several fields are called 'token': name the section too, as section\.token"):
        pick(value, "token")
    for missing in ("db", "db.user", "api.host", "notesPlain"):
        with pytest.raises(NotFound):
            pick(value, missing)
    assert sorted(fields_of(value, None)) == ["a.b", "api.token", "db.token", "host", "password", "plain", "username"]
    assert json.loads(value.value)["db.token"] == "t1"


async def test_two_fields_of_one_name_are_an_error_that_names_it(server: OnePasswordHarness) -> None:
    twin = {"id": "x", "type": "STRING", "label": "token", "value": server.canary}
    server.fake.write(server.vault, {"title": "app", "category": "LOGIN", "fields": [twin, twin]})
    put(server, "other", password=server.canary)
    driver = opened(server)
    error = await server.error(driver, "app")
    assert type(error) is Invalid
    assert error.message == "two fields of the item are called 'token': one of them has to be renamed"
    assert await driver.get_secret("other") == server.canary


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"password": "p"}, "p"),
        ({"value": "v"}, "v"),
        ({"password": "p", "username": ""}, "p"),
        ({"password": "p", "username": "u"}, '{"password":"p","username":"u"}'),
        ({"token": "t"}, '{"token":"t"}'),
    ],
)
async def test_what_an_item_is_without_a_property(
    server: OnePasswordHarness, fields: Mapping[str, str], text: str
) -> None:
    put(server, "a", **fields)
    assert await opened(server).get_secret("a") == text


@pytest.mark.parametrize("content", [{}, {"fields": []}, {"fields": [{"id": "a", "type": "STRING", "label": "a"}]}])
async def test_an_item_without_a_value_is_missing(server: OnePasswordHarness, content: dict[str, Any]) -> None:
    server.fake.write(server.vault, {"title": "a", "category": "DOCUMENT", **content})
    error = await server.error(opened(server), "a")
    assert type(error) is NotFound
    assert error.message == "the item has no field with a value"


async def test_a_field_without_a_label_goes_by_its_id(server: OnePasswordHarness) -> None:
    field = {"id": "username", "type": "STRING", "value": "bot", "section": {"id": "unknown"}}
    server.fake.write(server.vault, {"title": "a", "category": "LOGIN", "fields": [field]})
    assert pick(await server.value(opened(server), "a"), "username") == b"bot"


async def test_tags_and_when_it_expires(server: OnePasswordHarness) -> None:
    tags = ["expires-at:2031-02-03T04:05:06Z", "team=flows", "plain"]
    server.fake.put(server.vault, "tag", {"password": "x"}, tags=tags)
    server.fake.put(server.vault, "field", {"password": "x", "expires-at": "2031-02-03T04:05:06+01:00"})
    server.fake.put(server.vault, "neither", {"password": "x", "expires-at": "soon"}, tags=["expires-at:later"])
    driver = opened(server)
    found = [await server.value(driver, key) for key in ("tag", "field", "neither")]
    assert [one.expires_at and one.expires_at.isoformat() for one in found] == [
        "2031-02-03T04:05:06+00:00",
        "2031-02-03T03:05:06+00:00",
        None,
    ]
    assert found[0].metadata == {"expires-at": "2031-02-03T04:05:06Z", "team": "flows", "plain": ""}


async def test_a_version_is_served_while_it_is_current(server: OnePasswordHarness) -> None:
    put(server, "a", password="1")
    driver = opened(server)
    assert (await server.value(driver, "a", "1")).value == "1"
    put(server, "a", password="2")
    assert type(await server.error(driver, "a", "1")) is NotFound
    assert (await server.value(driver, "a", "2")).value == "2"


# --- the vault


@pytest.mark.parametrize("name", ['Team "A"', "it's", "back\\slash", "ü & 日本", "a or name eq b", LOOKS_LIKE_UUID])
async def test_a_vault_by_its_name(server: OnePasswordHarness, name: str) -> None:
    server.fake.vaults[server.vault].name = server.named = name
    server.fake.token()
    put(server, "a", password=server.canary)
    assert await opened(server).get_secret("a") == server.canary
    server.fake.vaults[server.vault].name = "another"  # the module's other vaults may have it


async def test_a_vault_by_its_uuid(server: OnePasswordHarness) -> None:
    server.named = server.vault
    put(server, "a", password=server.canary)
    assert await opened(server).get_secret("a") == server.canary
    assert asked(server) == ["vault", "items", "item"]


async def test_letters_of_another_case_are_another_vault(server: OnePasswordHarness) -> None:
    """A filter may find more than it was asked for."""
    other = server.fake.add_vault(server.named.upper())
    server.credentials["token"] = server.fake.token(server.vault, other)
    put(server, "a", password=server.canary)
    assert await opened(server).get_secret("a") == server.canary


async def test_twin_vaults_are_an_error_that_says_so(server: OnePasswordHarness) -> None:
    other = server.fake.add_vault(server.named)
    server.credentials["token"] = server.fake.token(server.vault, other)
    error = await server.error(opened(server), "a")
    assert (type(error), error.message) == (Invalid, "the server has 2 vaults of this name: name it by its UUID")
    with pytest.raises(Invalid):
        await opened(server).health_check()


@pytest.mark.parametrize("named", ["no such vault", LOOKS_LIKE_UUID])
async def test_a_vault_that_there_is_not_is_no_missing_secret(server: OnePasswordHarness, named: str) -> None:
    server.named = named
    driver = opened(server)
    error = await server.error(driver, "a")
    assert isinstance(error, Invalid)
    assert error.message == "the server has no vault of this name or UUID, or the token has no access to it"
    with pytest.raises(Invalid):
        await driver.list_secrets()
    await driver.health_check()  # the server serves


async def test_a_vault_that_is_deleted_or_withdrawn_is_no_missing_secret(server: OnePasswordHarness) -> None:
    server.named = server.vault
    put(server, "a", password=server.canary)
    driver = opened(server)
    await driver.get_secret("a")
    server.fake.withdraw(server.credentials["token"], server.vault)
    error = await server.error(driver, "a")
    assert (type(error), error.message) == (Denied, "the token has no access to the vault (403)")
    await driver.health_check()  # it needs no right that reading does not need
    del server.fake.vaults[server.vault]
    assert isinstance(await server.error(driver, "a"), Invalid)


async def test_a_vault_that_is_renamed_is_another(server: OnePasswordHarness) -> None:
    put(server, "a", password=server.canary)
    driver = opened(server)
    await driver.get_secret("a")
    server.fake.vaults[server.vault].name = "otherwise"
    assert isinstance(await server.error(driver, "a"), Invalid)
    second = server.fake.add_vault(server.named)
    server.fake.put(second, "a", {"password": "of the new one"})
    server.credentials["token"] = server.fake.token(second)
    server.fake._tokens = {token: {second} for token in server.fake._tokens}
    assert await driver.get_secret("a") == "of the new one"


# --- a copy that lags


async def test_a_number_that_comes_before_its_items_is_not_believed(server: OnePasswordHarness, ticking: Clock) -> None:
    put(server, "a", password="old")
    driver = opened(server, clock=ticking)
    await driver.get_secret("a")
    view = server.fake.view()
    put(server, "a", password="new")
    view[server.vault].version = server.fake.vaults[server.vault].version
    server.fake.show(view)
    assert await driver.get_secret("a") == "old"
    server.fake.show(None)
    ticking.now += LAG - 1
    assert await driver.get_secret("a") == "new"
    asked(server)
    await driver.get_secret("a")
    assert asked(server) == ["vault"]


async def test_a_number_that_moves_without_the_items_is_believed_in_the_end(
    server: OnePasswordHarness, ticking: Clock
) -> None:
    put(server, "a", password="old")
    driver = opened(server, clock=ticking)
    await driver.get_secret("a")
    server.fake.vaults[server.vault].version += 1
    await driver.get_secret("a")
    ticking.now += LAG
    asked(server)
    await driver.get_secret("a")
    assert asked(server) == ["vault"]


async def test_a_copy_that_is_behind_brings_no_old_value_back(server: OnePasswordHarness, ticking: Clock) -> None:
    """Of several servers behind one address one may lag: live Secrets do not go back and forth."""
    put(server, "a", password="old")
    behind = server.fake.view()
    put(server, "a", password="new")
    driver = opened(server, clock=ticking)
    assert await driver.get_secret("a") == "new"
    server.fake.show(behind)
    assert await driver.get_secret("a") == "new"
    ticking.now += LAG - 1
    assert await driver.get_secret("a") == "new"
    ticking.now += 1  # for so long nothing lags: it was set back
    assert await driver.get_secret("a") == "old"


async def test_a_first_read_from_a_copy_that_is_behind_its_listing_is_unavailable(server: OnePasswordHarness) -> None:
    put(server, "a", password="old")
    old = json.dumps(server.fake.vaults[server.vault].items[server.fake.id_of(server.vault, "a")]).encode()
    put(server, "a", password="new")
    with FaultProxy(server.upstream, server.upstream_tls) as proxy:
        proxy.set(answer(200, old), when=lambda request: request.path.count("/") == 5)
        error = await server.error(opened(server, proxy.address), "a")
    assert type(error) is Unavailable
    assert "older than its listing" in error.message


async def test_an_item_that_goes_while_it_is_read_is_missing_only_once_the_listing_says_so(
    server: OnePasswordHarness,
) -> None:
    put(server, "a", password="old")
    with FaultProxy(server.upstream, server.upstream_tls) as proxy:
        driver = opened(server, proxy.address)
        missing = json.dumps({"status": 404, "message": "item x not found"}).encode()
        proxy.set(answer(404, missing), when=lambda request: request.path.count("/") == 5)
        assert type(await server.error(driver, "a")) is Unavailable
        asked(server)
        assert type(await server.error(driver, "a")) is Unavailable
        assert asked(server) == ["vault", "items"]  # although the vault's number stands
        await server.delete("a")
        assert type(await server.error(driver, "a")) is NotFound


async def test_an_item_that_is_newer_than_its_listing_is_read_once(server: OnePasswordHarness) -> None:
    put(server, "a", password="old")
    before = [{**item, "fields": []} for item in server.fake.vaults[server.vault].items.values()]
    listing = json.dumps(before).encode()
    put(server, "a", password="new")
    with FaultProxy(server.upstream, server.upstream_tls) as proxy:
        driver = opened(server, proxy.address)
        proxy.set(answer(200, listing), when=lambda request: request.path.count("/") == 4)
        assert await driver.get_secret("a") == "new"
        asked(server)
        assert await driver.get_secret("a") == "new"
        assert asked(server) == ["vault"]


async def test_an_answer_of_another_item_is_never_taken(server: OnePasswordHarness) -> None:
    put(server, "a", password="1")
    other = put(server, "b", password="2")
    with FaultProxy(server.upstream, server.upstream_tls) as proxy:
        mixed = json.dumps(server.fake.vaults[server.vault].items[other]).encode()
        proxy.set(answer(200, mixed), when=lambda request: request.path.count("/") == 5)
        assert type(await server.error(opened(server, proxy.address), "a")) is Unavailable


@pytest.mark.parametrize("part", ["vault", "items", "item"])
@pytest.mark.parametrize(
    "body", ["[]", "{}", '"a"', "null", '[{"id": 1}]', '{"id": "x", "name": null}', "[[]]", '{"id": {}, "version": []}']
)
async def test_answers_of_another_form_are_unavailable(server: OnePasswordHarness, part: str, body: str) -> None:
    server.named = server.vault
    put(server, "a", password=server.canary)
    depth = {"vault": 3, "items": 4, "item": 5}[part]
    with FaultProxy(server.upstream, server.upstream_tls) as proxy:
        driver = opened(server, proxy.address)
        proxy.set(answer(200, body.encode()), when=lambda request: request.path.count("/") == depth)
        error = await server.error(driver, "a")
        # A listing may well be empty.
        assert type(error) is (NotFound if (part, body) == ("items", "[]") else Unavailable)


# --- in a configuration file, and in a chain


async def test_in_the_library(server: OnePasswordHarness) -> None:
    server.fake.put(server.vault, "slack", {}, sections={"bot": {"token": server.canary}})
    block = {
        "connect_host": server.upstream,
        "connect_token": server.credentials["token"],
        "vault": server.named,
    }
    config = {"driver": "1password", "onepassword": block, "tls": {"ca_bundle": server.fake.ca}}
    async with open_secrets(config) as secrets:
        assert await secrets.get_secret("slack#bot.token") == server.canary
        assert await secrets.get_secret("slack#token") == server.canary
        assert await secrets.list_secrets("sl") == ["slack"]
        await secrets.health_check()


async def test_in_a_chain_with_a_cache(server: OnePasswordHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another link stands in when it is away, and the names of its fields survive the cache."""
    server.fake.put(server.vault, "SLACK", {}, sections={"bot": {"token": server.canary}})
    monkeypatch.setenv("SLACK", '{"token": "spare"}')
    block = {"connect_host": server.upstream, "connect_token": server.credentials["token"], "vault": server.named}
    link = {"driver": "1password", "onepassword": block, "tls": {"ca_bundle": server.fake.ca}, "timeout": "2s"}
    config = {
        "driver": "multi",
        "multi": {"strategy": "failover", "providers": [{**link, "retry": {"attempts": 1}}, {"driver": "env"}]},
        "cache": {"enabled": True, "ttl": "1h"},
    }
    async with open_secrets(config) as secrets:
        for _ in range(2):
            assert await secrets.get_secret("SLACK#bot.token") == server.canary
        assert asked(server) == ["vaults", "items", "item"]
    server.fake.refuse(503, times=3)
    async with open_secrets(config) as secrets:
        assert await secrets.get_secret("SLACK#token") == "spare"
    server.fake.relent()


# --- login, patience, the wire


async def test_a_token_that_was_rotated_is_read_anew(server: OnePasswordHarness) -> None:
    put(server, "a", password=server.canary)
    driver = opened(server)
    await driver.get_secret("a")
    assert server.asked == ["token"]
    await server.revoke()
    await server.restore()
    assert await driver.get_secret("a") == server.canary
    assert server.asked == ["token", "token"]


@pytest.mark.parametrize("token", ["", " ", "a b", "a\r\nX-Other: b", "ü"])
async def test_a_token_that_can_be_none_is_never_sent(server: OnePasswordHarness, token: str) -> None:
    server.credentials["token"] = token
    error = await server.error(opened(server), "a")
    assert type(error) is AuthFailed
    assert server.fake.asked == []


async def test_a_newline_behind_a_token_is_no_part_of_it(server: OnePasswordHarness) -> None:
    put(server, "a", password=server.canary)
    server.credentials["token"] += "\n"
    assert await opened(server).get_secret("a") == server.canary


@pytest.mark.parametrize(("retry_after", "seconds"), [("7", 7), (None, None)])
async def test_throttling_with_and_without_a_time(
    server: OnePasswordHarness, retry_after: str | None, seconds: int | None
) -> None:
    put(server, "a", password=server.canary)
    server.fake.refuse(429, retry_after=retry_after)
    driver = opened(server)
    error = await server.error(driver, "a")
    assert isinstance(error, Throttled)
    assert error.retry_after == seconds
    assert await driver.get_secret("a") == server.canary


async def test_a_slow_server_is_waited_for_once_by_all_and_no_longer_than_allowed(server: OnePasswordHarness) -> None:
    put(server, "a", password=server.canary)
    with FaultProxy(server.upstream, server.upstream_tls) as proxy:
        driver = opened(server, proxy.address)
        reads = chain(driver, StoreSpec(timeout=0.3, retry=Retry(attempts=1)))
        proxy.set(delay(30))
        began = asyncio.get_running_loop().time()
        answers = await asyncio.gather(*(reads.fetch([Ref(f"key-{number}")]) for number in range(60)))
        assert asyncio.get_running_loop().time() - began < 5
        assert {type(one) for answer in answers for one in answer.values()} == {Unavailable}
        proxy.clear()
        assert await reads.get_secret("a") == server.canary
        await reads.close()


async def test_tls_of_the_store_holds(server: OnePasswordHarness) -> None:
    put(server, "a", password=server.canary)
    strange = CertificateAuthority()
    refusals = [
        ({"caBundle": strange.pem}, "signed by no authority"),
        ({"caBundle": server.fake.ca, "pinnedCertificates": [strange.issue().pin]}, "none of tls.pinnedCertificates"),
    ]
    for tls, says in refusals:
        error = await server.error(opened(server, tls=tls), "a")
        assert says in str(error)
    assert server.fake.asked == []
    good = {"caBundle": server.fake.ca, "pinnedCertificates": [server.fake.pin], "minVersion": "1.3"}
    assert await opened(server, tls=good).get_secret("a") == server.canary


async def test_an_old_tls_is_refused() -> None:
    with OnePassword() as fake:
        assert fake._trust is not None
        fake._trust.maximum_version = ssl.TLSVersion.TLSv1_2
        async with OnePasswordHarness(fake) as server:
            put(server, "a", password=server.canary)
            assert "TLS handshake failed" in str(await server.error(opened(server), "a"))
            older = {"caBundle": fake.ca, "minVersion": "1.2"}
            assert await opened(server, tls=older).get_secret("a") == server.canary


async def test_it_is_reached_through_a_proxy(server: OnePasswordHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    put(server, "a", password=server.canary)
    place = server.upstream.removeprefix("https://")
    port = place.partition(":")[2]
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with ConnectProxy({f"vault.test:{port}": place}) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.address)
        driver = opened(server, f"https://vault.test:{port}")
        assert await driver.get_secret("a") == server.canary
        assert set(proxy.asked) == {f"CONNECT vault.test:{port}"}
        await driver.close()


def test_the_address_is_judged(server: OnePasswordHarness) -> None:
    async def lend(_: object) -> str:
        raise AssertionError

    block = {
        "connectHost": server.upstream,
        "connectToken": {"secretKeyRef": {"name": "login", "key": "token"}},
        "vault": "flows",
    }
    spec = StoreSpec.model_validate({"driver": "1password", "onepassword": block})
    with pytest.raises(EndpointNotAllowed, match="a loopback address"):
        OnePasswordDriver(spec, Surroundings(credential=lend, endpoints=Endpoints(loopback=False)))
