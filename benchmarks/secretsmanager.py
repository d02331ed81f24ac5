"""AWS Secrets Manager as far as reading goes, from memory: a process of its own that takes next to no CPU a call.

moto needs some milliseconds a call, on the cores that are measured; so this stands in for it.
tests/contract/test_benchmarks.py holds it against moto. It believes every signature. Values are put by
`PUT /` with {name: value}.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any, Self
from uuid import UUID

import orjson
import uvloop
from aiohttp import web

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:"
MADE = 1.7e9
"""When every secret was made, in seconds since the epoch."""


class SecretsManager:
    """The server, seen from outside."""

    address: str

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "benchmarks.secretsmanager"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self.address = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:  # closes its input, which ends it
            pass

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._process.pid


class Refused(Exception):
    """An error of AWS: its code."""


class Held:
    """The secrets, and the operations that read them."""

    def __init__(self) -> None:
        self._held: dict[str, dict[str, Any]] = {}
        self._writes = 0

    def put(self, values: dict[str, str]) -> None:
        """Make secrets, or new versions of them."""
        for name, value in values.items():
            self._writes += 1
            version = str(UUID(int=self._writes))
            found = {"ARN": f"{ARN}{name}-AbCdEf", "Name": name, "VersionId": version, "SecretString": value}
            self._held[name] = found | {"VersionStages": ["AWSCURRENT"], "CreatedDate": MADE}

    def answer(self, operation: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Do an operation. Raises Refused."""
        match operation:
            case "GetSecretValue":
                return self._one(asked["SecretId"])
            case "BatchGetSecretValue":
                return self._batch(asked["SecretIdList"])
            case "ListSecrets":
                return self._page(asked)
        raise Refused("UnknownOperationException")

    def _one(self, name: str) -> dict[str, Any]:
        if name not in self._held:
            raise Refused("ResourceNotFoundException")
        return self._held[name]

    def _batch(self, names: list[str]) -> dict[str, Any]:
        if not 1 <= len(names) <= 20:
            raise Refused("ValidationException")
        missing = [name for name in names if name not in self._held]
        errors = [{"SecretId": name, "ErrorCode": "ResourceNotFoundException", "Message": "no"} for name in missing]
        return {"SecretValues": [self._held[name] for name in names if name in self._held], "Errors": errors}

    def _page(self, asked: dict[str, Any]) -> dict[str, Any]:
        wanted = {one["Key"]: one["Values"] for one in asked.get("Filters", ())}
        prefixes = tuple(wanted.get("name", [""]))
        names = [] if "tag-key" in wanted else [name for name in self._held if name.startswith(prefixes)]
        begin = int(asked.get("NextToken", 0))
        end = begin + asked.get("MaxResults", 100)
        listed = [{"ARN": f"{ARN}{name}-AbCdEf", "Name": name, "CreatedDate": MADE} for name in names[begin:end]]
        return {"SecretList": listed} | ({"NextToken": str(end)} if end < len(names) else {})


async def _serve() -> None:
    held = Held()

    async def put(request: web.Request) -> web.Response:
        held.put(orjson.loads(await request.read()))
        return web.Response()

    async def call(request: web.Request) -> web.Response:
        operation = request.headers["X-Amz-Target"].partition(".")[2]
        status = 200
        try:
            found = held.answer(operation, orjson.loads(await request.read()))
        except Refused as refused:
            status, found = 400, {"__type": str(refused), "message": "no"}
        return web.Response(body=orjson.dumps(found), status=status, content_type="application/x-amz-json-1.1")

    application = web.Application(client_max_size=2**26)
    application.add_routes([web.put("/", put), web.post("/", call)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.buffer.read)  # its own end comes with that of whoever started it
    await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(_serve())
