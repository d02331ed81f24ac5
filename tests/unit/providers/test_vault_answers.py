from __future__ import annotations

import json
import traceback
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.model.store import VaultSpec
from beemflow_secrets.providers.errors import AuthFailed, Gone, Invalid, NotFound, SecretsError, Throttled, Unavailable
from beemflow_secrets.providers.vault import answers, failures
from beemflow_secrets.providers.vault.mounts import Mount, named
from beemflow_secrets.providers.wire import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from beemflow_secrets.providers.value import SecretValue

CANARY = "canary-31f8"


def answer(body: object, status: int = 200) -> Answer:
    return Answer(status, body if isinstance(body, bytes) else json.dumps(body).encode())


def kv2(**metadata: Any) -> SecretValue:
    return answers.kv2_value(answer({"data": {"data": {"value": CANARY}, "metadata": {"version": 3, **metadata}}}))


def failing(call: Callable[[Answer], object], body: object, status: int = 200) -> SecretsError:
    with pytest.raises(SecretsError) as caught:
        call(answer(body, status))
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value.__context__)
    assert CANARY not in shown
    return caught.value


def test_an_answer_shows_no_body() -> None:
    assert CANARY not in repr(answer({"value": CANARY}))


@pytest.mark.parametrize(
    "call",
    [answers.kv1_value, answers.kv2_value, answers.names, answers.grant, lambda body: named(body, vault("secret"))],
    ids=["kv1", "kv2", "names", "grant", "mount"],
)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>" + CANARY.encode(),
        b'{"data": {"value": "' + CANARY.encode(),
        b'\xff\xfe{"' + CANARY.encode(),
        b'{"data": NaN, "x": "' + CANARY.encode() + b'"}',
        b"[" * 100_000,
        [CANARY],
        CANARY,
        None,
        {},
        {"data": None},
        {"data": [CANARY]},
        {"data": CANARY, "auth": CANARY},
        {"data": {"data": None, "metadata": {"version": 1}}, "auth": {"client_token": CANARY}},
        {"data": {"data": {"v": CANARY}, "keys": CANARY}, "auth": {"client_token": 1, "lease_duration": 2}},
        {"data": {"keys": [CANARY, None]}, "auth": {"client_token": "x", "lease_duration": -2, "renewable": True}},
        {"auth": {"client_token": "x", "lease_duration": "9" * 5000, "renewable": True}},
        {"data": {"data": {}, "metadata": {"version": CANARY}}},
        {"data": {"path": "secret/", "type": CANARY + "!"}},
        {"data": {"keys": ["/"], "path": "elsewhere/", "type": "kv"}, "auth": {"client_token": "x"}},
    ],
)
def test_what_is_not_vaults_form_is_unavailable(call: Callable[[Answer], object], body: object) -> None:
    if call is answers.kv1_value and isinstance(body, dict) and isinstance(body.get("data"), dict):
        return  # any map is a KV1 secret
    assert type(failing(call, body)) is Unavailable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-24T20:51:54.123456789Z", datetime(2026, 11, 24, 20, 51, 54, 123456, tzinfo=UTC)),
        ("2026-11-24T20:51:54Z", datetime(2026, 11, 24, 20, 51, 54, tzinfo=UTC)),
        ("2026-11-24t20:51:54z", datetime(2026, 11, 24, 20, 51, 54, tzinfo=UTC)),
        ("2026-11-24 20:51:54+02:00", datetime(2026, 11, 24, 18, 51, 54, tzinfo=UTC)),
        ("2026-11-24", None),
        ("2026-11-24T20:51:54", None),
        ("20261124T205154Z", None),
        ("2026-02-30T00:00:00Z", None),
        ("2026-11-24T20:51:54+99:00", None),
        ("0001-01-01T00:00:00+01:00", None),
        ("9999-12-31T23:59:59-01:00", None),
        ("\uff12026-11-24T20:51:54Z", None),
        ("", None),
        (7, None),
        (None, None),
    ],
)
def test_times(text: object, expected: datetime | None) -> None:
    assert kv2(created_time=text).created_at == expected
    assert kv2(custom_metadata={"expires-at": text}).expires_at == expected


def test_expiry_is_the_servers_while_it_is_to_come() -> None:
    now = datetime.now(UTC)
    tag = {"expires-at": "2040-01-01T00:00:00Z"}
    tagged = datetime(2040, 1, 1, tzinfo=UTC)
    coming = now + timedelta(hours=1)
    assert kv2(deletion_time=coming.isoformat(), custom_metadata=tag).expires_at == coming
    assert kv2(deletion_time=(now - timedelta(hours=1)).isoformat(), custom_metadata=tag).expires_at == tagged
    assert kv2(deletion_time="", custom_metadata=tag).expires_at == tagged
    assert kv2(deletion_time="", custom_metadata=None).expires_at is None


def test_version_and_metadata_are_plain_text() -> None:
    value = kv2(custom_metadata={"n": 1.50, "owner": "ops"})
    assert (type(value.version), value.version) == (str, "3")
    assert value.metadata == {"n": "1.5", "owner": "ops"}
    assert {type(text) for text in value.metadata.values()} == {str}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"errors": []}, NotFound),
        ({"data": {"data": None, "metadata": {"version": 2, "destroyed": False, "deletion_time": "x"}}}, Gone),
        ({"data": {"data": None, "metadata": {"version": 2, "destroyed": True}}}, Gone),
        ({"data": {"data": None, "metadata": {"version": CANARY, "destroyed": True}}}, Unavailable),
        ({"errors": ['no handler for route "x"']}, Invalid),
        ({"errors": ["namespace not found"]}, Invalid),
        ({"data": None, "warnings": ["Invalid path for a versioned K/V secrets engine."]}, Unavailable),
        ({}, Unavailable),
        ([], Unavailable),
        ({"errors": None}, Unavailable),
        (b"404 page not found", Unavailable),
        (b"", Unavailable),
    ],
)
def test_only_vaults_own_word_makes_a_key_missing(body: object, kind: type[SecretsError]) -> None:
    error = failures.absent(answer(body, 404), key="a")
    assert type(error) is kind
    if isinstance(error, NotFound):
        assert error.keys == ("a",)


@pytest.mark.parametrize(
    "header", ["Wed, 99 Foo 2026 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 -2300", "1.5", "9" * 40, "nan", " ", "٣"]
)
def test_unreadable_retry_after_names_no_time(header: str) -> None:
    error = failures.failure(Answer(429, b"", header))
    assert isinstance(error, Throttled)
    assert error.retry_after is None


def test_grant() -> None:
    auth = {"client_token": "s.x", "lease_duration": 60, "renewable": True}
    assert answers.grant(answer({"auth": auth})) == ("s.x", 60, True)
    assert answers.grant(answer({"auth": {**auth, "lease_duration": 0}})).seconds is None
    with pytest.raises(AuthFailed, match="second factor"):
        answers.grant(answer({"auth": {**auth, "client_token": "", "mfa_requirement": {"mfa_request_id": "x"}}}))


# --- mounts


def vault(path: str, kv_version: int | None = None) -> VaultSpec:
    token = {"secretKeyRef": {"name": "n", "key": "k"}}
    spec: dict[str, object] = {"address": "https://vault.example", "path": path, "token": token}
    return VaultSpec.model_validate(spec | ({} if kv_version is None else {"kvVersion": kv_version}))


def mount(path: str, options: object = None, type: str = "kv") -> Answer:
    return answer({"data": {"path": path, "type": type, "options": options}})


@pytest.mark.parametrize(
    ("path", "at", "options", "expected"),
    [
        ("secret", "secret/", {"version": "2"}, Mount("secret", 2, "")),
        ("secret/a/b", "secret/", {"version": "2"}, Mount("secret", 2, "a/b")),
        ("team/kv/a", "team/kv/", {"version": "1"}, Mount("team/kv", 1, "a")),
        ("secret/a", "secret/", None, Mount("secret", 1, "a")),
        ("secret/a", "secret/", {}, Mount("secret", 1, "a")),
    ],
)
def test_mount_is_the_one_that_the_server_names(path: str, at: str, options: object, expected: Mount) -> None:
    assert named(mount(at, options), vault(path)) == expected


@pytest.mark.parametrize("at", ["other/", "secr/", "", "secret/a/b/c/"])
def test_mount_elsewhere_is_not_believed(at: str) -> None:
    with pytest.raises(Unavailable):
        named(mount(at), vault("secret/a"))


def test_other_engines_and_versions_are_invalid() -> None:
    with pytest.raises(Invalid, match="type database"):
        named(mount("db/", type="database"), vault("db/creds", 1))
    assert named(mount("db/", type="database"), vault("db/creds")) == Mount("db", None, "creds")
    with pytest.raises(Invalid, match="kvVersion is 2"):
        named(mount("secret/"), vault("secret", 2))
    assert named(mount("secret/", type="generic"), vault("secret", 1)).version == 1


def test_paths_below_a_mount() -> None:
    assert Mount("secret", 2, "").full("a/b") == "a/b"
    assert Mount("secret", 2, "x").full("a/b") == "x/a/b"
