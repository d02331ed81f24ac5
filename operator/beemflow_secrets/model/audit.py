"""Where records of accesses go: the block `audit` of a file, and the flags of the operator."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from beemflow_secrets.model.address import Address, is_plaintext
from beemflow_secrets.model.base import Model
from beemflow_secrets.model.cel import Matches, Rule
from beemflow_secrets.model.keys import CONTROL

MOST_SINKS = 8

NO_RESOURCE = ""  # where CEL stands in the rules of what a resource has


class AuditSink(Model):
    """One place that records are written to."""

    type: Literal["stdout", "file", "webhook"] = Field(description="stdout, file or webhook.")
    path: (
        Annotated[
            str, Field(min_length=1, max_length=4096), Matches(CONTROL, "must hold no control character", never=True)
        ]
        | None
    ) = Field(default=None, description="For file: the file that lines are appended to. It is made where it is not.")
    url: Address | None = Field(
        default=None, description="For webhook: where lines are posted to, by https:// (on localhost http:// too)."
    )

    rules: ClassVar[tuple[Rule[Any], ...]] = (
        Rule(NO_RESOURCE, lambda sink: sink.type != "file" or sink.path is not None, "type file needs path"),
        Rule(NO_RESOURCE, lambda sink: sink.type != "webhook" or sink.url is not None, "type webhook needs url"),
        Rule(
            NO_RESOURCE, lambda sink: sink.path is None or sink.type == "file", "path belongs to type file", ("path",)
        ),
        Rule(
            NO_RESOURCE,
            lambda sink: sink.url is None or sink.type == "webhook",
            "url belongs to type webhook",
            ("url",),
        ),
        Rule(
            NO_RESOURCE,
            lambda sink: sink.url is None or not is_plaintext(sink.url),
            "must be https://: records tell who reads what",
            ("url",),
        ),
    )


class Audit(Model):
    """Which accesses are written down: all of them, or none where there is no sink."""

    sinks: list[AuditSink] = Field(
        default=[],
        max_length=MOST_SINKS,
        description="Where each access is written to, as a line of JSON. Default: nowhere.",
    )
    required: bool = Field(
        default=False,
        description="Fail a read whose record cannot be written to every sink. Default false.",
    )

    rules: ClassVar[tuple[Rule[Any], ...]] = (
        Rule(
            NO_RESOURCE, lambda audit: bool(audit.sinks) or not audit.required, "required needs a sink", ("required",)
        ),
    )


def sink_of(text: str) -> AuditSink:
    """Return the sink that a flag names. Raises ValueError."""
    if text == "stdout":
        return AuditSink(type="stdout")
    if text.startswith("file:"):
        if not (path := text.removeprefix("file:")):
            raise ValueError("file: needs a path")
        return AuditSink(type="file", path=path)
    if text.startswith(("https://", "http://")):
        return AuditSink(type="webhook", url=text)
    raise ValueError("must be stdout, file:PATH, https://… or none")
