from __future__ import annotations

import fnmatch
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beemflow_secrets.model.patterns import Patterns

WORDS = st.text("ab/*", max_size=8)


@pytest.mark.parametrize(
    ("pattern", "matched", "other"),
    [
        ("stripe/key", ["stripe/key"], ["stripe/key2", "a/stripe/key", "Stripe/key", ""]),
        ("stripe/*", ["stripe/", "stripe/key", "stripe/a/b"], ["stripe", "stripes/key", "x/stripe/key"]),
        ("*/key", ["/key", "a/key", "a/b/key"], ["key", "a/keys"]),
        ("a*b*c", ["abc", "a/b/c", "abbc", "abcbc"], ["ab", "acb", "abcd"]),
        ("*", ["", "a", "a/b\nc"], []),
        ("**", ["", "a"], []),
        ("a*a", ["aa", "aba"], ["a"]),  # no letter is used twice
        ("*ab*ab", ["abab", "xabyab"], ["ab", "abxa", "aab"]),
    ],
)
def test_a_star_is_any_text_and_a_pattern_matches_the_whole_name(
    pattern: str, matched: list[str], other: list[str]
) -> None:
    patterns = Patterns([pattern])
    assert [name for name in (*matched, *other) if patterns.match(name)] == matched


@pytest.mark.parametrize("letter", list("?[]{}().+^$|\\!"))
def test_nothing_but_the_star_means_more_than_itself(letter: str) -> None:
    assert Patterns([f"a{letter}b*"]).match(f"a{letter}bc")
    assert not Patterns([f"a{letter}b*"]).match("axbc")
    assert not Patterns([f"a{letter}b"]).match("axb")


@given(WORDS, WORDS)
def test_stars_match_as_in_file_names(pattern: str, name: str) -> None:
    assert Patterns([pattern]).match(name) == fnmatch.fnmatchcase(name, pattern)


def test_one_of_several_is_enough_none_is_all_and_no_pattern_is_nothing() -> None:
    several = Patterns(["a", "b/*", "c"])
    assert [name for name in ("a", "b/x", "c", "d") if several.match(name)] == ["a", "b/x", "c"]
    assert Patterns(None).match("whatever")
    assert not Patterns([]).match("")


def test_no_pattern_makes_it_slow() -> None:
    patterns = Patterns(["*a" * 250 + "*b"] * 50)
    started = time.process_time()
    assert not patterns.match("a" * 2048)
    assert time.process_time() - started < 0.5  # a regular expression that goes back would take years
