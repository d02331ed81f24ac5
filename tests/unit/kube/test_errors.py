"""kube/errors.py: an answer that is no success becomes one class, whoever sent it."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beemflow_secrets.kube import errors
from beemflow_secrets.kube.errors import from_response

CLASSES = {
    400: errors.Refused,
    401: errors.Unauthorized,
    403: errors.Forbidden,
    404: errors.NotFound,
    405: errors.Refused,
    409: errors.Conflict,
    410: errors.Expired,
    413: errors.Refused,
    422: errors.Refused,
    429: errors.ApiUnavailable,
    500: errors.ApiUnavailable,
    502: errors.ApiUnavailable,
    503: errors.ApiUnavailable,
    504: errors.ApiUnavailable,
}


@pytest.mark.parametrize(("status", "kind"), CLASSES.items())
def test_the_status_decides(status: int, kind: type[errors.ApiError]) -> None:
    found = from_response(status, orjson.dumps({"message": "no", "reason": "Because"}), None)
    assert type(found) is kind
    assert (found.status, found.message, found.reason, str(found)) == (status, "no", "Because", "no")


def test_a_conflict_of_a_create_is_told_from_one_of_versions() -> None:
    assert type(from_response(409, b'{"reason": "AlreadyExists"}', None)) is errors.AlreadyExists
    assert type(from_response(409, b'{"reason": "Conflict"}', None)) is errors.Conflict


@pytest.mark.parametrize(
    ("header", "seconds"), [("3", 3.0), ("0", 0.0), (None, None), ("Wed, 21 Oct 2026", None), ("-1", None), ("", None)]
)
def test_retry_after_in_seconds(header: str | None, seconds: float | None) -> None:
    assert from_response(429, b"", header).retry_after == seconds


@given(status=st.integers(400, 599), body=st.binary(), retry_after=st.none() | st.text())
def test_whatever_is_sent_is_an_error_with_a_message(status: int, body: bytes, retry_after: str | None) -> None:
    found = from_response(status, body, retry_after)
    assert found.message
    assert found.status == status


@given(
    status=st.integers(400, 599),
    body=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["message", "reason", "x"]), inner),
    ),
)
def test_whatever_json_is_sent_too(status: int, body: object) -> None:
    try:
        text = orjson.dumps(body)
    except orjson.JSONEncodeError:  # an integer of more than 64 bits
        return
    assert isinstance(from_response(status, text, None).message, str)
