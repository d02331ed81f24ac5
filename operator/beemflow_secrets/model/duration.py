"""Durations as Go writes them: `1h30m`, `250ms`, `1.5s`, `0`. In Python they are seconds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

from pydantic_core import core_schema

from beemflow_secrets.model.cel import Schema, quoted, with_rule

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
    """Read a duration. Raises ValueError, without the text, for what is none, is negative or is absurd."""
    if text.startswith("-"):
        raise ValueError("must not be negative")
    if len(text) > MAX_LENGTH or _WHOLE.fullmatch(text) is None:
        raise ValueError("must be a duration such as 1h30m, 250ms, 1.5s or 0")
    return float(sum((Decimal(part[1]) * _SECONDS[part[3]] for part in _PART.finditer(text)), Decimal(0)))


@dataclass(frozen=True, slots=True)
class Between:
    """An annotation of a float field: users write a duration or the number 0, and its bounds hold."""

    shortest: str = "0s"
    longest: str = LONGEST

    def __get_pydantic_core_schema__(
        self, _source: type[Any], _handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Read whatever is written."""
        return core_schema.no_info_plain_validator_function(self._read)

    def __get_pydantic_json_schema__(self, _core: core_schema.CoreSchema, _handler: GetJsonSchemaHandler) -> Schema:
        """Describe a string with a pattern, or an integer that is 0: a bare number has no unit."""
        written, zero = self._bounds("duration(self)"), self._bounds("duration('0s')")
        expression = f"type(self) == string ? !self.matches({quoted(PATTERN)}) || {written} : {zero}"
        schema = {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "pattern": PATTERN,
            "maxLength": MAX_LENGTH,
            "minimum": 0,
            "maximum": 0,
        }
        return with_rule(schema, expression, self._message)

    def _bounds(self, value: str) -> str:
        return f"({value} >= duration('{self.shortest}') && {value} <= duration('{self.longest}'))"

    @property
    def _message(self) -> str:
        return f"must be a duration from {self.shortest} to {self.longest}"

    def _read(self, value: object) -> float:
        if isinstance(value, str):
            found = seconds(value)
        elif type(value) is int and value == 0:
            found = 0.0
        else:
            raise ValueError("must be a duration with its unit, such as 30s, or 0")
        if not seconds(self.shortest) <= found <= seconds(self.longest):
            raise ValueError(self._message)
        return found


Duration = Annotated[float, Between()]
"""Seconds in Python; a Go duration, or the number 0, where users write it."""
