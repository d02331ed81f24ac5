"""controllers/store/places.py: which keys of which stores are one place. The stores are real ones, and call nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.chain.factory import open_chain
from beemflow_secrets.controllers.objects import Key, observe
from beemflow_secrets.controllers.push.claims import Claims
from beemflow_secrets.controllers.push.places import Place
from beemflow_secrets.controllers.store.opening import OpenStore
from beemflow_secrets.controllers.store.places import Places
from beemflow_secrets.controllers.store.standing import Store
from beemflow_secrets.model import names
from beemflow_secrets.model.store import StoreSpec
from beemflow_secrets.providers.surroundings import Surroundings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

AZURE: dict[str, Any] = {
    "driver": "azure-kv",
    "azure": {"vaultUrl": "https://flows.vault.azure.net", "authMethod": "msi"},
}
GOOGLE: dict[str, Any] = {"driver": "gcp-sm", "gcp": {"projectId": "flows-1"}}
SPECS: dict[str, dict[str, Any]] = {
    "azure": AZURE,
    "prefixed": {**AZURE, "prefix": "team/", "timeout": "3s"},
    "google": GOOGLE,
    "chain": {"driver": "multi", "prefix": "team/", "multi": {"strategy": "failover", "providers": [GOOGLE, AZURE]}},
}
CLOSED = "closed"


def key_of(name: str) -> Key:
    return Key(names.STORE.name, "ns", name)


async def no_credential(ref: object) -> str:
    raise AssertionError(f"{ref} is not needed")


@pytest.fixture
async def places() -> AsyncIterator[Places]:
    stores = {}
    for name in (*SPECS, CLOSED):
        body = {"metadata": {"namespace": "ns", "name": name, "uid": name, "generation": 1}, "spec": SPECS.get(name)}
        stores[key_of(name)] = store = Store(observe(names.STORE.name, body), {})
        if name != CLOSED:
            spec = StoreSpec.model_validate(SPECS[name])
            store.opened = OpenStore(
                await open_chain(spec, Surroundings(credential=no_credential)), spec, partial=False
            )
    yield Places(stores)
    for store in stores.values():
        if store.opened is not None:
            await store.opened.close()


@pytest.mark.parametrize(
    ("one", "other", "met"),
    [
        (("azure", "slack_bot"), ("azure", "Slack-Bot"), True),
        (("azure", "slack"), ("azure", "slack2"), False),
        (("azure", "team/slack"), ("prefixed", "slack"), True),
        (("azure", "slack"), ("prefixed", "slack"), False),
        (("google", "slack/bot"), ("google", "slack--bot"), True),
        (("google", "slack"), ("google", "Slack"), False),
        (("google", "slack"), ("azure", "slack"), False),
        (("chain", "Slack"), ("prefixed", "slack"), True),
        (("chain", "slack"), ("google", "team--slack"), True),
        (("chain", "Slack"), ("google", "team--slack"), False),
        (("azure", "slack"), (CLOSED, "slack"), None),
        (("gone", "slack"), ("azure", "slack"), None),
        ((CLOSED, "slack"), (CLOSED, "slack"), True),
    ],
)
async def test_keys_are_one_place_where_a_backend_has_them_under_one_name(
    places: Places, one: tuple[str, str], other: tuple[str, str], *, met: bool | None
) -> None:
    assert places.meet(key_of(one[0]), one[1], key_of(other[0]), other[1]) is met
    assert places.meet(key_of(other[0]), other[1], key_of(one[0]), one[1]) is met


async def test_stores_are_alike_whatever_their_prefixes(places: Places) -> None:
    assert places.alike(key_of("azure")) == [key_of(name) for name in ("azure", "prefixed", "chain")]
    assert places.alike(key_of(CLOSED)) == [key_of(CLOSED)]


async def test_a_vault_has_one_key_for_a_name_in_any_case_and_the_first_keeps_it(places: Places) -> None:
    claims = Claims(places.compared)
    one, two = (Key(names.PUSH.name, "ns", name) for name in ("one", "two"))
    claims.take(one, [Place(key_of(store), "Slack", None) for store in ("azure", "google")])
    lower = [Place(key_of(store), "slack", None) for store in ("azure", "google")]
    assert claims.take(two, lower) == {lower[0]: one}
