"""What Google's answers mean, without a server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from beemflow_secrets.providers.errors import (
    AuthFailed,
    Denied,
    Gone,
    Invalid,
    NotFound,
    SecretsError,
    Throttled,
    Unavailable,
)
from beemflow_secrets.providers.gcp.answers import document, page, value
from beemflow_secrets.providers.gcp.crc32c import crc32c
from beemflow_secrets.providers.gcp.failures import Exists, failure, refuses_login
from beemflow_secrets.providers.gcp.names import secret_id, spelled, version_name
from beemflow_secrets.providers.wire import Answer

INFO = "type.googleapis.com/google.rpc.ErrorInfo"
RETRY = "type.googleapis.com/google.rpc.RetryInfo"


def refusal(code: int, status: str, message: str = "canary", *details: dict[str, Any]) -> Answer:
    error = {"code": code, "message": message, "status": status, "details": list(details)}
    return Answer(code, json.dumps({"error": error}).encode())


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        (refusal(404, "NOT_FOUND"), NotFound, "no such secret"),
        (refusal(400, "FAILED_PRECONDITION", "Secret Version [x] is in DISABLED state."), Gone, "is disabled"),
        (refusal(400, "FAILED_PRECONDITION", "Secret Version [x] is in DESTROYED state."), Gone, "is destroyed"),
        # Only what says that the version is gone may remove a Secret.
        (refusal(400, "FAILED_PRECONDITION", "The Cloud KMS key is in DISABLED state."), Denied, "KMS key"),
        (refusal(400, "FAILED_PRECONDITION", "anything else"), Invalid, "FAILED_PRECONDITION"),
        (refusal(400, "INVALID_ARGUMENT"), Invalid, "INVALID_ARGUMENT"),
        (refusal(400, "canary of a status"), Invalid, "refuses the request"),
        (refusal(401, "UNAUTHENTICATED"), AuthFailed, "knows no such token"),
        (refusal(401, "UNAUTHENTICATED", "", {"@type": INFO, "reason": "ACCESS_TOKEN_EXPIRED"}), AuthFailed, "expired"),
        (refusal(403, "PERMISSION_DENIED"), Denied, "no role"),
        (refusal(403, "PERMISSION_DENIED", "", {"@type": INFO, "reason": "SERVICE_DISABLED"}), Invalid, "not enabled"),
        (refusal(403, "PERMISSION_DENIED", "", {"@type": INFO, "reason": "CONSUMER_INVALID"}), Invalid, "no such pro"),
        (
            refusal(403, "PERMISSION_DENIED", "", {"@type": INFO, "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}),
            AuthFailed,
            "scope cloud-platform",
        ),
        (refusal(409, "ALREADY_EXISTS"), Exists, "already"),
        (refusal(409, "ABORTED"), Unavailable, "at the same time"),
        (refusal(429, "RESOURCE_EXHAUSTED"), Throttled, "fewer requests"),
        (refusal(500, "INTERNAL"), Unavailable, "(500)"),
        (refusal(503, "UNAVAILABLE"), Unavailable, "(503)"),
        (refusal(504, "DEADLINE_EXCEEDED"), Unavailable, "(504)"),
        # Of something that stands before it.
        (Answer(404, b"<html>canary"), Unavailable, "something stands before it"),
        (Answer(404, b'{"error": "canary"}'), Unavailable, "something stands before it"),
        (Answer(404, b'{"error": {"code": 404, "message": "canary"}}'), Unavailable, "something stands before it"),
        (Answer(403, b""), Unavailable, "something stands before it"),
        (Answer(429, b"", "7"), Throttled, "429"),
        (Answer(302, b""), Unavailable, "redirect"),
        (Answer(502, b"<html>"), Unavailable, "502"),
    ],
)
def test_an_error_is_one_of_ours_and_shows_no_text_of_theirs(
    answer: Answer, kind: type[SecretsError], says: str
) -> None:
    found = failure(answer, key="a")
    assert type(found) is kind
    assert says in found.message
    assert "canary" not in found.message


@pytest.mark.parametrize(
    ("details", "header", "patience"),
    [
        ([], None, None),
        ([{"@type": RETRY, "retryDelay": "3.5s"}], None, 3.5),
        ([{"@type": RETRY, "retryDelay": "12s"}], "7", 7.0),
        ([{"@type": RETRY, "retryDelay": "soon"}], None, None),
        ([{"@type": INFO, "reason": "RATE_LIMIT_EXCEEDED"}], None, None),
    ],
)
def test_how_long_to_wait(details: list[dict[str, Any]], header: str | None, patience: float | None) -> None:
    answer = Answer(429, refusal(429, "RESOURCE_EXHAUSTED", "", *details).body, header)
    found = failure(answer)
    assert isinstance(found, Throttled)
    assert found.retry_after == patience


def test_only_googles_word_ends_a_login() -> None:
    assert refuses_login(refusal(401, "UNAUTHENTICATED"))
    assert not refuses_login(Answer(401, b"<html>of a proxy"))
    assert not refuses_login(refusal(403, "PERMISSION_DENIED"))


def test_the_checksum_is_castagnolis() -> None:
    # RFC 3720, B.4.
    assert crc32c(b"\x00" * 32) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E
    assert crc32c(b"") == 0


def accessed(**payload: Any) -> dict[str, Any]:
    return {"name": "projects/1/secrets/a/versions/4", "payload": payload}


def test_a_value_has_the_number_of_its_version() -> None:
    found = value(accessed(data="eA==", dataCrc32c=str(crc32c(b"x"))))
    assert (found.raw, found.version) == (b"x", "4")
    assert value(accessed(data="eA==")).raw == b"x"


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"name": "projects/1/secrets/a/versions/4"},
        accessed(),
        accessed(data="no base64"),
        accessed(data=7),
        accessed(data="eA==", dataCrc32c="1"),
        {"payload": {"data": "eA=="}},
    ],
)
def test_what_is_no_value_is_never_an_empty_one(found: dict[str, Any]) -> None:
    with pytest.raises(Unavailable):
        value(found)


def test_pages() -> None:
    listed, more = page({"secrets": [{"name": "projects/1/secrets/a", "createTime": "2026-01-02T03:04:05.678901Z"}]})
    assert (list(listed), more) == (["a"], "")
    assert listed["a"].created_at is not None
    assert page({"nextPageToken": "x"}) == ({}, "x")
    misshapen: list[dict[str, Any]] = [{"secrets": {}}, {"secrets": [1]}, {"secrets": [{}]}]
    for wrong in misshapen:
        with pytest.raises(Unavailable):
            page(wrong)


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b"[" * 100_000])
def test_an_answer_that_is_no_json_object(body: bytes) -> None:
    with pytest.raises(Unavailable):
        document(Answer(200, body))


def test_names_are_mapped_and_legal_ones_stay() -> None:
    assert spelled("team/With.Dot_a-b") == "team--With---Dot_a-b"
    assert secret_id("a" * 255) == "a" * 255
    for wrong in ("", "a" * 256, "a/" * 90 + "a", "a b", "a#b", "ü", "/a"):
        with pytest.raises(Invalid):
            secret_id(wrong)
    assert version_name(None, key="a") == "latest"
