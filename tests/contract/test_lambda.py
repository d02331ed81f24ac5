"""examples/lambda, as Lambda would run it: imported, called, frozen, thawed."""

from __future__ import annotations

import hmac
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.aws import REGION, ROLE, Aws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXAMPLE = Path(__file__).parents[2] / "examples" / "lambda"
NAME = "beemflow/prod/github/webhook"


class Function:
    """An instance of the function in `folder`."""

    def __init__(self, folder: Path, aws: Aws) -> None:
        keys = {"AWS_ACCESS_KEY_ID": aws.access_key, "AWS_SECRET_ACCESS_KEY": aws.secret_key}
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.support.lambdaruntime"],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(EXAMPLE.parents[1]), **keys},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._slept = 0.0
        self.shown = ""

    def call(self, event: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"event": event, "slept": self._slept}) + "\n")
        self._process.stdin.flush()
        self._slept = 0.0
        answer = self._process.stdout.readline()
        assert answer, self._process.communicate()[1]
        self.shown += answer
        return json.loads(answer)

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self, slept: float) -> None:
        self._slept = slept
        self._process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        self.thaw(0)
        self.shown += "".join(self._process.communicate(timeout=30))
        assert self._process.returncode == 0


def signed(key: str) -> dict[str, Any]:
    digest = hmac.new(key.encode(), b"push", "sha256").hexdigest()
    return {"body": "push", "headers": {"x-hub-signature-256": f"sha256={digest}"}}


def put(aws: Aws, key: str) -> None:
    aws.put(NAME, json.dumps({"secret": key}).encode())


@pytest.fixture
def server() -> Iterator[Aws]:
    """One of the test's own: some stop it."""
    with Aws() as running:
        yield running


@pytest.fixture
def start(tmp_path: Path, server: Aws, canary: str) -> Iterator[Callable[..., Function]]:
    started: list[Function] = []

    def make(handler: str | None = None, **block: str) -> Function:
        (tmp_path / "handler.py").write_text(handler or (EXAMPLE / "handler.py").read_text())
        config = json.loads((EXAMPLE / "flow.config.json").read_text())
        config["secrets"]["region"] = REGION
        config["secrets"]["aws"] = {"endpoint": server.address, "sts_endpoint": server.address, **block}
        (tmp_path / "flow.config.json").write_text(json.dumps(config))
        started.append(Function(tmp_path, server))
        return started[-1]

    yield make
    for function in started:
        function.end()
        assert canary not in function.shown


def reads(aws: Aws) -> list[str]:
    """What was asked for but for the tags, which are listed beside the first read."""
    return [operation for operation in aws.operations if operation != "ListSecrets"]


def test_it_reads_once_and_then_from_its_cache(start: Callable[..., Function], server: Aws, canary: str) -> None:
    put(server, canary)
    function = start()
    assert [function.call(signed(canary)) for _ in range(3)] == [{"statusCode": 204}] * 3
    assert function.call(signed("wrong")) == {"statusCode": 401}
    assert reads(server) == ["GetSecretValue"]


def test_a_value_grows_old_while_the_function_is_frozen(
    start: Callable[..., Function], server: Aws, canary: str
) -> None:
    put(server, "old")
    function = start()
    assert function.call(signed("old")) == {"statusCode": 204}
    function.freeze()
    put(server, canary)
    function.thaw(14 * 60)
    assert function.call(signed("old")) == {"statusCode": 204}
    function.freeze()
    function.thaw(2 * 60)
    assert function.call(signed(canary)) == {"statusCode": 204}
    assert reads(server) == ["GetSecretValue"] * 2


def test_connections_that_died_meanwhile_are_opened_again(
    start: Callable[..., Function], server: Aws, canary: str
) -> None:
    put(server, canary)
    function = start()
    assert function.call(signed(canary)) == {"statusCode": 204}
    function.freeze()
    server.stop()
    server.start()
    function.thaw(3600)
    assert function.call(signed(canary)) == {"statusCode": 204}


def test_a_session_that_ended_meanwhile_is_not_even_tried(
    start: Callable[..., Function], server: Aws, canary: str
) -> None:
    put(server, canary)
    function = start(role_arn=ROLE)
    assert function.call(signed(canary)) == {"statusCode": 204}
    function.freeze()
    function.thaw(3600)
    assert function.call(signed(canary)) == {"statusCode": 204}
    assert reads(server) == ["AssumeRole", "GetSecretValue"] * 2


def test_what_fails_is_told_without_a_value(start: Callable[..., Function], server: Aws, canary: str) -> None:
    put(server, canary)
    server.tell(refuse={"AccessDeniedException": ["GetSecretValue"]})
    answer = start().call(signed(canary))
    assert answer["statusCode"] == 503
    assert "github/webhook" in answer["body"]


def test_a_store_may_be_opened_in_the_handler(start: Callable[..., Function], server: Aws, canary: str) -> None:
    put(server, canary)
    server.put("beemflow/prod/github/app", b'{"id": "1"}')
    (program,) = re.findall(r"```python\n(.*?)```", (EXAMPLE / "README.md").read_text(), flags=re.DOTALL)
    function = start(program)
    for _ in range(2):
        assert function.call({}) == {"statusCode": 200, "body": "2 secrets"}
    assert reads(server) == ["BatchGetSecretValue"] * 2


def test_the_policy_of_the_page_is_enough(start: Callable[..., Function], server: Aws, canary: str) -> None:
    (text,) = re.findall(r"```json\n(.*?)```", (EXAMPLE / "README.md").read_text(), flags=re.DOTALL)
    (statement,) = json.loads(text)["Statement"]
    put(server, canary)
    every = ["BatchGetSecretValue", "ListSecrets", "DescribeSecret", "GetSecretValue"]
    allowed = statement["Action"].partition(":")[2]
    server.tell(refuse={"AccessDeniedException": [one for one in every if one != allowed]})
    assert start().call(signed(canary)) == {"statusCode": 204}
