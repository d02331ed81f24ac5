"""What a spec says by other objects: the flows that tell what is read, and the templates that say how that looks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.controllers.secret.named import Named, with_flows
from beemflow_secrets.model.reasons import Reason
from beemflow_secrets.rendering.shape import NoSuchKey, names, parts, shaped
from beemflow_secrets.rendering.template.aside import Aside
from beemflow_secrets.rendering.template.faults import TemplateError
from beemflow_secrets.rendering.template.job import Job

if TYPE_CHECKING:
    from collections.abc import Callable

    from beemflow_secrets.controllers.objects import Key, Observed
    from beemflow_secrets.kube.client import KubeClient
    from beemflow_secrets.model.secret import SecretSpec
    from beemflow_secrets.rendering.compose import Composed
    from beemflow_secrets.rendering.shape import Documents

LARGE = 64 * 1024
"""Bytes of printed maps that are read in a thread."""


class Shaping:
    """Reads flows and renders templates. `tell` is called with each resource of which a named object has changed.

    What costs much to render is done in processes that all resources share.
    """

    def __init__(self, client: KubeClient, tell: Callable[[Key], None]) -> None:
        self._named = Named(client, tell)
        self._aside = Aside()
        self.references = self._named.references

    def forget(self, key: Key) -> None:
        """Follow nothing for a resource any more."""
        self.references.drop(key)

    async def plan(self, seen: Observed, spec: SecretSpec) -> tuple[SecretSpec, Documents]:
        """Return the spec with all that its flows ask for, and what the named objects hold. Raises Failed."""
        documents = await self._named.read(seen, spec)
        return await with_flows(spec, documents), documents

    async def shape(self, spec: SecretSpec, documents: Documents, composed: Composed) -> Composed:
        """Return what the Secret holds, of what was read. Raises Failed with InvalidTemplate or InvalidSpec."""
        template = spec.target.template
        plain = not (template.data or template.template_from or template.metadata.labels)
        if plain and not template.metadata.annotations:
            return composed
        if composed.gone and spec.target.deletion_policy == "Delete":
            return composed  # the Secret goes: nothing is left that a template could say
        try:
            wanted = parts(template, documents)
            texts = [(part.place, part.text) for part in wanted]
            printed = await self._aside.render(Job(texts, names(composed), {}))
            made = list(zip(wanted, printed, strict=True))
            if sum(len(raw) for part, raw in made if part.name is None) < LARGE:
                return shaped(template, composed, made)
            return await asyncio.to_thread(shaped, template, composed, made)
        except NoSuchKey as error:
            raise Failed(Reason.INVALID_SPEC, str(error)) from None
        except TemplateError as error:
            raise Failed(Reason.INVALID_TEMPLATE, error.message) from None
