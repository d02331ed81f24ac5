"""Logging in to Vault by AWS: a real OpenBao behind Vault's own login, and a Security Token Service that looks at
signatures as AWS's does."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from base64 import b64decode, b64encode, urlsafe_b64encode
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets import SecretsConfig, open_secrets_sync
from beemflow_secrets.model.address import origin_of
from beemflow_secrets.providers.awsauth.ambient import Ambient
from beemflow_secrets.providers.awsauth.api import signed
from beemflow_secrets.providers.awsauth.keys import Keys
from beemflow_secrets.providers.endpoints import Endpoints
from beemflow_secrets.providers.errors import (
    AuthFailed,
    Denied,
    EndpointNotAllowed,
    Invalid,
    SecretsError,
    Throttled,
    Unavailable,
)
from beemflow_secrets.testing.fakes.vaultlogins import AwsMethod, Role, VaultLogins
from tests.contract.cloudlogins import OpenedByCloud, through_proxy
from tests.contract.conftest import secret_ref
from tests.support.aws import REGION, ROLE, Aws
from tests.support.faultproxy import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.contract.conftest import Clock, Stores
    from tests.support.connectproxy import ConnectProxy
    from tests.support.openbao import OpenBao

USER = "arn:aws:iam::123456789012:user/moto"
LOGIN = "/v1/auth/aws/login"
RENEW = "/v1/auth/token/renew-self"
STS = ("sts.amazonaws.com", f"sts.{REGION}.amazonaws.com")
KEYS: dict[str, Any] = {"accessKeyId": secret_ref("id"), "secretAccessKey": secret_ref("key")}
ACCOUNT: dict[str, Any] = {"roleArn": ROLE, "serviceAccountRef": {"name": "flows"}}


@pytest.fixture(scope="module")
def service() -> Iterator[Aws]:
    with Aws(tls=True, hosts=STS) as server:
        yield server


@pytest.fixture
def sts(service: Aws) -> Aws:
    service.reset()
    return service


@pytest.fixture
def way(sts: Aws) -> Iterator[FaultProxy]:
    """The server's way to the Security Token Service."""
    assert sts.ca is not None
    with FaultProxy(sts.address, ssl.create_default_context(cadata=sts.ca.pem)) as running:
        yield running


@pytest.fixture
def through(sts: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ConnectProxy]:
    """Our way there: names of AWS lead to the test's own service, whom this machine trusts."""
    assert sts.ca is not None
    places = {f"{host}:443": f"127.0.0.1:{sts.port}" for host in STS}
    with through_proxy(places, sts.ca.pem, tmp_path, monkeypatch) as proxy:
        yield proxy


class Opened(OpenedByCloud):
    cloud = "aws"

    def __init__(self, stores: Stores, server: VaultLogins, method: AwsMethod, sts: Aws) -> None:
        super().__init__(stores, server)
        self.method = method
        stores.credentials |= {"id": sts.access_key, "key": sts.secret_key}

    def token(self, audiences: Sequence[str] | None) -> str:
        claims = urlsafe_b64encode(json.dumps({"aud": audiences}).encode()).decode().rstrip("=")
        return f"e30.{claims}.c2lnbmF0dXJl"


@pytest.fixture
def method(way: FaultProxy) -> AwsMethod:
    return AwsMethod(way.address)


@pytest.fixture
def server(bao: OpenBao, method: AwsMethod, folder: str, canary: str) -> Iterator[VaultLogins]:
    bao.write_kv2("secret", f"{folder}/a", {"value": canary})
    bao.policy(folder, {f"secret/data/{folder}/*": ["read"]})
    method.roles[folder] = Role([folder], [USER], {"ttl": "300s"})
    with VaultLogins(bao.address, bao.root_token, {"aws": method}) as running:
        yield running


@pytest.fixture
def opened(stores: Stores, server: VaultLogins, method: AwsMethod, sts: Aws) -> Opened:
    return Opened(stores, server, method, sts)


# --- who logs in


async def test_keys_log_in_once_for_all(opened: Opened, sts: Aws, canary: str) -> None:
    opened.stores.credentials["id"] += "\n"  # as an editor leaves it
    driver = opened(KEYS)
    assert opened.stores.credential_reads == []
    assert set(await asyncio.gather(*(opened.value(driver) for _ in range(20)))) == {canary}
    assert opened.server.count("POST", LOGIN) == 1
    assert [(one["operation"], one["who"]) for one in sts.asked] == [("GetCallerIdentity", sts.access_key)]
    await driver.health_check()


async def test_the_default_role_is_beemflow(opened: Opened, canary: str) -> None:
    driver = opened(KEYS, role=None)
    assert "knows no such role" in await opened.refused(driver)
    opened.method.roles["beemflow"] = opened.method.roles[opened.stores.folder]
    assert await opened.value(driver) == canary


@pytest.mark.parametrize("region", [None, REGION])
async def test_a_role_is_assumed_first(
    opened: Opened, sts: Aws, through: ConnectProxy, canary: str, region: str | None
) -> None:
    opened.method.roles[opened.stores.folder].bound = [ROLE]
    place = {} if region is None else {"region": region}
    assert await opened.value(opened({**KEYS, **place, "roleArn": ROLE})) == canary
    assert sts.operations == ["AssumeRole", "GetCallerIdentity"]
    assert through.asked == [f"CONNECT {STS[0 if region is None else 1]}:443"]
    assert "knows no such role, or does not bind it" in await opened.refused(opened({**KEYS, **place}))


async def test_a_service_account_is_a_web_identity(
    opened: Opened, sts: Aws, through: ConnectProxy, canary: str
) -> None:
    opened.method.roles[opened.stores.folder].bound = [ROLE]
    assert await opened.value(opened(ACCOUNT)) == canary
    assert sts.operations == ["AssumeRoleWithWebIdentity", "GetCallerIdentity"]
    other = {"roleArn": ROLE, "serviceAccountRef": {"name": "flows", "audiences": ["elsewhere"]}}
    assert "audience" in await opened.refused(opened(other))
    assert opened.audiences == [["sts.amazonaws.com"], ["elsewhere"]]


# --- what is signed


async def test_the_request_is_signed_for_this_server_alone(opened: Opened, canary: str) -> None:
    opened.method.server_id = "vault.example.com"
    for wrong in ({}, {"serverId": "vault.elsewhere.com"}):
        message = await opened.refused(opened({**KEYS, **wrong}))
        assert message == "the server refuses the login: awsLogin.serverId is not what the server calls itself"
    assert await opened.value(opened({**KEYS, "serverId": "vault.example.com"})) == canary


async def test_the_request_is_signed_for_the_region_that_the_server_asks(opened: Opened, sts: Aws, canary: str) -> None:
    sts.tell(regions=[REGION])
    assert "the region is another than the endpoint's" in await opened.refused(opened(KEYS))
    assert await opened.value(opened({**KEYS, "region": REGION})) == canary


async def test_a_region_that_there_is_not(opened: Opened) -> None:
    with pytest.raises(Invalid, match="region moon-1 is none of AWS"):
        opened({**KEYS, "region": "moon-1"})


async def test_a_request_for_anything_else_or_unsigned_logs_nobody_in(opened: Opened, sts: Aws, bao: OpenBao) -> None:
    """The server behind the tests is as strict as Vault."""
    opened.method.server_id = "vault"
    keys, url = Keys(sts.access_key, sts.secret_key), f"https://{STS[0]}/"
    form = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    good = b"Action=GetCallerIdentity&Version=2011-06-15"

    def ask(body: bytes, headers: dict[str, str], **fields: str) -> int:
        request = {
            "role": opened.stores.folder,
            "iam_http_request_method": "POST",
            "iam_request_url": b64encode(url.encode()).decode(),
            "iam_request_body": b64encode(body).decode(),
            "iam_request_headers": b64encode(json.dumps({k: [v] for k, v in headers.items()}).encode()).decode(),
        }
        return _status(opened.server.address, {**request, **fields})

    def sign(body: bytes, **more: str) -> dict[str, str]:
        return signed({**form, **more}, body, keys, url, service="sts", region="us-east-1")

    assert ask(good, sign(good, **{"X-Vault-AWS-IAM-Server-ID": "vault"})) == 200
    other = b"Action=ListUsers&Version=2010-05-08"
    for status in (
        ask(other, sign(other, **{"X-Vault-AWS-IAM-Server-ID": "vault"})),
        ask(good, {**sign(good), "X-Vault-AWS-IAM-Server-ID": "vault"}),
        ask(good, {**sign(good, **{"X-Vault-AWS-IAM-Server-ID": "vault"}), "X-Amz-Date": "20260101T000000Z"}),
        ask(good, sign(good, **{"X-Vault-AWS-IAM-Server-ID": "vault"}), iam_http_request_method="GET"),
        ask(good, sign(good, **{"X-Vault-AWS-IAM-Server-ID": "vault"}), iam_request_url="https://"),
    ):
        assert status == 400
    assert len(opened.server.given) == 1


def _status(address: str, body: dict[str, str]) -> int:
    import urllib.error  # noqa: PLC0415 - for this alone
    import urllib.request  # noqa: PLC0415 - as above

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(f"{address}{LOGIN}", json.dumps(body).encode())) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


# --- keys that are no good


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("InvalidClientTokenId", "AWS knows no such access key"),
        ("ExpiredToken", "the session has expired"),
        ("SignatureDoesNotMatch", "the secret access key is not that of the id"),
    ],
)
async def test_what_aws_refuses_is_told_and_the_next_login_reads_the_keys_anew(
    opened: Opened, sts: Aws, canary: str, code: str, says: str
) -> None:
    driver = opened(KEYS)
    sts.tell(refuse={code: ["GetCallerIdentity"]})
    assert says in await opened.refused(driver)
    with pytest.raises(AuthFailed, match=says):
        await driver.health_check()
    sts.tell(refuse={}, forget=[sts.access_key], keys={"AKIAROTATED": "rotated"})
    opened.stores.credentials |= {"id": "AKIAROTATED", "key": "rotated"}
    assert await opened.value(driver) == canary


async def test_a_wrong_secret_key_is_no_signature(opened: Opened) -> None:
    opened.stores.credentials["key"] = "mistyped"
    assert "the secret access key is not that of the id" in await opened.refused(opened(KEYS))


async def test_an_empty_key_is_not_sent(opened: Opened) -> None:
    opened.stores.credentials["key"] = "\n"
    assert await opened.refused(opened(KEYS)) == "the secret access key is empty, or holds what none can hold"
    assert opened.server.asked == []


async def test_a_role_that_may_not_be_assumed(opened: Opened, sts: Aws, through: ConnectProxy) -> None:
    sts.tell(external_id="asked for")
    assert "the role may not be assumed by who asks" in await opened.refused(opened({**KEYS, "roleArn": ROLE}))
    assert opened.server.asked == []


# --- who is away


async def test_a_service_that_the_server_cannot_reach_is_no_bad_key(
    opened: Opened, way: FaultProxy, canary: str
) -> None:
    driver = opened(KEYS)
    way.down()
    message = await opened.refused(driver, Unavailable)
    assert message == "the server gets no usable answer from AWS's Security Token Service"
    way.up()
    assert await opened.value(driver) == canary


@pytest.mark.parametrize(("code", "kind"), [("ThrottlingException", Throttled), ("InternalServiceError", Unavailable)])
async def test_a_service_that_cannot_answer_just_now_is_no_bad_key(
    opened: Opened, sts: Aws, canary: str, code: str, kind: type[SecretsError]
) -> None:
    driver = opened(KEYS)
    sts.tell(refuse={code: ["GetCallerIdentity"]})
    await opened.refused(driver, kind)
    sts.tell(refuse={})
    assert await opened.value(driver) == canary


async def test_a_service_that_we_cannot_reach_is_no_bad_key(opened: Opened, through: ConnectProxy, canary: str) -> None:
    opened.method.roles[opened.stores.folder].bound = [ROLE]
    driver = opened({**KEYS, "roleArn": ROLE})
    through.down()
    assert (await opened.refused(driver, Unavailable)).startswith("sts of us-east-1: ")
    through.up()
    assert await opened.value(driver) == canary


async def test_a_login_that_is_not_answered_is_no_bad_key(opened: Opened, canary: str) -> None:
    driver = opened(KEYS)
    opened.server.refuse(503)
    await opened.refused(driver, Unavailable)
    opened.server.refuse(429, retry_after="7")
    error = await opened.stores.error(driver, "a")
    assert isinstance(error, Throttled)
    assert error.retry_after == 7
    opened.server.stop()
    await opened.refused(driver, Unavailable)
    opened.server.start()
    assert await opened.value(driver) == canary


# --- how long it lives


async def test_the_login_is_renewed_and_then_made_anew(opened: Opened, sts: Aws, ticking: Clock) -> None:
    driver = opened(KEYS, clock=ticking)
    for _ in range(3):
        await opened.value(driver)
        ticking.now += 201
        await opened.value(driver)
        if (task := driver._logins._task) is not None:
            await asyncio.wait({task})
    assert (opened.server.count("PUT", RENEW) + opened.server.count("POST", RENEW)) == 3
    assert (opened.server.count("POST", LOGIN), sts.operations) == (1, ["GetCallerIdentity"])
    ticking.now += 301
    await opened.value(driver)
    assert opened.server.count("POST", LOGIN) == 2


async def test_a_revoked_token_is_replaced_once_for_all(opened: Opened, bao: OpenBao, canary: str) -> None:
    driver = opened(KEYS)
    for logins in (1, 2, 3):
        values = await asyncio.gather(*(opened.value(driver) for _ in range(10)))
        assert set(values) == {canary}
        assert opened.server.count("POST", LOGIN) == logins
        bao.revoke(opened.server.given[-1])


async def test_what_the_policy_refuses_is_denied_and_costs_no_login(opened: Opened) -> None:
    driver = opened(KEYS, path="secret")
    for _ in range(2):
        assert isinstance(await opened.stores.error(driver, "elsewhere/a"), Denied)
    assert opened.server.count("POST", LOGIN) == 1


# --- what of the process takes part


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


@pytest.mark.parametrize("login", [None, {}, {"serverId": "vault"}], ids=["no block", "empty", "server id"])
async def test_without_a_login_the_process_logs_in_and_is_looked_at_again_when_refused(
    opened: Opened, sts: Aws, home: Path, canary: str, login: dict[str, Any] | None
) -> None:
    driver = opened(login)
    assert "no AWS keys" in await opened.refused(driver)
    profile = "[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n"
    (home / "credentials").write_text(profile.format(sts.access_key, sts.secret_key))
    assert await opened.value(driver) == canary
    sts.tell(forget=[sts.access_key], keys={"AKIAROTATED": "rotated"})
    (home / "credentials").write_text(profile.format("AKIAROTATED", "rotated"))
    opened.stores.bao.revoke(opened.server.given[-1])
    assert await opened.value(driver) == canary
    assert [one["who"] for one in sts.asked] == [sts.access_key, "AKIAROTATED"]


@pytest.mark.parametrize("login", [KEYS, ACCOUNT], ids=["keys", "account"])
async def test_with_a_login_of_its_own_a_store_uses_nothing_of_the_process(
    opened: Opened,
    sts: Aws,
    through: ConnectProxy,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    canary: str,
    login: dict[str, Any],
) -> None:
    opened.method.roles[opened.stores.folder].bound = [ROLE, USER]
    planted = {
        "AWS_ACCESS_KEY_ID": "AKIAPLANTED",
        "AWS_SECRET_ACCESS_KEY": "planted",
        "AWS_SESSION_TOKEN": "planted",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1",
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/planted",
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/nonexistent",
    }
    for name, text in planted.items():
        monkeypatch.setenv(name, text)
    driver = opened(login)
    monkeypatch.setattr(Ambient, "keys", None)
    assert await opened.value(driver) == canary
    assert "AKIAPLANTED" not in {one["who"] for one in sts.asked}


async def test_where_a_role_is_asked_for_is_judged(opened: Opened) -> None:
    here = Endpoints(frozenset({origin_of(opened.server.address)}))
    opened(KEYS, endpoints=here)
    with pytest.raises(EndpointNotAllowed, match=r"sts\.amazonaws\.com"):
        opened({**KEYS, "roleArn": ROLE}, endpoints=here)
    both = Endpoints(here.allowed | {origin_of(f"https://{STS[0]}")})
    opened({**KEYS, "roleArn": ROLE}, endpoints=both)


async def test_whom_the_store_trusts_is_about_the_server_alone(
    opened: Opened, bao: OpenBao, through: ConnectProxy, canary: str
) -> None:
    opened.method.roles[opened.stores.folder].bound = [ROLE]
    with VaultLogins(bao.address, bao.root_token, {"aws": opened.method}, tls=True) as secured:
        driver = opened({**KEYS, "roleArn": ROLE}, address=secured.address, tls={"caBundle": secured.ca})
        assert await opened.value(driver) == canary
        message = await opened.refused(opened(KEYS, address=secured.address), Unavailable)
        assert "signed by no authority" in message


async def test_what_is_sent_holds_no_secret_key(opened: Opened, bao: OpenBao) -> None:
    with FaultProxy(opened.server.address) as front:
        await opened.value(opened(KEYS, address=front.address))
        sent = json.loads(next(one.body for one in front.requests if one.path == LOGIN))
    decoded = [b64decode(sent[f"iam_request_{part}"]).decode() for part in ("url", "body", "headers")]
    assert opened.stores.credentials["key"] not in "".join(decoded)


def test_in_the_library_from_a_file(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, canary: str
) -> None:
    opened.method.server_id = "vault"
    credentials = opened.stores.credentials
    login = {"server_id": "vault", "access_key_id": credentials["id"], "secret_access_key": "${AWS_KEY_OF_TEST}"}
    block = {"address": opened.server.address, "path": f"secret/{opened.stores.folder}", "role": opened.stores.folder}
    path = tmp_path / "flow.config.json"
    section = {"driver": "vault", "vault": {**block, "auth_method": "aws", "aws_login": login}}
    path.write_text(json.dumps({"secrets": section}))
    monkeypatch.setenv("AWS_KEY_OF_TEST", credentials["key"])
    with open_secrets_sync(path) as secrets:
        assert secrets.get_secret("a") == canary
    del login["access_key_id"]
    path.write_text(json.dumps({"secrets": section}))
    with pytest.raises(Invalid, match="aws_login: access_key_id and secret_access_key belong together"):
        SecretsConfig.from_file(path)
