"""`status` and `refresh`: how secrets stand, why one is not there, and a sync that is asked for and waited for."""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any

import typer

from beemflow_secrets.cli.cluster import (
    AllNamespacesFlag,
    ContextFlag,
    KubeconfigFlag,
    NamespaceFlag,
    ask,
    cluster,
)
from beemflow_secrets.cli.console import Exit, Output, OutputFlag, fail, print_table, show
from beemflow_secrets.cli.diagnosis import age, as_json, diagnose
from beemflow_secrets.cli.progress import progress
from beemflow_secrets.cli.remedies import store_of
from beemflow_secrets.controllers.conditions import ready
from beemflow_secrets.kube import paths
from beemflow_secrets.kube.errors import Forbidden, NotFound
from beemflow_secrets.model import duration, names

if TYPE_CHECKING:
    from beemflow_secrets.controllers.objects import Key
    from beemflow_secrets.kube.client import KubeClient

    Object = dict[str, Any]

HEADER = ("NAME", "STORE", "READY", "REASON", "LAST SYNC", "EXPIRES")
POLL = 0.2
"""Seconds between looks at an answer that is waited for."""


def status(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="One BeemFlowSecret; without it, all.")] = None,
    *,
    namespace: NamespaceFlag = None,
    all_namespaces: AllNamespacesFlag = False,
    output: OutputFlag = Output.TABLE,
    context: ContextFlag = None,
    kubeconfig: KubeconfigFlag = None,
) -> None:
    """Say how secrets stand, and of each that is not there why: store, message, next attempt, what to run next."""
    connection = cluster(kubeconfig, context)
    where = "" if all_namespaces else namespace or connection.namespace

    async def collect(client: KubeClient) -> tuple[list[Object], dict[Key, Object]]:
        found = [
            item async for page in client.pages(paths.resources(names.SECRET.plural, where)) for item in page["items"]
        ]
        if name is not None:
            found = _only(found, name, where)
        return found, await _stores(client, {store_of(item) for item in found})

    found, stores = ask(connection, collect)
    now = time.time()
    if output is not Output.TABLE:
        data = [as_json(item, stores.get(store_of(item)), now) for item in found]
        show(output, data[0] if name is not None and len(data) == 1 else data, (), ())
        return
    if not found:
        fail(f"no BeemFlowSecret in {f'namespace {where}' if where else 'any namespace'}", Exit.OK)
    print_table(
        ("NAMESPACE", *HEADER) if all_namespaces else HEADER, [_row(item, now, all_namespaces) for item in found]
    )
    for item in found:
        if name is not None or ready(item.get("status") or {}).get("status") != "True":
            _print_diagnosis(item, stores.get(store_of(item)), now)


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
        sys.stderr.write(f"{where}/{item['metadata']['name']}: {why}\n")
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


async def _stores(client: KubeClient, wanted: set[Key]) -> dict[Key, Object]:
    kinds = {kind.name: kind.plural for kind in (names.STORE, names.CLUSTER_STORE)}
    found: dict[Key, Object] = {}
    for key in wanted:
        try:
            found[key] = await client.get(paths.resources(kinds[key.kind], key.namespace, key.name))
        except NotFound:
            continue
        except Forbidden:
            # Who may read his secrets' resources need not be allowed to read stores.
            found[key] = {"status": {}}
    return found


def _only(found: list[Object], name: str, namespace: str) -> list[Object]:
    chosen = [item for item in found if item["metadata"]["name"] == name]
    if not chosen:
        near = get_close_matches(name, [item["metadata"]["name"] for item in found], n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        fail(f"no BeemFlowSecret {name} in {f'namespace {namespace}' if namespace else 'any namespace'}{hint}")
    return chosen


def _row(item: Object, now: float, all_namespaces: bool) -> list[str]:  # noqa: FBT001 - a row's only choice
    told = item.get("status") or {}
    row = [
        item["metadata"]["name"],
        store_of(item).name,
        ready(told).get("status", "Unknown"),
        ready(told).get("reason", ""),
        age(told.get("lastSyncTime"), now),
        told.get("expiresAt", ""),
    ]
    return [item["metadata"]["namespace"], *row] if all_namespaces else row


def _print_diagnosis(item: Object, store: Object | None, now: float) -> None:
    typer.echo(f"\n{item['metadata']['namespace']}/{item['metadata']['name']}")
    for label, text in diagnose(item, store, now):
        typer.echo(f"  {label + ':':<10}{text}")
