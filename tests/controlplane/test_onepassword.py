"""Stores of 1Password Connect, from the resource to the native Secret."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.controlplane.conftest import entry, spec, until
from tests.support.api import condition

if TYPE_CHECKING:
    from collections.abc import Callable

    from beemflow_secrets.testing.fakes.onepassword import OnePassword
    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace
    from tests.support.operator import Operator

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def vault(connect: OnePassword, ns: Namespace) -> str:
    """A vault that is called as the test's namespace, and the Secret `login` with a token for it."""
    made = connect.add_vault(ns.name)
    ns.add_secret("login", {"token": connect.token(made)})
    return made


def store(connect: OnePassword, ns: Namespace, **block: Any) -> dict[str, Any]:
    token = {"secretKeyRef": {"name": "login", "key": "token"}}
    return {
        "driver": "1password",
        "timeout": "2s",
        "retry": {"attempts": 1},
        "tls": {"caBundle": connect.ca},
        "onepassword": {"connectHost": connect.address, "connectToken": token, "vault": ns.name, **block},
    }


def reads(connect: OnePassword, vault: str, beneath: str = "") -> int:
    """Count what was asked for of the vault itself, or of its `/items`."""
    return sum(one.path == f"/v1/vaults/{vault}{beneath}" for one in connect.asked)


@pytest.mark.usefixtures("operator")
def test_fields_are_read_by_label_and_section(ns: Namespace, connect: OnePassword, vault: str, canary: str) -> None:
    sections = {"bot": {"token": canary}, "app": {"token": "other"}}
    connect.put(vault, "slack", {"password": canary, "username": "u"}, sections=sections)
    connect.put(vault, "plain", {"password": canary}, tags=["expires-at:2031-02-03T04:05:06Z"])
    ns.add_store("one", store(connect, ns))
    assert ns.store_ready("one")["status"]["capabilities"] == ["Read", "List"]
    entries = (entry("token", "slack#bot.token"), entry("user", "slack#username"), entry("plain", "plain"))
    extract = {"secretStoreRef": {"name": "one"}, "dataFrom": [{"extract": {"key": "slack"}}]}
    ns.add("slack", spec(*entries, store="one"))
    ns.add("all", extract)
    found = ns.ready("slack")
    assert ns.data("slack") == {"token": canary, "user": "u", "plain": canary}
    assert found["status"]["expiresAt"] == "2031-02-03T04:05:06Z"
    ns.ready("all")
    assert ns.data("all") == {"password": canary, "username": "u", "bot.token": canary, "app.token": "other"}
    ns.add("ambiguous", spec(entry("token", "slack#token"), store="one"))
    failed = ns.ready("ambiguous", "False", reason="InvalidSpec")
    assert "several fields are called 'token'" in condition(failed)["message"]


@pytest.mark.usefixtures("operator")
def test_a_rotation_is_followed_and_an_unchanged_vault_is_asked_for_its_number_alone(
    ns: Namespace, connect: OnePassword, vault: str, canary: str
) -> None:
    keys = [f"key-{number}" for number in range(30)]
    for key in keys:
        connect.put(vault, key, {"password": canary})
    ns.add_store("one", store(connect, ns))
    ns.add("all", spec(*(entry(key, key) for key in keys), store="one", refreshInterval="1s"))
    ns.ready("all")
    connect.asked.clear()
    until(lambda: reads(connect, vault) >= 3)
    assert {one.path for one in connect.asked if vault in one.path} == {f"/v1/vaults/{vault}"}
    connect.put(vault, "key-7", {"password": "new"})
    ns.wait_data("all", dict.fromkeys(keys, canary) | {"key-7": "new"})
    assert reads(connect, vault, "/items") == 1
    assert reads(connect, vault, f"/items/{connect.id_of(vault, 'key-7')}") == 1


@pytest.mark.usefixtures("operator")
def test_an_outage_keeps_the_secret_and_its_end_is_noticed(
    ns: Namespace, connect: OnePassword, vault: str, canary: str
) -> None:
    connect.put(vault, "a", {"password": canary})
    ns.add_store("one", store(connect, ns))
    ns.add("a", spec(entry("a", "a"), store="one", refreshInterval="1s", target={"deletionPolicy": "Delete"}))
    ns.ready("a")
    connect.stop()
    try:
        ns.ready("a", "False", reason="BackendUnavailable")
        ns.store_ready("one", "False", reason="BackendUnavailable")
        assert ns.data("a") == {"a": canary}
    finally:
        connect.start()
    ns.ready("a")
    connect.remove(vault, connect.id_of(vault, "a"))
    ns.ready("a", reason="SecretDeleted")


@pytest.mark.usefixtures("operator")
def test_what_is_wrong_is_said(ns: Namespace, connect: OnePassword, vault: str) -> None:
    twin = connect.put(vault, "twin", {"password": "x"})
    connect.write(vault, connect.vaults[vault].items[twin])
    ns.add_store("one", store(connect, ns))
    ns.add_store("unknown", store(connect, ns, vault="no such vault"))
    ns.add("twin", spec(entry("a", "twin"), store="one"))
    ns.add("missing", spec(entry("a", "missing"), store="one"))
    ns.add("unknown", spec(entry("a", "twin"), store="unknown"))
    said = {
        "twin": ("InvalidSpec", "2 items of this title"),
        "missing": ("KeyNotFound", "no such item"),
        "unknown": ("InvalidSpec", "no vault of this name"),
    }
    for name, (reason, text) in said.items():
        assert text in condition(ns.ready(name, "False", reason=reason))["message"]
    ns.store_ready("unknown")  # the server serves


@pytest.mark.usefixtures("operator")
def test_a_revoked_token_is_said_and_a_new_one_taken(
    ns: Namespace, connect: OnePassword, vault: str, canary: str
) -> None:
    connect.put(vault, "a", {"password": canary})
    old = connect.token(vault)
    ns.add_secret("own", {"token": old})
    token = {"secretKeyRef": {"name": "own", "key": "token"}}
    ns.add_store("one", store(connect, ns, connectToken=token))
    ns.add("a", spec(entry("a", "a"), store="one", refreshInterval="1s"))
    ns.ready("a")
    connect.revoke(old)
    ns.ready("a", "False", reason="AuthenticationFailed")
    ns.api.patch(ns.secret_path("own"), {"stringData": {"token": connect.token(vault)}})
    ns.ready("a")
    assert ns.data("a") == {"a": canary}


def test_a_token_of_the_operators_own_is_lent_to_nobody(
    start_operator: Callable[..., Operator], ns: Namespace, connect: OnePassword, vault: str
) -> None:
    """1Password's tools take a login out of the environment. A store has the token that it names, or none."""
    token = connect.token(vault)
    start_operator(env={"OP_CONNECT_HOST": connect.address, "OP_CONNECT_TOKEN": token, "OP_VAULT": vault})
    ns.add_store("one", store(connect, ns, connectToken={"secretKeyRef": {"name": "nowhere", "key": "token"}}))
    ns.add("a", spec(entry("a", "a"), store="one"))
    ns.ready("a", "False", reason="StoreNotReady")
    assert not any(vault in one.path or ns.name in one.query for one in connect.asked)


@pytest.mark.usefixtures("operator")
def test_the_example(control_plane: ControlPlane, ns: Namespace, connect: OnePassword, canary: str) -> None:
    vault = connect.add_vault("flows")
    connect.put(vault, "slack", {"bot-token": canary})
    ns.add_secret("1password-login", {"token": connect.token(vault)})
    for name in ("store.yaml", "secret.yaml"):
        manifest = (EXAMPLES / "1password" / name).read_text()
        trusted = "  tls:\n    caBundle: |\n" + "".join(f"      {line}\n" for line in connect.ca.splitlines())
        manifest = manifest.replace("https://connect.example.com", connect.address)
        manifest = manifest.replace("  onepassword:\n", f"{trusted}  onepassword:\n")
        control_plane.kubectl("apply", "-n", ns.name, "-f", "-", stdin=manifest)
    ns.ready("slack", reason="Synced")
    assert ns.data("slack") == {"token": canary}
