"""`refs`, `validate`: which secrets flows ask for, and whether they are there."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from beemflow_secrets.chain.asking import access
from beemflow_secrets.cli.console import Exit, Output, OutputFlag, fail, show, tell
from beemflow_secrets.cli.progress import progress
from beemflow_secrets.cli.secrets import ConfigFlag, FlowFlag, RoleFlag, configured, done, read_all, using
from beemflow_secrets.model.patterns import Patterns
from beemflow_secrets.model.sources import HAD_BY_ITSELF
from beemflow_secrets.providers.errors import Denied, Invalid, NotFound, SecretsError
from beemflow_secrets.rendering.flows.files import parse
from beemflow_secrets.rendering.flows.places import Place
from beemflow_secrets.rendering.flows.references import Reference, references

if TYPE_CHECKING:
    from collections.abc import Callable

    from beemflow_secrets.library.secrets import Secrets

FilesArgument = Annotated[list[Path], typer.Argument(metavar="FLOW…", help="Files of flows, YAML or JSON.")]
ExcludeFlag = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude",
        metavar="PATTERN",
        help=f"Keys that need not be there, as AWS_*. Repeatable. By default {', '.join(HAD_BY_ITSELF)}.",
    ),
]


class Found(NamedTuple):
    """A reference, and the file in which it stands."""

    file: Path
    reference: Reference

    def __str__(self) -> str:
        place = str(Place(self.reference.flow, self.reference.step, self.reference.path))
        return f"{self.file}: {f'{place}: ' if place else ''}{self.reference.key}"

    def as_data(self) -> dict[str, object]:
        """Return it as it is printed."""
        key, optional, flow, step, path = self.reference
        return {"key": key, "optional": optional, "flow": flow, "file": str(self.file), "step": step, "path": path}


def refs(files: FilesArgument, *, output: OutputFlag = Output.TABLE) -> None:
    """Print every secret that flows ask for, and where. Keys that only a run can tell go to stderr."""
    found, computed = read_flows(files)
    rows = [
        [one.key, "yes" if one.optional else "no", one.flow or "", str(file), one.step or "", one.path]
        for file, one in found
    ]
    show(output, [one.as_data() for one in found], ("KEY", "OPTIONAL", "FLOW", "FILE", "STEP", "PATH"), rows)
    tell_computed(computed)


def validate(
    files: FilesArgument,
    *,
    exclude: ExcludeFlag = None,
    output: OutputFlag = Output.TABLE,
    config: ConfigFlag = None,
    flow: FlowFlag = None,
    role: RoleFlag = None,
) -> None:
    """Say whether each secret that flows ask for is there and may be read: exit 3 and all that fail, if not."""
    found, computed = read_flows(files)
    excluded = Patterns(HAD_BY_ITSELF if exclude is None else exclude)
    wanted = [one for one in found if not excluded.match(one.reference.key)]
    tell_computed(computed)
    settings = configured(config)
    with progress("reading secrets", len(wanted)) as step:
        failures = done(using(settings, lambda secrets: _judge(secrets, wanted, flow, role or [], step)))
    if output is not Output.TABLE:
        data = [{**one.as_data(), "reason": reason} for one, reason in failures]
        show(output, data, (), ())
    for one, reason in failures:
        tell(f"{one}: {reason}")
    if failures:
        raise typer.Exit(Exit.MISSING)


async def _judge(
    secrets: Secrets, wanted: list[Found], flow: str | None, roles: list[str], step: Callable[[int], None]
) -> list[tuple[Found, str]]:
    """Return what is missing or denied, and why. A backend that does not answer is raised."""
    failures: dict[Found, str] = {}
    for asking, asked in by_flow(wanted, flow).items():
        with access(flow=asking, roles=roles):
            keys = dict.fromkeys(one.reference.key for one in asked)
            step(len(asked) - len(keys))
            answers = await read_all(secrets, keys, step)
        for one in asked:
            match answers[one.reference.key]:
                case NotFound() as error if not one.reference.optional:
                    failures[one] = f"not found: {error.message}"
                case Denied() as error:
                    failures[one] = f"denied: {error.message}"
                case SecretsError() as error if not isinstance(error, NotFound):
                    raise error
    return [(one, failures[one]) for one in wanted if one in failures]


def by_flow(found: list[Found], flow: str | None) -> dict[str | None, list[Found]]:
    """Return references by the flow that asks: the one that a flag names, else the one in which each stands."""
    sorted_out: defaultdict[str | None, list[Found]] = defaultdict(list)
    for one in found:
        sorted_out[flow or one.reference.flow].append(one)
    return sorted_out


def read_flows(files: list[Path]) -> tuple[list[Found], list[Found]]:
    """Return the references of all files, and the computed ones. Ends the process for a file that is no flow."""
    found: list[Found] = []
    computed: list[Found] = []
    with progress("reading flows", len(files)) as step:
        for file in files:
            try:
                for document in parse(file.read_bytes(), file.name):
                    held = references(document)
                    found += [Found(file, one) for one in held]
                    computed += [Found(file, one) for one in held.computed]
            except OSError as error:
                fail(f"{file}: {error.strerror}", Exit.USAGE)
            except Invalid as error:
                fail(f"{file}: {error.message}", Exit.USAGE)
            step(1)
    return found, computed


def tell_computed(computed: list[Found]) -> None:
    """Say on stderr which keys nobody can read, or judge, before a run."""
    for one in computed:
        tell(f"{one} is computed: only a run tells which key it is")
