"""How verbs speak: results on stdout, one line on stderr for what went wrong, and exit codes that scripts can trust."""

from __future__ import annotations

import json
import sys
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from beemflow_secrets.model.escape import escaped
from beemflow_secrets.providers import yamlwriting

if TYPE_CHECKING:
    from collections.abc import Sequence


class Exit(IntEnum):
    """What the process ends with."""

    OK = 0
    FAILED = 1
    """The backend or the cluster did not do it, or an extra is missing."""
    USAGE = 2
    """A wrong flag, a file that cannot be read, a wrong configuration."""
    MISSING = 3
    """A secret is missing or denied."""


class Output(StrEnum):
    """How a result is printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


OutputFlag = Annotated[Output, typer.Option("--output", "-o", help="How it is printed.")]


def tell(message: str) -> None:
    """Say one line on stderr."""
    sys.stderr.write(f"{escaped(message)}\n")


def fail(message: str, code: Exit = Exit.FAILED) -> NoReturn:
    """End with one line on stderr."""
    tell(message)
    raise typer.Exit(code)


def show(output: Output, data: Any, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:  # noqa: ANN401 - any JSON
    """Print `data` as JSON or YAML, or `rows` as a table."""
    if output is Output.JSON:
        # What no UTF-8 can hold, half a letter in a name, is written as JSON's own escape, which Python's is too.
        text = json.dumps(data, indent=2, ensure_ascii=False).encode(errors="backslashreplace").decode()
        sys.stdout.write(f"{text}\n")
    elif output is Output.YAML:
        sys.stdout.write(yamlwriting.dumps(data))
    else:
        print_table(header, rows)


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows below a header, as kubectl does; on a narrow terminal long cells go on below."""
    from rich.console import Console  # noqa: PLC0415 - 4 MiB, and the operator prints no table
    from rich.table import Table  # noqa: PLC0415 - as above

    console = Console(highlight=False, markup=False, emoji=False)
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="")
    for name in header:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*map(escaped, row))
    if not sys.stdout.isatty():  # a program that reads the table must find whole values
        console.width = console.measure(table, options=console.options.update(max_width=sys.maxsize)).maximum
    with console.capture() as capture:
        console.print(table)
    # rich fills every line to its width.
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()))
