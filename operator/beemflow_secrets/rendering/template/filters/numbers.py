"""Filters on numbers. What they are called and what they do is Jinja2's."""

from __future__ import annotations

import math

from beemflow_secrets.rendering.template.faults import TemplateError
from beemflow_secrets.rendering.template.registry import offered
from beemflow_secrets.rendering.template.values import LARGEST_WRITTEN


@offered("int")
def integer(value: object, default: int = 0, base: int = 10) -> int:
    """Return a whole number, `default` for what is none. Raises TemplateError for one that nobody can write."""
    try:
        found = int(value, base) if isinstance(value, str) else int(value)  # type: ignore[call-overload]  # as below
    except (TypeError, ValueError, OverflowError):
        try:
            return int(float(value))  # type: ignore[arg-type]  # what is no number raises
        except (TypeError, ValueError, OverflowError):
            return default
    if found.bit_length() > LARGEST_WRITTEN:
        raise TemplateError("a number is too large")
    return found


@offered("float")
def fraction(value: object, default: float = 0.0) -> float:
    """Return a number, `default` for what is none."""
    try:
        return float(value)  # type: ignore[arg-type]  # what is no number raises
    except (TypeError, ValueError, OverflowError):
        return default


@offered("abs")
def absolute(value: float) -> float:
    """Return a number without its sign."""
    return abs(value)


@offered("round")
def rounded(value: float, precision: int = 0, method: str = "common") -> float:
    """Round to so many digits behind the point: common, ceil or floor."""
    if method == "common":
        return round(float(value), precision)
    toward = {"ceil": math.ceil, "floor": math.floor}[method]
    scale = 10.0**precision
    return toward(value * scale) / scale
