"""merge: the fields of a key, from all links, whole or not at all."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beemflow_secrets.chain.merge import Merge, Policy, join
from beemflow_secrets.providers.errors import (
    AuthFailed,
    Denied,
    Gone,
    Invalid,
    NotFound,
    SecretsError,
    Throttled,
    Unavailable,
)
from beemflow_secrets.providers.value import Ref, SecretValue
from tests.unit.chain.scripted import Backend, as_link

NAMES = ("a", "b", "c")


async def read(policy: Policy, *answers: SecretValue | SecretsError, version: str | None = None) -> Any:
    """Return what a chain answers whose links answer so."""
    backends = [Backend({"k": answer}) for answer in answers]
    chain = Merge([as_link(backend, name) for backend, name in zip(backends, NAMES, strict=False)], policy=policy)
    ref = Ref("k", version)
    try:
        return (await chain.fetch([ref]))[ref]
    finally:
        await chain.close()


def fields(**named: object) -> SecretValue:
    return SecretValue(named)


@pytest.mark.looptime
async def test_fields_are_joined_and_the_earlier_wins() -> None:
    got = await read("First", fields(x="1", y="2"), NotFound("no"), fields(y="3", z="4"))
    assert got.fields == {"x": "1", "y": "2", "z": "4"}
    assert {name: origin.provider for name, origin in got.origins.items()} == {"x": "a", "y": "a", "z": "c"}
    assert got.provider == "a, c"


@pytest.mark.looptime
async def test_last_lets_the_later_win() -> None:
    got = await read("Last", fields(x="1", y="2"), fields(y="3", z="4"))
    assert got.fields == {"x": "1", "y": "3", "z": "4"}
    assert {name: origin.provider for name, origin in got.origins.items()} == {"x": "a", "y": "b", "z": "b"}


@pytest.mark.looptime
async def test_error_refuses_a_field_that_two_have() -> None:
    got = await read("Error", fields(x="1"), fields(y="2"))
    assert got.fields == {"x": "1", "y": "2"}
    got = await read("Error", fields(x="1"), fields(x="1"))
    assert isinstance(got, Invalid)
    assert got.message == "a and b both have the field 'x'"


@pytest.mark.looptime
@pytest.mark.parametrize("policy", ["First", "Last", "Error"])
async def test_a_key_that_one_link_has_stays_as_it_is(policy: Policy) -> None:
    for value in (SecretValue('{"a": 1 }'), SecretValue(b"\xff"), fields(x=None)):
        got = await read(policy, NotFound("no"), value)
        assert (got.raw, got.provider) == (value.raw, "b")


@pytest.mark.looptime
async def test_text_is_taken_as_a_whole() -> None:
    text, other = SecretValue("text"), SecretValue("other")
    assert [(await read("First", *pair)).value for pair in ((text, other), (text, fields(x="1")))] == ["text", "text"]
    assert [(await read("Last", *pair)).value for pair in ((text, other), (fields(x="1"), text))] == ["other", "text"]
    assert (await read("First", fields(x="1"), text, fields(y="2"))).fields == {"x": "1", "y": "2"}
    for pair in ((text, other), (fields(x="1"), text)):
        got = await read("Error", *pair)
        assert isinstance(got, Invalid)
        assert "both have it, and text is not joined" in got.message


@pytest.mark.looptime
async def test_json_objects_have_fields_wherever_they_stand() -> None:
    got = await read("First", SecretValue('{"x": 1.10}'), fields(y="2"))
    assert got.raw == b'{"x":1.10,"y":"2"}'


@pytest.mark.looptime
async def test_null_counts_as_missing() -> None:
    got = await read("Error", fields(x=None, y="1"), fields(x="2"))
    assert got.fields == {"x": "2", "y": "1"}


@pytest.mark.looptime
@pytest.mark.parametrize("error", [Unavailable("e"), AuthFailed("e"), Throttled("e", retry_after=3), Denied("e")])
@pytest.mark.parametrize("place", [0, 1, 2])
async def test_a_link_that_cannot_answer_makes_the_read_fail(error: SecretsError, place: int) -> None:
    answers: list[SecretValue | SecretsError] = [fields(x="1"), fields(y="2"), fields(z="3")]
    answers[place] = error
    got = await read("First", *answers)
    assert (type(got), got.message) == (type(error), f"{NAMES[place]}: e")


@pytest.mark.looptime
async def test_not_found_is_told_only_where_all_say_so() -> None:
    got = await read("First", Gone("deleted"), NotFound("no"))
    assert isinstance(got, NotFound)
    assert got.message == "a: deleted; b: no"


@pytest.mark.looptime
async def test_a_pinned_version_is_the_first_links_alone() -> None:
    assert (await read("First", fields(x="1"), fields(y="2"), version="1")).fields == {"x": "1"}
    assert isinstance(await read("First", NotFound("no"), fields(y="2"), version="1"), NotFound)
    assert (await read("First", fields(x="1"), Unavailable("away"), version="1")).fields == {"x": "1"}


@pytest.mark.looptime
async def test_all_links_must_serve_for_the_chain_to_serve() -> None:
    backends = [Backend({"one": SecretValue("1")}), Backend({"two": SecretValue("2")})]
    chain = Merge([as_link(backend, name) for backend, name in zip(backends, NAMES, strict=False)], policy="First")
    await chain.health_check()
    assert await chain.list_secrets() == ["one", "two"]
    backends[1].fault = Unavailable("away")
    with pytest.raises(Unavailable, match="b: away"):
        await chain.health_check()
    with pytest.raises(Unavailable, match="b: away"):
        await chain.list_secrets()
    await chain.close()


def test_the_whole_tells_the_latest_change_and_the_nearest_end() -> None:
    one, two = (
        SecretValue({name: "1"}, "7", datetime(2026, month, 1, tzinfo=UTC), datetime(2027, month, 1, tzinfo=UTC))
        for name, month in (("x", 1), ("y", 2))
    )
    got = join([one.of_link("a"), two.of_link("b")], "First")
    assert (got.version, got.created_at, got.expires_at) == (None, two.created_at, one.expires_at)
    assert got.origins["y"].version == "7"


CONTENTS = st.one_of(
    st.text(max_size=3), st.dictionaries(st.sampled_from("uvw"), st.one_of(st.none(), st.text(max_size=2)), max_size=3)
)


@given(st.lists(CONTENTS, min_size=1, max_size=4), st.sampled_from(["First", "Last"]))
def test_joining_loses_no_field_and_invents_none(contents: list[Any], policy: Policy) -> None:
    values = [SecretValue(content).of_link(str(place)) for place, content in enumerate(contents)]
    got = join(values, policy)
    best = contents[-1 if policy == "Last" else 0]
    if not isinstance(best, dict):
        assert got.raw.decode() == best
        return
    maps = [content for content in contents if isinstance(content, dict)]
    present = {name for content in maps for name, item in content.items() if item is not None}
    assert got.fields is not None
    assert {name for name, item in got.fields.items() if item is not None} == present
    ordered = list(reversed(maps)) if policy == "Last" else maps
    for name in present:
        wanted = next(content[name] for content in ordered if content.get(name) is not None)
        assert got.fields[name] == wanted


@given(st.permutations([fields(x="1"), fields(y="2"), fields(z="3")]))
def test_without_a_conflict_the_policies_agree(values: list[SecretValue]) -> None:
    linked = [value.of_link(name) for value, name in zip(values, itertools.cycle(NAMES), strict=False)]
    policies: tuple[Policy, ...] = ("First", "Last", "Error")
    assert all(join(linked, policy).fields == {"x": "1", "y": "2", "z": "3"} for policy in policies)
