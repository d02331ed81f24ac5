"""The audit of the library and the command line, to files and to a server that behaves or does not."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from beemflow_secrets import Denied, Invalid, NotFound, SecretsConfig, Unavailable, open_secrets, open_secrets_sync
from beemflow_secrets.chain.audit import feed
from beemflow_secrets.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

CANARY = "canary-19c4"
PATIENCE = 20.0


@pytest.fixture(autouse=True)
def _somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOKEN", CANARY)


def config(*sinks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"driver": "env", "audit": {"sinks": list(sinks), **fields}}


def failures(sink: str) -> float:
    return metrics.registry.get_sample_value("beemflow_secrets_audit_failures_total", {"sink": sink}) or 0.0


class Receiver:
    """A server that records are posted to."""

    def __init__(self) -> None:
        self.url = ""
        self.status = 200
        self.hangs = False
        self.bodies: list[tuple[str, str]] = []

    async def take(self, request: web.Request) -> web.Response:
        body = await request.text()
        if self.hangs:
            await asyncio.sleep(PATIENCE)
        self.bodies.append((request.content_type, body))
        return web.Response(status=self.status, headers={"Location": "/elsewhere"})

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for _, body in self.bodies for line in body.splitlines()]


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.add_routes([web.post("/hook/{key}", receiver.take)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    receiver.url = f"http://127.0.0.1:{port}/hook/{CANARY}"
    try:
        yield receiver
    finally:
        await runner.cleanup()


async def until(met: Any) -> None:
    deadline = time.monotonic() + PATIENCE
    while not met():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_records_reach_every_sink_by_the_end_of_the_store(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    async with receiving() as receiver:
        sinks = ({"type": "file", "path": "audit.jsonl"}, {"type": "webhook", "url": receiver.url})
        async with open_secrets(config(*sinks), flow="finance/pay", user="u1") as secrets:
            await secrets.get_secret("TOKEN")
            with pytest.raises(NotFound):
                await secrets.get_secret("ABSENT#field")
        written = [json.loads(line) for line in path.read_text().splitlines()]
        assert receiver.records == written
        assert {content for content, _ in receiver.bodies} == {"application/x-ndjson"}
    assert [record["secret_key"] for record in written] == ["TOKEN", "ABSENT"]
    assert {(record["flow_id"], record["user_id"], record["source"]) for record in written} == {
        ("finance/pay", "u1", "env/env")
    }
    assert CANARY not in path.read_text()


async def test_of_a_chain_the_source_is_the_link(tmp_path: Path) -> None:
    multi = {"strategy": "priority", "providers": [{"name": "main", "prefix": "X_"}, {"name": "spare"}]}
    spec = {"driver": "multi", "multi": multi, "audit": {"sinks": [{"type": "file", "path": "a"}]}}
    async with open_secrets(spec) as secrets:
        await secrets.get_secret("TOKEN")
        with pytest.raises(NotFound):
            await secrets.get_secret("ABSENT")
    sources = [json.loads(line)["source"] for line in (tmp_path / "a").read_text().splitlines()]
    assert sources == ["env/spare", "multi/multi"]


async def test_a_webhook_that_fails_is_asked_again_and_holds_up_no_read(caplog: pytest.LogCaptureFixture) -> None:
    async with receiving() as receiver:
        receiver.status = 503
        before = failures("webhook")
        async with open_secrets(config({"type": "webhook", "url": receiver.url})) as secrets:
            began = time.monotonic()
            assert await secrets.get_secret("TOKEN") == CANARY
            assert time.monotonic() - began < 0.5
            await until(lambda: failures("webhook") > before)
            receiver.bodies.clear()
            receiver.status = 204
            await until(lambda: receiver.bodies)
        assert [record["secret_key"] for record in receiver.records] == ["TOKEN"]
    assert "Audit sink fails sink='webhook' error='the server answers 503'" in caplog.text
    assert CANARY not in caplog.text  # neither the value, nor what stands in the address


@pytest.mark.parametrize("fault", ["hangs", "redirects", "is gone"])
async def test_required_a_webhook_that_does_not_take_a_record_fails_the_read(
    monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(feed, "ATTEMPT", 0.5)
    async with receiving() as receiver:
        sink = {"type": "webhook", "url": receiver.url}
        async with open_secrets(config(sink, required=True)) as secrets:
            assert await secrets.get_secret("TOKEN") == CANARY
            receiver.hangs, receiver.status = fault == "hangs", 308 if fault == "redirects" else 200
            if fault == "is gone":
                sink["url"] = "http://127.0.0.1:1/"
                async with open_secrets(config(sink, required=True)) as others:
                    with pytest.raises(Unavailable, match="cannot be written to webhook: connection refused"):
                        await others.get_secret("TOKEN")
                return
            with pytest.raises(
                Unavailable, match="the audit, which is required, cannot be written to webhook"
            ) as caught:
                await secrets.get_secret("TOKEN")
            assert CANARY not in str(caught.value)
            receiver.hangs, receiver.status = False, 200
            assert await secrets.get_secret("TOKEN") == CANARY


def test_required_a_disk_that_is_full_fails_the_read_and_otherwise_it_does_not() -> None:
    full = {"type": "file", "path": "/dev/full"}
    before = failures("file")
    with open_secrets_sync(config(full)) as secrets:
        assert secrets.get_secret("TOKEN") == CANARY
    assert failures("file") > before
    with (
        open_secrets_sync(config(full, required=True)) as secrets,
        pytest.raises(Unavailable, match="cannot be written to file: No space left on device"),
    ):
        secrets.get_secret("TOKEN")


@pytest.mark.parametrize(
    ("audit", "said"),
    [
        ({"sinks": [{"type": "file"}]}, "secrets.audit.sinks[0]: type file needs path"),
        ({"sinks": [{"type": "webhook"}]}, "secrets.audit.sinks[0]: type webhook needs url"),
        ({"sinks": [{"type": "stdout", "path": "a"}]}, "secrets.audit.sinks[0].path: path belongs to type file"),
        ({"sinks": [{"type": "webhook", "url": "http://h/"}]}, "secrets.audit.sinks[0].url: must be https://"),
        ({"sinks": [{"type": "webhook", "url": f"https://a:{CANARY}@h/"}]}, "must carry no user name or password"),
        ({"sinks": [{"type": "syslog"}]}, "secrets.audit.sinks[0].type: must be 'stdout', 'file' or 'webhook'"),
        ({"required": True}, "secrets.audit.required: required needs a sink"),
        ({"sink": []}, "secrets.audit.sink: is not a known field (it holds a list); did you mean sinks?"),
    ],
)
def test_what_is_wrong_with_an_audit_is_told(audit: dict[str, Any], said: str) -> None:
    with pytest.raises(Invalid) as caught:
        SecretsConfig.from_dict({"driver": "env", "audit": audit})
    assert said in caught.value.message
    assert CANARY not in caught.value.message


def test_on_the_command_line_stdout_is_the_answers_alone(tmp_path: Path) -> None:
    policy = {"secret_patterns": ["TOKEN"]}
    section = {**config({"type": "stdout"}), "access_policies": [policy]}
    (tmp_path / "flow.config.json").write_text(json.dumps({"secrets": section}))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "beemflow_secrets", *arguments],
            env={"PATH": os.environ["PATH"], "TOKEN": CANARY},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    ran = run("get", "TOKEN", "--show", "--flow", "f")
    assert (ran.returncode, ran.stdout) == (0, f"{CANARY}\n")
    record = json.loads(ran.stderr)
    assert (record["secret_key"], record["decision"], record["flow_id"]) == ("TOKEN", "allowed", "f")
    ran = run("get", "OTHER", "--flow", "f")
    record, message = ran.stderr.splitlines()
    assert (ran.returncode, json.loads(record)["decision"]) == (3, "denied")
    assert message.startswith("OTHER: no access policy")


async def test_a_refusal_by_policy_is_recorded_where_the_audit_is_required_too(tmp_path: Path) -> None:
    spec = {**config({"type": "file", "path": "a"}, required=True), "access_policies": [{"secret_patterns": ["X"]}]}
    async with open_secrets(spec, flow="f") as secrets:
        with pytest.raises(Denied):
            await secrets.get_secret("TOKEN")
        assert json.loads((tmp_path / "a").read_text())["decision"] == "denied"
