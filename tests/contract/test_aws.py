"""AWS Secrets Manager: what calls are made, which logins there are, and what each answer means."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

import boto3
import pytest

from beemflow_secrets import open_secrets_sync
from beemflow_secrets.chain.budget import OverBudget
from beemflow_secrets.chain.factory import chain
from beemflow_secrets.kube.tokens import AccountToken
from beemflow_secrets.model.address import origin_of
from beemflow_secrets.model.backend import RequestBudget
from beemflow_secrets.model.store import StoreSpec
from beemflow_secrets.providers.aws import AwsDriver
from beemflow_secrets.providers.endpoints import EVERYWHERE, Endpoints
from beemflow_secrets.providers.errors import (
    AuthFailed,
    Denied,
    EndpointNotAllowed,
    Gone,
    Invalid,
    NotFound,
    SecretsError,
    Throttled,
    Unavailable,
)
from beemflow_secrets.providers.surroundings import Surroundings
from beemflow_secrets.providers.value import Ref, SecretValue
from beemflow_secrets.testing.cases import in_chain
from tests.contract.conftest import secret_ref
from tests.support.aws import REGION, ROLE, Aws
from tests.support.connectproxy import ConnectProxy
from tests.support.faultproxy import FaultProxy, hang

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import ExitStack
    from pathlib import Path

    from beemflow_secrets.model.store import CredentialRef, ServiceAccountRef
    from tests.contract.conftest import Clock

KEYS: dict[str, Any] = {"accessKeyId": secret_ref("id"), "secretAccessKey": secret_ref("key")}
ACCOUNT: dict[str, Any] = {"roleArn": ROLE, "serviceAccountRef": {"name": "flows"}}


class Opened:
    """Opens drivers as a store's configuration would. `credentials` holds what Secrets would hold."""

    def __init__(self, aws: Aws, canary: str) -> None:
        self.aws = aws
        self.canary = canary
        self.credentials = {"id": aws.access_key, "key": aws.secret_key}
        self.audiences: list[list[str] | None] = []
        self.drivers: list[AwsDriver] = []

    def __call__(
        self, *, clock: Any = time.monotonic, endpoints: Endpoints = EVERYWHERE, spec: Any = None, **block: Any
    ) -> AwsDriver:
        places = {"endpoint": self.aws.address, "stsEndpoint": self.aws.address}
        written = {"driver": "aws-sm", "region": REGION, "aws": {**places, **block}, **(spec or {})}
        surroundings = Surroundings(credential=self._lend, service_account_token=self._token, endpoints=endpoints)
        driver = AwsDriver(StoreSpec.model_validate(written), surroundings, clock=clock)
        self.drivers.append(driver)
        return driver

    async def _lend(self, ref: CredentialRef) -> str:
        return self.credentials[ref.secret_key_ref.key]

    async def _token(self, ref: ServiceAccountRef, *, own_audience: bool) -> AccountToken:
        assert not own_audience
        self.audiences.append(ref.audiences)
        return AccountToken(_jwt(ref.audiences or []), 600.0, tuple(ref.audiences or ()))


def _jwt(audiences: list[str]) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"aud": audiences}).encode()).decode().rstrip("=")
    return f"e30.{claims}.c2lnbmF0dXJl"


@pytest.fixture
async def opened(aws: Aws, canary: str) -> AsyncIterator[Opened]:
    aws.reset()
    made = Opened(aws, canary)
    yield made
    for driver in made.drivers:
        await driver.close()


async def read(driver: AwsDriver, *refs: Ref | str) -> list[SecretValue | SecretsError]:
    asked = [Ref(ref) if isinstance(ref, str) else ref for ref in refs]
    answers = await driver.fetch(asked)
    return [answers[ref] for ref in asked]


async def text(driver: AwsDriver, key: str, version: str | None = None) -> str:
    (found,) = await read(driver, Ref(key, version))
    assert isinstance(found, SecretValue), repr(found)
    return found.value


async def error(driver: AwsDriver, key: str, version: str | None = None) -> SecretsError:
    (found,) = await read(driver, Ref(key, version))
    assert isinstance(found, SecretsError), repr(found)
    return found


async def _until(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not met():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


# --- what calls are made


async def test_a_hundred_keys_are_five_calls(aws: Aws, opened: Opened) -> None:
    keys = [f"key-{number:03}" for number in range(100)]
    for key in keys:
        aws.put(key, key.encode())
    assert await in_chain(opened(**KEYS)).get_secrets(keys) == {key: key for key in keys}
    calls = Counter(aws.operations)
    assert calls.pop("ListSecrets", 0) <= 1  # for the tags of all of them
    assert calls == {"BatchGetSecretValue": 5}


async def test_one_key_is_one_call_that_takes_one_right(aws: Aws, opened: Opened) -> None:
    aws.put("a", b"1")
    aws.tell(refuse={"AccessDeniedException": ["BatchGetSecretValue", "ListSecrets", "DescribeSecret"]})
    driver = opened(**KEYS)
    assert await text(driver, "a") == "1"
    await driver.health_check()
    assert Counter(aws.operations)["GetSecretValue"] == 2


async def test_a_denied_batch_is_read_one_by_one_and_remembered(aws: Aws, opened: Opened, ticking: Clock) -> None:
    for key in "abc":
        aws.put(key, key.encode())
    aws.tell(refuse={"AccessDeniedException": ["BatchGetSecretValue", "ListSecrets"]})
    driver = opened(clock=ticking, **KEYS)
    for _ in range(3):
        found = await read(driver, "a", "b", "c", "missing")
        assert [one.value for one in found[:3] if isinstance(one, SecretValue)] == ["a", "b", "c"]
        assert type(found[3]) is NotFound
        ticking.now += 1000
    calls = Counter(aws.operations)
    assert calls == {"BatchGetSecretValue": 1, "ListSecrets": 1, "GetSecretValue": 12}
    aws.tell(refuse={})
    ticking.now += 3600
    await read(driver, "a", "b", "c")
    assert Counter(aws.operations) - calls == {"BatchGetSecretValue": 1, "ListSecrets": 1}


async def test_each_read_of_a_denied_batch_takes_from_the_stores_budget(aws: Aws, opened: Opened) -> None:
    keys = [f"key-{number:03}" for number in range(20)]
    for key in keys:
        aws.put(key, b"v")
    aws.tell(refuse={"AccessDeniedException": ["BatchGetSecretValue"]})
    reader = chain(opened(**KEYS), StoreSpec(request_budget=RequestBudget(per_second=0.01)))
    answers = (await reader.fetch([Ref(key) for key in keys])).values()
    assert Counter(type(one) for one in answers) == {SecretValue: 1, OverBudget: 19}
    # Nor are tags listed beside it: for that there is no token.
    assert aws.operations == ["BatchGetSecretValue", "GetSecretValue"]


async def test_each_page_of_a_listing_takes_from_the_stores_budget(aws: Aws, opened: Opened) -> None:
    for number in range(101):
        aws.put(f"key-{number:03}", b"v")
    reader = chain(opened(**KEYS), StoreSpec(request_budget=RequestBudget(per_second=0.01, burst=2)))
    assert len(await reader.list_secrets()) == 101
    with pytest.raises(OverBudget):
        await reader.get_secret("key-001")
    assert aws.operations == ["ListSecrets"] * 2


async def test_one_denied_secret_takes_no_other_with_it(aws: Aws, opened: Opened) -> None:
    for key in "abc":
        aws.put(key, key.encode())
    aws.tell(denied=["b"])
    found = await read(opened(**KEYS), "a", "b", "c", "bad name", "missing")
    assert [type(one) for one in found] == [SecretValue, Denied, SecretValue, Invalid, NotFound]
    assert "GetSecretValue" not in aws.operations


async def test_a_batch_that_is_refused_as_malformed_is_read_one_by_one(aws: Aws, opened: Opened) -> None:
    for key in "ab":
        aws.put(key, key.encode())
    aws.tell(refuse={"InvalidParameterException": ["BatchGetSecretValue"]})
    assert [type(one) for one in await read(opened(**KEYS), "a", "b")] == [SecretValue, SecretValue]


async def test_a_batch_that_fails_is_not_asked_for_one_by_one(aws: Aws, opened: Opened) -> None:
    for key in "ab":
        aws.put(key, key.encode())
    aws.tell(refuse={"InternalServiceError": ["BatchGetSecretValue"]})
    assert [type(one) for one in await read(opened(**KEYS), "a", "b")] == [Unavailable, Unavailable]
    assert "GetSecretValue" not in aws.operations


async def test_ten_thousand_names_never_block_the_loop(aws: Aws, opened: Opened) -> None:
    aws.tell(listing=10_000)
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            started = time.process_time()
            await asyncio.sleep(0)
            longest = max(longest, time.process_time() - started)

    gc.collect()
    gc.freeze()  # what other tests have left is not looked through
    watching = asyncio.create_task(watch())
    names = await opened(**KEYS).list_secrets()
    watching.cancel()
    gc.unfreeze()
    assert len(names) == 10_000
    assert names == sorted(names)
    assert Counter(aws.operations) == {"ListSecrets": 100}
    assert longest < 0.05


async def test_a_listing_that_leads_back_ends(aws: Aws, opened: Opened) -> None:
    aws.tell(listing=500, listing_token="again")
    with pytest.raises(Unavailable, match="no end"):
        await opened(**KEYS).list_secrets()


# --- versions, values, times


async def test_stages_and_versions(aws: Aws, opened: Opened) -> None:
    first = aws.put("a", b"1")
    second = aws.put("a", b"2")
    aws.move_stage("a", "blue", first)
    driver = opened(**KEYS)
    versions = {None: "2", second: "2", first: "1", f"uuid/{first}": "1", "blue": "1", "AWSPREVIOUS": "1"}
    found = await driver.fetch([Ref("a", version) for version in versions])
    assert {ref.version: one.value for ref, one in found.items() if isinstance(one, SecretValue)} == versions
    assert {one.version for one in found.values() if isinstance(one, SecretValue)} == {first, second}
    assert type(await error(driver, "a", "green")) is NotFound
    assert type(await error(driver, "a", "0" * 32)) is NotFound
    assert type(await error(driver, "a", "uuid/1")) is Invalid
    assert type(await error(driver, "a", "")) is Invalid


async def test_a_secret_by_its_arn(aws: Aws, opened: Opened) -> None:
    for key in ("team/a", "team/b"):
        aws.put(key, key.encode(), tags={"expires-at": "2031-02-03T04:05:06Z"})
    arn = aws.arn("team/a")
    first, second = await read(opened(**KEYS), arn, "team/b")
    assert isinstance(first, SecretValue)
    assert isinstance(second, SecretValue)
    assert (first.value, second.value) == ("team/a", "team/b")
    assert first.expires_at is not None
    assert first.expires_at == second.expires_at


async def test_a_value_of_64_kib_and_binary_ones_in_a_batch(aws: Aws, opened: Opened) -> None:
    large = os.urandom(65536)
    aws.put("large", large)
    aws.put("small", b"\xff\x00")
    found = await read(opened(**KEYS), "large", "small")
    assert [one.raw for one in found if isinstance(one, SecretValue)] == [large, b"\xff\x00"]


async def test_a_deleted_secret_is_gone_in_a_batch_and_alone(aws: Aws, opened: Opened) -> None:
    for key in "ab":
        aws.put(key, key.encode())
    aws.delete("a")
    driver = opened(**KEYS)
    assert [type(one) for one in await read(driver, "a", "b")] == [Gone, SecretValue]
    assert type(await error(driver, "a")) is Gone


async def test_tags_are_listed_every_ten_minutes_at_most(aws: Aws, opened: Opened, ticking: Clock) -> None:
    aws.put("a", b"1", tags={"expires-at": "2031-02-03T04:05:06Z", "other": "x"})
    aws.put("b", b"1", tags={"expires-at": "soon"})
    driver = opened(clock=ticking, **KEYS)
    for _ in range(5):
        one, other = await read(driver, "a", "b")
        assert isinstance(one, SecretValue)
        assert isinstance(other, SecretValue)
        assert one.expires_at is not None
        assert one.expires_at.year == 2031
        assert other.expires_at is None
        ticking.now += 150
    assert Counter(aws.operations)["ListSecrets"] == 2


async def test_a_listing_that_hangs_costs_no_value(aws: Aws, opened: Opened) -> None:
    aws.put("a", b"1")
    with FaultProxy(aws.address) as proxy:
        proxy.set(hang, when=lambda request: request.headers["x-amz-target"].endswith("ListSecrets"))
        driver = opened(endpoint=proxy.address, **KEYS)
        started = time.monotonic()
        assert await text(driver, "a") == "1"
        waited = time.monotonic()
        assert waited - started < 10  # it waits for 2 s, and the listing has 30
        assert await text(driver, "a") == "1"
        assert time.monotonic() - waited < 1


# --- logins


async def test_a_role_is_assumed_with_an_external_id(aws: Aws, opened: Opened) -> None:
    aws.put("a", b"1")
    aws.tell(external_id="from-the-trust-policy")
    assert await text(opened(**KEYS, roleArn=ROLE, externalId="from-the-trust-policy"), "a") == "1"
    assumed, *_, asked = aws.asked
    assert (assumed["operation"], assumed["who"], assumed["RoleArn"]) == ("AssumeRole", aws.access_key, ROLE)
    assert [asked["who"]] == aws.sessions
    others: list[dict[str, Any]] = [{}, {"externalId": "another"}]
    for wrong in others:
        refused = await error(opened(**KEYS, roleArn=ROLE, **wrong), "a")
        assert type(refused) is AuthFailed
        assert "the role may not be assumed" in refused.message


async def test_one_login_for_all_reads(aws: Aws, opened: Opened) -> None:
    for key in "abcdef":
        aws.put(key, b"1")
    driver = opened(**KEYS, roleArn=ROLE)
    assert set(await asyncio.gather(*(text(driver, key) for key in "abcdef" * 5))) == {"1"}
    assert Counter(aws.operations)["AssumeRole"] == 1


async def test_a_service_account_is_a_web_identity(aws: Aws, opened: Opened) -> None:
    aws.put("a", b"1")
    assert await text(opened(**ACCOUNT), "a") == "1"
    assert aws.operations[0] == "AssumeRoleWithWebIdentity"
    other: dict[str, Any] = {"roleArn": ROLE, "serviceAccountRef": {"name": "flows", "audiences": ["elsewhere"]}}
    refused = await error(opened(**other), "a")
    assert type(refused) is AuthFailed
    assert "audience" in refused.message
    assert opened.audiences == [["sts.amazonaws.com"], ["elsewhere"]]


async def test_a_session_that_has_expired_is_replaced(aws: Aws, opened: Opened) -> None:
    aws.put("a", b"1")
    driver = opened(**KEYS, roleArn=ROLE)
    await text(driver, "a")
    aws.tell(forget=aws.sessions, unknown_key="ExpiredTokenException")
    assert await asyncio.gather(*(text(driver, "a") for _ in range(10))) == ["1"] * 10
    assert Counter(aws.operations)["AssumeRole"] == 2


async def test_a_session_is_renewed_before_it_ends_and_serves_on_while_sts_is_away(
    aws: Aws, opened: Opened, ticking: Clock
) -> None:
    aws.put("a", b"1")
    driver = opened(clock=ticking, **KEYS, roleArn=ROLE)
    await text(driver, "a")
    aws.tell(refuse={"InternalServiceError": ["AssumeRole"]})
    ticking.now += 2500
    assert await text(driver, "a") == "1"
    await _until(lambda: driver._client._logins._task is None)
    assert aws.operations.count("AssumeRole") == 2
    aws.tell(refuse={})
    ticking.now += 1000
    assert await text(driver, "a") == "1"
    await _until(lambda: len(aws.sessions) == 2)
    ticking.now += 1000
    assert await text(driver, "a") == "1"
    assert len({one["who"] for one in aws.asked if one["operation"] == "GetSecretValue"}) == 2


async def test_keys_that_were_rotated_are_read_anew(aws: Aws, opened: Opened) -> None:
    aws.put("a", b"1")
    driver = opened(**KEYS)
    await text(driver, "a")
    aws.tell(forget=[aws.access_key], keys={"AKIAROTATED": "rotated"})
    assert type(await error(driver, "a")) is AuthFailed
    opened.credentials = {"id": "AKIAROTATED\n", "key": "rotated\n"}
    assert await text(driver, "a") == "1"


@pytest.mark.parametrize(
    ("access", "key", "says"),
    [
        ("AKIAUNKNOWN", "x", "knows no such access key"),
        (None, "wrong", "the secret access key is not that of the id"),
        ("a b", "x", "holds what none can hold"),
        ("", "x", "is empty"),
    ],
)
async def test_keys_that_are_wrong(opened: Opened, access: str | None, key: str, says: str) -> None:
    opened.credentials = {"id": opened.aws.access_key if access is None else access, "key": key}
    refused = await error(opened(**KEYS), "a")
    assert type(refused) is AuthFailed
    assert says in refused.message
    with pytest.raises(AuthFailed):
        await opened.drivers[-1].health_check()


async def test_the_region_of_another_endpoint(aws: Aws, opened: Opened) -> None:
    aws.tell(regions=["us-east-1"])
    refused = await error(opened(**KEYS), "a")
    assert type(refused) is AuthFailed
    assert "region is another" in refused.message


async def test_a_region_that_there_is_not(opened: Opened) -> None:
    with pytest.raises(Invalid, match="region moon-1 is none of AWS"):
        opened(region="moon-1", endpoint=None, **KEYS)


# --- what of the process takes part


PLANTED = {
    "AWS_ACCESS_KEY_ID": "AKIAPLANTED",
    "AWS_SECRET_ACCESS_KEY": "planted",
    "AWS_SESSION_TOKEN": "planted",
    "AWS_PROFILE": "planted",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://127.0.0.1:1",
    "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1",
    "AWS_CA_BUNDLE": "/nonexistent",
    "REQUESTS_CA_BUNDLE": "/nonexistent",
    "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/planted",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/nonexistent",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1/",
    "AWS_MAX_ATTEMPTS": "9",
}


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home folder and an environment without anything of AWS."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / ".aws"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return folder


@pytest.mark.parametrize("login", [KEYS, {**KEYS, "roleArn": ROLE}, ACCOUNT], ids=["keys", "role", "account"])
async def test_with_a_login_of_its_own_a_store_uses_nothing_of_the_process(
    aws: Aws, opened: Opened, home: Path, monkeypatch: pytest.MonkeyPatch, login: dict[str, Any]
) -> None:
    aws.put("a", b"1")
    for name, planted in PLANTED.items():
        monkeypatch.setenv(name, planted)
    for name in ("config", "credentials"):
        (home / name).write_text("[planted]\naws_access_key_id = AKIAPLANTED\naws_secret_access_key = planted\n")
    monkeypatch.setattr("threading.Thread.start", _no_thread)  # boto3 is asked in one
    driver = opened(**login)
    assert await text(driver, "a") == "1"
    assert "AKIAPLANTED" not in {one["who"] for one in aws.asked}


def _no_thread(_: object) -> None:
    raise AssertionError("a thread was started")


async def test_without_a_login_the_process_logs_in_by_its_environment(
    aws: Aws, opened: Opened, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.put("a", b"1")
    driver = opened()
    refused = await error(driver, "a")
    assert type(refused) is AuthFailed
    assert "no AWS keys" in refused.message
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", aws.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", aws.secret_key)
    assert await text(driver, "a") == "1"
    assert await text(opened(roleArn=ROLE), "a") == "1"


async def test_a_profile_of_the_process(aws: Aws, opened: Opened, home: Path) -> None:
    aws.put("a", b"1")
    (home / "credentials").write_text(
        f"[default]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = x\n"
        f"[prod]\naws_access_key_id = {aws.access_key}\naws_secret_access_key = {aws.secret_key}\n"
    )
    assert await text(opened(profile="prod"), "a") == "1"
    assert type(await error(opened(profile="none"), "a")) is AuthFailed
    driver = opened()
    assert type(await error(driver, "a")) is AuthFailed
    (home / "credentials").write_text(
        f"[default]\naws_access_key_id = {aws.access_key}\naws_secret_access_key = {aws.secret_key}\n"
    )
    assert await text(driver, "a") == "1"  # looked for again, as the former were refused


async def test_a_web_identity_of_the_process(
    aws: Aws, opened: Opened, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """IRSA, as EKS puts it into pods."""
    aws.put("a", b"1")
    (home / "token").write_text(_jwt(["sts.amazonaws.com"]))
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(home / "token"))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", aws.address)
    monkeypatch.setenv("AWS_REGION", REGION)
    assert await text(opened(spec={"region": None}), "a") == "1"
    assert aws.operations[0] == "AssumeRoleWithWebIdentity"


async def test_a_pod_identity_and_an_instance_of_the_process(
    aws: Aws, opened: Opened, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agent of EKS and the metadata service of EC2, as boto3 asks them."""
    aws.put("a", b"1")
    client = boto3.client(
        "sts",
        region_name=REGION,
        endpoint_url=aws.address,
        aws_access_key_id=aws.access_key,
        aws_secret_access_key=aws.secret_key,
    )
    session = client.assume_role(RoleArn=ROLE, RoleSessionName="local")["Credentials"]
    keys = {
        "AccessKeyId": session["AccessKeyId"],
        "SecretAccessKey": session["SecretAccessKey"],
        "Token": session["SessionToken"],
        "Expiration": session["Expiration"].strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    with Metadata(keys) as service:
        (home / "token").write_text("pod's own")
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{service.address}/v1/credentials")
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(home / "token"))
        assert await text(opened(), "a") == "1"
        assert service.asked == [("GET", "/v1/credentials", "pod's own")]
        monkeypatch.delenv("AWS_CONTAINER_CREDENTIALS_FULL_URI")
        monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", service.address)
        assert await text(opened(), "a") == "1"
        assert service.asked[1] == ("PUT", "/latest/api/token", None)  # IMDSv2
    assert {one["who"] for one in aws.asked if one["operation"] != "AssumeRole"} == {session["AccessKeyId"]}


class Metadata:
    """What answers a process with keys: by a path of its own as EKS's agent, else as EC2's metadata service."""

    def __init__(self, keys: dict[str, str]) -> None:
        self.asked: list[tuple[str, str, str | None]] = []
        role = "/latest/meta-data/iam/security-credentials/"
        answers = {
            "/v1/credentials": json.dumps(keys),
            "/latest/api/token": "session",
            role: "role",
            f"{role}role": json.dumps({**keys, "Code": "Success", "Type": "AWS-HMAC"}),
        }
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append((self.command, self.path, self.headers.get("Authorization")))
                found = answers.get(self.path)
                self.send_response(404 if found is None else 200)
                self.send_header("x-aws-ec2-metadata-token-ttl-seconds", "21600")
                self.end_headers()
                self.wfile.write((found or "").encode())

            def do_PUT(self) -> None:
                self.do_GET()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


async def test_a_source_of_keys_that_hangs_holds_one_thread_and_nobody(
    aws: Aws, opened: Opened, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = home / "hangs"
    program.write_text("#!/bin/sh\nexec sleep 5\n")
    program.chmod(0o700)
    (home / "config").write_text(f"[default]\ncredential_process = {program}\n")
    before = _threads()
    driver = opened(spec={"timeout": "200ms"})
    for _ in range(3):
        started = time.monotonic()
        assert type(await error(driver, "a")) is Unavailable
        assert time.monotonic() - started < 2
    assert _threads() - before == 1
    assert type(await error(opened(**KEYS), "a")) is NotFound  # another store


def _threads() -> int:
    return sum(thread.name == "aws-keys" for thread in threading.enumerate())


# --- what else goes wrong


async def test_throttling_with_and_without_a_time(aws: Aws, opened: Opened) -> None:
    driver = opened(**KEYS)
    for told, patience in (({"throttle": 9}, None), ({"throttle": 9, "retry_after": 7}, 7.0)):
        aws.tell(**told)
        throttled = await error(driver, "a")
        assert isinstance(throttled, Throttled)
        assert throttled.retry_after == patience
        assert aws.tell(throttle=0)


async def test_a_key_of_kms_that_may_not_be_used(aws: Aws, opened: Opened) -> None:
    aws.tell(refuse={"DecryptionFailure": ["GetSecretValue"]})
    refused = await error(opened(**KEYS), "a")
    assert type(refused) is Denied
    assert "kms:Decrypt" in refused.message


async def test_sts_that_is_away_is_no_refused_login(aws: Aws, opened: Opened) -> None:
    driver = opened(**KEYS, roleArn=ROLE, stsEndpoint="http://127.0.0.1:1")
    away = await error(driver, "a")
    assert type(away) is Unavailable
    assert away.message == "sts of eu-west-1: connection refused"
    with pytest.raises(Unavailable):
        await driver.health_check()


def test_in_library_and_command_line(aws: Aws, canary: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.reset()
    aws.put("prod/slack", f'{{"token": "{canary}"}}'.encode(), tags={"expires-at": "2031-02-03T04:05:06Z"})
    block = {"access_key_id": aws.access_key, "secret_access_key": "${AWS_KEY_OF_TEST}", "endpoint": aws.address}
    section = {"driver": "aws-sm", "region": REGION, "prefix": "prod/", "aws": block}
    path = tmp_path / "flow.config.json"
    path.write_text(json.dumps({"secrets": section}))
    monkeypatch.setenv("AWS_KEY_OF_TEST", aws.secret_key)
    with open_secrets_sync(path) as secrets:
        assert secrets.get_secret("slack#token") == canary
        value = secrets.get_secret_with_metadata("slack")
        assert value.expires_at is not None
        assert (value.expires_at.year, value.metadata["provider"]) == (2031, "aws-sm")
        assert secrets.list_secrets() == ["slack"]
        secrets.health_check()
    for words, printed in (("list", b"NAME\nslack\n"), ("get slack#token --show", f"{canary}\n".encode())):
        command = [sys.executable, "-m", "beemflow_secrets", *words.split(), "--config", str(path)]
        assert subprocess.run(command, capture_output=True, check=True, timeout=60).stdout == printed


def test_both_addresses_are_judged(opened: Opened) -> None:
    allowed = Endpoints(frozenset({origin_of(opened.aws.address)}))
    opened(endpoints=allowed, **KEYS)
    elsewhere: list[dict[str, Any]] = [{"endpoint": "https://a.example"}, {"roleArn": ROLE, "stsEndpoint": None}]
    for named in elsewhere:
        with pytest.raises(EndpointNotAllowed):
            opened(endpoints=allowed, **KEYS, **named)


@pytest.fixture
def secured(servers: ExitStack) -> Aws:
    return servers.enter_context(Aws(tls=True))


async def test_tls_and_pins_are_for_the_server_that_has_the_secrets(secured: Aws, canary: str) -> None:
    assert secured.ca is not None
    assert secured.cert is not None
    secured.put("a", b"1")
    opened = Opened(secured, canary)
    good = {"caBundle": secured.ca.pem, "pinnedCertificates": [secured.cert.pin]}
    assert await text(opened(spec={"tls": good}, **KEYS, roleArn=ROLE), "a") == "1"
    wrong = {**good, "pinnedCertificates": [f"sha256/{'A' * 43}="]}
    refused = await error(opened(spec={"tls": wrong}, **KEYS, roleArn=ROLE), "a")
    assert type(refused) is Unavailable
    assert "pinnedCertificates" in refused.message
    assert secured.operations.count("AssumeRole") == 2  # the pin is not the Security Token Service's
    untrusted = await error(opened(**KEYS), "a")
    assert "signed by no authority" in untrusted.message
    for driver in opened.drivers:
        await driver.close()


async def test_both_services_are_reached_through_a_proxy(
    secured: Aws, canary: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signature covers the host that the store names, which the proxy alone can resolve."""
    assert secured.ca is not None
    secured.put("a", b"1")
    opened = Opened(secured, canary)
    with ConnectProxy({f"vault.test:{secured.port}": f"127.0.0.1:{secured.port}"}) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.address)
        named: dict[str, Any] = {
            "endpoint": f"https://vault.test:{secured.port}",
            "stsEndpoint": f"https://vault.test:{secured.port}",
        }
        driver = opened(spec={"tls": {"caBundle": secured.ca.pem}}, **KEYS, roleArn=ROLE, **named)
        assert await text(driver, "a") == "1"
        await driver.close()
    assert secured.operations[0] == "AssumeRole"
