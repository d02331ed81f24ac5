"""The ConfigMaps and Secrets that a BeemFlowSecret names: which they are, and the flows among them."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.model.reasons import Reason
from beemflow_secrets.providers.errors import Invalid
from beemflow_secrets.rendering.flows.entries import named_by
from beemflow_secrets.rendering.shape import named
from beemflow_secrets.rendering.template.faults import TemplateError

if TYPE_CHECKING:
    from beemflow_secrets.controllers.objects import Observed
    from beemflow_secrets.model.secret import SecretSpec
    from beemflow_secrets.rendering.shape import Documents


def named_objects(spec: SecretSpec) -> set[tuple[str, str]]:
    """Return kinds and names of all objects that a spec names."""
    return named(spec.target.template) | _flows(spec)


def names_objects(seen: Observed) -> bool:
    """Whether a spec may name such objects, which may have changed while nobody looked.

    Without a model: this is asked for every resource of a listing.
    """
    return b'"templateFrom":[' in seen.spec or b'"flows":{' in seen.spec


async def with_flows(spec: SecretSpec, documents: Documents) -> SecretSpec:
    """Return a spec with all that its flows ask for. Raises Failed with InvalidSpec or InvalidTemplate."""
    if not _flows(spec):
        return spec
    try:
        # In a thread: a ConfigMap may hold thousands of steps.
        return await asyncio.to_thread(spec.with_flows, partial(named_by, documents=documents))
    except TemplateError as error:
        raise Failed(Reason.INVALID_TEMPLATE, error.message) from None
    except Invalid as error:
        raise Failed(Reason.INVALID_SPEC, error.message) from None


def _flows(spec: SecretSpec) -> set[tuple[str, str]]:
    return {("ConfigMap", source.flows.config_map_ref.name) for source in spec.data_from if source.flows is not None}
