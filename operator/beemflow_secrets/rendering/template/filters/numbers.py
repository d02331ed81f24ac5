"""Filters on numbers. What they are called and what they do is Jinja2's."""

from __future__ import annotations

import math

from beemflow_secrets.rendering.template.registry import offered


@offered("int")
def integer(value: object, default: int = 0, base: int = 10) -> int:
    """Return a whole number, `default` for what is none."""
    try:
        if isinstance(value, str):
            return int(value, base)
        return int(value)  # type: ignore[call-overload, no-any-return]  # what is no number raises
    except (TypeError, ValueError, OverflowError):
        try:
            return int(float(value))  # type: ignore[arg-type]  # as above
        except (TypeError, ValueError, OverflowError):
            return default


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
