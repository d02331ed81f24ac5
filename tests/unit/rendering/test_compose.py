from __future__ import annotations

import traceback
from datetime import UTC, datetime
from typing import Any

import pytest

from beemflow_secrets.model.sources import DataEntry, DataFrom, NamedByFlow
from beemflow_secrets.providers import jsontext
from beemflow_secrets.providers.errors import Denied, Gone, Invalid, NotFound, SecretsError, Throttled, Unavailable
from beemflow_secrets.providers.value import Ref, SecretValue
from beemflow_secrets.rendering.compose import Composed, Entry, Found, Unusable, compose, names_in, ref_of
from beemflow_secrets.rendering.template.faults import TemplateError

CANARY = "canary-91d7"
MADE, ENDS = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
SLACK = SecretValue({"token": "t", "nested": {"a": jsontext.Number("1.0")}}, "3", MADE, ENDS)
PLAIN = SecretValue("plain")


def entry(secret_key: str, key: str, **fields: Any) -> DataEntry:
    return DataEntry.model_validate({"secretKey": secret_key, "remoteRef": {"key": key, **fields}})


def extract(key: str, **fields: Any) -> DataFrom:
    return DataFrom.model_validate({"extract": {"key": key, **fields}})


def composed(*sources: DataEntry | DataFrom, **answers: SecretValue | SecretsError) -> Composed:
    return compose([Found(source, "prod", answers[ref_of(source).key]) for source in sources])


def failure(*sources: DataEntry | DataFrom, **answers: SecretValue | SecretsError) -> SecretsError:
    with pytest.raises(Unusable) as caught:
        composed(*sources, **answers)
    error = caught.value.error
    shown = "".join(traceback.format_exception(caught.value)) + "".join(traceback.format_exception(error))
    assert CANARY not in f"{shown} {caught.value!r} {error!r} {error.args}"
    assert caught.value.provider == "prod"
    return error


def test_equal_keys_are_one_ref() -> None:
    sources: list[DataEntry | DataFrom] = [
        entry("a", "slack#token"),
        entry("b", "plain"),
        entry("c", "slack", property="nested.a"),
        entry("d", "slack", version="2"),
        entry("e", "slack", decodingStrategy="Auto", optional=True),
        entry("f", r"slack\#token"),
        extract("slack#nested"),
    ]
    assert list(dict.fromkeys(ref_of(source) for source in sources)) == [
        Ref("slack"),
        Ref("plain"),
        Ref("slack", "2"),
        Ref("slack#token"),
    ]


def test_values_become_the_secrets_data_with_their_provenance() -> None:
    result = composed(
        entry("b", "plain"),
        entry("a", "slack#token"),
        entry("n", "slack", property="nested.a"),
        entry("all", "slack"),
        slack=SLACK,
        plain=PLAIN,
    )
    assert result.data == {"b": b"plain", "a": b"t", "n": b"1.0", "all": b'{"token":"t","nested":{"a":1.0}}'}
    assert result.entries == [
        Entry("b", "prod", "plain", None, None, None),
        Entry("a", "prod", "slack#token", "3", MADE, ENDS),
        Entry("n", "prod", "slack", "3", MADE, ENDS),
        Entry("all", "prod", "slack", "3", MADE, ENDS),
    ]


def test_the_field_value_alone_is_the_value() -> None:
    assert composed(entry("a", "v"), v=SecretValue({"value": "x"})).data == {"a": b"x"}
    assert composed(entry("a", "v"), v=SecretValue({"value": "x", "b": "y"})).data == {"a": b'{"value":"x","b":"y"}'}


def test_a_value_is_picked_then_decoded() -> None:
    value = SecretValue({"key": "/wA=", "text": "YQ"})
    assert composed(entry("a", "v#key", decodingStrategy="Base64"), v=value).data == {"a": b"\xff\x00"}
    error = failure(entry("a", "v#text", decodingStrategy="Base64"), v=value)
    assert isinstance(error, Invalid)
    assert str(error) == "v: the value is not Base64, as decodingStrategy has it (for a)"


def test_one_failure_and_nothing_is_written() -> None:
    error = failure(entry("a", "plain"), entry("b", "gone#x"), plain=PLAIN, gone=NotFound("no such secret", key="gone"))
    assert isinstance(error, NotFound)
    assert (error.key, error.property, str(error)) == ("gone", None, "gone: no such secret (for b)")


def test_the_first_failure_is_told_and_the_others_are_counted() -> None:
    error = failure(
        entry("a", "slack#absent"),
        entry("b", "plain"),
        entry("c", "denied"),
        entry("d", "gone"),
        slack=SLACK,
        plain=PLAIN,
        denied=Denied("no right to read", key="denied"),
        gone=Gone("deleted", key="gone"),
    )
    assert isinstance(error, NotFound)
    assert (error.property, str(error)) == ("absent", "slack: no property 'absent' (for a, and 2 more)")


def test_optional_lets_a_secret_or_a_property_be_missing_and_nothing_else() -> None:
    result = composed(
        entry("a", "gone", optional=True),
        entry("b", "slack#absent", optional=True),
        entry("c", "slack#token", optional=True),
        slack=SLACK,
        gone=Gone("deleted", key="gone"),
    )
    assert result.data == {"c": b"t"}
    assert [told.secret_key for told in result.entries] == ["c"]
    for stays in (Denied("refused"), Unavailable("sealed"), Throttled("slow down", retry_after=7)):
        error = failure(entry("a", "x", optional=True), x=stays)
        assert type(error) is type(stays)
    error = failure(entry("a", "plain", optional=True, decodingStrategy="Base64URL"), plain=SecretValue("?"))
    assert isinstance(error, Invalid)


def test_all_optional_and_missing_is_an_empty_secret() -> None:
    found = composed(entry("a", "gone", optional=True), gone=NotFound("no", key="gone"))
    assert found == Composed({}, [], omitted=("a",))


def test_what_was_never_read_is_no_reason_to_leave_a_secret_empty() -> None:
    items = [Found(MAYBE, "prod", NotFound("no", key="c"), "typo")]
    with pytest.raises(Unusable) as caught:
        compose(items, "Retain", {"before"}, holds=True)
    assert isinstance(caught.value.error, NotFound)
    assert compose(items, "Retain", {"before"}).data == {}
    assert compose(items, "Retain", {"typo"}, holds=True).omitted == ("c",)
    there = Found(A, "prod", SecretValue("1"), "before")
    assert compose([*items, there], "Retain", {"before"}, holds=True).omitted == ("c",)


def test_a_property_that_was_never_read_is_no_reason_either() -> None:
    items = [Found(entry("c", "slack#tokn", optional=True), "prod", SLACK, "typo")]
    with pytest.raises(Unusable, match="no property 'tokn'"):
        compose(items, "Retain", {"before"}, holds=True)
    new = compose(items, "Retain", {"before"})
    assert (new.omitted, new.marks) == (("c",), ())  # it has still not been read
    left = compose(items, "Retain", {"typo"}, holds=True)
    assert (left.omitted, left.marks) == (("c",), ("typo",))


def test_what_others_are_told_is_left_alone() -> None:
    cause = OSError(111, "refused")
    shared = Throttled("slow down", key="store-prefix/x", retry_after=7)
    shared.__cause__ = cause
    error = failure(entry("a", "x"), x=shared)
    assert isinstance(error, Throttled)
    assert (error.retry_after, error.key, error.__cause__) == (7, "x", cause)
    assert str(error) == "x: slow down (for a)"
    assert (shared.message, shared.key, shared.__traceback__) == ("slow down", "store-prefix/x", None)


def test_a_bottomless_value_is_an_answer_and_no_crash() -> None:
    deep: object = "bottom"
    for _ in range(100_000):
        deep = [deep]
    error = failure(entry("a", "deep#a"), entry("b", "deep"), deep=SecretValue({"a": deep}))
    assert isinstance(error, Invalid)
    assert str(error) == "deep: the value is nested too deep (for a, and 1 more)"
    while isinstance(deep, list):  # else its destruction recurses
        deep = deep.pop()


def test_nothing_that_is_shown_holds_a_value() -> None:
    secret = SecretValue({"value": CANARY, "other": CANARY})
    assert CANARY not in repr(composed(entry("a", "s"), entry("b", "s#other"), s=secret))
    failure(entry("a", "s#value.x"), entry("b", "s#nothing"), s=secret)
    failure(entry("a", "s#value", decodingStrategy="Base64"), s=secret)


# --- dataFrom


def test_extract_makes_a_key_of_each_field() -> None:
    value = SecretValue({"a": "text", "n": jsontext.Number("1.0"), "o": {"x": True}, "nothing": None, "b": b"\xff"})
    result = composed(extract("all"), all=value)
    assert result.data == {"a": b"text", "n": b"1.0", "o": b'{"x":true}', "b": b"\xff"}
    assert {told.remote_key for told in result.entries} == {"all"}


@pytest.mark.parametrize("nested", [{"a": "1"}, '{"a": "1"}', b'{"a": "1"}'])
def test_extract_enters_a_property_and_json_text(nested: object) -> None:
    assert composed(extract("all#deep"), all=SecretValue({"deep": nested})).data == {"a": b"1"}
    assert composed(extract("all", property="x.deep"), all=SecretValue({"x": {"deep": nested}})).data == {"a": b"1"}


def test_extract_of_json_text() -> None:
    assert composed(extract("t"), t=SecretValue('{"a": 1.50}')).data == {"a": b"1.50"}


@pytest.mark.parametrize("value", [SecretValue("text"), SecretValue(b"\xff"), SecretValue("[1]"), SecretValue("3")])
def test_what_has_no_fields_cannot_be_extracted(value: SecretValue) -> None:
    error = failure(extract("t"), t=value)
    assert isinstance(error, Invalid)
    assert str(error) == "t: the secret has no fields (for dataFrom)"


def test_a_missing_property_of_an_extract_is_missing() -> None:
    error = failure(extract("slack#absent"), slack=SLACK)
    assert isinstance(error, NotFound)
    assert error.property == "absent"


def test_each_field_is_decoded() -> None:
    value = SecretValue({"a": "MQ==", "b": "Mg=="})
    assert composed(extract("all", decodingStrategy="Base64"), all=value).data == {"a": b"1", "b": b"2"}


def test_data_wins_over_data_from() -> None:
    result = composed(extract("slack"), entry("token", "plain"), slack=SLACK, plain=PLAIN)
    assert result.data["token"] == b"plain"
    assert {told.secret_key: told.remote_key for told in result.entries} == {"token": "plain", "nested": "slack"}


def test_two_extracts_with_one_key_are_refused_naming_it() -> None:
    error = failure(extract("slack"), extract("other"), slack=SLACK, other=SecretValue({"token": "x"}))
    assert isinstance(error, Invalid)
    assert str(error) == "other: slack gives the key token too (for dataFrom)"


def test_letters_that_a_key_cannot_hold_become_underscores() -> None:
    assert composed(extract("a"), a=SecretValue({"slack/bot token": "1", "ü": "2"})).data == {
        "slack_bot_token": b"1",
        "_": b"2",
    }
    error = failure(extract("a"), a=SecretValue({"x/y": "1", "x y": "2"}))
    assert "'x/y' and 'x y' both become the key x_y" in str(error)


@pytest.mark.parametrize("name", ["", ".", "..", "..x", "k" * 254])
def test_a_field_that_cannot_be_a_key_is_named(name: str) -> None:
    error = failure(extract("a"), a=SecretValue({name: "1"}))
    assert isinstance(error, Invalid)
    assert repr(name) in error.message


# --- sources that are gone


def keep(policy: str, known: str, *sources: DataEntry | DataFrom, **answers: SecretValue | SecretsError) -> Composed:
    """Compose; a source's mark is its key."""
    found = [Found(source, "prod", answers[ref_of(source).key], ref_of(source).key) for source in sources]
    return compose(found, policy, known.split())


A, B, MAYBE = entry("a", "a"), entry("b", "b"), entry("c", "c", optional=True)


@pytest.mark.parametrize("missing", [NotFound("no such key"), Gone("version 3 is destroyed")])
def test_what_was_read_before_and_is_gone_is_left_out_where_the_policy_says_so(missing: SecretsError) -> None:
    merged = keep("Merge", "a b", A, B, a=PLAIN, b=missing)
    assert (merged.data, merged.gone, merged.marks) == ({"a": b"plain"}, ("b",), ("a", "b"))
    deleted = keep("Delete", "a b", A, B, a=missing, b=missing)
    assert (deleted.data, deleted.gone, deleted.marks) == ({}, ("a", "b"), ("a", "b"))


@pytest.mark.parametrize(
    ("policy", "known", "of_b"),
    [
        ("Retain", "a b", NotFound("no such key")),
        ("Merge", "a", NotFound("no such key")),
        ("Merge", "a b", NotFound("no such field", property="x")),
        ("Merge", "a b", Unavailable("no answer")),
        ("Delete", "a b", NotFound("no such key")),
    ],
)
def test_everything_else_fails_as_it_always_did(policy: str, known: str, of_b: SecretsError) -> None:
    with pytest.raises(Unusable):
        keep(policy, known, A, B, a=PLAIN, b=of_b)


@pytest.mark.parametrize("of_b", [Unavailable("no answer"), Denied("no right"), NotFound("no field", property="x")])
def test_nothing_is_deleted_while_one_source_may_still_be_there(of_b: SecretsError) -> None:
    with pytest.raises(Unusable):
        keep("Delete", "a b", A, B, a=NotFound("no such key"), b=of_b)


def test_an_optional_source_is_gone_only_if_it_was_ever_there() -> None:
    missing = NotFound("no such key")
    assert keep("Delete", "a c", A, MAYBE, a=missing, c=missing).gone == ("a", "c")
    assert keep("Delete", "a", A, MAYBE, a=missing, c=missing).gone == ("a",)
    assert keep("Delete", "", MAYBE, c=missing).gone == ()
    assert keep("Delete", "a c", A, MAYBE, a=PLAIN, c=missing).gone == ()


# --- rewrite and conflictPolicy


def rewritten(answer: SecretValue, names: dict[str, str] | SecretsError) -> Composed:
    source = extract("a", decodingStrategy="Base64")
    return compose([Found(source, "prod", answer, rewritten=names)])


def test_fields_are_written_under_the_names_that_a_rewrite_made() -> None:
    value = SecretValue({"slack/bot": "MQ==", "nothing": None, "b": "Mg=="}, "7")
    found = rewritten(value, {"slack/bot": "bot x", "b": "c"})
    assert found.data == {"bot_x": b"1", "c": b"2"}
    assert [(told.secret_key, told.remote_key, told.version) for told in found.entries] == [
        ("bot_x", "a", "7"),
        ("c", "a", "7"),
    ]
    assert names_in(extract("a"), value) == ["slack/bot", "b"]
    assert names_in(extract("a#x"), value) == names_in(extract("a"), PLAIN) == []


def test_a_rewritten_field_keeps_the_link_that_it_came_from() -> None:
    one, two = SecretValue({}, "1"), SecretValue({}, "2")
    one.provider, two.provider = "one", "two"
    value = SecretValue({"a/x": "MQ==", "y": "Mg=="})
    value.origins = {"a/x": one, "y": two}
    found = rewritten(value, {"a/x": "first", "y": "second"})
    assert {told.secret_key: (told.provider, told.version) for told in found.entries} == {
        "first": ("one", "1"),
        "second": ("two", "2"),
    }
    plain = compose([Found(extract("a"), "prod", value)])
    assert {told.secret_key: told.provider for told in plain.entries} == {"a_x": "one", "y": "two"}


@pytest.mark.parametrize("fault", [Invalid("too long"), TemplateError("no such filter")])
def test_a_rewrite_that_fails_is_the_failure_of_its_source(fault: SecretsError) -> None:
    with pytest.raises(Unusable) as caught:
        rewritten(SLACK, fault)
    assert type(caught.value.error) is type(fault)
    assert str(caught.value.error) == f"a: {fault.message} (for dataFrom)"


ONE, TWO, THREE = (SecretValue({"k": f"{number}", f"own{number}": "x"}, f"{number}") for number in (1, 2, 3))


@pytest.mark.parametrize(("policy", "wins"), [("First", "1"), ("Last", "3")])
def test_the_policy_says_which_source_of_several_wins(policy: str, wins: str) -> None:
    found = compose(
        [Found(extract(key), "prod", value) for key, value in {"a": ONE, "b": TWO, "c": THREE}.items()],
        conflict_policy=policy,
    )
    assert found.data == {"k": wins.encode(), "own1": b"x", "own2": b"x", "own3": b"x"}
    (told,) = (told for told in found.entries if told.secret_key == "k")
    assert (told.version, told.remote_key) == (wins, "abc"[int(wins) - 1])


@pytest.mark.parametrize("policy", ["Error", "First", "Last"])
def test_data_wins_whatever_the_policy_is(policy: str) -> None:
    sources = [Found(extract("a"), "prod", ONE), Found(entry("k", "plain"), "prod", PLAIN)]
    assert compose(sources, conflict_policy=policy).data["k"] == b"plain"


@pytest.mark.parametrize("policy", ["Error", "First", "Last"])
def test_no_policy_lets_two_names_of_one_source_become_one_key(policy: str) -> None:
    value = SecretValue({"a/x": "1", "b/x": "2"})
    found = Found(extract("a"), "prod", value, rewritten={"a/x": "x", "b/x": "x"})
    with pytest.raises(Unusable, match=r"'a/x' and 'b/x' both become the key x"):
        compose([found], conflict_policy=policy)


@pytest.mark.parametrize(("policy", "wins"), [("First", b"1"), ("Last", b"2")])
def test_the_policy_holds_between_flows_and_extracts_too(policy: str, wins: bytes) -> None:
    of_flow = NamedByFlow.model_validate({"secretKey": "k", "remoteRef": {"key": "two", "optional": True}})
    both = [Found(extract("a"), "prod", SecretValue({"k": "1"})), Found(of_flow, "prod", SecretValue("2"))]
    assert compose(both, conflict_policy=policy).data == {"k": wins}
    with pytest.raises(Unusable, match="a gives the key k too"):
        compose(both)
    gone = [both[0], Found(of_flow, "prod", NotFound("no", key="two"))]
    assert compose(gone, conflict_policy=policy) == compose(gone[:1])
