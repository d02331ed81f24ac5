"""The tests that templates may use (`is odd`). What they are called and what they do is Jinja2's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from beemflow_secrets.rendering.template.registry import FILTERS, TESTS
from beemflow_secrets.rendering.template.values import Secrets, items_of

if TYPE_CHECKING:
    from collections.abc import Callable


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _contains(value: Any, container: object) -> bool:  # noqa: ANN401 - text, where it is looked for in text
    return value in (container if isinstance(container, str) else items_of(container))


_TESTS: dict[str, Callable[..., object]] = {
    "none": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "true": lambda value: value is True,
    "false": lambda value: value is False,
    "integer": _whole,
    "float": lambda value: isinstance(value, float),
    "number": lambda value: isinstance(value, int | float),
    "string": lambda value: isinstance(value, str),
    "mapping": lambda value: isinstance(value, Mapping | Secrets),
    "sequence": lambda value: isinstance(value, str | list | tuple | Mapping),
    "iterable": lambda value: isinstance(value, str | list | tuple | Mapping | Secrets),
    "odd": lambda value: value % 2 == 1,
    "even": lambda value: value % 2 == 0,
    "divisibleby": lambda value, number: value % number == 0,
    "lower": lambda value: value.islower(),
    "upper": lambda value: value.isupper(),
    "eq": lambda value, other: value == other,
    "ne": lambda value, other: value != other,
    "lt": lambda value, other: value < other,
    "le": lambda value, other: value <= other,
    "gt": lambda value, other: value > other,
    "ge": lambda value, other: value >= other,
    "in": _contains,
    "sameas": lambda value, other: value is other,
    "filter": lambda value: value in FILTERS,
    "test": lambda value: value in TESTS,
}
_SAME = {
    "equalto": "eq", "==": "eq", "!=": "ne", "lessthan": "lt", "<": "lt", "<=": "le",
    "greaterthan": "gt", ">": "gt", ">=": "ge",
}  # fmt: skip

TESTS.update(_TESTS)
TESTS.update({name: _TESTS[other] for name, other in _SAME.items()})
