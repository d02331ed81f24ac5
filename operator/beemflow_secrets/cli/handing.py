"""`exec`, `export`: secrets handed to a command as its environment, or written out in a form that others read."""

from __future__ import annotations

import os
import secrets as random
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from beemflow_secrets.chain.asking import access
from beemflow_secrets.cli.console import Exit, fail
from beemflow_secrets.cli.flows import by_flow, read_flows, tell_computed
from beemflow_secrets.cli.progress import progress
from beemflow_secrets.cli.secrets import MASKED, ConfigFlag, FlowFlag, RoleFlag, ShowFlag, ask, read_all
from beemflow_secrets.model.patterns import Patterns
from beemflow_secrets.model.sources import HAD_BY_ITSELF
from beemflow_secrets.providers.errors import Invalid, NotFound, SecretsError
from beemflow_secrets.rendering.dotenv import dumps, variable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from beemflow_secrets.library.secrets import Secrets
    from beemflow_secrets.providers.value import SecretValue

KeysFlag = Annotated[list[str] | None, typer.Option("--key", metavar="KEY", help="A key, or key#property. Repeatable.")]
ForFlowFlag = Annotated[
    list[Path] | None,
    typer.Option("--for-flow", metavar="FILE", help="All that the flows of a file ask for. Repeatable."),
]


class Format(StrEnum):
    """How secrets are written out."""

    DOTENV = "dotenv"
    GITHUB = "github"
    JSON = "json"


def exec_(
    command: Annotated[list[str], typer.Argument(metavar="-- CMD…", help="The command, and its arguments.")],
    *,
    key: KeysFlag = None,
    for_flow: ForFlowFlag = None,
    config: ConfigFlag = None,
    flow: FlowFlag = None,
    role: RoleFlag = None,
) -> None:
    """Run a command with secrets in its environment, and exit as it does. They stand in no argument and no file."""
    values = _values(key, for_flow, config, flow, role)
    try:
        os.execvpe(command[0], command, {**os.environ, **values})  # noqa: S606 - no shell is what is wanted
    except FileNotFoundError:
        fail(f"{command[0]}: there is no such command", Exit.USAGE)
    except OSError as error:
        fail(f"{command[0]}: {error.strerror}", Exit.USAGE)


def export(
    *,
    form: Annotated[Format, typer.Option("--format", help="How they are written.")] = Format.DOTENV,
    reveal: ShowFlag = False,
    key: KeysFlag = None,
    for_flow: ForFlowFlag = None,
    config: ConfigFlag = None,
    flow: FlowFlag = None,
    role: RoleFlag = None,
) -> None:
    """Write secrets out as variables: masked, or with --show their values.

    Format github is for a step of GitHub Actions: what is shown is masked in its log first, and then written to the
    file that GITHUB_ENV names, so that later steps have it; without that variable all is printed.
    """
    found = _values(key, for_flow, config, flow, role)
    values = found if reveal else dict.fromkeys(found, MASKED)
    match form:
        case Format.DOTENV:
            sys.stdout.write(dumps(values))
        case Format.JSON:
            sys.stdout.write(orjson.dumps(values, option=orjson.OPT_INDENT_2).decode() + "\n")
        case Format.GITHUB:
            _to_github(values, mask=reveal)


def _to_github(values: Mapping[str, str], *, mask: bool) -> None:
    # https://docs.github.com/actions/reference/workflow-commands-for-github-actions: masks hold for single lines.
    lines = {line for value in values.values() for line in value.splitlines() if line.strip()} if mask else set()
    for line in sorted(lines, key=len, reverse=True):
        sys.stdout.write(f"::add-mask::{line.replace('%', '%25')}\n")
    sys.stdout.flush()
    end = f"end-{random.token_hex(16)}"
    written = "".join(f"{name}<<{end}\n{value}\n{end}\n" for name, value in values.items())
    file = os.environ.get("GITHUB_ENV") if mask else None
    if not file:
        sys.stdout.write(written)
        return
    try:
        with Path(file).open("a", encoding="utf-8") as out:
            out.write(written)
    except OSError as error:
        fail(f"the file of GITHUB_ENV, {file}: {error.strerror}", Exit.USAGE)


def _values(
    keys: list[str] | None, files: list[Path] | None, config: Path | None, flow: str | None, roles: list[str] | None
) -> dict[str, str]:
    """Return what is asked for, by variables. Ends the process where something is missing, or cannot be one."""
    if not keys and not files:
        fail("which secrets? --key KEY names one, --for-flow FILE those of a flow", Exit.USAGE)
    asked: dict[str | None, dict[str, bool]] = {}
    found, computed = read_flows(files or [])
    tell_computed(computed)
    own = Patterns(HAD_BY_ITSELF)
    for name, references in by_flow(found, flow).items():
        for one in references:
            key = one.reference.key
            if not own.match(key):
                wanted = asked.setdefault(name, {})
                wanted[key] = one.reference.optional and wanted.get(key, True)
    asked.setdefault(flow, {}).update(dict.fromkeys(keys or (), False))
    with progress("reading secrets", sum(map(len, asked.values()))) as step:
        return ask(config, lambda secrets: _read(secrets, asked, roles or (), step))


async def _read(
    secrets: Secrets,
    asked: Mapping[str | None, Mapping[str, bool]],
    roles: Sequence[str],
    step: Callable[[int], None],
) -> dict[str, str]:
    """Read keys, of which some are optional, by who asks for them.

    Raises a SecretsError; where keys are missing, one NotFound that names all of them.
    """
    values: dict[str, str] = {}
    keys: dict[str, str] = {}
    missing: list[str] = []
    for flow, wanted in asked.items():
        with access(flow=flow, roles=roles):
            answers = await read_all(secrets, wanted, step)
        for key, optional in wanted.items():
            answer = answers[key]
            if isinstance(answer, NotFound):
                missing += [] if optional else [key]
                continue
            if isinstance(answer, SecretsError):
                raise answer
            name = _variable(key)
            if keys.setdefault(name, key) != key:
                raise Invalid(f"{keys[name]} and {key} both become the variable {name}")
            values[name] = _text(key, answer)
    if missing:
        raise NotFound(f"not found: {', '.join(dict.fromkeys(missing))}", keys=tuple(missing))
    return values


def _variable(key: str) -> str:
    try:
        return variable(key.replace("#", "/"))
    except ValueError as error:
        raise Invalid(str(error)) from None


def _text(key: str, answer: SecretValue) -> str:
    try:
        text = answer.value
    except Invalid as error:
        raise Invalid(error.message, key=key) from None
    if "\0" in text:
        raise Invalid("the value holds a NUL byte, which no variable can", key=key)
    return text
