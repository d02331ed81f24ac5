"""The verbs, put together."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import beemflow_secrets
from beemflow_secrets.cli.console import Exit
from beemflow_secrets.cli.crds import crds_yaml
from beemflow_secrets.cli.diff import diff
from beemflow_secrets.cli.flows import refs, validate
from beemflow_secrets.cli.handing import exec_, export
from beemflow_secrets.cli.migrate import migrate
from beemflow_secrets.cli.refresh import refresh
from beemflow_secrets.cli.render import render
from beemflow_secrets.cli.run import run
from beemflow_secrets.cli.secrets import get, health, list_, schema
from beemflow_secrets.cli.status import status

app = typer.Typer(
    help="Secrets from where companies keep them, to where BeemFlow's pods read them.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,  # its tracebacks show variables, and so values
)
app.command()(run)
app.command()(status)
app.command()(refresh)
app.command()(get)
app.command("list")(list_)
app.command()(health)
app.command("exec")(exec_)
app.command()(export)
app.command()(refs)
app.command()(validate)
app.command()(render)
app.command()(diff)
app.command()(migrate)
app.command()(schema)


@app.command()
def crds() -> None:
    """Print the custom resource definitions, ready for `kubectl apply --server-side -f -`."""
    sys.stdout.write(crds_yaml())


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer's callback
    if wanted:
        sys.stdout.write(f"{beemflow_secrets.__version__}\n")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    *,
    version: Annotated[  # noqa: ARG001 - its callback has done what there is to do
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(Exit.USAGE)
