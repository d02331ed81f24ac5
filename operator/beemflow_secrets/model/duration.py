"""Durations as Go writes them: `1h30m`, `250ms`, `1.5s`, `0`. In Python they are seconds."""

from __future__ import annotations

import math
import re
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

from pydantic_core import core_schema

from beemflow_secrets.model.cel import Schema, quoted, with_rule
from beemflow_secrets.model.form import FileForm

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler

_NUMBER = r"([0-9]+(\.[0-9]*)?|\.[0-9]+)"
_UNIT = "(ns|us|µs|μs|ms|s|m|h)"  # two signs for micro, as in Go: U+00B5 and U+03BC
PATTERN = rf"^\+?(0|({_NUMBER}{_UNIT})+)$"
_PART = re.compile(_NUMBER + _UNIT)
_WHOLE = re.compile(PATTERN[1:-1])

_SECONDS = {
    unit: Decimal(seconds)
    for units, seconds in (("ns", "1e-9"), ("us µs μs", "1e-6"), ("ms", "1e-3"), ("s", 1), ("m", 60), ("h", 3600))
    for unit in units.split()
}

MAX_LENGTH = 32
LONGEST = "87600h"  # ten years: more is a typing error, and Go's own durations end at 292 years


def seconds(text: str) -> float:
    """Read a duration. Raises ValueError, which does not quote the text, for what is none or is negative."""
    if len(text) > MAX_LENGTH or _WHOLE.fullmatch(text) is None:
        raise ValueError("must be a duration such as 1h30m, 250ms or 0")
    # Decimals: ten parts of 0.1s are one second.
    return float(sum((Decimal(part[1]) * _SECONDS[part[3]] for part in _PART.finditer(text)), Decimal(0)))


@dataclass(frozen=True, slots=True)
class Between:
    """An annotation of a float field: users write a duration, or the number 0, within these bounds.

    Python code gives seconds as a float. A resource, which is JSON, cannot, nor can a file.
    """

    shortest: str = "0s"
    longest: str = LONGEST

    def __get_pydantic_core_schema__(
        self, _source: type[Any], _handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Read what is written."""
        return core_schema.with_info_plain_validator_function(self._read)

    def __get_pydantic_json_schema__(self, _core: core_schema.CoreSchema, _handler: GetJsonSchemaHandler) -> Schema:
        """Describe a string with a pattern, or an integer that is 0: a bare number has no unit."""
        schema = {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "pattern": PATTERN,
            "maxLength": MAX_LENGTH,
            "minimum": 0,
            "maximum": 0,
        }
        return with_rule(schema, self._cel, self._message)

    @property
    def _cel(self) -> str:
        bounds = f"duration(self) >= duration('{self.shortest}') && duration(self) <= duration('{self.longest}')"
        number = "self == 0" if seconds(self.shortest) == 0 else "false"
        return f"type(self) == string ? self.matches({quoted(PATTERN)}) && {bounds} : {number}"

    @property
    def _message(self) -> str:
        return f"must be a duration with its unit, such as 90s or 1h30m, from {self.shortest} to {self.longest}"

    def _read(self, value: object, info: core_schema.ValidationInfo) -> float:
        found = math.nan  # for what is no duration: it is within no bounds
        if isinstance(value, str):
            with suppress(ValueError):
                found = seconds(value)
        elif (type(value) is int and value == 0) or (
            isinstance(value, float) and info.mode == "python" and not isinstance(info.context, FileForm)
        ):
            found = float(value)
        if not seconds(self.shortest) <= found <= seconds(self.longest):
            raise ValueError(self._message)
        return found


Duration = Annotated[float, Between()]
"""Seconds in Python; a Go duration, or the number 0, where users write it."""
