"""`diff`: what a sync would change in the cluster, found out with the caller's own rights. Names, never values."""

from __future__ import annotations

from pathlib import Path
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
from beemflow_secrets.cli.console import Exit, Output, OutputFlag, fail, show, tell
from beemflow_secrets.cli.manifests import read_manifests
from beemflow_secrets.cli.previewing import code_of, each
from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.controllers.preview.comparing import Comparer
from beemflow_secrets.controllers.preview.given import Given, laid_over
from beemflow_secrets.controllers.preview.plan import Planner
from beemflow_secrets.controllers.preview.stores import Looked, Opening
from beemflow_secrets.controllers.store.opening import Opener
from beemflow_secrets.kube import paths
from beemflow_secrets.kube.connection import in_pod
from beemflow_secrets.kube.errors import NotFound
from beemflow_secrets.library.opening import log_through_the_application
from beemflow_secrets.model import names
from beemflow_secrets.model.settings import Settings

if TYPE_CHECKING:
    from beemflow_secrets.cli.manifests import Manifests
    from beemflow_secrets.controllers.preview.changes import Change, Names
    from beemflow_secrets.kube.client import KubeClient
    from beemflow_secrets.kube.connection import Connection

    Object = dict[str, Any]

HEADER = ("NAME", "SECRET", "CHANGE", "KEYS", "ELSE")

FilesArgument = Annotated[
    list[Path] | None,
    typer.Argument(metavar="FILE…", help="Manifests, as render takes them; without them, what is in the cluster."),
]


def diff(
    files: FilesArgument = None,
    *,
    namespace: NamespaceFlag = None,
    all_namespaces: AllNamespacesFlag = False,
    output: OutputFlag = Output.TABLE,
    context: ContextFlag = None,
    kubeconfig: KubeconfigFlag = None,
) -> None:
    """Say what a sync would change of the Secrets in the cluster: which, and which of their keys, never a value.

    Of the BeemFlowSecrets in files, as if they had been applied with all that stands beside them; without files, of
    those in the cluster. Everything is read with your own rights: stores, credentials, Secrets, and the backends with
    the stores' logins. Exit 0 whether there are changes or none.
    """
    connection = cluster(kubeconfig, context)
    where = namespace or connection.namespace
    manifests = read_manifests(files, where) if files else None
    bodies, found = ask(
        connection, lambda client: _compared(client, connection, manifests, "" if all_namespaces else where)
    )
    if not bodies:
        fail(f"no {names.SECRET.name} in {'any namespace' if all_namespaces else f'namespace {where}'}", Exit.OK)
    told = list(zip(bodies, found, strict=True))
    wide = len({body["metadata"]["namespace"] for body in bodies} | {where}) > 1 or all_namespaces
    data = [_as_data(body, one) for body, result in told for one in _each(result)]
    rows = [_row(body, one, wide=wide) for body, result in told for one in _each(result)]
    show(output, data, ("NAMESPACE", *HEADER) if wide else HEADER, rows)
    for body, result in told:
        if isinstance(result, Failed):
            tell(f"{_name(body)}: {result.reason}: {result.message}")
    raise typer.Exit(code_of([one for one in found if isinstance(one, Failed)], not_ready=Exit.FAILED))


async def _compared(
    client: KubeClient, connection: Connection, manifests: Manifests | None, where: str
) -> tuple[list[Object], list[list[Change] | Failed]]:
    log_through_the_application()
    given = Given(manifests.objects if manifests is not None else {}, client)
    if manifests is not None:
        bodies = [laid_over(body, await _standing(client, body)) for _, body in manifests.secrets]
    else:
        pages = client.pages(paths.resources(names.SECRET.plural, where))
        bodies = [item async for page in pages for item in page["items"]]
    namespaces = Looked(given)
    opener = Opener(given, connection, Settings(), trail=None, in_pod=in_pod())
    stores = Opening(given, opener, namespaces)
    try:
        comparer = Comparer(client, Planner(given, stores, namespaces))
        return bodies, await each("comparing", bodies, comparer.changes)
    finally:
        await stores.close()


async def _standing(client: KubeClient, body: Object) -> Object | None:
    """Return a resource as it stands in the cluster."""
    metadata = body["metadata"]
    try:
        return await client.get(paths.resources(names.SECRET.plural, metadata["namespace"], metadata["name"]))
    except NotFound:
        return None


def _each(result: list[Change] | Failed) -> list[Change | Failed]:
    return [result] if isinstance(result, Failed) else list(result)


def _name(body: Object) -> str:
    return f"{body['metadata']['namespace']}/{body['metadata']['name']}"


def _as_data(body: Object, one: Change | Failed) -> Object:
    about = {"namespace": body["metadata"]["namespace"], "name": body["metadata"]["name"]}
    if isinstance(one, Failed):
        return {**about, "change": "unknown", "reason": one.reason, "message": one.message}
    return {
        **about,
        "secret": one.secret,
        "change": one.what,
        "keys": _names(one.keys),
        "labels": _names(one.labels),
        "annotations": _names(one.annotations),
        "type": None if one.type is None else {"from": one.type[0] or None, "to": one.type[1]},
        "notes": list(one.notes),
    }


def _names(found: Names) -> dict[str, list[str]]:
    return {"added": list(found.added), "changed": list(found.changed), "removed": list(found.removed)}


def _row(body: Object, one: Change | Failed, *, wide: bool) -> list[str]:
    metadata = body["metadata"]
    if isinstance(one, Failed):
        row = [metadata["name"], "", "unknown", "", one.reason]
    else:
        row = [metadata["name"], one.secret, one.what, _signed(one.keys), _else(one)]
    return [metadata["namespace"], *row] if wide else row


def _else(change: Change) -> str:
    """Say what changes beside the keys. Of a Secret that is new its marks go without saying."""
    marks = () if change.what == "create" else (("label", change.labels), ("annotation", change.annotations))
    said = [f"{what}s {_signed(found)}" for what, found in marks if found]
    if change.type is not None:
        said.append("type " + " → ".join(filter(None, change.type)))
    return "; ".join([*said, *change.notes])


def _signed(found: Names) -> str:
    signs = (("+", found.added), ("~", found.changed), ("-", found.removed))
    return " ".join(f"{sign}{name}" for sign, some in signs for name in some)
