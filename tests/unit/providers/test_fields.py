"""Fields: one is set or taken away, and all others stay as they were spelled."""

from __future__ import annotations

from typing import Any

import pytest

from beemflow_secrets.providers import jsontext
from beemflow_secrets.providers.errors import Invalid
from beemflow_secrets.providers.fields import map_after, map_without, text_after, text_without
from beemflow_secrets.providers.value import SecretValue
from beemflow_secrets.rendering.property import pick


@pytest.mark.parametrize(
    ("text", "property", "after"),
    [
        ('{"a": 1.10, "b": [1, 2]}', "c", '{"a":1.10,"b":[1,2],"c":"x"}'),
        ('{"a": {"b": "1", "n": 123456789012345678901234567890}}', "a.b",
         '{"a":{"b":"x","n":123456789012345678901234567890}}'),
        ('{"a.b": "1", "a": {"b": "2"}}', "a.b", '{"a.b":"x","a":{"b":"2"}}'),
        ('{"a": {"b": "2"}}', "a.c", '{"a":{"b":"2","c":"x"}}'),
        ('{"a": {"b": "2"}}', r"a\.c", '{"a":{"b":"2"},"a.c":"x"}'),
        ('{"a": "text"}', "a.c", '{"a":"text","a.c":"x"}'),
        ('{"a": "{\\"c\\": 1}"}', "a.c", '{"a":"{\\"c\\": 1}","a.c":"x"}'),
        ('{"a": ["1"]}', "a.0", '{"a":["1"],"a.0":"x"}'),
        ('{"a": null}', "a", '{"a":"x"}'),
        (None, "a", '{"a":"x"}'),
    ],
)  # fmt: skip
def test_a_field_is_set_where_reading_finds_it(text: str | None, property: str, after: str) -> None:
    found = text_after(text.encode() if text is not None else None, "x", property)
    assert found == after.encode()
    assert pick(SecretValue(found), property) == b"x"


@pytest.mark.parametrize(
    ("text", "value", "property"),
    [
        ('{ "a": 5,  "b": true }', "5", "a"),
        ('{ "a": 5,  "b": true }', "true", "b"),
        ('{"a": {"b": "x"} }', b"x", "a.b"),
        ('{ "a": 5,  "b": true }', {"b": "true", "a": b"5"}, None),
        ("no JSON", "no JSON", None),
    ],
)
def test_what_reads_the_same_is_not_spelled_anew(text: str, value: Any, property: str | None) -> None:
    assert text_after(text.encode(), value, property) == text.encode()


@pytest.mark.parametrize("text", ["no JSON", "[1]", '"text"', "\xff"])
def test_text_that_is_no_object_has_no_fields(text: str) -> None:
    raw = text.encode("latin-1")
    with pytest.raises(Invalid, match="no JSON object"):
        text_after(raw, "x", "a")
    assert text_without(raw, "a") is raw
    assert text_after(raw, {"a": "b"}, None) == b'{"a":"b"}'


def test_a_field_of_bytes_needs_a_backend_that_holds_them() -> None:
    with pytest.raises(Invalid, match="binary") as caught:
        text_after(None, b"\xff", "a")
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    assert map_after({}, b"\xff", "a") == {"a": b"\xff"}


@pytest.mark.parametrize(
    ("text", "property", "after"),
    [
        ('{"a": 1.10, "b": 2}', "b", '{"a":1.10}'),
        ('{"a": {"b": 1, "c": 2}}', "a.b", '{"a":{"c":2}}'),
        ('{"a": {"b": 1}, "c": 2}', "a.b", '{"c":2}'),
        ('{"a": 1}', "a", None),
        ('{"a": {"b": 1}}', "a.b", None),
        ('{"a":  1}', "b", '{"a":  1}'),
        ('{"a":  1}', "a.b", '{"a":  1}'),
        ('{"a":  null, "b": 1}', "a", '{"a":  null, "b": 1}'),
    ],
)
def test_a_field_is_taken_away(text: str, property: str, after: str | None) -> None:
    assert text_without(text.encode(), property) == (after.encode() if after is not None else None)


def test_without_a_property_all_is_replaced() -> None:
    fields = jsontext.loads('{"value": 5, "b": 1}')
    assert isinstance(fields, dict)
    assert map_after(fields, "5", None) == {"value": "5"}
    only = {"value": jsontext.Number("5")}
    assert map_after(only, "5", None) is only
    assert map_after(fields, {"b": "1"}, None) == {"b": "1"}
    assert map_without(fields, "no such") is fields
