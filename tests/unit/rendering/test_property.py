from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beemflow_secrets.providers import jsontext
from beemflow_secrets.providers.errors import NotFound
from beemflow_secrets.providers.value import SecretValue
from beemflow_secrets.rendering.property import pick

CANARY = "canary-5b20"

FIELDS: dict[str, object] = {
    "token": "t",
    "a.b": "the field of that name",
    "a": {"b": "the path", "c.d": "dotted", "": "empty name"},
    "list": [{"x": "first"}, "second", None],
    "number": jsontext.Number("1.10"),
    "large": jsontext.Number("9" * 40),
    "yes": True,
    "none": None,
    "object": {"ü": [jsontext.Number("1"), "2", False, None]},
    "text": '{"inner": {"deep": ["x", 7.50]}, "a.b": 1}',
    "bytes": b'{"x": "y"}',
    "binary": b"\xff\x00",
    "garbage": "{not json",
    "01": "odd name",
    "back\\slash": "b",
}


@pytest.mark.parametrize(
    ("property_", "expected"),
    [
        ("token", "t"),
        ("a.b", "the field of that name"),
        (r"a.c\.d", "dotted"),
        ("a.", "empty name"),
        ("list.0.x", "first"),
        ("list.1", "second"),
        ("number", "1.10"),
        ("large", "9" * 40),
        ("yes", "true"),
        ("object", '{"ü":[1,"2",false,null]}'),
        ("object.ü", '[1,"2",false,null]'),
        ("object.ü.0", "1"),
        ("object.ü.2", "false"),
        ("text", '{"inner": {"deep": ["x", 7.50]}, "a.b": 1}'),
        ("text.inner", '{"deep":["x",7.50]}'),
        ("text.inner.deep.1", "7.50"),
        (r"text.a\.b", "1"),
        ("bytes.x", "y"),
        ("01", "odd name"),
        ("back\\slash", "b"),
    ],
)
def test_a_property_of_a_map(property_: str, expected: str) -> None:
    assert pick(SecretValue(FIELDS), property_) == expected.encode()


def test_bytes_stay_bytes() -> None:
    assert pick(SecretValue(FIELDS), "binary") == b"\xff\x00"


@pytest.mark.parametrize(
    "property_",
    [
        "Token",
        "none",
        "list.2",
        "list.3",
        "list.-1",
        "list.00",
        "list.#",
        "list[0]",
        "list.@reverse",
        "list.99999999999999999999",
        "a.c.d",
        "a.*",
        "token.x",
        "token.0",
        "number.0",
        "yes.x",
        "binary.x",
        "garbage.not",
        "text.a.b",
        "$.token",
        ".token",
        "token.",
        ".",
        "",
    ],
)
def test_what_leads_nowhere_is_missing(property_: str) -> None:
    with pytest.raises(NotFound) as caught:
        pick(SecretValue(FIELDS), property_)
    assert caught.value.property == property_
    assert caught.value.key is None
    assert caught.value.message == f"no property {property_!r}"


@pytest.mark.parametrize("content", ['{"a": {"b": 1.0}, "a.c": "x"}', b'{"a": {"b": 1.0}, "a.c": "x"}'])
def test_text_backends_have_the_properties_of_their_json(content: str | bytes) -> None:
    assert pick(SecretValue(content), "a.b") == b"1.0"
    assert pick(SecretValue(content), "a.c") == b"x"
    assert pick(SecretValue(content), "a") == b'{"b":1.0}'


@pytest.mark.parametrize(
    "content", [CANARY, "", "7", "null", f'"{CANARY}"', b"\xff", '{"a": NaN}', '{"a": 1} x', "[" * 9999]
)
def test_text_that_is_no_object_has_none(content: str | bytes) -> None:
    with pytest.raises(NotFound) as caught:
        pick(SecretValue(content), "a")
    assert CANARY not in f"{caught.value!r} {caught.value} {caught.value.__cause__!r}"


def test_null_gives_way_to_the_path() -> None:
    assert pick(SecretValue({"a.b": None, "a": {"b": "x"}}), "a.b") == b"x"


TREES = st.recursive(
    st.booleans() | st.text("ab.\\", min_size=1) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab.ü ", min_size=1), inner, max_size=3),
    max_leaves=12,
)


def leaves(node: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    found = [(path, node)] if path else []
    if isinstance(node, dict):
        for name, inner in node.items():
            found += leaves(inner, (*path, name))
    elif isinstance(node, list):
        for index, inner in enumerate(node):
            found += leaves(inner, (*path, str(index)))
    return found


@given(st.dictionaries(st.text("ab.ü ", min_size=1), TREES, min_size=1, max_size=4))
def test_every_place_of_a_tree_has_its_path(tree: dict[str, Any]) -> None:
    for path, leaf in leaves(tree):
        written = ".".join(step.replace(".", r"\.") for step in path)
        node = tree.get(written, leaf)  # a field of exactly that name wins
        expected = node if isinstance(node, str) else json.dumps(node, ensure_ascii=False, separators=(",", ":"))
        assert pick(SecretValue(json.dumps(tree)), written) == expected.encode()
        assert pick(SecretValue(jsontext.loads(json.dumps(tree))), written) == expected.encode()  # type: ignore[arg-type]


@given(st.text("ab.\\0#[]"), TREES)
def test_any_property_is_found_or_missing(property_: str, tree: object) -> None:
    try:
        assert isinstance(pick(SecretValue({"a": tree}), property_), bytes)
    except NotFound as error:
        assert error.property == property_  # noqa: PT017  # both ends are right, and each is checked
