"""Keys: malformed ones never reach a backend, and the prefix stands before the others only there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from beemflow_secrets.chain.keys import Keys
from beemflow_secrets.providers.base import Driver
from beemflow_secrets.providers.errors import Invalid, NotFound, SecretsError
from beemflow_secrets.providers.value import Found, Ref, Search, SecretValue

if TYPE_CHECKING:
    from collections.abc import Iterable


class Echo(Driver):
    name = "echo"

    def __init__(self) -> None:
        self.asked: list[Ref] = []

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        self.asked = list(refs)
        return {
            ref: NotFound("not there", key=ref.key) if "missing" in ref.key else SecretValue(ref.key)
            for ref in self.asked
        }

    async def find(self, search: Search) -> Found:
        return {f"{search.prefix}one": {}, f"{search.prefix}two": {}}

    async def health_check(self) -> None:
        pass

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(
    "key", ["", "/a", "a/", "..", "a/../b", "./a", "a/.", "a\nb", "a\x00", "../../etc/passwd", "a\x7f"]
)
async def test_a_malformed_key_is_invalid_and_never_asked_for(key: str) -> None:
    driver = Echo()
    answer = (await Keys(driver, prefix="p/").fetch([Ref(key)]))[Ref(key)]
    assert isinstance(answer, Invalid)
    assert answer.key == key
    assert driver.asked == []


@pytest.mark.parametrize("key", ["a", "a/b", "a b", "a+b", "ü/ß", "...", "a..b", ".env"])
async def test_other_letters_are_fine(key: str) -> None:
    assert isinstance((await Keys(Echo(), prefix="").fetch([Ref(key)]))[Ref(key)], SecretValue)


async def test_the_prefix_is_put_before_the_key_and_answers_carry_the_key_as_written() -> None:
    driver = Echo()
    answers = await Keys(driver, prefix="prod/").fetch([Ref("a", "3", since=7), Ref("missing")])
    assert [(ref.key, ref.version, ref.since) for ref in driver.asked] == [
        ("prod/a", "3", 7),
        ("prod/missing", None, None),
    ]
    assert answers[Ref("a", "3")] == SecretValue("prod/a")
    missing = answers[Ref("missing")]
    assert isinstance(missing, NotFound)
    assert (missing.key, missing.keys, str(missing)) == ("missing", ("missing",), "missing: not there")


async def test_callers_that_share_an_error_each_have_their_own_key() -> None:
    shared = NotFound("not there")

    class Sharing(Echo):
        async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
            return dict.fromkeys(refs, shared)

    answers = await Keys(Sharing(), prefix="prod/").fetch([Ref("a"), Ref("b")])
    assert [str(answer) for answer in answers.values()] == ["a: not there", "b: not there"]
    assert shared.key is None


async def test_the_prefix_is_taken_off_listings() -> None:
    assert await Keys(Echo(), prefix="prod/").list_secrets("x") == ["xone", "xtwo"]


async def test_keys_that_are_one_name_in_the_backend_are_invalid_all_in_one_read_and_alone_good() -> None:
    class Mapping(Echo):
        async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
            answers = await super().fetch(refs)
            for ref, answer in answers.items():
                if isinstance(answer, SecretValue):
                    answer.backend_name = ref.key.replace("/", "-")
            return answers

    keys = Keys(Mapping(), prefix="p/")
    answers = await keys.fetch([Ref("a/b"), Ref("a-b"), Ref("a-b", "2"), Ref("c")])
    assert {str(ref.key): type(answer) for ref, answer in answers.items()} == {
        "a/b": Invalid,
        "a-b": Invalid,
        "c": SecretValue,
    }
    assert str(answers[Ref("a/b")]) == "a/b: a-b is p-a-b in this backend too"
    for alone in (Ref("a/b"), Ref("a-b")):
        assert isinstance((await keys.fetch([alone]))[alone], SecretValue)
    versions = await keys.fetch([Ref("a-b"), Ref("a-b", "2")])
    assert all(isinstance(answer, SecretValue) for answer in versions.values())
