"""Values are taken out of what somebody else says."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from typing import TYPE_CHECKING, cast

from beemflow_secrets.controllers.target.refusal import refusal, veiled
from beemflow_secrets.kube.errors import ApiUnavailable, Forbidden, NotFound
from beemflow_secrets.model.reasons import Reason

if TYPE_CHECKING:
    from beemflow_secrets.kube.client import KubeClient, Object


class Cluster:
    """One Secret, or none."""

    def __init__(self, data: dict[str, bytes] | None) -> None:
        self.data = data
        self.asked = 0

    async def get(self, path: str) -> Object:
        assert path == "/api/v1/namespaces/ns/secrets/slack"
        self.asked += 1
        if self.data is None:
            raise NotFound("no such Secret")
        return {"data": {key: b64encode(value).decode() for key, value in self.data.items()}}

    def client(self) -> KubeClient:
        return cast("KubeClient", self)


def test_values_go_as_they_are_and_as_base64_the_longest_first() -> None:
    text = f"a {b64encode(b'secret').decode()} b secret c secret-2 d"
    assert veiled(text, [b"secret", b"secret-2"]) == "a *** b *** c *** d"


def test_values_go_as_quoted_text_too() -> None:
    value = 'a "key"\nü\tof two lines'
    quoted = [json.dumps(value), json.dumps(value, ensure_ascii=False)]
    assert veiled(f"denied: {quoted[0]}, {quoted[1]}", [value.encode()]) == 'denied: "***", "***"'


def test_short_values_stand_in_every_text_by_chance() -> None:
    assert veiled("not a word of it: 1", [b"1", b"a", b"", b"\xff"]) == "not a word of it: 1"


def test_what_was_to_be_written_goes_and_what_is_there() -> None:
    cluster = Cluster({"token": b"before"})
    error = Forbidden("a webhook: before and after", retry_after=7.0)
    told = asyncio.run(refusal(cluster.client(), "ns", "slack", error, [b"after"]))
    assert told.reason is Reason.WRITE_REFUSED
    assert told.message == "Secret slack: a webhook: *** and ***"
    assert told.retry_after == 7.0


def test_a_secret_that_cannot_be_looked_at_hides_no_refusal() -> None:
    told = asyncio.run(refusal(Cluster(None).client(), "ns", "slack", Forbidden("a quota"), [b"after"]))
    assert told.message == "Secret slack: a quota"


def test_an_api_server_that_is_away_is_not_asked_more() -> None:
    cluster = Cluster(None)
    asyncio.run(refusal(cluster.client(), "ns", "slack", ApiUnavailable("no answer")))
    assert cluster.asked == 0
