from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from beemflow_secrets.model.cel import compiled
from beemflow_secrets.model.duration import PATTERN, Duration, seconds

UNITS = {"ns": 10**-9, "us": 10**-6, "µs": 10**-6, "μs": 10**-6, "ms": 10**-3, "s": 1, "m": 60, "h": 3600}
DURATION = TypeAdapter(Duration)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0.0),
        ("0s", 0.0),
        ("+1h", 3600.0),
        ("1h30m", 5400.0),
        ("250ms", 0.25),
        ("1.5s", 1.5),
        ("1.s", 1.0),
        (".5m", 30.0),
        ("3µs", 3e-6),
        ("3μs", 3e-6),
        ("1m1m", 120.0),
        ("0.1s0.1s0.1s", 0.3),
        ("168h", 604800.0),
    ],
)
def test_go_durations_are_read_to_the_exact_second(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1",
        "1.5",
        "-1s",
        "-0",
        "1 h",
        "1d",
        "1H",
        "h",
        ".s",
        "1h ",
        "1h\n",
        "0\n",
        "1e3s",
        "inf",
        "nan",
        "\u0661s",
    ],
)
def test_what_go_does_not_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a duration"):
        seconds(text)


@given(st.lists(st.tuples(st.integers(0, 99), st.sampled_from(sorted(UNITS))), min_size=1, max_size=6))
def test_parts_add_up(parts: list[tuple[int, str]]) -> None:
    expected = sum(Fraction(str(UNITS[unit])) * number for number, unit in parts)
    assert seconds("".join(f"{number}{unit}" for number, unit in parts)) == float(expected)


@given(st.text(max_size=40))
def test_what_is_refused_is_not_quoted(text: str) -> None:
    assume(compiled(PATTERN).search(text) is None)
    with pytest.raises(ValueError, match=r"^must be a duration such as 1h30m, 250ms or 0$"):
        seconds(text)


@pytest.mark.parametrize(
    "written", ["30", "-1", "1.5", "0.0", "true", "false", "null", "[]", "{}", '"87600h1s"', f'"{"1s" * 20}"', '"-1s"']
)
def test_a_field_takes_no_bare_number_but_zero(written: str) -> None:
    with pytest.raises(ValidationError, match="must be a duration with its unit"):
        DURATION.validate_json(written)


def test_a_field_takes_zero_both_ways() -> None:
    assert DURATION.validate_json("0") == DURATION.validate_json('"0"') == 0.0
    assert DURATION.validate_json('"87600h"') == 87600 * 3600


def test_python_code_gives_seconds() -> None:
    assert DURATION.validate_python(0.25) == 0.25
    for wrong in (-0.1, float("inf"), float("nan"), 30, True):
        with pytest.raises(ValidationError):
            DURATION.validate_python(wrong)
