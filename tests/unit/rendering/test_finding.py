"""What was found becomes entries; what is not there any more does not count, and is gone where the backend says so."""

from __future__ import annotations

from typing import Any

import pytest

from beemflow_secrets.model.finding import Find
from beemflow_secrets.model.sources import DataFrom
from beemflow_secrets.providers.errors import Denied, Gone, Invalid, NotFound, SecretsError
from beemflow_secrets.providers.value import SecretValue
from beemflow_secrets.rendering.compose import Composed, Found, Unusable, compose
from beemflow_secrets.rendering.finding import entries_of, nothing_found, settled

MISSING = NotFound("no such key")


def looking(**fields: Any) -> DataFrom:
    return DataFrom.model_validate({"find": fields})


SLACK = looking(path="slack/")


def found(answers: dict[str, SecretValue | SecretsError], *, former: bool = False) -> list[Found]:
    entries = entries_of(SLACK, {name: name for name in answers}, former=former)
    return [Found(entry, "prod", answers[entry.secret_key], "mark") for entry in entries]


def composed(items: list[Found], policy: str = "Retain", *known: str) -> Composed:
    return compose(settled(items), policy, known)


def failure(items: list[Found], policy: str = "Retain", *known: str) -> SecretsError:
    with pytest.raises(Unusable) as caught:
        composed(items, policy, *known)
    return caught.value.error


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"path": "a"}, ["a/b", "a/c/d", "a/bc"]),
        ({"name": {"regexp": "b"}}, ["a/b", "a/bc"]),
        ({"name": {"regexp": "^b"}}, []),
        ({"name": {"regexp": "^a/b$"}}, ["a/b"]),
        ({"tags": {"x": "1"}}, ["a/b", "a/c/d"]),
        ({"tags": {"x": "1", "y": "2"}}, ["a/b"]),
        ({"tags": {"x": "2"}}, []),
        ({"name": {"regexp": "d$"}, "tags": {"x": "1"}}, ["a/c/d"]),
    ],
)
def test_all_that_is_said_must_hold(fields: dict[str, Any], names: list[str]) -> None:
    listed = {"a/b": {"x": "1", "y": "2"}, "a/c/d": {"x": "1"}, "a/bc": {}}
    assert Find.model_validate(fields).among(listed.items()) == names


def test_a_path_is_a_folder() -> None:
    assert [Find(path=path).prefix for path in ("a", "a/", "a/b")] == ["a/", "a/", "a/b/"]
    assert Find.model_validate({"tags": {"x": "1"}}).prefix == ""


def test_what_was_found_and_is_not_there_is_left_out_and_the_search_is_known_by_one_mark() -> None:
    held = composed(found({"a": SecretValue("1"), "b": MISSING, "c": Gone("deleted"), "d": SecretValue("4")}))
    assert held.data == {"a": b"1", "d": b"4"}
    assert [entry.remote_key for entry in held.entries] == ["a", "d"]
    assert held.marks == ("mark",)


def test_a_name_may_hold_what_divides_key_and_property() -> None:
    (entry,) = entries_of(SLACK, {"a#b": "a_b"})
    assert (entry.secret_key, entry.remote.key, entry.remote.parts()) == ("a_b", r"a\#b", ("a#b", None))


def test_who_cannot_be_read_is_told_though_others_can() -> None:
    error = failure(found({"a": SecretValue("1"), "b": Denied("no right"), "c": MISSING}))
    assert (type(error), error.key) == (Denied, "b")


@pytest.mark.parametrize(
    "items", [found({"a": MISSING, "b": Gone("deleted")}), [Found(SLACK, "prod", nothing_found(SLACK), "mark")]]
)
def test_a_search_of_which_nothing_is_there_is_told_as_one_and_may_be_gone(items: list[Found]) -> None:
    for policy, known in (("Retain", ["mark"]), ("Delete", []), ("Merge", ["other"])):
        error = failure(items, policy, *known)
        assert (type(error), error.key) == (NotFound, None)
        assert error.message == "nothing is found by path slack/ (for dataFrom)"
    for policy in ("Delete", "Merge"):
        held = composed(items, policy, "mark")
        assert (held.data, held.gone, held.marks) == ({}, ("path slack/",), ("mark",))


def test_what_was_found_once_and_is_there_still_is_neither_found_nor_gone() -> None:
    items = found({"a": MISSING, "b": SecretValue("there")}, former=True)
    assert failure(items, "Delete", "mark").message == "nothing is found by path slack/ (for dataFrom)"
    items = found({"a": MISSING, "b": Denied("no right")}, former=True)
    assert isinstance(failure(items, "Delete", "mark"), Denied)
    assert composed(found({"a": MISSING, "b": MISSING}, former=True), "Delete", "mark").gone == ("path slack/",)


def test_what_is_listed_and_deleted_takes_nothing_along_that_was_found_once_and_is_there() -> None:
    once: dict[str, SecretValue | SecretsError]
    once = {"b": SecretValue("there"), "c": MISSING, "d": Denied("no right")}
    for former, error in ((once, Denied), ({"b": once["b"]}, NotFound)):
        assert isinstance(
            failure([*found({"a": Gone("deleted")}), *found(former, former=True)], "Delete", "mark"), error
        )
    gone = [*found({"a": Gone("deleted")}), *found({"c": MISSING}, former=True)]
    assert composed(gone, "Delete", "mark").gone == ("path slack/",)
    # While something is found the listing alone tells what stays.
    assert composed([*found({"a": SecretValue("1")}), *found(once, former=True)], "Delete", "mark").data == {"a": b"1"}


def test_what_cannot_be_entries_is_named() -> None:
    with pytest.raises(Invalid, match="path slack/ finds 1001 secrets, and a Secret takes 1000"):
        entries_of(SLACK, {f"k{number}": f"k{number}" for number in range(1001)})
    with pytest.raises(Invalid, match=r"path slack/ finds '/odd', which can be no key of a store"):
        entries_of(SLACK, {"/odd": "odd"})
