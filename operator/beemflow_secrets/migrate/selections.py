"""Which namespaces are meant: ESO has lists of selectors, of which one must hold; here there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beemflow_secrets.migrate.fields import compact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from beemflow_secrets.migrate.fields import Fields

NAME_LABEL = "kubernetes.io/metadata.name"
"""The label that the API server gives every namespace: its name."""

_ONE_SELECTOR = (
    "does not go over: one selector is taken here, and the first one is; the namespaces that this one alone selects "
    "are not meant any more"
)


def selected(conditions: Sequence[Fields]) -> dict[str, object]:
    """Return the namespaces that a cluster store serves."""
    names: list[object] = []
    regexes: list[str] = []
    selectors: list[tuple[Fields, str]] = []
    for condition in conditions:
        names += condition.items("namespaces")
        regexes += [f".*(?:{regex}).*" for regex in condition.items("namespaceRegexes")]  # ESO searches in the name
        selectors += [(condition, "namespaceSelector")] if "namespaceSelector" in condition else []
    return together(names, regexes, selectors)


def together(
    names: Sequence[object], regexes: Sequence[str], selectors: Sequence[tuple[Fields, str]]
) -> dict[str, object]:
    """Return names, expressions and selectors, each a field that holds one, as one selection."""
    named = list(names)
    kept: list[tuple[Fields, str, Any]] = []
    for holder, field in selectors:
        selector = holder.take(field)
        own = _names_in(selector)
        if own is None:
            kept.append((holder, field, selector))
        else:
            named += own
    chosen: dict[str, Any] | None = None
    for holder, field, selector in kept:
        both = selector if chosen is None else _either(chosen, selector)
        if both is None:
            holder.lose(field, _ONE_SELECTOR)
        else:
            chosen = both
    found = compact(names=list(dict.fromkeys(named)), regexes=list(regexes))
    return found if chosen is None else {**found, "selector": chosen}


def _names_in(selector: Any) -> list[object] | None:  # noqa: ANN401 - as it is written
    """Return the names that a selector asks for, if it asks for nothing else."""
    match selector:
        case {"matchLabels": {"kubernetes.io/metadata.name": name, **other_labels}, **others} if not (
            other_labels or others
        ):
            return [name]
        case {
            "matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": values}],
            **others,
        } if not others:
            return list(values)
    return None


def _either(first: Any, second: Any) -> dict[str, Any] | None:  # noqa: ANN401 - as it is written
    """Return one selector for what either of two selects, if both ask for one value of one label."""
    one, other = _values(first), _values(second)
    if one is None or other is None or one[0] != other[0]:
        return None
    values = list(dict.fromkeys([*one[1], *other[1]]))
    return {"matchExpressions": [{"key": one[0], "operator": "In", "values": values}]}


def _values(selector: Any) -> tuple[str, list[object]] | None:  # noqa: ANN401 - as it is written
    match selector:
        case {"matchLabels": {**labels}, **others} if len(labels) == 1 and not others:
            [(key, value)] = labels.items()
            return str(key), [value]
        case {"matchExpressions": [{"key": str(key), "operator": "In", "values": values}], **others} if not others:
            return key, list(values)
    return None
