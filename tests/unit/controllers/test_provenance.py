"""Which link the values of a Secret came from: what a status tells of it, and what is not told."""

from __future__ import annotations

from typing import Any

from beemflow_secrets.controllers.objects import Key
from beemflow_secrets.controllers.secret.provenance import Provenance, as_told, came_from, earliest
from beemflow_secrets.model.secret import SecretSpec
from beemflow_secrets.providers.value import Ref

PROD = Key("BeemFlowSecretStore", "flows", "prod")
OTHER = Key("BeemFlowClusterSecretStore", "", "other")
LINKS = ("main", "spare")

SPEC = SecretSpec.model_validate(
    {
        "secretStoreRef": {"name": "prod"},
        "data": [
            {"secretKey": "token", "remoteRef": {"key": "slack#token"}},
            {
                "secretKey": "same",
                "remoteRef": {"key": "slack"},
                "sourceRef": {"storeRef": {"name": "other", "kind": "BeemFlowClusterSecretStore"}},
            },
            {"secretKey": "new", "remoteRef": {"key": "new"}},
        ],
        "dataFrom": [{"extract": {"key": "db"}}],
    }
)


def told(*entries: tuple[str, str, str], **fields: Any) -> dict[str, Any]:
    rows = [{"secretKey": key, "remoteKey": remote, "provider": provider} for key, remote, provider in entries]
    return {"entries": rows, **fields}


STATUS = told(("token", "slack#token", "spare"), ("same", "slack", "main"), ("user", "db", "main"))


def test_a_status_tells_of_each_source_by_its_key_as_written() -> None:
    found = as_told(SPEC, STATUS, "flows")
    assert found.links == {(PROD, "slack"): "spare", (OTHER, "slack"): "main", (PROD, "db"): "main"}
    assert found.of(PROD, Ref("slack"), LINKS) == "spare"
    assert found.of(OTHER, Ref("slack"), LINKS) == "main"


def test_what_the_status_does_not_tell_has_no_value() -> None:
    assert as_told(SPEC, STATUS, "flows").of(PROD, Ref("new"), LINKS) is None
    assert as_told(SPEC, {}, "flows") == Provenance({}, unlisted=False)
    # Edited since: what the key of the Secret held came from another secret.
    assert as_told(SPEC, told(("token", "github#token", "spare")), "flows").links == {}


def test_a_value_beyond_those_that_are_listed_is_held_for_the_first_link() -> None:
    found = as_told(SPEC, {**STATUS, "entriesOmitted": 7}, "flows")
    assert found.of(PROD, Ref("new"), LINKS) == "main"
    assert found.of(PROD, Ref("slack"), LINKS) == "spare"
    assert found.of(PROD, Ref("new"), ()) is None  # no chain


def test_what_the_process_knows_goes_before_what_the_status_tells() -> None:
    known = Provenance({(PROD, "slack"): "main"})
    assert came_from(None, STATUS, {"spare"})
    assert not came_from(known, STATUS, {"spare"})
    assert came_from(known, {}, {"main", "x"})
    assert not came_from(None, {}, {"main"})


def test_the_first_link_of_which_there_are_values() -> None:
    assert earliest(None, STATUS, PROD, LINKS) == "main"
    assert earliest(None, told(("token", "slack#token", "spare")), PROD, LINKS) == "spare"
    assert earliest(None, told(("token", "slack#token", "spare"), entriesOmitted=1), PROD, LINKS) == "main"
    assert earliest(None, {}, PROD, LINKS) is None
    known = Provenance({(PROD, "slack"): "spare", (OTHER, "slack"): "main"})
    assert earliest(known, STATUS, PROD, LINKS) == "spare"
    assert earliest(Provenance(), STATUS, PROD, LINKS) is None
    assert earliest(None, STATUS, PROD, ()) is None


def test_a_search_that_found_nothing_tells_of_no_link() -> None:
    spec = SecretSpec.model_validate({"secretStoreRef": {"name": "prod"}, "dataFrom": [{"find": {"path": "a"}}]})
    assert as_told(spec, STATUS, "flows").links == {}
