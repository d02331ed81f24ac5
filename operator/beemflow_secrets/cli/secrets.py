"""`get`, `list`, `health`, `schema`: a store without a cluster, as the library opens it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from beemflow_secrets.chain.asking import Asking
from beemflow_secrets.cli.console import Exit, Output, OutputFlag, fail, show
from beemflow_secrets.cli.progress import progress
from beemflow_secrets.controllers.store.verdict import SERVING, Verdict, judge
from beemflow_secrets.library.config import SecretsConfig
from beemflow_secrets.library.opening import opened
from beemflow_secrets.library.schema import file_schema
from beemflow_secrets.providers.errors import Denied, Invalid, MissingExtra, NotFound, SecretsError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable
    from datetime import datetime

    from beemflow_secrets.library.secrets import Secrets
    from beemflow_secrets.providers.value import SecretValue

T = TypeVar("T")

MASKED = "***"

PART = 100
"""Keys that are read together and counted as done: few enough that who waits sees it go on."""

ConfigFlag = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar="BEEMFLOW_SECRETS_CONFIG",
        help="The configuration; by default ./flow.config.json, else the environment.",
    ),
]

FlowFlag = Annotated[
    str | None, typer.Option("--flow", metavar="NAME", help="The flow that asks, where the store has access policies.")
]
ShowFlag = Annotated[bool, typer.Option("--show", help="Print values, which are masked otherwise.")]
RoleFlag = Annotated[list[str] | None, typer.Option("--role", metavar="NAME", help="A role that it holds. Repeatable.")]


def get(
    key: Annotated[str, typer.Argument(metavar="KEY", help="A key, or key#property.")],
    *,
    reveal: ShowFlag = False,
    output: OutputFlag = Output.TABLE,
    config: ConfigFlag = None,
    flow: FlowFlag = None,
    role: RoleFlag = None,
) -> None:
    """Print one secret: masked, or with --show its value and nothing else."""
    with progress(f"reading {key}"):
        value = ask(config, lambda secrets: secrets.get_secret_with_metadata(key), flow, role)
    try:
        if output is Output.TABLE:
            sys.stdout.buffer.write((value.raw if reveal else MASKED.encode()) + b"\n")
        else:
            show(output, _as_data(key, value, reveal=reveal), (), ())
    except Invalid as error:
        hint = "" if output is Output.TABLE else "; without -o it is printed byte for byte"
        fail(f"{key}: {error.message}{hint}")


def list_(
    prefix: Annotated[str, typer.Argument(metavar="PREFIX", help="Only names that begin so.")] = "",
    *,
    output: OutputFlag = Output.TABLE,
    config: ConfigFlag = None,
    flow: FlowFlag = None,
    role: RoleFlag = None,
) -> None:
    """Print the names of the secrets below the store's prefix."""
    with progress("listing"):
        names = ask(config, lambda secrets: secrets.list_secrets(prefix), flow, role)
    show(output, names, ("NAME",), [[name] for name in names])


def health(*, output: OutputFlag = Output.TABLE, config: ConfigFlag = None) -> None:
    """Say whether the store serves: exit 0 if it does, else 1."""
    found = configured(config)

    async def check(secrets: Secrets) -> Verdict:
        try:
            await secrets.health_check()
        except SecretsError as error:
            return judge(error)
        return SERVING

    with progress("asking the store"):
        verdict = done(using(found, check))
    data = {"driver": found.driver, "state": verdict.state, "error": None if verdict.serves else verdict.message}
    show(output, data, ("DRIVER", "STATE", "ERROR"), [[found.driver, verdict.state, data["error"] or ""]])
    if not verdict.serves:
        raise typer.Exit(Exit.FAILED)


def schema(*, output: OutputFlag = Output.JSON) -> None:
    """Print the JSON schema of flow.config.json, as JSON or YAML."""
    if output is Output.TABLE:
        fail("a schema is no table: -o json or -o yaml", Exit.USAGE)
    show(output, file_schema(), (), ())


def configured(config: Path | None) -> SecretsConfig:
    """Return the configuration that a flag names, else the one that is found. Ends the process for a wrong one."""
    try:
        return SecretsConfig.from_file(config) if config is not None else SecretsConfig.discover()
    except Invalid as error:
        fail(str(error), Exit.USAGE)


def ask(
    config: Path | None,
    work: Callable[[Secrets], Awaitable[T]],
    flow: str | None = None,
    roles: list[str] | None = None,
) -> T:
    """Do some work with the store of a configuration. Ends the process where that fails."""
    return done(using(configured(config), work, flow, roles))


def done(work: Coroutine[Any, Any, T]) -> T:
    """Do some work to its end. Ends the process where it raises a SecretsError."""
    try:
        return asyncio.run(work)
    except SecretsError as error:
        fail(str(error), code_of(error))


def code_of(error: SecretsError) -> Exit:
    """Return what the process ends with for an error."""
    match error:
        case NotFound() | Denied():
            return Exit.MISSING
        case Invalid() if not isinstance(error, MissingExtra):
            return Exit.USAGE
    return Exit.FAILED


async def using(
    config: SecretsConfig,
    work: Callable[[Secrets], Awaitable[T]],
    flow: str | None = None,
    roles: list[str] | None = None,
) -> T:
    """Do some work with an open store. Raises a SecretsError."""
    # What goes to stdout is the answer alone.
    async with opened(config, Asking.of(flow, roles or (), None), stdout=sys.stderr.fileno()) as secrets:
        return await work(secrets)


async def read_all(
    secrets: Secrets, keys: Iterable[str], step: Callable[[int], None]
) -> dict[str, SecretValue | SecretsError]:
    """Return {key as asked: value or error}, and tell `step` how many more are there: many keys come in parts."""
    wanted = list(keys)

    async def read(part: list[str]) -> dict[str, SecretValue | SecretsError]:
        found = await secrets.read(part)
        step(len(part))
        return found

    parts = [read(wanted[start : start + PART]) for start in range(0, len(wanted), PART)]
    return {key: answer for part in await asyncio.gather(*parts) for key, answer in part.items()}


def _as_data(key: str, value: SecretValue, *, reveal: bool) -> dict[str, Any]:
    return {
        "key": key,
        "value": value.value if reveal else MASKED,
        "version": value.version,
        "created_at": _time(value.created_at),
        "expires_at": _time(value.expires_at),
        "metadata": dict(value.metadata),
    }


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None
