"""What the verbs that speak to a cluster share: kubectl's flags, and requests with the caller's own rights."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from beemflow_secrets.cli.console import Exit, fail
from beemflow_secrets.cli.program import program
from beemflow_secrets.kube.client import KubeClient
from beemflow_secrets.kube.connection import Connection, NoCluster, connect
from beemflow_secrets.kube.errors import ApiError, NotFound

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

NamespaceFlag = Annotated[
    str | None, typer.Option("--namespace", "-n", help="Look in this namespace; by default the context's.")
]
AllNamespacesFlag = Annotated[bool, typer.Option("--all-namespaces", "-A", help="Look in all namespaces.")]
ContextFlag = Annotated[str | None, typer.Option("--context", help="A context of the kubeconfig.")]
KubeconfigFlag = Annotated[Path | None, typer.Option("--kubeconfig", help="A kubeconfig; by default KUBECONFIG.")]


def cluster(kubeconfig: Path | None, context: str | None) -> Connection:
    """Return the cluster that the flags name. Ends the process where there is none."""
    try:
        return connect(kubeconfig=kubeconfig, context=context)
    except NoCluster as error:
        fail(str(error), Exit.USAGE)


def ask(connection: Connection, work: Callable[[KubeClient], Awaitable[T]]) -> T:
    """Do some work with the API server. Ends the process where that does not answer, or refuses."""

    async def run() -> T:
        client = KubeClient(connection)
        try:
            return await work(client)
        finally:
            await client.close()

    try:
        return asyncio.run(run())
    except NotFound as error:
        advice = f"where the kinds are missing: {program()} crds | kubectl apply --server-side -f -"
        fail(f"{error.message}; {advice}")
    except ApiError as error:
        fail(error.message)
