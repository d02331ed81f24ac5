"""The ConfigMaps and Secrets that a BeemFlowSecret names: which they are, and the flows among them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from beemflow_secrets.controllers.failure import Failed, reason_of
from beemflow_secrets.providers.errors import SecretsError
from beemflow_secrets.rendering.flows.entries import asked_by, named_by
from beemflow_secrets.rendering.shape import named

if TYPE_CHECKING:
    from beemflow_secrets.controllers.objects import Observed
    from beemflow_secrets.controllers.printing import Rename
    from beemflow_secrets.model.secret import SecretSpec
    from beemflow_secrets.model.sources import DataFrom, NamedByFlow
    from beemflow_secrets.rendering.shape import Documents


def named_objects(spec: SecretSpec) -> set[tuple[str, str]]:
    """Return kinds and names of all objects that a spec names."""
    return named(spec.target.template) | _flows(spec)


def names_objects(seen: Observed) -> bool:
    """Whether a spec may name such objects, which may have changed while nobody looked.

    Without a model: this is asked for every resource of a listing.
    """
    return b'"templateFrom":[' in seen.spec or b'"flows":{' in seen.spec


async def with_flows(spec: SecretSpec, documents: Documents, rename: Rename) -> SecretSpec:
    """Return a spec with all that its flows ask for. Raises Failed with InvalidSpec or InvalidTemplate."""
    if not _flows(spec):
        return spec
    sources: list[DataFrom | NamedByFlow] = []
    try:
        for source in spec.data_from:
            sources += [source] if source.flows is None else await _named(source, documents, rename)
    except SecretsError as error:
        raise Failed(reason_of(error), error.message) from None
    return spec.with_sources(sources)


async def _named(source: DataFrom, documents: Documents, rename: Rename) -> list[NamedByFlow]:
    # In threads: a ConfigMap may hold thousands of steps.
    asked = await asyncio.to_thread(asked_by, source, documents)
    rewritten = await rename(source, asked)
    return await asyncio.to_thread(named_by, source, asked, rewritten)


def _flows(spec: SecretSpec) -> set[tuple[str, str]]:
    return {("ConfigMap", source.flows.config_map_ref.name) for source in spec.data_from if source.flows is not None}
