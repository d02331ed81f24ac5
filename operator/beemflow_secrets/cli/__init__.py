"""The command line: `beemflow-secrets`, `python -m beemflow_secrets`, `kubectl beemflow`."""

from __future__ import annotations

import gc
import logging
import os
import sys
from typing import Any

from beemflow_secrets.lean import without


def main() -> None:
    """Run the command line. Without its extra, say which one is missing."""
    try:
        sys.exit(_run())
    except ModuleNotFoundError as error:
        sys.stderr.write(f"{error.name} is not installed: pip install 'beemflow-secrets[cli]'\n")
        sys.exit(1)
    except BrokenPipeError:
        # Who read us has seen enough. What is still buffered has nowhere to go, and must not raise again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _run() -> Any:  # noqa: ANN401 - what a verb returns, and ends the process with
    gc.disable()  # what is imported stays: to look through it again and again takes a tenth of the start
    with without("rich"):  # 4 MiB, to print tracebacks as we never do
        import structlog  # noqa: F401, PLC0415 - before all that brings it
    from beemflow_secrets.cli.app import app  # noqa: PLC0415 - the extra may be missing
    from beemflow_secrets.cli.program import MISUSE, advice, program  # noqa: PLC0415 - beside it

    gc.enable()
    # A verb that fails says so in one line of its own; `run` sets up logs that are to be read.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        return app(prog_name=program(), standalone_mode=False)
    except MISUSE as misuse:
        sys.stderr.write(f"{advice(misuse)}\n")
        return 2
