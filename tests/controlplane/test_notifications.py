"""--notify-webhook: a server is told of changes, and no sync waits for it, whatever it answers."""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from tests.controlplane.conftest import entry, spec, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.api import Namespace
    from tests.support.operator import Operator

pytestmark = pytest.mark.usefixtures("store")

KEY = b"a key of thirty-two bytes, or so"
PAGE = Path(__file__).parents[2] / "docs" / "rotation.md"
TOKEN = entry("token", "slack#token")
HANGS = 0


class Receiver:
    """A server that keeps what is posted to it, and answers `status`. `taken` are the names told in what it took.

    `first` are answers that come before: HANGS is none at all, and what redirects, redirects to `elsewhere`.
    """

    def __init__(self) -> None:
        self.status = 200
        self.first: list[int] = []
        self.asked_elsewhere = 0
        self._closing = threading.Event()
        self.posts: list[tuple[dict[str, str], bytes]] = []
        self.taken: list[str] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.asked_elsewhere += self.path == "/elsewhere"
                status = receiver.first.pop(0) if receiver.first else receiver.status
                if status == HANGS:
                    receiver._closing.wait()
                    return
                receiver.posts.append(({name.lower(): value for name, value in self.headers.items()}, body))
                if status < 300:
                    receiver.taken.append(orjson.loads(body)["name"])
                self.send_response(status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def told(self, name: str) -> list[dict[str, Any]]:
        """What was told of a resource."""
        return [told for _, body in list(self.posts) if (told := orjson.loads(body))["name"] == name]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def notifying(
    start_operator: Callable[..., Operator], receiver: Receiver, tmp_path: Path, canary: str
) -> Callable[[], Operator]:
    """Start an operator that tells `receiver`, by an address that holds what nobody may show."""
    (tmp_path / "notify.key").write_bytes(KEY + b"\n")

    def start() -> Operator:
        url = f"{receiver.address}/{canary[::-1]}"
        return start_operator(
            f"--notify-key-file={tmp_path / 'notify.key'}", env={"BEEMFLOW_SECRETS_NOTIFY_WEBHOOK": url}
        )

    return start


def is_genuine(headers: dict[str, str], body: bytes, key: bytes) -> bool:
    """Ask the function that stands in the docs for receivers."""
    (snippet,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    found: dict[str, Any] = {}
    exec(snippet, found)
    answer: bool = found["is_genuine"](headers, body, key)
    return answer


def test_a_change_is_told_signed_and_without_a_value(
    ns: Namespace, notifying: Callable[[], Operator], receiver: Receiver, put: Callable[..., int], canary: str
) -> None:
    running = notifying()
    old = put("slack", token=canary, user="bot")
    ns.add("slack", spec(TOKEN, entry("user", "slack#user"), refreshInterval="1s", target={"name": "target"}))
    ns.ready("slack")
    new = put("slack", token=f"{canary}-2", user="bot")
    until(lambda: bool(receiver.told("slack")))
    versions = {"old": {"token": str(old)}, "new": {"token": str(new)}}
    assert receiver.told("slack") == [{"namespace": ns.name, "name": "slack", "keys": ["token"], "versions": versions}]
    [(headers, body)] = receiver.posts
    assert headers["content-type"] == "application/json"
    assert is_genuine(headers, body, KEY)
    assert not is_genuine(headers, body + b" ", KEY)
    assert not is_genuine(headers, body, b"another key")
    assert not is_genuine({**headers, "webhook-timestamp": "1614265330"}, body, KEY)
    assert headers["webhook-id"] == f"msg_{ns.ready('slack')['status']['contentVersion']}"
    assert running.metric("notification_failures_total") == 0
    assert canary[::-1] not in running.log()


def test_a_server_that_hangs_redirects_or_answers_500_holds_up_no_sync_and_is_told_later(
    ns: Namespace, notifying: Callable[[], Operator], receiver: Receiver, put: Callable[..., int], canary: str
) -> None:
    running = notifying()
    receiver.first, receiver.status = [HANGS, 308], 500
    put("slack", token=canary)
    for name in ("one", "two"):
        ns.add(name, spec(TOKEN, refreshInterval="1s"))
        ns.ready(name)
    for number in (2, 3):
        put("slack", token=f"{canary}-{number}")
        for name in ("one", "two"):
            ns.wait_data(name, {"token": f"{canary}-{number}"})
    until(lambda: running.metric("notification_failures_total") >= 3)
    receiver.status = 204
    until(lambda: bool(running.events("Webhook works again")), patience=60)
    receiver.posts.clear()
    put("slack", token=f"{canary}-4")
    until(lambda: len(receiver.told("one")) >= 1 and len(receiver.told("two")) >= 1)
    assert [line["error"] for line in running.events("Webhook fails")] == ["no answer within 5 s"]
    assert receiver.asked_elsewhere == 0


def test_what_waits_when_the_process_is_stopped_is_tried_once_more(
    ns: Namespace, notifying: Callable[[], Operator], receiver: Receiver, put: Callable[..., int], canary: str
) -> None:
    running = notifying()
    receiver.status = 500
    put("slack", token=canary)
    for name in ("one", "two", "three"):
        ns.add(name, spec(TOKEN, refreshInterval="1s"))
        ns.ready(name)
    put("slack", token=f"{canary}-2")
    until(lambda: len(running.events("Secret rotated")) == 3)
    until(lambda: running.metric("notification_failures_total") >= 3)
    receiver.status = 200
    assert running.stop() == 0
    assert sorted(receiver.taken) == ["one", "three", "two"]
    assert running.events("Notification lost") == []
