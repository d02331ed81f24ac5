"""Filters on lists and maps. What they are called and what they do is Jinja2's."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby as neighbours
from typing import TYPE_CHECKING, Any

from beemflow_secrets.rendering.template.faults import TemplateError
from beemflow_secrets.rendering.template.registry import apply, holds, offered
from beemflow_secrets.rendering.template.values import Secrets, items_of, look_up, missing, to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from beemflow_secrets.rendering.template.budget import Budget

_NO_DEFAULT = object()


@offered("length", "count")
def length(value: object) -> int:
    """Count characters or items."""
    return len(value) if isinstance(value, str) else len(items_of(value))


@offered("list")
def as_list(value: object, *, budget: Budget) -> list[object]:
    """Return the items: of text its characters, of a map its names."""
    budget.take(8 * len(value) if isinstance(value, str) else 0)
    return items_of(value)


@offered("first")
def first(value: object) -> object:
    """Return the first item."""
    return _one(items_of(value), 0)


@offered("last")
def last(value: object) -> object:
    """Return the last item."""
    return _one(items_of(value), -1)


@offered("join", slow=4)
def join(value: object, between: object = "", attribute: str | int | None = None, *, budget: Budget) -> str:
    """Put items together, with a text between them."""
    parts = [to_text(_part(item, attribute)) for item in items_of(value)]
    by = to_text(between)
    budget.take(sum(map(len, parts)) + len(by) * len(parts))
    return by.join(parts)


@offered("reverse")
def reverse(value: object) -> object:
    """Turn text or a list round."""
    return value[::-1] if isinstance(value, str) else items_of(value)[::-1]


@offered("sort", slow=16)
def sort(value: object, reverse: bool = False, case_sensitive: bool = False, attribute: str | None = None) -> object:  # noqa: FBT001, FBT002 - Jinja2's arguments
    """Sort items, or by what stands below a name of each."""
    return sorted(items_of(value), key=_by(attribute, case_sensitive=case_sensitive), reverse=reverse)


@offered("unique", slow=16)
def unique(value: object, case_sensitive: bool = False, attribute: str | None = None) -> object:  # noqa: FBT001, FBT002 - Jinja2's arguments
    """Leave out items that came before."""
    by = _by(attribute, case_sensitive=case_sensitive)
    found: dict[object, object] = {}
    for item in items_of(value):
        found.setdefault(by(item), item)
    return list(found.values())


@offered("min", slow=4)
def least(value: object, case_sensitive: bool = False, attribute: str | None = None) -> object:  # noqa: FBT001, FBT002 - Jinja2's arguments
    """Return the smallest item."""
    return min(items_of(value), key=_by(attribute, case_sensitive=case_sensitive))


@offered("max", slow=4)
def greatest(value: object, case_sensitive: bool = False, attribute: str | None = None) -> object:  # noqa: FBT001, FBT002 - Jinja2's arguments
    """Return the largest item."""
    return max(items_of(value), key=_by(attribute, case_sensitive=case_sensitive))


@offered("sum", slow=4)
def total(value: object, attribute: str | None = None, start: float = 0) -> float:
    """Add numbers up."""
    found: Any = sum((_number(_part(item, attribute)) for item in items_of(value)), start)
    return found  # type: ignore[no-any-return]  # of int and float


@offered("items")
def pairs(value: object) -> list[object]:
    """Return names and values of a map."""
    return [[name, item] for name, item in _map(value).items()]


@offered("dictsort", slow=16)
def dictsort(value: object, case_sensitive: bool = False, by: str = "key", reverse: bool = False) -> list[object]:  # noqa: FBT001, FBT002 - Jinja2's arguments
    """Return names and values of a map, sorted by names, or by values."""
    place = {"key": 0, "value": 1}[by]
    key = _by(None, case_sensitive=case_sensitive)
    return sorted(pairs(value), key=lambda pair: key(pair[place]), reverse=reverse)  # type: ignore[index]  # a pair


@offered("batch")
def batch(value: object, size: int, fill: object = None, *, budget: Budget) -> list[object]:
    """Cut a list into lists of so many, the last one filled up where there is something to fill it with."""
    items, size = items_of(value), max(size, 1)
    parts: list[object] = [items[at : at + size] for at in range(0, len(items), size)]
    if fill is not None and parts and isinstance(parts[-1], list):
        lacking = size - len(parts[-1])
        budget.take(8 * lacking)
        parts[-1] = parts[-1] + [fill] * lacking
    return parts


@offered("slice")
def columns(value: object, number: int, fill: object = None, *, budget: Budget) -> list[object]:
    """Cut a list into so many lists."""
    items, number = items_of(value), max(number, 1)
    budget.take(8 * number)
    each, longer = divmod(len(items), number)
    parts: list[object] = []
    at = 0
    for column in range(number):
        end = at + each + (column < longer)
        lacks = fill is not None and longer and column >= longer
        parts.append(items[at:end] + ([fill] if lacks else []))
        at = end
    return parts


@offered("groupby", slow=16)
def groupby(value: object, attribute: str | int, default: object = _NO_DEFAULT) -> list[object]:
    """Return [what stands below a name, the items that have it there], sorted."""
    by = _by(attribute, case_sensitive=True, default=default)
    groups = neighbours(sorted(items_of(value), key=by), key=by)
    return [[name, list(items)] for name, items in groups]


@offered("map", slow=4)
def each(value: object, name: str | None = None, *args: object, budget: Budget, **kwargs: object) -> list[object]:
    """Return what a filter makes of each item, or what stands below `attribute` of each."""
    if "attribute" in kwargs:
        return [_part(item, kwargs["attribute"], kwargs.get("default", _NO_DEFAULT)) for item in items_of(value)]
    return [apply(str(name), item, args, kwargs, budget) for item in items_of(value)]


@offered("select", slow=4)
def select(value: object, name: str | None = None, *args: object, budget: Budget) -> list[object]:
    """Return the items of which a test holds; without one, those that are not empty."""
    return [item for item in items_of(value) if _holds(name, item, args, budget)]


@offered("reject", slow=4)
def reject(value: object, name: str | None = None, *args: object, budget: Budget) -> list[object]:
    """Return the items of which a test does not hold."""
    return [item for item in items_of(value) if not _holds(name, item, args, budget)]


@offered("selectattr", slow=4)
def selectattr(value: object, attribute: str, name: str | None = None, *args: object, budget: Budget) -> list[object]:
    """Return the items below whose `attribute` a test holds."""
    return [item for item in items_of(value) if _holds_below(item, attribute, name, args, budget)]


@offered("rejectattr", slow=4)
def rejectattr(value: object, attribute: str, name: str | None = None, *args: object, budget: Budget) -> list[object]:
    """Return the items below whose `attribute` a test does not hold."""
    return [item for item in items_of(value) if not _holds_below(item, attribute, name, args, budget)]


def _holds(name: str | None, item: object, args: Sequence[object], budget: Budget) -> bool:
    return bool(item) if name is None else holds(name, item, args, budget)


def _holds_below(item: object, attribute: str, name: str | None, args: Sequence[object], budget: Budget) -> bool:
    found = _part(item, attribute, None)
    if name in {"defined", "undefined"}:
        return (found is not None) is (name == "defined")
    return found is not None and _holds(name, found, args, budget)


def _part(item: object, attribute: object, default: object = _NO_DEFAULT) -> object:
    """Return what stands below `a.b` of an item. Raises Missing."""
    if attribute is None:
        return item
    for step in str(attribute).split("."):
        if isinstance(item, Secrets):
            raise TemplateError("`secrets` is no item: write secrets.NAME")  # what is asked of it may be a value
        found = look_up(item, int(step) if step.isdecimal() else step)
        if found is None and default is _NO_DEFAULT:
            raise missing("the attribute of an item")  # its name may be a value
        if found is None:
            return default
        item = found
    return item


def _by(attribute: object, *, case_sensitive: bool, default: object = _NO_DEFAULT) -> Callable[[object], Any]:
    def key(item: object) -> Any:  # noqa: ANN401 - what Python compares
        found = _part(item, attribute, default)
        return found.lower() if isinstance(found, str) and not case_sensitive else found

    return key


def _one(items: list[object], place: int) -> object:
    if not items:
        raise missing("an item of an empty list")
    return items[place]


def _map(value: object) -> Mapping[object, object]:
    if not isinstance(value, Mapping):
        raise TemplateError("it is no map")
    return value


def _number(value: object) -> Any:  # noqa: ANN401 - int or float
    if not isinstance(value, int | float):
        raise TemplateError("an item is no number")
    return value
