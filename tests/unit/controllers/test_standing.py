"""How a store stands: what a probe's answer means, and when it is looked at next."""

from __future__ import annotations

from typing import Any

import pytest

from beemflow_secrets.chain.breaker import PROBE_DOWN
from beemflow_secrets.chain.critical import CriticalKeyMissing
from beemflow_secrets.chain.factory import Opened
from beemflow_secrets.chain.policy import Policy
from beemflow_secrets.controllers.objects import observe
from beemflow_secrets.controllers.store.opening import OpenStore
from beemflow_secrets.controllers.store.standing import Store
from beemflow_secrets.controllers.store.verdict import CHECKED_TOLD, SERVING, judge
from beemflow_secrets.model import names
from beemflow_secrets.model.store import StoreSpec
from beemflow_secrets.providers.errors import (
    AuthFailed,
    Denied,
    EndpointNotAllowed,
    Gone,
    Invalid,
    NotFound,
    SecretsError,
    Throttled,
    Unavailable,
)
from tests.unit.chain.scripted import Backend

INTERVAL = 90.0

SPEC: dict[str, Any] = {"driver": "env", "healthCheck": {"interval": "90s", "criticalKeys": ["slack", "billing"]}}


def store(error: SecretsError | None, *, opened: bool = True) -> Store:
    """Return a store of which a probe, or the opening, came to this."""
    metadata = {"name": "prod", "namespace": "flows", "uid": "1", "generation": 1, "resourceVersion": "1"}
    made = Store(observe(names.STORE.name, {"metadata": metadata, "spec": SPEC}), {})
    if opened:
        backend = Backend()
        chain = Opened(backend, None, None, Policy(backend, ()))
        made.opened = made.newest = OpenStore(chain, StoreSpec.model_validate(SPEC), partial=False)
    made.verdict = judge(error) if error is not None else SERVING
    return made


@pytest.mark.parametrize("error", [Denied("no right"), NotFound("no such key"), Gone("deleted")])
def test_who_answers_a_probe_serves_whatever_he_says(error: SecretsError) -> None:
    assert judge(error) == SERVING


def test_a_store_that_serves_is_looked_at_each_interval() -> None:
    assert store(None).pause() == INTERVAL
    assert store(CriticalKeyMissing("…", keys=("billing",))).pause() == INTERVAL


@pytest.mark.parametrize("error", [Unavailable("away"), AuthFailed("who?"), EndpointNotAllowed("turned")])
def test_a_store_that_is_down_is_probed_every_few_seconds(error: SecretsError) -> None:
    assert PROBE_DOWN == (2.0, 5.0)
    assert {2.0 <= store(error).pause() <= 5.0 for _ in range(100)} == {True}


def test_a_retry_after_says_when_to_probe() -> None:
    assert store(Throttled("slow", retry_after=60.0)).pause() == 60.0


@pytest.mark.parametrize("error", [Invalid("no such field"), EndpointNotAllowed("none of them")])
def test_a_spec_that_cannot_be_opened_waits_for_an_edit(error: SecretsError) -> None:
    assert store(error, opened=False).pause() == CHECKED_TOLD


def test_what_the_backend_calls_wrong_may_be_mended_there() -> None:
    assert store(Invalid("the engine has version 1")).pause() == INTERVAL


@pytest.mark.parametrize(
    ("error", "states"),
    [
        (None, ["Readable", "Readable"]),
        (CriticalKeyMissing("…", keys=("billing",)), ["Readable", "Missing"]),
        (Unavailable("away"), ["Unknown", "Unknown"]),
    ],
)
def test_critical_keys_are_shown_as_they_are_known(error: SecretsError | None, states: list[str]) -> None:
    rows = store(error).shown["criticalKeys"]
    assert rows == [{"key": key, "state": state} for key, state in zip(("slack", "billing"), states, strict=True)]
