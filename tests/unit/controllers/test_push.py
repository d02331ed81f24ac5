"""controllers/push: what is written, who may write it, and what a status tells of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from beemflow_secrets.controllers.objects import Key
from beemflow_secrets.controllers.push.claims import Claims
from beemflow_secrets.controllers.push.parting import part, settled
from beemflow_secrets.controllers.push.places import Place, Pushed, places_of, told_pushed, with_pushed
from beemflow_secrets.controllers.push.planning import Plan, Wanted, plan
from beemflow_secrets.model.push import PushSpec
from beemflow_secrets.providers.errors import Gone, Invalid, NotFound, SecretsError, Unavailable
from beemflow_secrets.providers.value import SecretValue
from tests.unit.model.cases import match, push

if TYPE_CHECKING:
    from beemflow_secrets.providers.value import Content

STORE = Key("BeemFlowSecretStore", "ns", "prod")
SPARE = Key("BeemFlowClusterSecretStore", "", "spare")
ONE, TWO, THREE = (Key("BeemFlowPushSecret", "ns", name) for name in ("one", "two", "three"))


def at(key: str, part: str | None = None, store: Key = STORE) -> Place:
    return Place(store, key, part)


def decided(
    answer: SecretValue | SecretsError,
    content: Content = "new",
    *,
    part: str | None = None,
    only_new: bool = False,
    noted: bool = False,
) -> str:
    """Return what is done of one place: written, left or nothing; with "ours" where it is this resource's."""
    wanted = Wanted(at("a", part), content, only_new)
    made: Plan = plan([wanted], {"a": answer}, [wanted.place] if noted else [])
    done = "written" if made.writes else "left" if made.left else "nothing"
    return f"{done}, ours" if made.ours else done


@pytest.mark.parametrize(
    ("there", "content", "part", "same"),
    [
        ("new", "new", None, True),
        ("new", b"new", None, True),
        ("old", "new", None, False),
        ({"value": "new"}, "new", None, True),
        ({"value": "new", "user": "bot"}, "new", None, False),
        ({"a": "new", "b": "other"}, "new", "a", True),
        ({"a": "old", "b": "other"}, "new", "a", False),
        ('{"a":"new","b":1}', "new", "a", True),
        ({"a": 5}, "5", "a", True),
        ({"a": {"b": "new"}}, "new", "a.b", True),
        ({"a": "new", "b": "x"}, {"a": b"new", "b": b"x"}, None, True),
        ('{ "b": "x", "a": "new" }', {"a": b"new", "b": b"x"}, None, True),
        ({"a": "new", "b": "x", "c": "y"}, {"a": b"new", "b": b"x"}, None, False),
        ("no fields", {"a": b"new"}, None, False),
        (b"\xff\xfe", "new", "a", None),
    ],
)
def test_only_what_differs_is_written(
    there: str | bytes | dict[str, object],
    content: Content,
    part: str | None,
    same: bool | None,  # noqa: FBT001 - a case
) -> None:
    value = SecretValue(there)
    assert decided(value, content, part=part) == ("nothing, ours" if same else "written, ours")
    expected = {True: "nothing", False: "left", None: "written, ours"}[same]
    assert decided(value, content, part=part, only_new=True) == expected


@pytest.mark.parametrize("missing", [NotFound("no"), Gone("gone")])
def test_what_is_not_there_is_written(missing: SecretsError) -> None:
    assert decided(missing) == decided(missing, only_new=True) == "written, ours"
    assert decided(SecretValue({"other": "x"}), part="a", only_new=True) == "written, ours"


def test_what_was_written_before_stays_ours_though_nothing_is_written_any_more() -> None:
    assert decided(SecretValue("old"), only_new=True, noted=True) == "left, ours"
    assert decided(SecretValue("new"), only_new=True, noted=True) == "nothing, ours"


def test_what_is_there_and_no_secret_is_overwritten_or_left() -> None:
    assert decided(Invalid("binary")) == "written, ours"
    assert decided(Invalid("binary"), only_new=True) == "left"


def test_nothing_is_decided_of_what_is_not_known() -> None:
    with pytest.raises(Unavailable):
        decided(Unavailable("away"))


def test_a_plan_shows_no_value() -> None:
    wanted = Wanted(at("a"), "canary", only_new=False)
    assert "canary" not in repr(plan([wanted], {"a": NotFound("no")}, []))


def test_the_first_keeps_a_key_until_it_lets_go() -> None:
    claims = Claims(lambda _, key: key)
    assert claims.take(ONE, [at("a"), at("b", "x")]) == {}
    assert claims.take(ONE, [at("a"), at("b", "x")]) == {}  # its own
    refused = claims.take(TWO, [at("a", "x"), at("b"), at("b", "y"), at("b", "x"), at("a", store=SPARE)])
    assert refused == {at("a", "x"): ONE, at("b"): ONE, at("b", "x"): ONE}
    assert not claims.keep(ONE, [at("a"), at("b", "x"), at("never")])
    assert claims.keep(ONE, [at("b", "x")])
    assert claims.take(THREE, [at("a"), at("b", "x"), at("b", "y")]) == {at("b", "x"): ONE, at("b", "y"): TWO}
    assert claims.keep(ONE)
    assert not claims.keep(ONE)
    assert claims.take(THREE, [at("b", "x")]) == {}


def test_keys_that_a_backend_has_under_one_name_are_one() -> None:
    claims = Claims(lambda store, key: key.replace("_", "-") if store == STORE else key)
    claims.take(ONE, [at("a_b"), at("a_b", store=SPARE)])
    assert claims.take(TWO, [at("a-b"), at("a-b", store=SPARE)]) == {at("a-b"): ONE}
    claims.keep(ONE)
    assert claims.take(TWO, [at("a-b")]) == {}


def test_who_calls_a_key_otherwise_still_holds_it() -> None:
    claims = Claims(lambda _, key: key.replace("_", "-"))
    claims.take(ONE, [at("a_b")])
    claims.take(ONE, [at("a-b")])
    assert not claims.keep(ONE, [at("a-b")])
    assert claims.take(TWO, [at("a-b")]) == {at("a-b"): ONE}
    assert claims.keep(ONE)
    assert claims.take(TWO, [at("a-b")]) == {}


def test_a_status_tells_what_was_pushed_and_is_read_again() -> None:
    pushed = [Pushed(at("b", "x"), "m2"), Pushed(at("a", store=SPARE), "m1"), Pushed(at("b", "x"), "m2")]
    told = with_pushed({"lastSyncTime": "then"}, pushed)
    assert told == with_pushed(told, reversed(pushed))
    assert told["lastSyncTime"] == "then"
    assert sorted(told_pushed(told, "ns")) == sorted(set(pushed))
    assert with_pushed(told, []) == {"lastSyncTime": "then"}


def test_places_are_all_entries_in_all_stores() -> None:
    refs = [{"name": "prod"}, {"name": "spare", "kind": SPARE.kind}]
    spec = PushSpec.model_validate(push(match("a#b"), match("c"), secretStoreRefs=refs))
    assert places_of(spec, "ns") == [at("a", "b"), at("c"), at("a", "b", SPARE), at("c", None, SPARE)]


def meet(store: Key, key: str, other: Key, other_key: str) -> bool | None:
    """Tell it as two stores of one vault do, of which SPARE's keys begin with `x-`; nothing is known of another."""
    if not {store, other} <= {STORE, SPARE}:
        return (store, key) == (other, other_key) or None
    one, two = (
        (f"x-{name}" if of == SPARE else name).replace("_", "-") for of, name in ((store, key), (other, other_key))
    )
    return one == two


AWAY = Key("BeemFlowSecretStore", "ns", "away")


@pytest.mark.parametrize(
    ("gone", "named", "when"),
    [
        (at("a"), at("b"), "last"),
        (at("a_b"), at("a-b"), "kept"),
        (at("x_b"), at("b", store=SPARE), "kept"),
        (at("b"), at("b", store=SPARE), "last"),
        (at("a_b", "x"), at("a-b"), "kept"),
        (at("a_b", "x"), at("a-b", "x"), "kept"),
        (at("a_b", "x"), at("a-b", "y"), "last"),
        (at("a", "x"), at("a", "x.y"), "kept"),
        (at("a", "x.y"), at("a", "x"), "kept"),
        (at("a", r"x\.y"), at("a", "x.y"), "kept"),
        (at("a_b"), at("a-b", "x"), "first"),
        (at("x_b"), at("b", "x", SPARE), "kept"),
        (at("a"), at("b", store=AWAY), "kept"),
        (at("a", "x"), at("b", "y", AWAY), "last"),
    ],
)
def test_what_is_named_in_other_words_is_not_taken_back(gone: Place, named: Place, when: str) -> None:
    parted = part([Pushed(gone, "m")], [named], meet)
    assert {name: len(found) for name, found in parted._asdict().items() if found} == {when: 1}


def test_of_one_place_only_the_name_is_kept_that_the_spec_has_now_once_it_was_written() -> None:
    old, new = Pushed(at("a_b"), "m"), Pushed(at("a-b"), "m")
    assert settled([old, new], {new.place}, meet) == [new]
    assert settled([old], {new.place}, meet) == [old]
    part_of = Pushed(at("a-b", "x"), "m")
    assert settled([old, part_of], {part_of.place}, meet) == [old, part_of]
