"""controllers/notices.py and signing.py: what is posted, how it is signed, and what becomes of what nobody takes."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from beemflow_secrets.controllers import notices
from beemflow_secrets.controllers.notices import LONGEST_KEPT, MOST_KEPT, Notices
from beemflow_secrets.controllers.objects import Key
from beemflow_secrets.controllers.secret.rotation import Rotation
from beemflow_secrets.controllers.signing import key_in, signature
from beemflow_secrets.engine.clock import loop_time
from beemflow_secrets.model.notify import Notify
from beemflow_secrets.providers.webhook import NotTaken

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOUR = 3600.0


def test_it_is_signed_as_standard_webhooks_has_it() -> None:
    # The example of the libraries' own tests.
    key = key_in(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")
    signed = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', now=1614265330.9)
    assert signed == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize(("content", "key"), [(b"plain key\n", b"plain key"), (b"whsec_AAEC", b"\0\1\2")])
def test_keys(content: bytes, key: bytes) -> None:
    assert key_in(content) == key


@pytest.mark.parametrize("content", [b"", b"\n", b"whsec_", b"whsec_canary?"])
def test_what_holds_no_key_says_so_and_shows_nothing(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"^holds no (key|base64 behind whsec_)$"):
        key_in(content)


class Server:
    """In the webhook's place: `refuses` says of a name and the time whether it is not taken."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.asked: list[float] = []
        self.refuses: Callable[[str], bool] = lambda _: False
        self.takes_seconds = 0.0

    async def post(self, body: bytes, headers: dict[str, str]) -> None:
        self.asked.append(loop_time())
        await asyncio.sleep(self.takes_seconds)
        name = orjson.loads(body)["name"]
        assert headers["webhook-id"] == f"msg_{name}"
        if self.refuses(name):
            raise NotTaken("the server answers 500")
        self.taken.append(name)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    made = Server()
    monkeypatch.setattr(notices, "Webhook", lambda *_: made)
    return made


@pytest.fixture
def sent(server: Server, tmp_path: Path) -> Notices:
    del server
    (tmp_path / "key").write_text("key")
    return Notices(Notify(webhook="https://h/", key_file=str(tmp_path / "key")), now=time.time)


def tell(sent: Notices, *names: str) -> None:
    for name in names:
        sent.tell(Key("BeemFlowSecret", "ns", name), Rotation("slack", {"token": ("1", "2")}), name)


@pytest.mark.looptime
async def test_a_server_that_refuses_for_an_hour_has_each_once_after_it(server: Server, sent: Notices) -> None:
    server.refuses = lambda _: loop_time() < HOUR
    tell(sent, "a", "b", "c")
    await asyncio.sleep(HOUR)
    # 1, 2, 4, … 60 seconds apart, however many wait.
    assert len(server.asked) < HOUR / 60 + 10
    assert server.taken == []
    await asyncio.sleep(70)
    assert sorted(server.taken) == ["a", "b", "c"]


@pytest.mark.looptime
async def test_one_that_is_never_taken_keeps_none_from_it_and_is_given_up(server: Server, sent: Notices) -> None:
    server.refuses = lambda name: name == "bad"
    tell(sent, "bad", "a", "b")
    await asyncio.sleep(3)
    assert server.taken == ["a", "b"]
    await asyncio.sleep(LONGEST_KEPT + HOUR)
    asked = len(server.asked)
    await asyncio.sleep(HOUR)
    assert len(server.asked) == asked
    tell(sent, "c")
    await asyncio.sleep(1)
    assert server.taken[-1] == "c"


@pytest.mark.looptime
async def test_no_more_wait_than_a_bound_and_the_oldest_are_lost(server: Server, sent: Notices) -> None:
    server.refuses = lambda _: loop_time() < 100
    few = [f"few{number}" for number in range(5000)]  # as many as there may be resources
    tell(sent, *few)
    await asyncio.sleep(HOUR)
    assert sorted(server.taken) == sorted(few)
    server.refuses = lambda _: loop_time() < 2 * HOUR
    long = {f"{number}{'x' * 100_000}": number for number in range(2 * MOST_KEPT // 100_000)}
    tell(sent, *long)
    await asyncio.sleep(2 * HOUR)
    taken = sorted(long[name] for name in server.taken if name in long)
    assert len(long) // 2 - 3 <= len(taken) <= len(long) // 2
    assert taken == list(range(len(long)))[-len(taken) :]


@pytest.mark.looptime
async def test_at_the_end_each_is_tried_once_more_within_the_time_left(server: Server, sent: Notices) -> None:
    server.refuses = lambda _: True
    tell(sent, "a", "b", "c", "d")
    await asyncio.sleep(10)
    server.refuses, server.takes_seconds = lambda name: name == "a", 0.3
    began = loop_time()
    await sent.drain(1.0)
    assert loop_time() - began <= 1.0 + 1e-6
    assert 2 <= len(server.taken) <= 3


@pytest.mark.looptime
async def test_the_key_is_read_anew_each_time(server: Server, sent: Notices, tmp_path: Path) -> None:
    (tmp_path / "key").unlink()
    tell(sent, "a")
    await asyncio.sleep(3)
    assert server.asked == []
    (tmp_path / "key").write_text("other")
    await asyncio.sleep(5)
    assert server.taken == ["a"]


@pytest.mark.looptime
async def test_what_is_posted_names_keys_and_versions(
    server: Server, sent: Notices, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies: list[Any] = []

    async def keep(body: bytes, _headers: dict[str, str]) -> None:
        bodies.append(orjson.loads(body))

    monkeypatch.setattr(server, "post", keep)
    rotation = Rotation("target", {"config.ini": (None, None), "token": ("3", "4")})
    sent.tell(Key("BeemFlowSecret", "ns", "slack"), rotation, "v")
    await asyncio.sleep(1)
    versions = {"old": {"config.ini": None, "token": "3"}, "new": {"config.ini": None, "token": "4"}}
    assert bodies == [{"namespace": "ns", "name": "slack", "keys": ["config.ini", "token"], "versions": versions}]
