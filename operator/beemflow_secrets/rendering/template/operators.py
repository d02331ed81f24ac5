"""What `+`, `*`, `in` and their like do: as in Jinja2, with bounds."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from beemflow_secrets.providers.errors import SecretsError
from beemflow_secrets.rendering.template.budget import LARGEST_INTEGER, Budget
from beemflow_secrets.rendering.template.faults import TemplateError
from beemflow_secrets.rendering.template.filters.text import percent
from beemflow_secrets.rendering.template.values import Secrets, items_of

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_RANGE = 100_000
"""Numbers, as in Jinja2's sandbox."""


def compute(name: str, left: Any, right: Any, budget: Budget) -> object:  # noqa: ANN401 - what Python computes with
    """Return what an operator (by the name of its node) makes of two values. Raises TemplateError."""
    budget.pay([left, right])
    try:
        return _small(_BINARY[name](left, right, budget))
    except SecretsError:
        raise
    except (TypeError, ValueError, ArithmeticError, LookupError):
        # The texts of these errors can hold values. A lookup is that of a placeholder's name.
        raise TemplateError(f"{_SIGNS[name]} cannot be done with these values") from None


def compare(name: str, left: Any, right: Any, budget: Budget) -> bool:  # noqa: ANN401 - what Python compares
    """Return what a comparison (by its name in Jinja2) says. Raises TemplateError."""
    if not isinstance(right, Secrets):
        budget.pay([left, right])
    try:
        return bool(_COMPARISONS[name](left, right))
    except SecretsError:
        raise
    except TypeError:
        raise TemplateError("values of these kinds cannot be compared") from None


def numbers(budget: Budget, *bounds: object) -> list[int]:
    """Return what `range` does: at most a hundred thousand numbers. Raises TemplateError."""
    if not 1 <= len(bounds) <= 3 or not all(isinstance(bound, int) for bound in bounds):  # noqa: PLR2004 - start, end, step
        raise TemplateError("range takes one to three whole numbers")
    try:
        found = range(*bounds)  # type: ignore[call-overload]  # as was just seen
        if len(found) > LONGEST_RANGE:
            raise TemplateError(f"range gives {LONGEST_RANGE} numbers at most")
    except (ValueError, OverflowError):
        raise TemplateError("range cannot be done with these numbers") from None
    budget.take(8 * len(found))
    return list(found)


def _add(left: Any, right: Any, _budget: Budget) -> object:  # noqa: ANN401 - as above
    return left + right


def _times(left: Any, right: Any, budget: Budget) -> object:  # noqa: ANN401 - as above
    if isinstance(left, int) and not isinstance(right, int | float):
        left, right = right, left
    if isinstance(right, int) and not isinstance(left, int | float):
        budget.pay(left, max(right, 0))
    return left * right


def _modulo(left: Any, right: Any, budget: Budget) -> object:  # noqa: ANN401 - as above
    if not isinstance(left, str):
        return left % right
    return percent(left, tuple(right) if isinstance(right, list) else right, budget)


def _power(left: Any, right: Any, _budget: Budget) -> object:  # noqa: ANN401 - as above
    whole = isinstance(left, int) and isinstance(right, int)
    if whole and right > 0 and left.bit_length() * right > 2 * LARGEST_INTEGER:
        raise TemplateError("a number is too large")
    return left**right


def _small(value: object) -> object:
    if isinstance(value, int) and value.bit_length() > LARGEST_INTEGER:
        raise TemplateError("a number is too large")
    if isinstance(value, complex):
        raise TemplateError("the root of a number below 0 is none")
    return value


def _contains(item: Any, container: object) -> bool:  # noqa: ANN401 - as above
    if isinstance(container, Secrets):
        return isinstance(item, str) and container.get(item) is not None
    return item in (container if isinstance(container, str) else items_of(container))


_BINARY: dict[str, Callable[[Any, Any, Budget], object]] = {
    "Add": _add,
    "Sub": lambda left, right, _: left - right,
    "Mul": _times,
    "Div": lambda left, right, _: left / right,
    "FloorDiv": lambda left, right, _: left // right,
    "Mod": _modulo,
    "Pow": _power,
}
_SIGNS = {"Add": "+", "Sub": "-", "Mul": "*", "Div": "/", "FloorDiv": "//", "Mod": "%", "Pow": "**"}
_COMPARISONS: dict[str, Callable[[Any, Any], object]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "lteq": operator.le,
    "gt": operator.gt,
    "gteq": operator.ge,
    "in": _contains,
    "notin": lambda item, container: not _contains(item, container),
}
