"""What a spec says by other objects: the flows that tell what is read, and the templates that say how that looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.controllers.named import Named
from beemflow_secrets.controllers.secret.named import named_objects, with_flows

if TYPE_CHECKING:
    from collections.abc import Callable

    from beemflow_secrets.controllers.objects import Key, Observed
    from beemflow_secrets.controllers.printing import Printer
    from beemflow_secrets.kube.reader import Reader
    from beemflow_secrets.model.secret import SecretSpec
    from beemflow_secrets.rendering.compose import Composed
    from beemflow_secrets.rendering.shape import Documents


class Shaping:
    """Reads flows and renders templates. `tell` is called with each resource of which a named object has changed."""

    def __init__(self, client: Reader, tell: Callable[[Key], None], printer: Printer) -> None:
        self._named = Named(client, tell)
        self._printer = printer
        self.references = self._named.references
        self.rename = printer.rename

    def forget(self, key: Key) -> None:
        """Follow nothing for a resource any more."""
        self.references.drop(key)

    async def plan(self, seen: Observed, spec: SecretSpec) -> tuple[SecretSpec, Documents]:
        """Return the spec with all that its flows ask for, and what the named objects hold. Raises Failed."""
        documents = await self._named.read(seen.key, named_objects(spec))
        return await with_flows(spec, documents, self.rename), documents

    async def shape(self, spec: SecretSpec, documents: Documents, composed: Composed) -> Composed:
        """Return what the Secret holds, of what was read. Raises Failed with InvalidTemplate or InvalidSpec."""
        if composed.gone and spec.target.deletion_policy == "Delete":
            return composed  # the Secret goes: nothing is left that a template could say
        return await self._printer.shape(spec.target.template, documents, composed)
