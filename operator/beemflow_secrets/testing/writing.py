"""What is written: values, fields, deletions. A backend that is read only says so, and makes no call."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from beemflow_secrets.providers.errors import Denied, Invalid, NotFound, Throttled, Unavailable
from beemflow_secrets.providers.jsontext import as_bytes
from beemflow_secrets.providers.value import Ref, SecretValue
from beemflow_secrets.rendering.property import pick
from beemflow_secrets.testing import faultproxy as faults
from beemflow_secrets.testing.cases import in_chain, needs

if TYPE_CHECKING:
    from beemflow_secrets.providers.base import Driver
    from beemflow_secrets.testing.harness import Harness

_BINARY = b"\x00\xff\xfe binary \xc3\x28"


class Writing:
    """Cases of writing."""

    @needs("writes")
    async def test_write_and_read_back(self, harness: Harness) -> None:
        driver = harness.open()
        if not await _can(harness, driver):
            return
        written = await driver.set_secret("slack/bot", harness.canary)
        harness.hides(repr(written))
        found = await harness.value(driver, "slack/bot")
        assert (found.value, found.version) == (written.value, written.version) == (harness.canary, found.version)
        assert await driver.list_secrets() == [harness.listed("slack/bot")]

    @needs("writes")
    async def test_write_over_another(self, harness: Harness) -> None:
        driver = harness.open()
        if not await _can(harness, driver):
            return
        await harness.put_text("token", "old")
        former = await harness.value(driver, "token")
        written = await driver.set_secret("token", harness.canary)
        assert (await harness.value(driver, "token")).value == written.value == harness.canary
        if harness.abilities.versions != "none":
            assert written.version != former.version
        if harness.abilities.versions == "history":
            assert (await harness.value(driver, "token", former.version)).value == "old"

    @needs("writes")
    async def test_write_of_what_is_there(self, harness: Harness) -> None:
        """An unchanged value makes no new version, of a whole secret or of a field."""
        driver = harness.open()
        if not await _can(harness, driver):
            return
        first = await driver.set_secret("token", harness.canary)
        again = await driver.set_secret("token", harness.canary)
        assert (again.value, again.version) == (harness.canary, first.version)
        first = await driver.set_secret("login", harness.canary, property="token")
        again = await driver.set_secret("login", harness.canary, property="token")
        assert again.version == first.version
        assert (await harness.value(driver, "login")).version == first.version

    @needs("writes")
    async def test_write_of_fields(self, harness: Harness) -> None:
        """A map is all that the secret holds then."""
        driver = harness.open()
        if not await _can(harness, driver):
            return
        await harness.put_text("login", '{"old": "field"}')
        await driver.set_secret("login", {"user": "bot", "token": harness.canary.encode(), "a.b-c_d": "ü"})
        found = await harness.value(driver, "login")
        assert {name: pick(found, name) for name in ("user", "token", "a.b-c_d")} == {
            "user": b"bot",
            "token": harness.canary.encode(),
            "a.b-c_d": "ü".encode(),
        }
        with pytest.raises(NotFound):
            pick(found, "old")

    @needs("writes")
    async def test_write_of_a_field(self, harness: Harness) -> None:
        """A field is set beside the others, which stay."""
        driver = harness.open()
        if not await _can(harness, driver):
            return
        for name, text in (("user", "bot"), ("tls.crt", harness.canary), ("user", "other")):
            written = await driver.set_secret("login", text, property=name)
            assert pick(written, name) == text.encode()
        found = await harness.value(driver, "login")
        assert (pick(found, "user"), pick(found, "tls.crt")) == (b"other", harness.canary.encode())
        with pytest.raises(Invalid):
            await driver.set_secret("login", {"a": "b"}, property="user")

    @needs("writes")
    async def test_written_together(self, harness: Harness) -> None:
        """Who set fields of one secret at once lose none."""
        driver = harness.open()
        if not await _can(harness, driver):
            return
        chain = in_chain(driver)
        await asyncio.gather(*(chain.set_secret("login", f"value {n}", property=f"field{n}") for n in range(8)))
        found = await harness.value(driver, "login")
        assert [pick(found, f"field{n}") for n in range(8)] == [f"value {n}".encode() for n in range(8)]

    @needs("writes")
    async def test_write_of_bytes(self, harness: Harness) -> None:
        driver = harness.open()
        if not await _can(harness, driver):
            return
        if not harness.abilities.binary:
            with pytest.raises(Invalid) as caught:
                await driver.set_secret("blob", _BINARY)
            harness.shows(caught.value)
            assert type(await harness.error(driver, "blob")) is NotFound
            return
        await driver.set_secret("blob", _BINARY)
        assert (await harness.value(driver, "blob")).raw == _BINARY

    @needs("writes")
    async def test_write_of_nothing(self, harness: Harness) -> None:
        driver = harness.open()
        if not await _can(harness, driver):
            return
        if not harness.abilities.empty:
            with pytest.raises(Invalid):
                await driver.set_secret("empty", "")
            return
        await driver.set_secret("empty", "")
        assert await driver.get_secret("empty") == ""

    @needs("writes")
    async def test_write_of_letters_of_all_the_world(self, harness: Harness) -> None:
        driver = harness.open()
        if not await _can(harness, driver):
            return
        text = "Grüße, 世界 🗝\r\n\ttab, 'quotes' \"and\" \\ $HOME ${X} #no {{ y }} \n"
        for key, name in (("world", None), ("fields", "of-it")):
            await driver.set_secret(key, text, property=name)
            found = await harness.value(driver, key)
            assert (found.raw if name is None else pick(found, name)) == text.encode()

    @needs("writes")
    async def test_write_of_too_much(self, harness: Harness) -> None:
        driver = harness.open()
        if not await _can(harness, driver):
            return
        await driver.set_secret("token", harness.canary)
        with pytest.raises(Invalid) as caught:
            await driver.set_secret("token", harness.canary * 600_000)
        harness.shows(caught.value)
        assert await driver.get_secret("token") == harness.canary
        text = "a" * min(harness.abilities.largest, 60_000)
        await driver.set_secret("token", text)
        assert await driver.get_secret("token") == text

    @needs("writes")
    @pytest.mark.parametrize("key", ["with_underscore", "With.Dot", "deep/er/est", "a blank", "a+b", "50%", "ü/日本"])
    async def test_write_of_odd_key(self, harness: Harness, key: str) -> None:
        driver = harness.open()
        if not await _can(harness, driver):
            return
        if not harness.takes(key):
            with pytest.raises(Invalid):
                await driver.set_secret(key, harness.canary)
            assert await driver.list_secrets() == []
            return
        await driver.set_secret(key, harness.canary)
        assert await driver.get_secret(key) == harness.canary
        assert await driver.list_secrets() == [harness.listed(key)]
        await harness.put_text("stays")  # a folder with nothing in it may be a volume that is not mounted
        await driver.delete_secret(key)
        assert isinstance(await harness.error(driver, key), NotFound)

    @needs("writes")
    async def test_write_below_the_prefix(self, harness: Harness) -> None:
        driver = harness.open()
        chain = in_chain(driver, prefix=harness.listed("team/"))
        if not await _can(harness, driver):
            return
        await harness.put_text("a", "another")
        await chain.set_secret("a", harness.canary)
        assert await driver.get_secret("team/a") == await chain.get_secret("a") == harness.canary
        await chain.delete_secret("a")
        assert isinstance(await harness.error(driver, "team/a"), NotFound)
        assert await driver.get_secret("a") == "another"
        for malformed in ("", "/a", "../a", "a\nb"):
            with pytest.raises(Invalid):
                await chain.set_secret(malformed, harness.canary)
            with pytest.raises(Invalid):
                await chain.delete_secret(malformed)

    @needs("writes")
    async def test_write_is_read_at_once(self, harness: Harness) -> None:
        """Who reads after a write is given no answer from before it."""
        driver = harness.open()
        chain = in_chain(driver)
        if not await _can(harness, driver):
            return
        for n in range(3):
            await chain.set_secret("token", f"{harness.canary}-{n}")
            assert await chain.get_secret("token") == f"{harness.canary}-{n}"

    @needs("writes")
    async def test_delete(self, harness: Harness) -> None:
        driver = harness.open()
        if not await _can(harness, driver):
            return
        await harness.put_text("token")
        await harness.put_text("other")
        await driver.delete_secret("token")
        assert isinstance(await harness.error(driver, "token"), NotFound)
        assert await driver.get_secret("other") == harness.canary
        await driver.set_secret("token", "again")  # its name is free
        assert await driver.get_secret("token") == "again"

    @needs("writes")
    async def test_delete_of_what_is_not_there(self, harness: Harness) -> None:
        driver = harness.open()
        if not await _can(harness, driver):
            return
        await harness.put_text("token")
        await harness.put_text("once")
        await driver.delete_secret("never")
        await driver.delete_secret("never", property="field")
        await driver.delete_secret("token", property="no such field")
        for _ in range(2):
            await driver.delete_secret("once")
        assert await driver.get_secret("token") == harness.canary

    @needs("writes")
    async def test_delete_of_a_field(self, harness: Harness) -> None:
        """The others stay; with the last the secret goes."""
        driver = harness.open()
        if not await _can(harness, driver):
            return
        await harness.put_text("stays")
        await driver.set_secret("login", {"user": "bot", "tls.crt": harness.canary})
        await driver.delete_secret("login", property="tls.crt")
        found = await harness.value(driver, "login")
        assert pick(found, "user") == b"bot"
        with pytest.raises(NotFound):
            pick(found, "tls.crt")
        await driver.delete_secret("login", property="user")
        assert isinstance(await harness.error(driver, "login"), NotFound)
        again = await driver.set_secret("login", "new", property="other")
        assert as_bytes(pick(again, "other")) == b"new"
        with pytest.raises(NotFound):  # what was deleted does not come back with it
            pick(again, "user")

    @needs("writes")
    async def test_write_denied(self, harness: Harness) -> None:
        driver = harness.open()
        if not await _can(harness, driver) or not harness.abilities.denies:
            return
        for key in ("mine", "theirs"):
            await harness.put_text(key)
        await harness.deny("theirs")
        driver = harness.open()
        for change in (driver.set_secret("theirs", "new"), driver.delete_secret("theirs")):
            with pytest.raises(Denied) as caught:
                await change
            harness.shows(caught.value)
        await driver.set_secret("mine", "new")
        assert await driver.get_secret("mine") == "new"

    @needs("writes")
    async def test_write_throttled(self, harness: Harness) -> None:
        driver = harness.open()
        if not await _can(harness, driver) or not harness.abilities.throttles:
            return
        await driver.set_secret("token", harness.canary)
        async with harness.throttled():
            for _ in range(50):
                writes = (driver.set_secret("token", harness.canary) for _ in range(20))
                errors = [e for e in await asyncio.gather(*writes, return_exceptions=True) if not _written(e)]
                if errors:
                    break
        assert {type(error) for error in errors} == {Throttled}

    @needs("writes")
    async def test_write_without_an_answer(self, harness: Harness) -> None:
        driver = harness.open()
        if not await _can(harness, driver) or not harness.abilities.wire:
            return
        with faults.FaultProxy(harness.upstream, harness.upstream_tls) as proxy:
            driver = harness.open(proxy.address)
            await driver.set_secret("token", harness.canary)
            for fault in (faults.reset, faults.answer(500)):
                proxy.set(fault)
                await _fails(harness, driver)
                proxy.clear()
                assert await driver.get_secret("token") == harness.canary
            proxy.set(faults.garble)  # what was asked may be done, though nobody knows
            await _fails(harness, driver)
            proxy.clear()
            for _ in range(2):
                await driver.set_secret("token", f"{harness.canary}-3")
                assert await driver.get_secret("token") == f"{harness.canary}-3"


async def _fails(harness: Harness, driver: Driver) -> None:
    for change in (driver.set_secret("token", f"{harness.canary}-2"), driver.delete_secret("token")):
        with pytest.raises(Unavailable) as caught:
            await change
        harness.shows(caught.value)


async def _can(harness: Harness, driver: Driver) -> bool:
    """Tell whether the backend can be written to; see that one that cannot refuses both, and holds what it held."""
    assert driver.writes is in_chain(driver).writes is harness.abilities.writes
    if driver.writes:
        return True
    await harness.put_text("held")
    for change in (driver.set_secret("held", "new"), driver.delete_secret("held")):
        with pytest.raises(Invalid):
            await change
    assert (await driver.fetch([Ref("held")]))[Ref("held")] == await harness.value(driver, "held")
    assert await driver.get_secret("held") == harness.canary
    return False


def _written(answer: object) -> bool:
    return isinstance(answer, SecretValue)
