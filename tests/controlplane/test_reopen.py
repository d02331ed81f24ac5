"""Stores that change: opened anew beside the former one, which is read from until the new one has been seen to work."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from beemflow_secrets.testing.faultproxy import FaultProxy, hang
from tests.controlplane.conftest import entry, spec, until
from tests.controlplane.test_stores import message, set_credential
from tests.support.api import condition

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.api import Namespace, Object
    from tests.support.openbao import OpenBao

pytestmark = pytest.mark.usefixtures("operator")

TOKEN = entry("token", "slack#token")
LOGIN = ("POST", "/v1/auth/approle/login")


@pytest.fixture
def store(ns: Namespace, store_spec: Object, login: str) -> str:
    """A store whose credential stands in the Secret `login`."""
    del login
    ns.add_store("prod", store_spec)
    ns.store_ready("prod")
    return "prod"


def refreshed(ns: Namespace, name: str) -> None:
    """Have a resource read from its store, and wait for the answer."""
    asked = str(time.time())
    ns.api.patch(ns.path(name), {"metadata": {"annotations": {"secrets.beemflow.io/refresh-requested-at": asked}}})
    ns.api.wait(ns.path(name), lambda found: (found or {})["status"].get("lastHandledRefresh") == asked)


def test_a_rotated_credential_is_noticed_within_fifteen_seconds_though_the_old_login_lives(
    ns: Namespace, store: str, bao: OpenBao, proxy: FaultProxy, folder: str, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    logins = proxy.count(*LOGIN)
    set_credential(ns, "login", bao.secret_id(folder))
    until(lambda: proxy.count(*LOGIN) > logins, patience=15)
    ns.store_ready(store)
    refreshed(ns, "slack")
    ns.ready("slack")
    assert proxy.count(*LOGIN) == logins + 1


def test_a_credential_mistyped_is_told_and_the_old_login_goes_on(
    ns: Namespace, store: str, bao: OpenBao, folder: str, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    set_credential(ns, "login", f"{canary}-mistyped")
    ns.store_ready(store, "False", reason="AuthenticationFailed")
    put("slack", token=f"{canary}-2")
    refreshed(ns, "slack")
    ns.ready("slack")
    assert ns.data("slack") == {"token": f"{canary}-2"}
    # While the store is not ready its credential is looked at with each probe.
    set_credential(ns, "login", bao.secret_id(folder))
    ns.store_ready(store)


def test_a_deleted_credential_is_told_and_the_old_login_goes_on(
    ns: Namespace, store: str, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    ns.api.delete(ns.secret_path("login"))
    assert f"Secret {ns.name}/login" in message(ns.store_ready(store, "False", reason="CredentialNotFound"))
    put("slack", token=f"{canary}-2")
    refreshed(ns, "slack")
    ns.ready("slack")
    assert ns.data("slack") == {"token": f"{canary}-2"}


def test_a_spec_that_cannot_be_opened_is_told_and_the_former_goes_on(
    ns: Namespace, store: str, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    ns.api.patch(ns.store_path(store), {"spec": {"tls": {"caBundle": "no certificate"}}})
    found = ns.store_ready(store, "False", reason="InvalidSpec")
    assert found["status"]["observedGeneration"] == condition(found)["observedGeneration"] == 2
    put("slack", token=f"{canary}-2")
    refreshed(ns, "slack")
    ns.ready("slack")
    assert ns.data("slack") == {"token": f"{canary}-2"}


def test_a_new_backend_is_read_from_once_it_works(
    ns: Namespace, store: str, bao: OpenBao, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    put("new/slack", token=f"{canary}-new")
    ns.add("slack", spec(TOKEN, refreshInterval="1s"))
    ns.ready("slack")
    with FaultProxy(bao.address) as other:
        other.set(hang)
        ns.api.patch(ns.store_path(store), {"spec": {"prefix": "new/", "vault": {"address": other.address}}})
        ns.store_ready(store, "False", reason="BackendUnavailable")
        put("slack", token=f"{canary}-2")
        refreshed(ns, "slack")
        ns.ready("slack")
        assert ns.data("slack") == {"token": f"{canary}-2"}
        other.clear()
        ns.store_ready(store)
        ns.wait_data("slack", {"token": f"{canary}-new"})
        # So it stays: nobody reads from the former any more.
        refreshed(ns, "slack")
        assert ns.data("slack") == {"token": f"{canary}-new"}
