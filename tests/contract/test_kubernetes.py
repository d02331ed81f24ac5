"""The driver kubernetes on a real API server: what the contract suite does not ask, since no other driver has it."""

from __future__ import annotations

import asyncio
import json
import ssl
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.controllers.store.credentials import CredentialNotFound, ServiceAccountTokens
from beemflow_secrets.kube import paths
from beemflow_secrets.kube.client import KubeClient
from beemflow_secrets.kube.connection import Connection, from_kubeconfig
from beemflow_secrets.model.store import ServiceAccountRef, StoreSpec
from beemflow_secrets.providers.errors import AuthFailed, Denied, Invalid, NotFound, SecretsError, Unavailable
from beemflow_secrets.providers.kubernetes import KubernetesDriver
from beemflow_secrets.providers.surroundings import Surroundings
from beemflow_secrets.providers.value import Ref, SecretValue
from beemflow_secrets.testing.cases import in_chain
from beemflow_secrets.testing.certs import CertificateAuthority, ServerCert
from tests.contract.harnesses import OtherClusterHarness
from tests.support.faultproxy import FaultProxy, answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from beemflow_secrets.kube.tokens import AccountToken
    from e2e.clusters.controlplane import ControlPlane
    from tests.contract.conftest import Clock
    from tests.support.api import Api

PLANE_OWN = "https://kubernetes.default.svc"


class Cluster(OtherClusterHarness):
    """A namespace with a ServiceAccount `reader`, and drivers of any block for it."""

    def __init__(self, plane: ControlPlane, api: Api) -> None:
        super().__init__(plane, api)
        self.own = from_kubeconfig([plane.kubeconfig])
        self.client = KubeClient(self.own)
        self.closing.push_async_callback(self.client.close)
        self.made: list[AccountToken] = []

    def driver(
        self, *, spec: dict[str, Any] | None = None, cluster: Connection | None = None, clock: Any = None, **block: Any
    ) -> KubernetesDriver:
        tokens = ServiceAccountTokens(self.client, self.namespace)

        async def make(ref: ServiceAccountRef, *, own_audience: bool) -> AccountToken:
            self.made.append(await tokens(ref, own_audience=own_audience))
            return self.made[-1]

        surroundings = Surroundings(credential=self._lend, service_account_token=make, cluster=cluster or self.own)
        block = {"namespace": self.namespace, **block}
        parsed = StoreSpec.model_validate({"driver": "kubernetes", "kubernetes": block, **(spec or {})})
        driver = KubernetesDriver(parsed, surroundings, **({} if clock is None else {"clock": clock}))
        self.closing.push_async_callback(driver.close)
        return driver

    def remote(self, **block: Any) -> KubernetesDriver:
        return self.driver(server=self.plane.url, **{"caBundle": self.plane.ca.read_text(), **block})


TOKEN = {"secretKeyRef": {"name": "login", "key": "token"}}
READER = {"name": "reader"}


@pytest.fixture
async def cluster(control_plane: ControlPlane, api: Api) -> AsyncIterator[Cluster]:
    async with Cluster(control_plane, api) as made:
        await made.put_text("token")
        yield made


@pytest.fixture
def front(cluster: Cluster) -> Iterator[FaultProxy]:
    """A way to the API server that counts."""
    with FaultProxy(cluster.upstream, cluster.upstream_tls) as running:
        yield running


# --- keys and values


@pytest.mark.parametrize(
    ("key", "name"),
    [("Slack/Bot", "slack-bot"), ("a_B", "a-b"), ("already.legal-1", "already.legal-1"), ("A/b_c.D", "a-b-c.d")],
)
async def test_keys_are_mapped_and_legal_names_stay(cluster: Cluster, key: str, name: str) -> None:
    await cluster.put_text(name)
    assert await cluster.driver(serviceAccountRef=READER).get_secret(key) == cluster.canary


@pytest.mark.parametrize("key", ["a b", "ü", "-a", "a..b", "a." + "b" * 253, "a+b", "%2e"])
async def test_what_no_secret_can_be_called_is_invalid_and_never_asked_for(
    cluster: Cluster, front: FaultProxy, key: str
) -> None:
    error = await cluster.error(cluster.driver(server=front.address, token=TOKEN), key)
    assert isinstance(error, Invalid)
    assert front.count() == 0


async def test_a_prefix_is_mapped_too_and_taken_off_listings(cluster: Cluster) -> None:
    for key in ("team/a", "Team_b", "other"):
        await cluster.put_text(key)
    chain = in_chain(cluster.driver(serviceAccountRef=READER), prefix="team/")
    assert await chain.get_secret("a") == cluster.canary
    assert await chain.list_secrets() == ["a", "b"]
    assert await chain.list_secrets("B") == ["b"]


async def test_a_secret_of_many_kinds_of_content(cluster: Cluster) -> None:
    body = {
        "metadata": {"name": "mixed", "labels": {"team": "ops", "expires-at": "2031-01-02"}},
        "type": "Opaque",
        "data": {"a": "", "b": b64encode(b"\xff").decode()},
        "immutable": True,
    }
    body["metadata"]["annotations"] = {  # type: ignore[index]  # a dict of dicts
        "kubectl.kubernetes.io/last-applied-configuration": json.dumps({"data": cluster.canary})
    }
    cluster.api.create(paths.secrets(cluster.namespace), body)
    cluster.api.create(paths.secrets(cluster.namespace), {"metadata": {"name": "empty"}})
    driver = cluster.driver(serviceAccountRef=READER)
    value = await cluster.value(driver, "mixed")
    assert value.fields == {"a": b"", "b": b"\xff"}
    assert value.metadata == {"team": "ops", "expires-at": "2031-01-02"}  # and no annotation: values lie in those
    assert value.expires_at is None  # a label can hold no RFC 3339 time, and what is none is ignored
    assert (await cluster.value(driver, "empty")).fields == {}


async def test_a_namespace_that_is_not_there(cluster: Cluster) -> None:
    driver = cluster.driver(namespace="nowhere-else")  # as admin: whoever may not look is told Denied
    assert type(await cluster.error(driver, "token")) is NotFound
    assert await driver.list_secrets() == []
    assert isinstance(await cluster.error(cluster.remote(namespace="default", token=TOKEN), "a"), Denied)


async def test_listings_are_in_pages_and_bring_no_value(cluster: Cluster, front: FaultProxy) -> None:
    await asyncio.gather(
        *(asyncio.to_thread(cluster.api.create, paths.secrets(cluster.namespace), _named(n)) for n in range(520))
    )
    names = await cluster.driver(server=front.address, token=TOKEN).list_secrets("n-")
    assert names == sorted(_named(number)["metadata"]["name"] for number in range(520))
    assert front.count("GET", paths.secrets(cluster.namespace)) == 2
    assert all("PartialObjectMetadataList" in request.headers["accept"] for request in front.requests)


def _named(number: int) -> dict[str, Any]:
    return {"metadata": {"name": f"n-{number}"}}


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "ConfigMap", "metadata": {"resourceVersion": "1"}, "data": {}},
        {"kind": "Secret", "metadata": {}, "data": {}},
        {"kind": "Secret", "metadata": {"resourceVersion": "1"}, "data": {"a": "no base64!"}},
        {"kind": "Secret", "metadata": {"resourceVersion": "1"}, "data": {"a": None}},
        {"kind": "Secret", "metadata": {"resourceVersion": "1"}, "data": [1]},
        [],
    ],
)
async def test_what_is_no_secret_is_unavailable(cluster: Cluster, front: FaultProxy, body: object) -> None:
    driver = cluster.driver(server=front.address, token=TOKEN)
    front.set(answer(200, json.dumps(body).encode()))
    assert type(await cluster.error(driver, "token")) is Unavailable
    with pytest.raises(Unavailable):
        await driver.list_secrets()


async def test_not_found_is_believed_from_the_api_server_alone(cluster: Cluster, front: FaultProxy) -> None:
    driver = cluster.driver(server=front.address, token=TOKEN)
    for body in (b"{}", b'{"kind": "Status", "reason": "NotFound"}', b'{"errors": []}', b"404 page not found"):
        front.set(answer(404, body))
        assert type(await cluster.error(driver, "token")) is Unavailable


# --- who asks


async def test_the_operators_own_identity(cluster: Cluster) -> None:
    driver = cluster.driver()
    assert await driver.get_secret("token") == cluster.canary
    assert await driver.list_secrets() == ["token"]
    assert cluster.made == []


async def test_without_the_operator_it_is_the_cluster_of_the_kubeconfig(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(cluster.plane.kubeconfig))
    spec = StoreSpec.model_validate({"driver": "kubernetes", "kubernetes": {"namespace": cluster.namespace}})
    driver = KubernetesDriver(spec, Surroundings(credential=cluster._lend))
    assert await driver.get_secret("token") == cluster.canary
    await driver.close()
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(Invalid, match="no cluster"):
        KubernetesDriver(spec, Surroundings(credential=cluster._lend))


async def test_a_token_of_ten_minutes_is_shared_and_renewed_in_time(cluster: Cluster, ticking: Clock) -> None:
    driver = cluster.driver(serviceAccountRef=READER, clock=ticking)
    await asyncio.gather(*(cluster.value(driver, "token") for _ in range(10)))
    assert [made.seconds for made in cluster.made] == [600]
    ticking.now += 399
    await cluster.value(driver, "token")
    assert len(cluster.made) == 1
    ticking.now += 2
    await asyncio.gather(*(cluster.value(driver, "token") for _ in range(10)))
    if (task := driver._identity._logins._task) is not None:  # no read waits for a renewal
        await asyncio.wait({task})
    ticking.now += 399
    await cluster.value(driver, "token")
    assert len(cluster.made) == 2
    assert PLANE_OWN in cluster.made[0].audiences


async def test_a_token_that_cannot_be_renewed_serves_until_it_ends(
    cluster: Cluster, ticking: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = cluster.driver(serviceAccountRef=READER, clock=ticking)
    await cluster.value(driver, "token")

    async def away(*_: object, **__: object) -> AccountToken:
        raise Unavailable("the API server is away")

    monkeypatch.setattr(driver._identity, "_ask", away)
    ticking.now += 401
    await cluster.value(driver, "token")
    ticking.now += 200
    assert type(await cluster.error(driver, "token")) is Unavailable


async def test_a_service_account_that_is_missing(cluster: Cluster) -> None:
    error = await cluster.error(cluster.driver(serviceAccountRef={"name": "nobody"}), "token")
    assert isinstance(error, CredentialNotFound)
    assert error.message == f"ServiceAccount {cluster.namespace}/nobody does not exist"


async def test_a_wrong_audience_says_so(cluster: Cluster) -> None:
    driver = cluster.driver(serviceAccountRef={**READER, "audiences": ["elsewhere"]})
    error = await cluster.error(driver, "token")
    assert isinstance(error, AuthFailed)
    assert "audiences elsewhere" in error.message
    assert len(cluster.made) == 2  # once renewed, and no more


async def test_another_cluster_is_never_shown_a_token_for_this_one(cluster: Cluster, front: FaultProxy) -> None:
    for audiences in ([PLANE_OWN], ["elsewhere", PLANE_OWN]):
        driver = cluster.driver(server=front.address, serviceAccountRef={**READER, "audiences": audiences})
        error = await cluster.error(driver, "token")
        assert isinstance(error, Invalid)
        assert "audiences" in error.message
    assert (front.count(), cluster.made) == (0, [])
    driver = cluster.driver(server=front.address, serviceAccountRef={**READER, "audiences": ["elsewhere"]})
    assert isinstance(await cluster.error(driver, "token"), AuthFailed)  # this one does not take it; it was sent
    assert [made.audiences for made in cluster.made] == [("elsewhere",)] * 2


async def test_a_rotated_token_is_read_once_the_old_one_is_refused(cluster: Cluster) -> None:
    driver = cluster.remote(token=TOKEN)
    good, cluster.credentials["token"] = cluster.credentials["token"], "no-such-token"
    error = await cluster.error(driver, "token")
    assert isinstance(error, AuthFailed)
    assert "expired or revoked" in error.message
    cluster.credentials["token"] = good + "\n"
    assert await driver.get_secret("token") == cluster.canary
    assert cluster.asked == ["token"] * 3


@pytest.mark.parametrize("token", ["", "\n", "two words", "to\r\nken", "tökén"])
async def test_a_token_that_is_none_is_not_sent(cluster: Cluster, front: FaultProxy, token: str) -> None:
    cluster.credentials["token"] = token
    driver = cluster.driver(server=front.address, token=TOKEN)
    assert isinstance((await driver.fetch([Ref("token")]))[Ref("token")], AuthFailed)
    assert front.count() == 0


async def test_the_operators_certificate_is_not_shown_for_others(cluster: Cluster) -> None:
    """With it in the handshake the API server would take whoever asks for the operator."""
    operators = ssl.create_default_context(cafile=cluster.plane.ca)
    own = Connection(cluster.plane.url, operators, cluster.own.token, "default", cluster.own.trust, lambda: operators)
    asked = cluster.driver(cluster=own, serviceAccountRef=READER)._wire._ssl
    assert asked is not operators
    assert cluster.driver(cluster=own)._wire._ssl is operators


async def test_no_right_to_read_or_list_is_denied(cluster: Cluster) -> None:
    cluster.api.patch(f"{cluster._role}/reader", {"rules": []})
    cluster._until(lambda: cluster._as_reader("token").status_code == 403)
    driver = cluster.remote(token=TOKEN)
    assert isinstance(await cluster.error(driver, "token"), Denied)
    with pytest.raises(Denied):
        await driver.list_secrets()
    await driver.health_check()  # needs no right at all


# --- whom to trust


async def test_another_authority_is_not_trusted(cluster: Cluster) -> None:
    for bundle in (CertificateAuthority().pem, None):
        error = await cluster.error(cluster.driver(server=cluster.plane.url, token=TOKEN, **_bundle(bundle)), "token")
        assert type(error) is Unavailable
        assert "TLS handshake failed" in error.message


async def test_the_bundle_may_stand_in_tls_too(cluster: Cluster) -> None:
    pem = cluster.plane.ca.read_text()
    driver = cluster.driver(spec={"tls": {"caBundle": pem}}, server=cluster.plane.url, token=TOKEN)
    assert isinstance(await cluster.value(driver, "token"), SecretValue)
    own = cluster.driver(spec={"tls": {"caBundle": CertificateAuthority().pem}}, serviceAccountRef=READER)
    assert "TLS handshake failed" in (await cluster.error(own, "token")).message


async def test_tls_has_a_floor_for_this_cluster_too(cluster: Cluster) -> None:
    for version in ("1.2", "1.3"):
        driver = cluster.driver(spec={"tls": {"minVersion": version}}, serviceAccountRef=READER)
        context = driver._wire._ssl
        assert isinstance(context, ssl.SSLContext)
        assert context.minimum_version is ssl.TLSVersion[f"TLSv{version.replace('.', '_')}"]
        await cluster.value(driver, "token")


@pytest.mark.parametrize("who", ["the operator", "a ServiceAccount", "a token elsewhere"])
async def test_a_key_that_is_not_pinned_is_sent_no_token(cluster: Cluster, who: str) -> None:
    host, _, port = cluster.plane.url.removeprefix("https://").rpartition(":")
    shown = await asyncio.to_thread(ssl.get_server_certificate, (host, int(port)))
    elsewhere = {"server": cluster.plane.url, "caBundle": cluster.plane.ca.read_text(), "token": TOKEN}
    block = {"the operator": {}, "a ServiceAccount": {"serviceAccountRef": READER}}.get(who, elsewhere)
    good, bad = ServerCert(shown, "").pin, f"sha256/{'A' * 43}="
    pinned = cluster.driver(spec={"tls": {"pinnedCertificates": [bad, good]}}, **block)
    assert await pinned.get_secret("token") == cluster.canary
    error = await cluster.error(cluster.driver(spec={"tls": {"pinnedCertificates": [bad]}}, **block), "token")
    assert error.message == "TLS handshake failed: the server's key is none of tls.pinnedCertificates"


def _bundle(pem: str | None) -> dict[str, Any]:
    return {} if pem is None else {"caBundle": pem}


async def test_tokens_are_refused_where_there_is_no_operator() -> None:
    spec = {"server": "https://127.0.0.1:1", "serviceAccountRef": {**READER, "audiences": ["x"]}}
    parsed = StoreSpec.model_validate({"driver": "kubernetes", "kubernetes": spec})

    async def nobody(_: object) -> str:
        raise AssertionError

    driver = KubernetesDriver(parsed, Surroundings(credential=nobody))
    error = (await driver.fetch([Ref("a")]))[Ref("a")]
    assert isinstance(error, SecretsError)
    assert "made by the operator alone" in error.message
    await driver.close()
