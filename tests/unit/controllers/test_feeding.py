"""controllers/secret/feeding.py: whether a Secret is made of what somebody writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest

from beemflow_secrets.controllers.objects import Key, observe
from beemflow_secrets.controllers.secret.feeding import feeds
from beemflow_secrets.controllers.secret.tracked import Tracked, stores_of
from beemflow_secrets.model import names

if TYPE_CHECKING:
    from collections.abc import Callable

PROD, OTHER = (Key(names.STORE.name, "ns", name) for name in ("prod", "other"))


def resource(*, status: dict[str, Any] | None = None, **fields: Any) -> Tracked:
    spec = {"secretStoreRef": {"name": "prod"}, **fields}
    metadata = {"namespace": "ns", "name": "slack", "uid": "u", "generation": 1}
    seen = observe(names.SECRET.name, {"metadata": metadata, "spec": spec})
    return Tracked(seen, orjson.dumps(status or {}), stores_of(seen))


def at(key: str) -> Callable[[str], bool]:
    """Return a place: the key itself, and the one that it is mapped to."""
    return lambda read: read.replace("/", "--") == key.replace("/", "--")


def entry(key: str, **fields: Any) -> dict[str, Any]:
    return {"secretKey": "token", "remoteRef": {"key": key, **fields}}


@pytest.mark.parametrize(
    ("read", "part", "fed"),
    [
        (entry("a"), None, True),
        (entry("a"), "x", True),
        (entry("a#x"), None, True),
        (entry("a", property="x"), "x", True),
        (entry("a", property="x.y"), "x", True),
        (entry("a", property="x"), "y", False),
        (entry("a", property=r"x\.y"), "x", False),
        (entry("b"), None, False),
        ({**entry("a"), "sourceRef": {"storeRef": {"name": "other"}}}, None, False),
    ],
)
def test_by_key_and_property(read: dict[str, Any], part: str | None, *, fed: bool) -> None:
    assert feeds(resource(data=[read]), "slack", PROD, at("a"), part) is fed


def test_by_the_name_of_the_secret() -> None:
    renamed = resource(data=[entry("a")], target={"name": "bot"})
    assert feeds(renamed, "bot", PROD, at("a"), None)
    assert not feeds(renamed, "slack", PROD, at("a"), None)
    assert not feeds(resource(data=[entry("a")]), "bot", PROD, at("a"), None)


def test_by_what_names_its_keys_itself_as_far_as_the_status_tells() -> None:
    told = {"entries": [{"secretKey": "X", "remoteKey": "a#x", "provider": "prod"}]}
    flows = resource(dataFrom=[{"flows": {"configMapRef": {"name": "flows"}}}], status=told)
    assert feeds(flows, "slack", PROD, at("a"), None)
    assert not feeds(flows, "slack", PROD, at("b"), None)
    assert not feeds(flows, "slack", OTHER, at("a"), None)
    assert feeds(resource(dataFrom=[{"extract": {"key": "a"}}]), "slack", PROD, at("a"), "x")


def test_by_the_place_of_a_key_however_it_is_written() -> None:
    told = {"entries": [{"secretKey": "X", "remoteKey": "slack--bot", "provider": "prod"}]}
    found = resource(dataFrom=[{"find": {"name": {"regexp": "slack"}}}], status=told)
    for fed in (found, resource(data=[entry("slack--bot")]), resource(data=[entry("slack/bot")])):
        assert feeds(fed, "slack", PROD, at("slack/bot"), None)
        assert not feeds(fed, "slack", PROD, at("slack/bot2"), None)


def test_what_the_status_has_no_room_for_may_be_any_key() -> None:
    told = {"entries": [{"secretKey": "X", "remoteKey": "a", "provider": "prod"}], "entriesOmitted": 1}
    found = resource(dataFrom=[{"find": {"name": {"regexp": "."}}}], status=told)
    assert feeds(found, "slack", PROD, at("b"), None)
    assert not feeds(found, "slack", OTHER, at("b"), None)
    assert not feeds(resource(data=[entry("a")], status=told), "slack", PROD, at("b"), None)


def test_a_spec_that_cannot_be_read_feeds_nothing() -> None:
    assert not feeds(resource(data=[{"secretKey": "token"}]), "slack", PROD, at("a"), None)
