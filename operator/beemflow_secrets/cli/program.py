"""How this program was called: `beemflow-secrets`, or as a plug-in of kubectl, which looks for `kubectl-beemflow`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer

PLUGIN = "kubectl-beemflow"


def program() -> str:
    """Return what a person types to call this program again: what usage and advice begin with."""
    return PLUGIN.replace("-", " ") if Path(sys.argv[0]).name == PLUGIN else "beemflow-secrets"


MISUSE: Any = typer.BadParameter.__base__
"""What typer raises for a wrong flag or a missing argument (click's UsageError, which typer has as its own by now)."""


def advice(misuse: Any) -> str:  # noqa: ANN401 - as above
    """Say in one line what is wrong with what was typed, and where it is written what can be."""
    said = " ".join(misuse.format_message().split()).rstrip(".")
    return f"{said}; {misuse.ctx.command_path if misuse.ctx is not None else program()} --help says what there is"
