from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beemflow_secrets.model.cel import compiled
from beemflow_secrets.model.keys import DIVIDED, KeyParts, key_fault, split_key


@pytest.mark.parametrize(
    ("text", "key", "property_"),
    [
        ("slack/bot", "slack/bot", None),
        ("slack/bot#token", "slack/bot", "token"),
        ("a#b#c", "a#b", "c"),
        (r"a\#b", "a#b", None),
        (r"a\#b#c", "a#b", "c"),
        (r"a#b\#c", "a", "b#c"),
        (r"a#b\.c.0", "a", r"b\.c.0"),
        (r"a\b#c", r"a\b", "c"),
        ("#a", "", "a"),
    ],
)
def test_the_last_unescaped_hash_divides(text: str, key: str, property_: str | None) -> None:
    assert split_key(text) == KeyParts(key, property_)


@pytest.mark.parametrize("text", ["a#", "#", "a#b#", r"a\#b#"])
def test_a_hash_names_a_property(text: str) -> None:
    with pytest.raises(ValueError, match="names no property"):
        split_key(text)


@given(st.text("ab#\\/.", min_size=1))
def test_the_schemas_expression_sees_what_is_split(text: str) -> None:
    try:
        divided = split_key(text).property is not None
    except ValueError:
        divided = True
    assert (compiled(DIVIDED).search(text) is not None) is divided


@given(st.text("ab#/. "), st.text("ab#.", min_size=1))
def test_an_escaped_key_comes_back(key: str, property_: str) -> None:
    escaped = (re.sub("#", r"\#", part) for part in (key, property_))
    assert split_key("#".join(escaped)) == KeyParts(key, property_)


@pytest.mark.parametrize("key", ["a", "a b", "a+b", "ü/名", "a..b", "...", ".a/b.", "a//b", "-", "a#b", "a\\b"])
def test_a_backend_may_have_odd_names(key: str) -> None:
    assert key_fault(key) is None


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        ("", "is empty"),
        ("/a", "begins or ends"),
        ("a/", "begins or ends"),
        ("/", "begins or ends"),
        (".", "has a segment"),
        ("..", "has a segment"),
        ("a/./b", "has a segment"),
        ("../a", "has a segment"),
        ("a/..", "has a segment"),
        ("a\nb", "control"),
        ("a\x00", "control"),
        ("a\x7f", "control"),
        ("a\n", "control"),
        ("a\ud83d", "half a character"),
    ],
)
def test_what_no_backend_may_be_asked_for(key: str, fault: str) -> None:
    assert fault in str(key_fault(key))
