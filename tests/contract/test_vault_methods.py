"""Logging in to a real OpenBao by a password, a JWT and a certificate."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.model.store import StoreSpec
from beemflow_secrets.providers.errors import AuthFailed
from beemflow_secrets.providers.tls import resolved
from beemflow_secrets.providers.vault import VaultDriver
from beemflow_secrets.testing.certs import CertificateAuthority
from beemflow_secrets.testing.fakes.tokens import Issuer
from tests.contract.conftest import secret_ref
from tests.support.openbao import OpenBao

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.conftest import Stores
    from tests.support.faultproxy import FaultProxy

USER = "ann.lee@example.com"
ISSUER, STRANGER = Issuer(), Issuer()


@pytest.fixture(scope="module")
def methods(bao: OpenBao) -> Iterator[OpenBao]:
    """The server, with the auth methods."""
    bao.call("POST", "sys/auth/userpass", {"type": "userpass"})
    for mount in ("jwt", "team/oidc"):
        bao.call("POST", f"sys/auth/{mount}", {"type": "jwt"})
        keys = {"jwt_validation_pubkeys": [ISSUER.public_key], "bound_issuer": ISSUER.name}
        bao.call("POST", f"auth/{mount}/config", keys)
    yield bao
    for mount in ("userpass", "jwt", "team/oidc"):
        bao.call("DELETE", f"sys/auth/{mount}")


@pytest.fixture
def policy(methods: OpenBao, folder: str, canary: str) -> str:
    for key in "abc":
        methods.write_kv2("secret", f"{folder}/{key}", {"value": canary})
    methods.policy(folder, {f"secret/data/{folder}/*": ["read"]})
    return folder


def user(stores: Stores, policy: str, password: str, name: str = "ann") -> None:
    stores.bao.call("POST", f"auth/userpass/users/{name}", {"password": password, "token_policies": [policy]})
    stores.credentials["password"] = password


def by_password(stores: Stores, **fields: Any) -> VaultDriver:
    fields = {"username": "ann", "password": secret_ref("password"), **fields}
    return stores.open(authMethod="userpass", **fields)


def role(stores: Stores, policy: str, name: str = "beemflow", *, mount: str = "jwt", **options: object) -> None:
    bound = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"], "bound_subject": "app"}
    stores.bao.call("POST", f"auth/{mount}/role/{name}", {**bound, "token_policies": [policy], **options})
    stores.credentials["jwt"] = ISSUER.issue()


def by_jwt(stores: Stores, **fields: Any) -> VaultDriver:
    return stores.open(authMethod="jwt", jwt=secret_ref("jwt"), **fields)


# --- a password


async def test_a_password_logs_in_once_for_all(stores: Stores, policy: str, proxy: FaultProxy, canary: str) -> None:
    user(stores, policy, "canary-password")
    stores.credentials["password"] += "\n"  # as an editor leaves it
    driver = by_password(stores, address=proxy.address)
    assert stores.credential_reads == []
    values = await asyncio.gather(*(stores.value(driver, key) for key in "abcabc"))
    assert {value.value for value in values} == {canary}
    assert proxy.count("POST", "/v1/auth/userpass/login/ann") == 1


async def test_blanks_at_the_ends_of_a_password_are_its_own(stores: Stores, policy: str, canary: str) -> None:
    user(stores, policy, " canary-password ")
    stores.credentials["password"] += "\n"
    assert (await stores.value(by_password(stores), "a")).value == canary


async def test_a_password_that_is_wrong_and_is_put_right(stores: Stores, policy: str, canary: str) -> None:
    user(stores, policy, "as-it-is-7")
    stores.credentials["password"] = "mistyped-5"
    driver = by_password(stores)
    error = await stores.error(driver, "a")
    assert isinstance(error, AuthFailed)
    assert error.message == "the server refuses the login: the user name or the password is wrong"
    stores.credentials["password"] = "as-it-is-7"
    assert (await stores.value(driver, "a")).value == canary


async def test_a_password_that_is_changed_is_read_by_the_next_login(stores: Stores, policy: str, canary: str) -> None:
    user(stores, policy, "as-it-was-1")
    driver = by_password(stores)
    await stores.value(driver, "a")
    user(stores, policy, "as-it-is-2")
    stores.bao.revoke_logins("userpass")
    assert (await stores.value(driver, "a")).value == canary
    assert stores.credential_reads == ["password"] * 2


async def test_an_empty_password_is_not_sent(stores: Stores, policy: str, proxy: FaultProxy) -> None:
    user(stores, policy, "as-it-is-7")
    stores.credentials["password"] = "\n"
    error = await stores.error(by_password(stores, address=proxy.address), "a")
    assert isinstance(error, AuthFailed)
    assert error.message == "vault.password is empty"
    assert proxy.count() == 0


async def test_a_user_that_is_locked(stores: Stores, policy: str) -> None:
    user(stores, policy, "as-it-is-7", name="locked")
    driver = by_password(stores, username="locked")
    stores.credentials["password"] = "mistyped-5"
    async with asyncio.timeout(10):
        while "locked" not in (error := await stores.error(driver, "a")).message:
            assert isinstance(error, AuthFailed)
    assert isinstance(error, AuthFailed)


async def test_a_user_of_letters_that_paths_take_for_something_else(stores: Stores, proxy: FaultProxy) -> None:
    stores.credentials["password"] = "as-it-is-7"
    driver = by_password(stores, username="a?b#c%2F", mountPath="user pass", address=proxy.address)
    assert isinstance(await stores.error(driver, "a"), AuthFailed)
    # The proxy undoes one quoting.
    assert [request.path for request in proxy.requests] == ["/v1/auth/user pass/login/a?b#c%2F"]


# --- a JWT


async def test_a_jwt_logs_in_as_beemflow(stores: Stores, policy: str, proxy: FaultProxy, canary: str) -> None:
    role(stores, policy)
    driver = by_jwt(stores, address=proxy.address)
    assert {(await stores.value(driver, key)).value for key in "abc"} == {canary}
    assert proxy.count("POST", "/v1/auth/jwt/login") == 1


async def test_another_role_and_mount(stores: Stores, policy: str, canary: str) -> None:
    role(stores, policy, "web", mount="team/oidc")
    assert (await stores.value(by_jwt(stores, role="web", mountPath="team/oidc"), "a")).value == canary


@pytest.mark.parametrize(
    "wrong",
    [
        ISSUER.issue(exp=int(time.time()) - 600),
        ISSUER.issue(aud="elsewhere"),
        ISSUER.issue(sub="other"),
        ISSUER.issue(iss="https://elsewhere.test"),
        STRANGER.issue(),
        "no token",
    ],
    ids=["expired", "audience", "subject", "issuer", "key", "no token"],
)
async def test_a_jwt_that_is_wrong_and_is_replaced(stores: Stores, policy: str, canary: str, wrong: str) -> None:
    role(stores, policy)
    stores.credentials["jwt"] = wrong
    driver = by_jwt(stores)
    error = await stores.error(driver, "a")
    assert isinstance(error, AuthFailed)
    assert "the token is expired, for another audience or subject, or of another issuer" in error.message
    stores.credentials["jwt"] = ISSUER.issue()
    assert (await stores.value(driver, "a")).value == canary


async def test_a_role_and_a_mount_that_are_not_there(stores: Stores, policy: str) -> None:
    role(stores, policy)
    error = await stores.error(by_jwt(stores, role="nobody"), "a")
    assert isinstance(error, AuthFailed)
    assert "it knows no such role" in error.message
    error = await stores.error(by_jwt(stores, mountPath="nowhere"), "a")
    assert isinstance(error, AuthFailed)
    assert "nothing at auth/nowhere" in error.message


# --- a certificate


@pytest.fixture(scope="module")
def clients() -> CertificateAuthority:
    return CertificateAuthority("clients")


@pytest.fixture(scope="module")
def asking(clients: CertificateAuthority) -> Iterator[OpenBao]:
    """A server that asks its clients for a certificate, and takes it for a login."""
    with OpenBao(tls=True, clients=clients) as server:
        server.call("POST", "sys/auth/cert", {"type": "cert"})
        yield server


class Certificates:
    """Opens drivers that log in by a certificate; roles of the server are called as the test's folder."""

    def __init__(self, stores: Stores, asking: OpenBao, clients: CertificateAuthority, canary: str) -> None:
        self.stores = stores
        self.asking = asking
        self.mine = clients.issue(client=True)
        asking.write_kv2("secret", f"{stores.folder}/a", {"value": canary})
        asking.policy(stores.folder, {f"secret/data/{stores.folder}/*": ["read"]})
        self.role(stores.folder, clients)

    def role(self, name: str, signers: CertificateAuthority, **options: object) -> None:
        given = {"certificate": signers.pem, "token_policies": [self.stores.folder], **options}
        self.asking.call("POST", f"auth/cert/certs/{name}", given)

    async def open(self, **fields: Any) -> VaultDriver:
        self.stores.credentials |= {"certificate": self.mine.certificate, "key": self.mine.key}
        assert self.asking.ca is not None
        tls = {
            "caBundle": self.asking.ca.pem,
            "clientCertificate": {"certificate": secret_ref("certificate"), "key": secret_ref("key")},
        }
        block = {
            "address": self.asking.address,
            "path": f"secret/{self.stores.folder}",
            "authMethod": "cert",
            "role": self.stores.folder,
            **fields,
        }
        block = {name: value for name, value in block.items() if value is not None}
        spec = StoreSpec.model_validate({"driver": "vault", "vault": block, "tls": tls})
        surroundings = self.stores.surroundings()
        driver = VaultDriver(spec.model_copy(update={"tls": await resolved(spec.tls, surroundings)}), surroundings)
        self.stores.opened.append(driver)
        return driver


@pytest.fixture
def certificates(stores: Stores, asking: OpenBao, clients: CertificateAuthority, canary: str) -> Certificates:
    return Certificates(stores, asking, clients, canary)


async def test_a_certificate_logs_in(certificates: Certificates, canary: str) -> None:
    assert (await certificates.stores.value(await certificates.open(), "a")).value == canary


async def test_the_certificates_default_role_is_beemflow(
    certificates: Certificates, clients: CertificateAuthority, canary: str
) -> None:
    driver = await certificates.open(role=None)
    assert isinstance(await certificates.stores.error(driver, "a"), AuthFailed)
    certificates.role("beemflow", clients)
    assert (await certificates.stores.value(driver, "a")).value == canary
    certificates.asking.call("DELETE", "auth/cert/certs/beemflow")


async def test_a_certificate_that_the_role_does_not_know(certificates: Certificates) -> None:
    certificates.role("strangers", CertificateAuthority())
    for name in ("strangers", "nobody"):
        error = await certificates.stores.error(await certificates.open(role=name), "a")
        assert isinstance(error, AuthFailed)
        assert "tls.clientCertificate" in error.message


async def test_a_certificates_login_is_renewed_and_made_anew(certificates: Certificates, canary: str) -> None:
    driver = await certificates.open()
    await certificates.stores.value(driver, "a")
    certificates.asking.revoke_logins("cert")
    assert (await certificates.stores.value(driver, "a")).value == canary
