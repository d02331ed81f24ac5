"""Structured logs: one JSON object (or one line of text) an event, on stderr.

Kopf and every library log through the standard library; their lines take the same form. No traceback is ever printed
with its exception's text or its variables: both can hold values. `where` gives what a bug report needs.
"""

from __future__ import annotations

import logging
import sys
import traceback
from typing import TYPE_CHECKING, Any

import orjson
import structlog

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

FRAMES = 8
"""How many of the innermost calls a report names."""


def configure(*, level: str, form: str) -> None:
    """Set up logging for the process. `level` is debug, info, warning or error; `form` is json or text."""
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, _renderer(form)],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _no_traceback, _renderer(form)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # The libraries' own info is about their insides: Kopf tells each event of each object.
    root.setLevel(max(number, logging.WARNING))


def where(error: BaseException) -> list[str]:
    """Return the innermost calls of a traceback as `file:line function`, without texts or variables."""
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    return [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]


def _renderer(form: str) -> Processor:
    if form == "text":
        return structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    return structlog.processors.JSONRenderer(serializer=_dumps)


def _dumps(event: EventDict, **_options: Any) -> str:  # noqa: ANN401 - structlog hands json.dumps's options on
    return orjson.dumps(event, default=str).decode()


def _no_traceback(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    if exception := event.pop("exc_info", None):
        error = exception[1] if isinstance(exception, tuple) else sys.exc_info()[1]
        if error is not None:
            event.update(error=type(error).__name__, at=where(error))
    return event
