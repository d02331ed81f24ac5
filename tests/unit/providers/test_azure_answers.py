"""What a vault and Entra ID answer, read without either."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from beemflow_secrets.providers.azure.answers import document, page, value
from beemflow_secrets.providers.azure.failures import Deleted, Settling
from beemflow_secrets.providers.entra.authority import _granted
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
from beemflow_secrets.providers.wire import Answer

CANARY = "canary-answers"
PLACE = "https://v.vault.azure.net/secrets"


def answer(status: int, found: Any) -> Answer:
    return Answer(status, found if isinstance(found, bytes) else orjson.dumps(found))


def refusal(code: str, inner: Any = None) -> dict[str, Any]:
    return {"error": {"code": code, "message": CANARY, "innererror": inner}}


@pytest.mark.parametrize(
    ("status", "found", "kind"),
    [
        (404, refusal("SecretNotFound"), NotFound),
        (404, refusal("ResourceNotFound"), Unavailable),  # a gateway's: it can remove no Secret
        (404, {"statusCode": 404, "message": "Resource not found"}, Unavailable),
        (403, refusal("Forbidden", {"code": "SecretDisabled"}), Gone),
        (403, refusal("Forbidden", {"code": "ForbiddenByRbac"}), Denied),
        (403, refusal("Forbidden", {"code": CANARY}), Denied),
        (403, refusal("Forbidden", CANARY), Denied),
        (403, CANARY.encode(), Unavailable),
        (401, refusal("Unauthorized"), AuthFailed),
        (401, b"", Unavailable),
        (409, refusal("Conflict", {"code": "ObjectIsDeletedButRecoverable"}), Deleted),
        (409, refusal("Conflict", {"code": "ObjectIsBeingRecovered"}), Settling),
        (429, refusal("Throttled"), Throttled),
        (429, b"<html>", Throttled),
        (400, refusal("BadParameter"), Invalid),
        (500, refusal("InternalServerError"), Unavailable),
        (302, b"", Unavailable),
        (200, b"[]", Unavailable),
        (200, b"{", Unavailable),
    ],
)
def test_what_an_answer_means(status: int, found: Any, kind: type[SecretsError]) -> None:
    with pytest.raises(SecretsError) as caught:
        document(answer(status, found), key="a")
    assert type(caught.value) is kind
    assert CANARY not in str(caught.value)


def test_a_secret_is_called_as_vaults_compare_names() -> None:
    read = value({"value": "x", "id": f"{PLACE}/Slack-Bot/{'0' * 32}", "attributes": {"created": 1e99, "exp": "soon"}})
    assert (read.backend_name, read.version, read.created_at, read.expires_at) == ("slack-bot", "0" * 32, None, None)


@pytest.mark.parametrize("found", [{}, {"value": None}, {"value": "x", "id": PLACE}, {"value": "x", "attributes": {}}])
def test_what_is_no_secret_is_unavailable(found: dict[str, Any]) -> None:
    with pytest.raises(Unavailable):
        value(found)


@pytest.mark.parametrize(
    ("link", "query"),
    [
        (None, ""),
        ("", ""),
        (
            "https://v.vault.azure.net:443/secrets?api-version=7.4&$skiptoken=a%2Bb=",
            "api-version=7.4&$skiptoken=a%2Bb=",
        ),
        ("https://elsewhere.example/else?x=y", "x=y"),
    ],
)
def test_of_a_link_the_query_is_followed(link: str | None, query: str) -> None:
    names, more = page({"value": [{"id": f"{PLACE}/a", "attributes": {"enabled": True}}], "nextLink": link})
    assert (names, more) == ([("a", {})], query)


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"value": {}},
        {"value": [{"id": PLACE}]},
        {"value": [], "nextLink": "https://v"},
        {"value": [], "nextLink": "https://v?a b"},
        {"value": [], "nextLink": ["x"]},
    ],
)
def test_what_is_no_page_is_unavailable(found: dict[str, Any]) -> None:
    with pytest.raises(Unavailable):
        page(found)


def test_a_token_and_its_time() -> None:
    for told in (3599, "3599"):
        granted = _granted(answer(200, {"access_token": CANARY, "expires_in": told}))
        assert (granted.given, granted.ends, round(granted.due)) == (CANARY, 3599, 2399)
        assert CANARY not in repr(granted)


@pytest.mark.parametrize(
    ("status", "found", "kind"),
    [
        (401, {"error": "invalid_client", "error_description": CANARY, "error_codes": [7000215]}, AuthFailed),
        (400, {"error": "invalid_request", "error_codes": [90002]}, AuthFailed),
        (400, {"error": "unheard_of", "error_codes": "none"}, AuthFailed),
        (400, {"error": "temporarily_unavailable"}, Unavailable),
        (503, {"error": "server_error"}, Unavailable),
        (429, {"error": "invalid_request"}, Throttled),
        (401, b"<html>", Unavailable),
        (200, {"access_token": "a\r\nb", "expires_in": 1}, Unavailable),
        (200, {"access_token": CANARY, "expires_in": 0}, Unavailable),
        (200, {"access_token": CANARY}, Unavailable),
        (200, b"", Unavailable),
    ],
)
def test_what_the_token_endpoint_means(status: int, found: Any, kind: type[SecretsError]) -> None:
    with pytest.raises(SecretsError) as caught:
        _granted(answer(status, found))
    assert type(caught.value) is kind
    assert CANARY not in str(caught.value)
