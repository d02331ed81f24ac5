"""Names: listings, odd keys, keys that meet; and a driver's life from opening to close."""

from __future__ import annotations

import asyncio
import pickle
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from beemflow_secrets.providers.errors import Invalid, NoTags, NotFound
from beemflow_secrets.providers.value import Ref, Search, SecretValue
from beemflow_secrets.testing.cases import in_chain, needs

if TYPE_CHECKING:
    from beemflow_secrets.testing.harness import Harness

_ODD = ["with-dash", "with_underscore", "With.Dot", "deep/er/est", "a blank", "a+b", "50%", "a?b=c&d", "a#b", "ü/日本"]
_MALFORMED = ["", "/a", "a/", "..", "../a", "a/../b", "./a", "a\nb", "a\x00b", "a\x7f"]


class Listing:
    """Cases of names, and of a driver's life."""

    async def test_listing(self, harness: Harness) -> None:
        """All levels, sorted; the prefix is a plain beginning of the backend's own names."""
        keys = ["slack/bot", "slack/bottle/green", "slack/x", "slacker", "z/y/x/w"]
        for key in keys:
            await harness.put_text(key)
        driver, names = harness.open(), sorted(map(harness.listed, keys))
        assert await driver.list_secrets() == names
        for beginning in ("slack", "slack/", "slack/bo", "slack/bot", "bot", "nothing", "nothing/here"):
            prefix = harness.listed(beginning)
            assert await driver.list_secrets(prefix) == [name for name in names if name.startswith(prefix)]

    async def test_listing_of_nothing(self, harness: Harness) -> None:
        driver = harness.open()
        assert await driver.list_secrets() == []
        assert await driver.list_secrets(harness.listed("a")) == []

    async def test_find(self, harness: Harness) -> None:
        """A search is a listing, without tags where none are asked for; others may ask for the same meanwhile."""
        for key in ("team/a", "team/b", "other"):
            await harness.put_text(key)
        chain = in_chain(harness.open())
        searches = [Search(harness.listed(beginning)) for beginning in ("", "team/", "te", "none", "")]
        found = await asyncio.gather(*map(chain.find, searches))
        for search, names in zip(searches, found, strict=True):
            assert list(names) == await chain.list_secrets(search.prefix)
            assert set(map(len, names.values())) <= {0}
        assert [len(names) for names in found] == [3, 2, 2, 0, 3]

    @needs("tags")
    async def test_find_by_tags(self, harness: Harness) -> None:
        """Each name comes with all its tags, if they are asked for: which of them are wanted is not said here."""
        driver = harness.open()
        if not harness.abilities.tags:
            await harness.put_text("token")
            with suppress(NoTags):  # a backend that has some which the harness cannot give tells the names
                assert list(await driver.find(Search(tagged=True))) == [harness.listed("token")]
            return
        tags = {"team/a": {"team": "flows", "stage": "live"}, "team/b": {"team": "other"}, "team/c": {}, "d": {}}
        for key, own in tags.items():
            await harness.put_text(key)
            if own:
                await harness.tag(key, own)
        for prefix in ("", "team/", "none"):
            fitting = {harness.listed(key): own for key, own in tags.items() if key.startswith(prefix)}
            assert await driver.find(Search(harness.listed(prefix), tagged=True)) == fitting
        await harness.tag("d", {"team": "flows"})
        assert (await driver.find(Search(tagged=True)))[harness.listed("d")] == {"team": "flows"}
        chain = in_chain(driver, prefix=harness.listed("team/"))
        beginning = harness.listed("team/")
        assert await chain.find(Search(tagged=True)) == {
            harness.listed(key).removeprefix(beginning): own for key, own in tags.items() if key != "d"
        }

    async def test_listed_names_can_be_read(self, harness: Harness) -> None:
        keys = ["one", "two/three", "four-five"]
        for key in keys:
            await harness.put_text(key, harness.listed(key))
        chain = in_chain(harness.open())
        names = await chain.list_secrets()
        assert await chain.get_secrets(names) == {name: name for name in names}

    async def test_prefix_of_the_store(self, harness: Harness) -> None:
        """The store's prefix stands before every key, and is taken off listings."""
        for key in ("team/a", "team/b", "other"):
            await harness.put_text(key, key)
        chain = in_chain(harness.open(), prefix=harness.listed("team/"))
        assert await chain.get_secrets(["a", "b"]) == {"a": "team/a", "b": "team/b"}
        listed = [harness.listed(f"team/{name}").removeprefix(harness.listed("team/")) for name in "ab"]
        assert await chain.list_secrets() == listed
        with pytest.raises(NotFound):
            await chain.get_secret("other")

    async def test_prefix_as_keys_are_written(self, harness: Harness) -> None:
        """Where the backend maps names, the store's prefix is mapped as well."""
        await harness.put_text("team/a")
        chain = in_chain(harness.open(), prefix="team/")
        assert await chain.get_secret("a") == harness.canary
        assert await chain.list_secrets() == [harness.listed("team/a").removeprefix(harness.listed("team/"))]

    @pytest.mark.parametrize("key", _ODD)
    async def test_odd_key(self, harness: Harness, key: str) -> None:
        driver = in_chain(harness.open())
        if not harness.takes(key):
            with pytest.raises((Invalid, NotFound)):
                await driver.get_secret(key)
            return
        await harness.put_text(key)
        assert await driver.get_secret(key) == harness.canary
        assert await driver.list_secrets() == [harness.listed(key)]

    async def test_malformed_keys(self, harness: Harness) -> None:
        await harness.put_text("b")
        answers = await in_chain(harness.open()).fetch([Ref(key) for key in _MALFORMED])
        assert {type(answer) for answer in answers.values()} == {Invalid}

    @needs("meeting")
    async def test_keys_that_meet(self, harness: Harness) -> None:
        """Where two keys are one secret, a read of both is refused: one of them means another."""
        if harness.meeting is None:
            keys = [key for key in ("a_b", "a-b", "a.b", "a/b", "A_B", "A-B") if harness.takes(key)]
            for key in keys:
                await harness.put_text(key, f"value of {key}")
            values = await in_chain(harness.open()).get_secrets(keys)
            assert values == {key: f"value of {key}" for key in keys}
            return
        one, two = harness.meeting
        await harness.put_text(one)
        chain = in_chain(harness.open())
        answers = await chain.fetch([Ref(one), Ref(two), Ref("third")])
        assert [type(answer) for answer in answers.values()].count(Invalid) == len(harness.meeting)
        assert type(answers[Ref("third")]) is NotFound
        for key in harness.meeting:  # each alone is right
            assert await chain.get_secret(key) == harness.canary

    async def test_health(self, harness: Harness) -> None:
        driver = harness.open()
        await driver.health_check()
        await harness.put_text("token")
        await driver.health_check()

    async def test_opening_asks_nobody(self, harness: Harness) -> None:
        """No credential is read and no call made before the first operation; one that was never used can be closed."""
        driver = harness.open("http://127.0.0.1:1")
        assert harness.asked == []
        await driver.close()

    async def test_close(self, harness: Harness) -> None:
        await harness.put_text("token")
        driver = harness.open()
        await harness.value(driver, "token")
        await driver.list_secrets()
        await driver.close()
        await driver.close()  # once more does no harm

    async def test_nothing_prints(self, harness: Harness) -> None:
        """The fixture looks through logs and output of every case; here is what a debugger or a crash would show."""
        await harness.put_text("token")
        driver = harness.open()
        value = await harness.value(driver, "token")
        harness.hides(repr(driver), str(driver), repr([value]), f"{value!s:>30}")
        copied = pickle.loads(pickle.dumps(value))  # noqa: S301 - made in this line
        assert isinstance(copied, SecretValue)
        assert copied.value == "***"
