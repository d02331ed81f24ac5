"""What is read: values, fields, versions, times, many at once."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from beemflow_secrets.providers.errors import Gone, Invalid, NotFound
from beemflow_secrets.providers.jsontext import as_bytes
from beemflow_secrets.providers.value import Ref, SecretValue
from beemflow_secrets.testing.cases import in_chain, needs

if TYPE_CHECKING:
    from beemflow_secrets.testing.harness import Harness

_SOON = timedelta(minutes=5)
_BINARY = b"\x00\xff\xfe binary \xc3\x28"


class Reading:
    """Cases of reading."""

    async def test_text(self, harness: Harness) -> None:
        await harness.put_text("slack/bot")
        driver = harness.open()
        assert await driver.get_secret("slack/bot") == harness.canary
        value = await driver.get_secret_with_metadata("slack/bot")
        assert (value.value, value.raw) == (harness.canary, harness.canary.encode())

    @needs("empty")
    async def test_empty_text(self, harness: Harness) -> None:
        await harness.put_text("empty", "")
        if not harness.abilities.empty:
            assert type(await harness.error(harness.open(), "empty")) is NotFound
            return
        assert await harness.open().get_secret("empty") == ""

    async def test_letters_of_all_the_world(self, harness: Harness) -> None:
        text = await harness.put_text("world", "Grüße, 世界 🗝\r\n\ttab, 'quotes' \"and\" \\ $HOME ${X} {{ y }} \n")
        assert await harness.open().get_secret("world") == text

    @needs("fields")
    async def test_fields(self, harness: Harness) -> None:
        driver = harness.open()
        if not harness.abilities.fields:
            document = f'{{"user": "bot",  "token": "{harness.canary}"}}'
            await harness.put_text("login", document)
            value = await harness.value(driver, "login")
            assert value.fields is None
            assert value.raw == document.encode()  # byte for byte: the blanks too
            return
        fields = {"user": b"bot", "token": harness.canary.encode(), "a.b-c_d": "ü".encode()}
        await harness.put("login", fields)
        value = await harness.value(driver, "login")
        assert value.fields is not None
        assert {name: as_bytes(field) for name, field in value.fields.items()} == fields
        text = await driver.get_secret("login")
        assert json.loads(text) == {name: raw.decode() for name, raw in fields.items()}  # in the backend's own order
        assert len(text) == len(f'{{"a.b-c_d":"ü","token":"{harness.canary}","user":"bot"}}')  # and compact

    @needs("binary")
    async def test_binary(self, harness: Harness) -> None:
        driver = harness.open()
        if not harness.abilities.binary:
            text = await harness.put_text("blob", base64.b64encode(_BINARY).decode())
            assert await driver.get_secret("blob") == text
            return
        await harness.put_text("blob", _BINARY)
        assert (await harness.value(driver, "blob")).raw == _BINARY
        with pytest.raises(Invalid):
            await driver.get_secret("blob")

    async def test_large_value(self, harness: Harness) -> None:
        text = await harness.put_text("large", "äbc\n" * (harness.abilities.largest // 5))
        assert await harness.open().get_secret("large") == text

    async def test_missing(self, harness: Harness) -> None:
        await harness.put_text("there")
        driver = harness.open()
        error = await harness.error(driver, "not-there")
        assert type(error) is NotFound
        assert (error.key, error.keys, error.property) == ("not-there", ("not-there",), None)
        with pytest.raises(NotFound) as caught:
            await driver.get_secrets(["not-there", "there", "nor-this"])
        assert set(caught.value.keys) == {"not-there", "nor-this"}

    @needs("gone")
    async def test_deleted(self, harness: Harness) -> None:
        await harness.put_text("old")
        driver = harness.open()
        await harness.value(driver, "old")
        await harness.delete("old")
        assert type(await harness.error(driver, "old")) is (Gone if harness.abilities.gone else NotFound)

    async def test_changed_value(self, harness: Harness) -> None:
        driver = harness.open()
        await harness.put_text("token", "first")
        first = await harness.value(driver, "token")
        await harness.put_text("token")
        second = await harness.value(driver, "token")
        assert (first.value, second.value) == ("first", harness.canary)
        assert first != second
        assert (first.version == second.version) is (harness.abilities.versions == "none")

    @needs("versions")
    async def test_versions(self, harness: Harness) -> None:
        driver = harness.open()
        await harness.put_text("token", "first")
        first = (await harness.value(driver, "token")).version
        await harness.put_text("token")
        second = (await harness.value(driver, "token")).version
        if harness.abilities.versions == "none":
            assert (first, second) == (None, None)
            assert type(await harness.error(driver, "token", "1")) is NotFound
            return
        assert isinstance(first, str)
        assert (await harness.value(driver, "token", second)).value == harness.canary
        if harness.abilities.versions == "history":
            old = await harness.value(driver, "token", first)
            assert (old.value, old.version) == ("first", first)
            both = await driver.fetch([Ref("token", first), Ref("token")])
            assert [isinstance(answer, SecretValue) and answer.version for answer in both.values()] == [first, second]
        else:
            assert type(await harness.error(driver, "token", first)) is NotFound

    @needs("created_at")
    async def test_time_of_making(self, harness: Harness) -> None:
        await harness.put_text("token")
        made = (await harness.value(harness.open(), "token")).created_at
        if not harness.abilities.created_at:
            assert made is None
            return
        assert made is not None
        assert made.tzinfo is not None
        assert abs(made - datetime.now(UTC)) < _SOON

    @needs("expires_at")
    async def test_time_of_expiry(self, harness: Harness) -> None:
        driver = harness.open()
        await harness.put_text("forever")
        assert (await harness.value(driver, "forever")).expires_at is None
        at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
        content = harness.canary.encode()
        await harness.put("token", {"value": content} if harness.abilities.fields else content, expires_at=at)
        assert (await harness.value(driver, "token")).expires_at == (at if harness.abilities.expires_at else None)

    async def test_many_with_some_that_fail(self, harness: Harness) -> None:
        """Each key has its own answer; those that fail take no other with them."""
        there = [f"there-{number:02}" for number in range(25)]
        for key in there:
            await harness.put_text(key, key)
        keys = [*there, *(f"missing-{number}" for number in range(5)), "a//../b"]
        driver = harness.open()
        answers = await in_chain(driver).fetch([Ref(key) for key in keys])
        assert [ref.key for ref in answers if isinstance(answers[ref], SecretValue)] == there
        assert {type(answers[Ref(key)]) for key in keys if key.startswith("missing")} == {NotFound}
        assert isinstance(answers[Ref("a//../b")], Invalid)
        assert await driver.get_secrets(there[: driver.batch_limit]) == {
            key: key for key in there[: driver.batch_limit]
        }

    async def test_concurrent_reads(self, harness: Harness) -> None:
        for key in "abcd":
            await harness.put_text(key, f"value of {key}")
        driver = harness.open()
        keys = "abcd" * 10
        assert await asyncio.gather(*map(driver.get_secret, keys)) == [f"value of {key}" for key in keys]

    async def test_cancelled_reads_harm_nobody(self, harness: Harness) -> None:
        await harness.put_text("token")
        driver = harness.open()
        for rounds in range(4):
            reads = [asyncio.create_task(driver.get_secret("token")) for _ in range(6)]
            for _ in range(rounds):
                await asyncio.sleep(0)
            for read in reads[::2]:
                read.cancel()
            done = await asyncio.gather(*reads, return_exceptions=True)
            assert {answer for answer in done[1::2] if isinstance(answer, str)} == {harness.canary}
        assert await driver.get_secret("token") == harness.canary
