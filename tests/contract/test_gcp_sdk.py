"""The fake of Google Cloud and Google's own client: unchanged, over TLS, it sees what it sees of the real one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import google.auth.transport.requests
import pytest
import requests
from google.api_core import exceptions
from google.auth.exceptions import RefreshError
from google.cloud import secretmanager_v1 as sm
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import SecretManagerServiceRestTransport
from google.oauth2 import service_account

from beemflow_secrets.testing.fakes.google import PROJECT, GoogleCloud
from beemflow_secrets.testing.fakes.google.logins import SCOPE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WHO = f"owner@{PROJECT}.iam.gserviceaccount.com"
PARENT = f"projects/{PROJECT}"


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GoogleCloud]:
    with GoogleCloud() as running:
        running.allow(WHO)
        (tmp_path / "ca.pem").write_text(running.ca)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
        yield running


def login(cloud: GoogleCloud) -> service_account.Credentials:
    info = json.loads(cloud.logins.key_file(WHO, token_uri=f"{cloud.address}/token"))
    made: service_account.Credentials = service_account.Credentials.from_service_account_info(info, scopes=[SCOPE])
    return made


def refreshed(credentials: service_account.Credentials) -> service_account.Credentials:
    with requests.Session() as session:
        credentials.refresh(google.auth.transport.requests.Request(session))
    return credentials


@pytest.fixture
def client(cloud: GoogleCloud) -> Iterator[sm.SecretManagerServiceClient]:
    """Google's client as it is, but for the address."""
    host = cloud.address.removeprefix("https://")
    transport = SecretManagerServiceRestTransport(host=host, credentials=refreshed(login(cloud)))
    with sm.SecretManagerServiceClient(transport=transport) as made:
        yield made


def make(client: sm.SecretManagerServiceClient, name: str, *values: bytes, **fields: Any) -> sm.Secret:
    made = client.create_secret(
        parent=PARENT, secret_id=name, secret=sm.Secret(replication={"automatic": {}}, **fields), retry=None
    )
    for value in values:
        client.add_secret_version(parent=f"{PARENT}/secrets/{name}", payload=sm.SecretPayload(data=value), retry=None)
    return made


def test_secrets_versions_and_their_states(client: sm.SecretManagerServiceClient) -> None:
    made = make(client, "a", b"one", b"two \xff", labels={"team": "flows"})
    assert made.labels == {"team": "flows"}
    found = client.access_secret_version(name=f"{PARENT}/secrets/a/versions/latest", retry=None)
    assert (found.name.rpartition("/")[2], found.payload.data) == ("2", b"two \xff")
    assert found.payload.data_crc32c
    first = client.get_secret_version(name=f"{PARENT}/secrets/a/versions/1", retry=None)
    assert first.state == sm.SecretVersion.State.ENABLED
    for turn, state in ((client.disable_secret_version, "DISABLED"), (client.destroy_secret_version, "DESTROYED")):
        turned = turn(name=f"{PARENT}/secrets/a/versions/2", retry=None)
        assert turned.state.name == state
        with pytest.raises(exceptions.BadRequest, match=f"is in {state} state"):
            client.access_secret_version(name=f"{PARENT}/secrets/a/versions/latest", retry=None)
    assert client.access_secret_version(name=f"{PARENT}/secrets/a/versions/1", retry=None).payload.data == b"one"
    numbers = [one.name.rpartition("/")[2] for one in client.list_secret_versions(parent=f"{PARENT}/secrets/a")]
    assert numbers == ["2", "1"]
    client.delete_secret(name=f"{PARENT}/secrets/a", retry=None)
    with pytest.raises(exceptions.NotFound, match="not found or has no versions"):
        client.access_secret_version(name=f"{PARENT}/secrets/a/versions/latest", retry=None)


def test_aliases_etags_and_expiry(cloud: GoogleCloud, client: sm.SecretManagerServiceClient) -> None:
    made = make(client, "a", b"one", b"two", ttl="3600s", annotations={"expires-at": "2031-02-03T04:05:06Z"})
    assert made.expire_time.timestamp() - cloud.now() == pytest.approx(3600, abs=60)
    made.version_aliases = {"blue": 1}
    changed = client.update_secret(secret=made, update_mask={"paths": ["version_aliases"]}, retry=None)
    assert client.access_secret_version(name=f"{PARENT}/secrets/a/versions/blue", retry=None).payload.data == b"one"
    with pytest.raises(exceptions.BadRequest, match="etag"):
        client.update_secret(secret=made, update_mask={"paths": ["labels"]}, retry=None)
    assert changed.etag != made.etag
    cloud.now.advance(3601)
    with pytest.raises(exceptions.NotFound):
        client.get_secret(name=f"{PARENT}/secrets/a", retry=None)


def test_pages_and_filters(cloud: GoogleCloud, client: sm.SecretManagerServiceClient) -> None:
    for number in range(25):
        cloud.put(f"team--{number:02}", b"x", labels={"even": "yes"} if number % 2 == 0 else {})
    cloud.put("other", b"x")
    cloud.page = 10
    listed = list(client.list_secrets(request={"parent": PARENT, "filter": "name:team"}))
    assert len(listed) == 25
    assert len([one for one in cloud.asked if one.path.endswith("/secrets") and one.method == "GET"]) == 3
    assert len(list(client.list_secrets(request={"parent": PARENT, "filter": "labels.even=yes"}))) == 13
    with pytest.raises(exceptions.BadRequest, match="page token"):
        next(iter(client.list_secrets(request={"parent": PARENT, "page_token": "W10="})))


def test_regional_secrets_are_of_their_own(cloud: GoogleCloud, client: sm.SecretManagerServiceClient) -> None:
    place = f"{PARENT}/locations/europe-west3"
    client.create_secret(parent=place, secret_id="a", secret=sm.Secret(), retry=None)
    client.add_secret_version(parent=f"{place}/secrets/a", payload=sm.SecretPayload(data=b"here"), retry=None)
    assert client.access_secret_version(name=f"{place}/secrets/a/versions/1", retry=None).payload.data == b"here"
    with pytest.raises(exceptions.NotFound):
        client.access_secret_version(name=f"{PARENT}/secrets/a/versions/1", retry=None)
    assert "europe-west3" in cloud.project("europe-west3").name


def test_limits(client: sm.SecretManagerServiceClient) -> None:
    make(client, "a", b"x" * 65536)
    for value in (b"", b"x" * 65537):
        with pytest.raises(exceptions.BadRequest):
            client.add_secret_version(parent=f"{PARENT}/secrets/a", payload=sm.SecretPayload(data=value), retry=None)
    with pytest.raises(exceptions.BadRequest, match="checksum"):
        client.add_secret_version(
            parent=f"{PARENT}/secrets/a", payload=sm.SecretPayload(data=b"x", data_crc32c=1), retry=None
        )
    for wrong in (
        {"secret_id": "a/b"},
        {"secret_id": "b", "secret": {"labels": {"expires-at": "2031-02-03T04:05:06Z"}}},
    ):
        asked: dict[str, Any] = {"parent": PARENT, "secret": {"replication": {"automatic": {}}}}
        with pytest.raises(exceptions.GoogleAPICallError):
            client.create_secret(request={**asked, **wrong}, retry=None)
    with pytest.raises(exceptions.Conflict):
        make(client, "a")


def test_rights_and_quotas(cloud: GoogleCloud, client: sm.SecretManagerServiceClient) -> None:
    make(client, "a", b"x")
    name = f"{PARENT}/secrets/a/versions/latest"
    cloud.denied.add(("versions.access", "a"))
    with pytest.raises(exceptions.Forbidden, match=r"secretmanager\.versions\.access"):
        client.access_secret_version(name=name, retry=None)
    cloud.denied.clear()
    cloud.quotas["access"] = 2  # the denied one counts
    client.access_secret_version(name=name, retry=None)
    with pytest.raises(exceptions.TooManyRequests):
        client.access_secret_version(name=name, retry=None)
    cloud.now.advance(60)
    client.access_secret_version(name=name, retry=None)
    cloud.enabled = False
    with pytest.raises(exceptions.Forbidden) as caught:
        client.access_secret_version(name=name, retry=None)
    assert caught.value.reason == "SERVICE_DISABLED"


def test_a_login_by_a_key(cloud: GoogleCloud) -> None:
    assert cloud.logins.who(str(refreshed(login(cloud)).token)) == WHO
    deleted = login(cloud)
    cloud.logins.accounts[WHO].keys.clear()
    with pytest.raises(RefreshError, match="Invalid JWT Signature"):
        refreshed(deleted)
    cloud.now.advance(4000)
    with pytest.raises(RefreshError, match="reasonable timeframe"):
        refreshed(login(cloud))
    cloud.logins.accounts[WHO].disabled = True
    with pytest.raises(RefreshError, match="account not found"):
        refreshed(login(cloud))
