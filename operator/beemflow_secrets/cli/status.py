"""`status`: how secrets stand, and why one is not there."""

from __future__ import annotations

import time
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from beemflow_secrets.cli import beside
from beemflow_secrets.cli.cluster import (
    AllNamespacesFlag,
    ContextFlag,
    KubeconfigFlag,
    NamespaceFlag,
    ask,
    cluster,
)
from beemflow_secrets.cli.console import Output, OutputFlag, fail, print_table, show, tell
from beemflow_secrets.cli.diagnosis import age, as_json, diagnose
from beemflow_secrets.cli.remedies import store_of
from beemflow_secrets.controllers.conditions import ready
from beemflow_secrets.kube import paths
from beemflow_secrets.kube.errors import Forbidden, NotFound
from beemflow_secrets.model import names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from beemflow_secrets.controllers.objects import Key
    from beemflow_secrets.kube.client import KubeClient

    Object = dict[str, Any]

HEADER = ("NAME", "STORE", "READY", "REASON", "LAST SYNC", "EXPIRES")


def status(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="One secret; without it, all.")] = None,
    *,
    namespace: NamespaceFlag = None,
    all_namespaces: AllNamespacesFlag = False,
    output: OutputFlag = Output.TABLE,
    context: ContextFlag = None,
    kubeconfig: KubeconfigFlag = None,
) -> None:
    """Say how secrets stand, and of each that is not there why: store, message, next attempt, what to run next.

    Beside them stand pushes and stamps (BeemFlowPushSecrets, BeemFlowClusterSecrets), with NAME where no secret has it.
    """
    connection = cluster(kubeconfig, context)
    where = "" if all_namespaces else namespace or connection.namespace
    found, others, stores = ask(connection, lambda client: _collect(client, name, where))
    now = time.time()
    if output is not Output.TABLE:
        data = [as_json(item, stores.get(store_of(item)), now) for item in found]
        data += [beside.as_json(item) for item in others]
        show(output, data[0] if name is not None and len(data) == 1 else data, (), ())
        return
    if not found and name is None:
        tell(f"no BeemFlowSecret in {_said(where)}")
    section = partial(_print_section, all_namespaces=all_namespaces, all_explained=name is not None)
    if found:
        section(HEADER, found, lambda one: _row(one, now), lambda one: diagnose(one, stores.get(store_of(one)), now))
    if found and others:
        typer.echo()
    if others:
        section(beside.HEADER, others, lambda one: beside.row(one, now), beside.explained)


async def _collect(
    client: KubeClient, name: str | None, where: str
) -> tuple[list[Object], list[Object], dict[Key, Object]]:
    """Return secrets, what stands beside them, and the stores of the secrets."""
    listed = [
        item async for page in client.pages(paths.resources(names.SECRET.plural, where)) for item in page["items"]
    ]
    if name is None:
        found, others = listed, await beside.others(client, where)
    elif found := [item for item in listed if item["metadata"]["name"] == name]:
        others = []
    elif not (others := [item for item in await beside.others(client, where) if beside.is_called(item, name)]):
        near = get_close_matches(name, [item["metadata"]["name"] for item in listed], n=1)
        fail(f"no BeemFlowSecret {name} in {_said(where)}{f'; did you mean {near[0]}?' if near else ''}")
    return found, others, await _stores(client, {store_of(item) for item in found})


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


def _said(namespace: str) -> str:
    return f"namespace {namespace}" if namespace else "any namespace"


def _row(item: Object, now: float) -> list[str]:
    told = item.get("status") or {}
    return [
        item["metadata"]["name"],
        store_of(item).name,
        ready(told).get("status", "Unknown"),
        ready(told).get("reason", ""),
        age(told.get("lastSyncTime"), now),
        told.get("expiresAt", ""),
    ]


def _title(item: Object) -> str:
    kind = "" if item["kind"] == names.SECRET.name else f"{item['kind']} "
    return kind + "/".join(filter(None, (item["metadata"].get("namespace"), item["metadata"]["name"])))


def _print_section(
    header: Sequence[str],
    items: list[Object],
    row: Callable[[Object], list[str]],
    explained: Callable[[Object], list[tuple[str, str]]],
    *,
    all_namespaces: bool,
    all_explained: bool,
) -> None:
    """Print a row for each resource, then why those are not ready that are not."""
    rows = [row(item) for item in items]
    if all_namespaces:
        header = ("NAMESPACE", *header)
        rows = [[item["metadata"].get("namespace", ""), *row] for item, row in zip(items, rows, strict=True)]
    print_table(header, rows)
    for item in items:
        if all_explained or ready(item.get("status") or {}).get("status") != "True":
            typer.echo(f"\n{_title(item)}")
            for label, text in explained(item):
                typer.echo(f"  {label + ':':<10}{text}")
