"""What AWS answers, and what its error codes mean: pure functions."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import pytest

from beemflow_secrets.providers.aws.answers import batch, document, page, refusal, value
from beemflow_secrets.providers.aws.reading import name_fault
from beemflow_secrets.providers.awsauth.failures import code_of, error_of, refuses_login
from beemflow_secrets.providers.awsauth.keys import Keys
from beemflow_secrets.providers.awsauth.regions import address_of
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
from beemflow_secrets.providers.value import SecretValue
from beemflow_secrets.providers.wire import Answer

CANARY = "canary-7e11"
ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:a/b-AbCdEf"
MADE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def answer(body: object, status: int = 200, retry_after: str | None = None) -> Answer:
    return Answer(status, json.dumps(body).encode(), retry_after)


def secret(**fields: Any) -> dict[str, Any]:
    return {"ARN": ARN, "Name": "a/b", "VersionId": "v" * 32, "CreatedDate": MADE.timestamp(), **fields}


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ResourceNotFoundException", NotFound),
        ("AccessDeniedException", Denied),
        ("AccessDenied", Denied),
        ("DecryptionFailure", Denied),
        ("DecryptionFailureException", Denied),
        ("ExpiredTokenException", AuthFailed),
        ("ExpiredToken", AuthFailed),
        ("UnrecognizedClientException", AuthFailed),
        ("InvalidClientTokenId", AuthFailed),
        ("InvalidSignatureException", AuthFailed),
        ("SignatureDoesNotMatch", AuthFailed),
        ("ThrottlingException", Throttled),
        ("Throttling", Throttled),
        ("RequestLimitExceeded", Throttled),
        ("TooManyRequestsException", Throttled),
        ("InternalServiceError", Unavailable),
        ("InternalServiceErrorException", Unavailable),
        ("InvalidParameterException", Invalid),
        ("InvalidRequestException", Invalid),
        ("ValidationException", Invalid),
    ],
)
@pytest.mark.parametrize("status", [400, 404, 403])
def test_a_code_decides_and_not_the_status(code: str, kind: type[SecretsError], status: int) -> None:
    for spelled in (code, f"com.amazonaws.secretsmanager#{code}", f"{code}:http://internal.amazon.com/"):
        with pytest.raises(SecretsError) as caught:
            document(answer({"__type": spelled, "message": CANARY}, status), key="a/b")
        assert type(caught.value) is kind
        assert caught.value.key == "a/b"
        assert CANARY not in repr(vars(caught.value)) + str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "You can't perform this operation on the secret because it was marked for deletion.",
        "You tried to perform the operation on a secret that's currently marked deleted.",
        "You can't perform this operation on the secret because it was deleted.",
    ],
)
def test_a_secret_that_is_scheduled_for_deletion_is_gone(text: str) -> None:
    assert type(error_of(code_of("InvalidRequestException"), text)) is Gone


def test_codes_of_a_server_that_fails_are_no_refusal() -> None:
    assert type(error_of("Whatever", "", answer=answer({}, 503))) is Unavailable
    throttled = error_of("Throttling", "", answer=answer({}, 400, retry_after="7"))
    assert isinstance(throttled, Throttled)
    assert throttled.retry_after == 7


def test_a_code_that_is_no_code_is_not_shown() -> None:
    assert "<" not in str(error_of("<script>", ""))
    assert "(Other)" in str(error_of("Other", ""))


@pytest.mark.parametrize("status", [200, 400, 403, 404, 500, 302])
@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"\xff", b"[" * 100_000, b'{"SecretString": '])
def test_what_is_not_of_aws_is_an_outage(status: int, body: bytes) -> None:
    """Whatever stands before the service: believing it could remove Secrets, or blame a policy."""
    with pytest.raises(Unavailable):
        value(document(Answer(status, body)))


def test_a_page_of_a_firewall_that_is_json_is_an_outage() -> None:
    with pytest.raises(Unavailable):
        document(answer({"error": "blocked"}, 403))


def test_text_and_bytes() -> None:
    text = value(secret(SecretString='{"a": 1.10}'))
    assert (text.raw, text.version, text.created_at) == (b'{"a": 1.10}', "v" * 32, MADE)
    assert value(secret(SecretBinary=b64encode(b"\x00\xff").decode())).raw == b"\x00\xff"


@pytest.mark.parametrize(
    "found", [secret(), secret(SecretString=1), secret(SecretBinary="*"), {"SecretString": CANARY}, {}]
)
def test_a_value_of_another_form_is_an_outage(found: dict[str, Any]) -> None:
    with pytest.raises(Unavailable) as caught:
        value(found)
    assert CANARY not in repr(caught.value)


@pytest.mark.parametrize("time", [None, "yesterday", 1e300, -1e300, True])
def test_a_time_that_is_none_is_left_out(time: object) -> None:
    made = value(secret(SecretString="x", CreatedDate=time)).created_at
    assert made is None or time is True


def test_a_batch_answers_by_all_that_a_secret_is_called() -> None:
    failed = [
        {"SecretId": "c", "ErrorCode": "ResourceNotFoundException", "Message": CANARY},
        {"SecretId": "d", "ErrorCode": "AccessDeniedException", "Message": CANARY},
        {"SecretId": "e", "ErrorCode": "InvalidRequestException", "Message": "marked for deletion"},
    ]
    found = batch({"SecretValues": [secret(SecretString="x"), secret(Name="odd", ARN="other")], "Errors": failed})
    for name in ("a/b", ARN, ARN[:-7]):
        one = found[name]
        assert isinstance(one, SecretValue)
        assert one.value == "x"
    assert [type(found[name]) for name in ("odd", "c", "d", "e")] == [Unavailable, NotFound, Denied, Gone]
    assert CANARY not in repr([vars(one) for one in found.values() if isinstance(one, SecretsError)])


def test_a_batch_of_another_form_answers_nothing() -> None:
    assert batch({}) == {}
    assert batch({"SecretValues": 7, "Errors": [None]}) == {}


def test_a_page_has_names_tags_and_the_way_to_the_next() -> None:
    tagged = secret(Tags=[{"Key": "expires-at", "Value": "2030-01-01T00:00:00Z"}, {"Key": "team", "Value": "a"}])
    listed, more = page({"SecretList": [tagged, secret()], "NextToken": "n"})
    assert [(one.name, dict(one.tags)) for one in listed] == [
        ("a/b", {"expires-at": "2030-01-01T00:00:00Z", "team": "a"}),
        ("a/b", {}),
    ]
    assert (listed[0].ids, more) == (("a/b", ARN, ARN[:-7]), "n")
    assert page({"SecretList": []}) == ([], "")
    with pytest.raises(Unavailable):
        page({})


def test_what_says_that_other_keys_may_help() -> None:
    assert refuses_login(refusal(answer({"__type": "ExpiredTokenException"}, 400)))
    assert not refuses_login(refusal(answer({"__type": "AccessDeniedException"}, 400)))
    assert refusal(answer({"__type": "ExpiredTokenException"})) == ""
    assert refusal(Answer(502, b"<html>")) == ""


@pytest.mark.parametrize(
    ("region", "address"),
    [
        ("eu-west-1", "https://secretsmanager.eu-west-1.amazonaws.com"),
        ("us-gov-west-1", "https://secretsmanager.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "https://secretsmanager.cn-north-1.amazonaws.com.cn"),
        ("us-iso-east-1", "https://secretsmanager.us-iso-east-1.c2s.ic.gov"),
        ("eu-nowhere-9", "https://secretsmanager.eu-nowhere-9.amazonaws.com"),  # one that botocore does not know yet
    ],
)
def test_where_a_region_is(region: str, address: str) -> None:
    assert address_of("secretsmanager", region) == address


@pytest.mark.parametrize("region", ["", "eu-west", "eu-west-1.evil.com", "eu-west-1/", "moon-1"])
def test_a_region_that_is_none(region: str) -> None:
    with pytest.raises(Invalid):
        address_of("sts", region)


@pytest.mark.parametrize("key", ["a", "A-z_0/9.+=@!", "x" * 512, ARN, ARN[:-7]])
def test_names_that_secrets_have(key: str) -> None:
    assert name_fault(key) is None


@pytest.mark.parametrize("key", ["a b", "ü", "a%b", "a?b", "a#b", "x" * 513, "a\\b", "arn:" + "ü" * 10])
def test_names_that_no_secret_has(key: str) -> None:
    assert name_fault(key) is not None


def test_keys_never_print() -> None:
    keys = Keys(CANARY, CANARY, CANARY)
    assert CANARY not in repr(keys) + str(keys)


@pytest.mark.parametrize("wrong", ["", "a b", "a\r\nX: b", "ü"])
def test_keys_that_no_header_can_carry_are_refused(wrong: str) -> None:
    for keys in (Keys(wrong, "s"), Keys("a", wrong), Keys("a", "s", wrong)):
        with pytest.raises(AuthFailed):
            keys.checked()
