"""SecretValue: what it gives, and that it never prints."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback

import orjson
import pytest

from beemflow_secrets.providers import jsontext
from beemflow_secrets.providers.errors import Invalid, SecretsError
from beemflow_secrets.providers.value import SecretValue

CANARY = "canary-5be1"


@pytest.mark.parametrize(
    ("content", "raw"),
    [
        ("text", b"text"),
        ("ü", "ü".encode()),
        (b"\xff\x00", b"\xff\x00"),
        ({"value": "only"}, b"only"),
        ({"value": jsontext.Number("1.10")}, b"1.10"),
        ({"value": {"a": [1, True, None]}}, b'{"a":[1,true,null]}'),
        ({"value": None}, b'{"value":null}'),
        ({"value": "one", "of": "two"}, b'{"value":"one","of":"two"}'),
        ({"n": jsontext.Number("1e400"), "q": 'say "ü"'}, '{"n":1e400,"q":"say \\"ü\\""}'.encode()),
        ({}, b"{}"),
    ],
)
def test_raw_is_the_value_as_it_is_stored(content: str | bytes | dict[str, object], raw: bytes) -> None:
    assert SecretValue(content).raw == raw


def test_binary_has_bytes_and_no_text() -> None:
    with pytest.raises(Invalid, match="binary"):
        _ = SecretValue(b"\xff").value


@pytest.mark.parametrize("content", ["\ud800", {"value": "\ud800"}, {"a": "\ud800", "b": "c"}])
def test_half_a_surrogate_pair_is_invalid_and_not_shown(content: str | dict[str, object]) -> None:
    with pytest.raises(Invalid, match="no valid text") as caught:
        _ = SecretValue(content).raw
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_what_is_nested_too_deep_is_invalid() -> None:
    deep: object = "bottom"
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(Invalid, match="too deep"):
        _ = SecretValue({"a": deep, "b": 1}).raw
    while isinstance(deep, list):  # else its destruction recurses
        deep = deep.pop()


def test_it_never_prints(caplog: pytest.LogCaptureFixture) -> None:
    secret = SecretValue(CANARY, "7")
    logging.getLogger("test").error("%s %r", secret, secret)
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>40}", f"{[secret]}", caplog.text]
    shown.append(repr(pickle.loads(pickle.dumps(secret)).raw))
    shown.append(json.dumps({"s": secret}, default=str))
    with pytest.raises(TypeError) as caught:
        orjson.dumps(secret)
    shown.append("".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()))
    assert CANARY not in "".join(shown)
    assert "***" in repr(secret)
    assert copy.copy(secret) is copy.deepcopy(secret) is secret


def test_errors_say_which_key() -> None:
    assert str(SecretsError("away", key="slack/bot")) == "slack/bot: away"
    assert str(SecretsError("away")) == "away"
