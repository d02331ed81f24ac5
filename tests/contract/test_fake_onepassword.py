"""The fake of 1Password Connect: 1Password's own SDK talks to it unchanged, over TLS, and is refused as it ought to."""

from __future__ import annotations

import ssl
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from onepasswordconnectsdk.client import new_client
from onepasswordconnectsdk.config import ClientConfig
from onepasswordconnectsdk.errors import FailedToRetrieveItemException, FailedToRetrieveVaultException
from onepasswordconnectsdk.models import Field, Item, ItemVault

if TYPE_CHECKING:
    from beemflow_secrets.testing.fakes.onepassword import OnePassword


def client(connect: OnePassword, token: str, *, is_async: bool = False) -> Any:
    trust = ssl.create_default_context(cadata=connect.ca)
    return new_client(connect.address, token, is_async, ClientConfig(verify=trust))


def test_the_sdk_reads_and_writes(connect: OnePassword) -> None:
    vault = connect.add_vault("flows")
    other = connect.add_vault("not in scope")
    sdk = client(connect, connect.token(vault))
    assert [one.id for one in sdk.get_vaults()] == [vault]
    assert sdk.get_vault_by_title("flows").id == vault
    field = Field(label="token", value="one", type="CONCEALED")
    made = sdk.create_item(vault, Item(title="slack", category="LOGIN", vault=ItemVault(id=vault), fields=[field]))
    before = sdk.get_vault(vault).content_version
    found = sdk.get_item("slack", "flows")
    assert (found.id, found.version, found.fields[0].value) == (made.id, 1, "one")
    found.fields[0].value = "two"
    sdk.update_item(made.id, vault, found)
    assert sdk.get_vault(vault).content_version == before + 1
    again = sdk.get_item(made.id, vault)
    assert (again.version, again.fields[0].value) == (2, "two")
    assert [(one.title, one.version) for one in sdk.get_items(vault)] == [("slack", 2)]
    sdk.create_item(vault, Item(title="slack", category="LOGIN", vault=ItemVault(id=vault)))
    with pytest.raises(FailedToRetrieveItemException, match="Found 2 items"):
        sdk.get_item("slack", vault)
    sdk.delete_item(made.id, vault)
    assert len(sdk.get_items(vault, 'title eq "slack"')) == 1
    for refused in (partial(sdk.get_vault, other), partial(sdk.get_items, other)):
        with pytest.raises((FailedToRetrieveVaultException, FailedToRetrieveItemException), match="is not in scope"):
            refused()
    with pytest.raises(FailedToRetrieveItemException, match="Found 0 items"):
        sdk.get_item(made.id, vault)
    sdk.session.close()


async def test_the_asynchronous_sdk_reads(connect: OnePassword) -> None:
    vault = connect.add_vault("async")
    connect.put(vault, "a", {"password": "x"}, sections={"db": {"host": "h"}})
    sdk = client(connect, connect.token(vault), is_async=True)
    found = await sdk.get_item("a", "async")
    assert [(one.label, one.value) for one in found.fields] == [("password", "x"), ("host", "h"), ("notesPlain", None)]
    assert found.fields[1].section.id == found.sections[0].id
    await sdk.session.aclose()


def test_a_token_that_is_none_and_one_that_was_revoked(connect: OnePassword) -> None:
    token = connect.token()
    sdk = client(connect, token)
    assert sdk.get_vaults() == []
    connect.revoke(token)
    with pytest.raises(FailedToRetrieveVaultException, match=r"401.*Invalid token signature"):
        sdk.get_vaults()
    sdk.session.close()


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("", ["a", 'b "c"', "it's"]),
        ('title eq "a"', ["a"]),
        ('title eq "A"', ["a"]),
        (r'title eq "b \"c\""', ['b "c"']),
        ('title eq "it\'s" or tag eq "team"', ["a", "it's"]),
        ("title eq 'a'", None),
        ("title co a", None),
        ('name eq "a"', None),
    ],
)
def test_filters(connect: OnePassword, query: str, titles: list[str] | None) -> None:
    vault = connect.add_vault("filters")
    for title in ("a", 'b "c"', "it's"):
        connect.put(vault, title, {"password": "x"}, tags=["team"] if title == "a" else [])
    answer = get(connect, f"/v1/vaults/{vault}/items", token=connect.token(vault), params={"filter": query})
    if titles is None:
        assert (answer.status_code, answer.json()["status"]) == (400, 400)
        return
    assert [item["title"] for item in answer.json()] == titles
    assert all("fields" not in item for item in answer.json())


def test_what_needs_no_token(connect: OnePassword) -> None:
    assert get(connect, "/heartbeat").text == "."
    assert get(connect, "/health").json()["name"] == "1Password Connect API"
    assert get(connect, "/v1/vaults").status_code == 401


@pytest.mark.parametrize(
    ("path", "status"), [("/v1/vaults/short", 400), (f"/v1/vaults/{'a' * 26}", 404), (f"/v1/vaults/{'A' * 26}", 400)]
)
def test_paths_that_lead_nowhere(connect: OnePassword, path: str, status: int) -> None:
    answer = get(connect, path, token=connect.token())
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert answer.json()["message"]


def get(
    connect: OnePassword, path: str, *, token: str = "none", params: dict[str, str] | None = None
) -> httpx.Response:
    with httpx.Client(verify=ssl.create_default_context(cadata=connect.ca), trust_env=False) as http:
        return http.get(f"{connect.address}{path}", headers={"Authorization": f"Bearer {token}"}, params=params)
