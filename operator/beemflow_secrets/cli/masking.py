"""A rendered Secret without what may be a value: in its data, and in what templates print elsewhere. Pure."""

from __future__ import annotations

from itertools import chain, count
from typing import TYPE_CHECKING

from beemflow_secrets.cli.secrets import MASKED
from beemflow_secrets.controllers.target.target import OURS_IN_ANNOTATIONS, OURS_IN_LABELS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from beemflow_secrets.controllers.preview.plan import Plan
    from beemflow_secrets.kube.client import Object
    from beemflow_secrets.model.template import TemplateFrom


def masked(secret: Object, plan: Plan) -> Object:
    """Return the Secret that `plan` comes to as anybody may see it.

    A name stays if the files or the store give it: what a template prints as keys and values may have a value as key.
    A label or annotation stays if it is written in the resource just so.
    """
    template = plan.spec.target.template
    keys = {*(entry.secret_key for entry in plan.composed.entries), *template.data, *_items(plan, "Data")}
    found = {**secret, "data": _masked(secret["data"], keys, {})}
    metadata = dict(secret["metadata"])
    for field, target, written, ours in (
        ("labels", "Labels", template.metadata.labels, OURS_IN_LABELS),
        ("annotations", "Annotations", template.metadata.annotations, OURS_IN_ANNOTATIONS),
    ):
        if field in metadata:
            told = {**written, **{name: text for name, text in metadata[field].items() if name in ours}}
            metadata[field] = _masked(metadata[field], {*told, *_items(plan, target)}, told)
    return {**found, "metadata": metadata}


def _items(plan: Plan, target: str) -> Iterator[str]:
    """Yield the names that templates elsewhere have there."""
    for origin in plan.spec.target.template.template_from:
        if origin.target == target:
            yield from _names(origin)


def _names(origin: TemplateFrom) -> Iterator[str]:
    for source in (origin.config_map, origin.secret):
        for item in source.items if source is not None else ():
            if item.template_as == "Values":
                yield item.key


def _masked(made: Mapping[str, str], names: Collection[str], told: Mapping[str, str]) -> dict[str, str]:
    """Return what was made with no names but these, and no text but what is told of it."""
    spare = chain([MASKED], (f"{MASKED}{number}" for number in count(2)))
    return {
        name if name in names else next(spare): text if told.get(name) == text else MASKED
        for name, text in made.items()
    }
