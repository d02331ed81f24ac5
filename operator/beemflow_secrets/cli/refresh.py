"""`refresh`: a sync that is asked for and waited for."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from beemflow_secrets.cli.cluster import ContextFlag, KubeconfigFlag, NamespaceFlag, ask, cluster
from beemflow_secrets.cli.console import Exit, fail, tell
from beemflow_secrets.cli.progress import progress
from beemflow_secrets.controllers.conditions import ready
from beemflow_secrets.kube import paths
from beemflow_secrets.model import duration, names

if TYPE_CHECKING:
    from beemflow_secrets.kube.client import KubeClient

    Object = dict[str, Any]

POLL = 0.2
"""Seconds between looks at an answer that is waited for."""


def refresh(
    name: Annotated[list[str], typer.Argument(metavar="NAME…", help="The BeemFlowSecrets to sync now.")],
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the answer.")] = False,
    timeout: Annotated[str, typer.Option("--timeout", help="How long to wait, such as 45s.")] = "45s",
    namespace: NamespaceFlag = None,
    context: ContextFlag = None,
    kubeconfig: KubeconfigFlag = None,
) -> None:
    """Sync now, from the backend; with --wait, exit 0 once all are in sync, else 1."""
    try:
        patience = duration.seconds(timeout)
    except ValueError as error:
        fail(f"--timeout {error}", Exit.USAGE)
    connection = cluster(kubeconfig, context)
    where = namespace or connection.namespace
    asked = f"{time.time():.3f}-{secrets.token_hex(4)}"

    async def request(client: KubeClient) -> list[Object]:
        marked = {"metadata": {"annotations": {names.REFRESH_REQUESTED_ANNOTATION: asked}}}
        for one in name:
            await client.merge_patch(paths.resources(names.SECRET.plural, where, one), marked)
        if not wait:
            return []
        deadline = time.monotonic() + patience
        return [await _answered(client, where, one, asked, deadline) for one in name]

    with progress("waiting for the answer"):
        answers = ask(connection, request)
    failed = [item for item in answers if not _in_sync(item, asked)]
    for item in failed:
        told = ready(item.get("status") or {})
        answered = (item.get("status") or {}).get("lastHandledRefresh") == asked
        why = f"{told['reason']}: {told['message']}" if answered else f"not answered within {timeout}"
        tell(f"{where}/{item['metadata']['name']}: {why}")
    if failed:
        raise typer.Exit(Exit.FAILED)


async def _answered(client: KubeClient, namespace: str, name: str, asked: str, deadline: float) -> Object:
    path = paths.resources(names.SECRET.plural, namespace, name)
    while True:
        found = await client.get(path)
        if (found.get("status") or {}).get("lastHandledRefresh") == asked or time.monotonic() >= deadline:
            return found
        await asyncio.sleep(POLL)


def _in_sync(item: Object, asked: str) -> bool:
    told = item.get("status") or {}
    return told.get("lastHandledRefresh") == asked and ready(told).get("status") == "True"
