"""controllers/events.py: the API server takes an Event of whatever it is told of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

import pytest

from beemflow_secrets.controllers.events import Events
from beemflow_secrets.controllers.objects import Key
from beemflow_secrets.model import names

if TYPE_CHECKING:
    from beemflow_secrets.kube.client import KubeClient

pytestmark = pytest.mark.looptime

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


class Server:
    """Keeps what is posted."""

    def __init__(self) -> None:
        self.posted: list[dict[str, Any]] = []

    async def create(self, _path: str, body: dict[str, Any]) -> None:
        self.posted.append(body)


@pytest.mark.parametrize("name", ["slack", "a" * 253, "a" * 229 + "-" + "b" * 23, "a" * 229 + "." + "b" * 23])
async def test_its_name_is_one_whatever_the_length_of_the_resources(name: str) -> None:
    server = Server()
    events = Events(cast("KubeClient", server))
    events.normal(Key(names.SECRET.name, "ns", name), "u", "Synced", "1 key synced")
    await events.drain(1)
    (event,) = server.posted
    assert _NAME.fullmatch(event["metadata"]["name"])
    assert len(event["metadata"]["name"]) <= 253
    assert event["involvedObject"]["name"] == name
