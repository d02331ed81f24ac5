from __future__ import annotations

import base64
import traceback
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beemflow_secrets.providers.errors import Invalid
from beemflow_secrets.rendering.decode import decode

CANARY = b"canary-5b20"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"", b""),
        (b"YQ==", b"a"),
        (b"YWI=", b"ab"),
        (b"YWJj", b"abc"),
        (b"YW\nJj\r\n", b"abc"),
        (b"+/8=", b"\xfb\xff"),
        (b"YR==", b"a"),  # bits that are left over: Go passes them over
    ],
)
def test_base64(value: bytes, expected: bytes) -> None:
    assert decode(value, "Base64") == decode(value, "Auto") == expected


@pytest.mark.parametrize(
    "value",
    [
        b"YQ",
        b"YQ=",
        b"YQ===",
        b"Y",
        b"YQ==YQ==",
        b"YWJj=",
        b"=",
        b"====",
        b"YQ= =",
        b"YW Jj",
        b"YQ==\x00",
        b"a-_b",
        b"\xff\xff\xff\xff",
    ],
)
def test_what_go_does_not_decode_is_refused(value: bytes) -> None:
    with pytest.raises(Invalid, match="the value is not Base64, as decodingStrategy has it"):
        decode(value, "Base64")


def test_a_refusal_shows_no_value() -> None:
    with pytest.raises(Invalid) as caught:
        decode(CANARY, "Base64")
    assert CANARY.decode() not in "".join(traceback.format_exception(caught.value))


def test_the_two_alphabets_do_not_mix() -> None:
    assert decode(b"-_8=", "Base64URL") == decode(b"-_8=", "Auto") == b"\xfb\xff"
    for value in (b"+/8=", b"-/8=", b"-_8"):
        with pytest.raises(Invalid, match="not Base64URL"):
            decode(value, "Base64URL")
    assert decode(b"-/8=", "Auto") == b"-/8="


@pytest.mark.parametrize("value", [b"plain text", b"YQ", b"\xff\x00", b"pass!word"])
def test_auto_leaves_what_is_neither_as_it_is(value: bytes) -> None:
    assert decode(value, "Auto") == value


@given(st.binary())
def test_none_leaves_everything_and_encodings_come_back(value: bytes) -> None:
    assert decode(value, "None") == value
    assert decode(base64.b64encode(value), "Base64") == value
    assert decode(base64.encodebytes(value), "Base64") == value
    assert decode(base64.urlsafe_b64encode(value), "Base64URL") == value
    assert decode(base64.b64encode(value), "Auto") == value


@given(st.binary(max_size=12), st.sampled_from(["Base64", "Base64URL"]))
def test_auto_agrees_with_whichever_decodes(value: bytes, strategy: Literal["Base64", "Base64URL"]) -> None:
    try:
        decoded = decode(value, strategy)
    except Invalid:
        return
    assert decode(value, "Auto") == decoded
