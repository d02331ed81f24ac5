"""What fills a Secret beside single keys: whole secrets, and stores other than the resource's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.controlplane.conftest import entry, spec
from tests.support.api import condition

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.api import Namespace, Object
    from tests.support.faultproxy import FaultProxy
    from tests.support.openbao import OpenBao

pytestmark = pytest.mark.usefixtures("operator", "store")

OTHER = {"sourceRef": {"storeRef": {"name": "other"}}}


def extracting(*keys: str, data: list[Object] | None = None, **fields: object) -> Object:
    sources = [{"extract": {"key": key}} for key in keys]
    return {"secretStoreRef": {"name": "prod"}, "dataFrom": sources, "data": data or [], **fields}


@pytest.fixture
def other(ns: Namespace, store: str, bao: OpenBao, folder: str) -> str:
    """A second store of the namespace, straight to OpenBao, below the folder's `other/`."""
    found = ns.api.get(ns.store_path(store))
    assert found is not None
    vault = {**found["spec"]["vault"], "address": bao.address, "path": f"secret/{folder}/other"}
    ns.add_store("other", {**found["spec"], "vault": vault})
    return "other"


def test_extract_makes_a_key_of_each_field_and_data_wins(
    ns: Namespace, put: Callable[..., int], canary: str, proxy: FaultProxy, folder: str
) -> None:
    put("slack", user="bot", token=canary, nested={"a": 1}, absent=None)
    put("plain", value="own")
    ns.add("slack", extracting("slack", data=[entry("user", "plain")]))
    found = ns.ready("slack")
    assert ns.data("slack") == {"user": "own", "token": canary, "nested": '{"a":1}'}
    assert {told["secretKey"]: told["remoteKey"] for told in found["status"]["entries"]} == {
        "user": "plain",
        "token": "slack",
        "nested": "slack",
    }
    assert proxy.count("GET", f"/v1/secret/data/{folder}/slack") == 1


def test_a_field_that_goes_takes_its_key_along(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put("slack", a=canary, b="2")
    ns.add("slack", extracting("slack", refreshInterval="1s"))
    ns.wait_data("slack", {"a": canary, "b": "2"})
    put("slack", a=canary, c="3")
    ns.wait_data("slack", {"a": canary, "c": "3"})


def test_two_extracts_with_one_key_are_refused_and_nothing_is_written(
    ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("one", token=canary)
    put("two", token=canary)
    ns.add("slack", extracting("one", "two"))
    found = ns.ready("slack", "False", reason="InvalidSpec")
    assert "one gives the key token too" in condition(found)["message"]
    assert ns.data("slack") is None


def test_an_entry_may_read_from_another_store(ns: Namespace, put: Callable[..., int], other: str, canary: str) -> None:
    put("slack", token=canary)
    put("other/github", token="gh")
    ns.add("both", spec(entry("slack", "slack#token"), {**entry("github", "github#token"), **OTHER}))
    found = ns.ready("both")
    assert ns.data("both") == {"slack": canary, "github": "gh"}
    assert {told["secretKey"]: told["provider"] for told in found["status"]["entries"]} == {
        "slack": "prod",
        "github": other,
    }


def test_an_extract_may_read_from_another_store(
    ns: Namespace, put: Callable[..., int], other: str, canary: str
) -> None:
    put("other/github", token=canary)
    ns.add("github", {"secretStoreRef": {"name": "prod"}, "dataFrom": [{"extract": {"key": "github"}, **OTHER}]})
    ns.ready("github")
    assert ns.data("github") == {"token": canary}


def test_users_of_a_second_store_are_served_when_it_comes(
    ns: Namespace, put: Callable[..., int], bao: OpenBao, folder: str, store: str, canary: str
) -> None:
    put("slack", token=canary)
    put("other/github", token="gh")
    ns.add("both", spec(entry("slack", "slack#token"), {**entry("github", "github#token"), **OTHER}))
    found = ns.ready("both", "False", reason="StoreNotFound")
    assert f"BeemFlowSecretStore {ns.name}/other does not exist" in condition(found)["message"]
    assert ns.data("both") is None
    prod = ns.api.get(ns.store_path(store))
    assert prod is not None
    vault = {**prod["spec"]["vault"], "address": bao.address, "path": f"secret/{folder}/other"}
    ns.add_store("other", {**prod["spec"], "vault": vault})
    ns.ready("both")


def test_a_second_store_that_is_away_costs_the_whole_secret_and_no_one_else(
    ns: Namespace, put: Callable[..., int], proxy: FaultProxy, other: str, canary: str
) -> None:
    put("slack", token=canary)
    put("other/github", token="gh")
    ns.add(
        "both", spec({**entry("github", "github#token"), **OTHER}, entry("slack", "slack#token"), refreshInterval="1s")
    )
    ns.add("alone", {"secretStoreRef": {"name": other}, "data": [entry("github", "github#token")]})
    ns.ready("both")
    ns.ready("alone")
    proxy.down()
    found = ns.ready("both", "False", reason="BackendUnavailable")
    assert condition(found)["message"].startswith("store prod: ")
    assert ns.data("both") == {"slack": canary, "github": "gh"}
    ns.ready("alone")
    proxy.up()
    ns.ready("both")
