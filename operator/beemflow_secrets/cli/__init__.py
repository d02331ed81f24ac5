"""The command line: `beemflow-secrets`, `python -m beemflow_secrets`, `kubectl beemflow`."""

from __future__ import annotations

import gc
import io
import logging
import os
import sys
from typing import Any

from beemflow_secrets.lean import without
from beemflow_secrets.model.escape import escaped
from beemflow_secrets.providers.errors import Invalid, MissingExtra, SecretsError


def main() -> None:
    """Run the command line. Without its extra, say which one is missing.

    An output that cannot be written, and what no verb saw coming of what is outside of us, is one line with the error's
    class; a defect of our own shows itself.
    """
    _prepare_streams()
    try:
        code = _run()
        sys.stdout.flush()
        sys.exit(code)
    except ModuleNotFoundError as error:
        sys.stderr.write(f"{error.name} is not installed: pip install 'beemflow-secrets[cli]'\n")
        sys.exit(1)
    except BrokenPipeError:
        _drop_output()  # who read us has seen enough
        sys.exit(1)
    except (OSError, UnicodeError, SecretsError) as error:
        _drop_output()
        sys.stderr.write(f"{_told(error)} ({type(error).__name__})\n")
        sys.exit(2 if isinstance(error, Invalid) and not isinstance(error, MissingExtra) else 1)


def _prepare_streams() -> None:
    """Make output UTF-8, as values are, whatever the terminal's language. What is closed stays so, as an error."""
    if sys.stdin is None:
        sys.stdin = open(os.open(os.devnull, os.O_RDONLY), closefd=False)  # noqa: SIM115 - lasts as we do
    if sys.stdout is None:  # written to, what is open for reading raises, as what is closed does
        sys.stdout = open(os.open(os.devnull, os.O_RDONLY), "w", closefd=False)  # noqa: SIM115 - as above
    if sys.stderr is None:
        sys.stderr = open(os.open(os.devnull, os.O_WRONLY), "w", closefd=False)  # noqa: SIM115 - as above
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")


def _drop_output() -> None:
    """Let what is still buffered go nowhere: it must not raise again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _told(error: OSError | UnicodeError | SecretsError) -> str:
    """Return one line. What Python says of a UnicodeError quotes the text, which may be a value."""
    match error:
        case OSError():
            return f"{error.filename or 'input or output'}: {error.strerror or 'it failed'}"
        case UnicodeError():
            return "a text cannot be read or written: it is not UTF-8"
    return escaped(str(error))


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
