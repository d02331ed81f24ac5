"""The filters and tests that there are, by name, and the one way in which they are called."""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Any, TypeVar

from beemflow_secrets.providers.errors import SecretsError
from beemflow_secrets.rendering.template.faults import TemplateError, Unread
from beemflow_secrets.rendering.template.values import Secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from beemflow_secrets.rendering.template.budget import Budget

    Function = Callable[..., Any]
    F = TypeVar("F", bound=Function)

FILTERS: dict[str, Function] = {}
TESTS: dict[str, Function] = {}

_SLOW: dict[str, int] = {}
_WANT_BUDGET: set[Function] = set()


def offered(*names: str, slow: int = 1) -> Callable[[F], F]:
    """Offer a function as a filter. `slow`: how much longer than a copy it takes. One may ask for the `budget`."""

    def add(function: F) -> F:
        for name in names:
            FILTERS[name] = function
            _SLOW[name] = slow
        if "budget" in signature(function).parameters:
            _WANT_BUDGET.add(function)
        return function

    return add


def apply(name: str, value: object, args: Sequence[object], kwargs: Mapping[str, object], budget: Budget) -> object:
    """Return what a filter makes of a value, and pay for it. Raises TemplateError, whose message shows no value."""
    function = FILTERS.get(name)
    if function is None:
        raise TemplateError("there is no filter of that name")  # it was computed, and may be a value
    if isinstance(value, Secrets):
        value = value.all()
    budget.pay([value, *args, *kwargs.values()], _SLOW[name])
    more = {"budget": budget} if function in _WANT_BUDGET else {}
    try:
        made = function(value, *args, **kwargs, **more)
    except (SecretsError, Unread, RecursionError):
        raise
    except Exception:  # noqa: BLE001 - whatever it is, its text could hold a value
        raise TemplateError(f"the filter {name} cannot take this") from None
    budget.pay(made)
    return made


def holds(name: str, value: object, args: Sequence[object], budget: Budget) -> bool:
    """Return what a test says of a value. Raises TemplateError."""
    function = TESTS.get(name)
    if function is None:
        raise TemplateError("there is no test of that name")  # as above
    budget.pay([value, *args])
    try:
        return bool(function(value, *args))
    except SecretsError:
        raise
    except Exception:  # noqa: BLE001 - as above
        raise TemplateError(f"the test {name} cannot take this") from None
