"""The limit to compare with: the two writes that every object needs, and nothing else.

A process of its own, on what the operator's hot path stands on: aiohttp, orjson, uvloop, 32 connections, the same
ServiceAccount. It reads from stdin where to write, lists the resources, writes, and waits for the end of stdin, so
that its CPU and memory can be read.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from typing import Any

import aiohttp
import orjson
import uvloop

CONNECTIONS = 32
GROUP = "secrets.beemflow.io"
NOW = "2026-01-01T00:00:00Z"


async def main() -> None:
    where = orjson.loads(sys.stdin.buffer.readline())
    tls = ssl.create_default_context(cafile=where["ca"])
    async with aiohttp.ClientSession(
        where["server"],
        connector=aiohttp.TCPConnector(limit=CONNECTIONS, ssl=tls),
        headers={"Authorization": f"Bearer {where['token']}"},
    ) as session:
        resources = f"/apis/{GROUP}/v1/namespaces/{where['namespace']}/beemflowsecrets"
        async with session.get(resources) as answer:
            found = orjson.loads(await answer.read())["items"]
        left = iter(found)

        async def write() -> None:
            for resource in left:
                made = await _send(
                    session, "POST", f"/api/v1/namespaces/{where['namespace']}/secrets", _secret(resource)
                )
                path = f"{resources}/{resource['metadata']['name']}/status"
                await _send(session, "PATCH", path, {"status": _status(resource, made)}, "application/merge-patch+json")

        await asyncio.gather(*(write() for _ in range(CONNECTIONS)))
    sys.stdin.buffer.read()


async def _send(
    session: aiohttp.ClientSession, method: str, path: str, body: Any, kind: str = "application/json"
) -> Any:
    async with session.request(method, path, data=orjson.dumps(body), headers={"Content-Type": kind}) as answer:
        content = await answer.read()
        answer.raise_for_status()
        return orjson.loads(content)


def _secret(resource: Any) -> Any:
    name, uid = resource["metadata"]["name"], resource["metadata"]["uid"]
    owner = {"apiVersion": f"{GROUP}/v1", "kind": "BeemFlowSecret", "name": name, "uid": uid, "controller": True}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {
            "name": name,
            "labels": {"app.kubernetes.io/managed-by": "beemflow-secrets", f"{GROUP}/owner": uid},
            "annotations": {f"{GROUP}/content-version": "0123456789abcdef", f"{GROUP}/owner-name": name},
            "ownerReferences": [owner],
        },
        "data": {"token": "YmFyZQ=="},
    }


def _status(resource: Any, made: Any) -> Any:
    name, generation = resource["metadata"]["name"], resource["metadata"]["generation"]
    ready = {"type": "Ready", "status": "True", "reason": "Synced", "message": "1 key synced"}
    return {
        "observedGeneration": generation,
        "conditions": [{**ready, "observedGeneration": generation, "lastTransitionTime": NOW}],
        "secretRef": {"name": name, **{key: made["metadata"][key] for key in ("uid", "resourceVersion")}},
        "contentVersion": "0123456789abcdef",
        "lastSyncTime": NOW,
        "lastChangeTime": NOW,
        "entries": [
            {"secretKey": "token", "provider": "prod", "remoteKey": f"{name}#token", "version": "1", "createdAt": NOW}
        ],
    }


if __name__ == "__main__":
    uvloop.run(main())
