"""The ConfigMaps and Secrets that a spec names: what they hold, and that they are followed."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from functools import partial
from typing import TYPE_CHECKING

from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.controllers.references import References, Versions
from beemflow_secrets.kube import paths
from beemflow_secrets.kube.errors import ApiError, NotFound
from beemflow_secrets.model.reasons import Reason
from beemflow_secrets.providers.errors import Invalid
from beemflow_secrets.rendering.flows.entries import named_by
from beemflow_secrets.rendering.shape import named
from beemflow_secrets.rendering.template.faults import TemplateError

if TYPE_CHECKING:
    from collections.abc import Callable

    from beemflow_secrets.controllers.objects import Key, Observed
    from beemflow_secrets.kube.client import KubeClient, Object
    from beemflow_secrets.model.secret import SecretSpec
    from beemflow_secrets.rendering.shape import Documents


class Named:
    """Reads them, and calls `tell` with each resource that names one which has changed since."""

    def __init__(self, client: KubeClient, tell: Callable[[Key], None]) -> None:
        self._client = client
        self.references = References(client, tell)

    async def read(self, seen: Observed, spec: SecretSpec) -> Documents:
        """Return what all of them hold. They are followed from then on, a missing one too. Raises Failed."""
        versions: Versions = {}
        held: dict[tuple[str, str], dict[str, bytes]] = {}
        try:
            for kind, name in sorted(named(spec.target.template) | _flows(spec)):
                held[(kind, name)] = await self._read(seen.key.namespace, kind, name, versions)
        finally:
            self.references.follow(seen.key, versions)
        return held

    async def _read(self, namespace: str, kind: str, name: str, versions: Versions) -> dict[str, bytes]:
        path = (paths.secrets if kind == "Secret" else paths.config_maps)(namespace, name)
        versions[path] = None
        try:
            found = await self._client.get(path)
        except NotFound:
            raise Failed(Reason.INVALID_SPEC, f"{kind} {name}, which the spec names, does not exist") from None
        except ApiError as error:
            told = f"{kind} {name}, which the spec names, cannot be read: {error.message}"
            raise Failed(Reason.WRITE_REFUSED, told, retry_after=error.retry_after) from error
        versions[path] = found["metadata"]["resourceVersion"]
        return _content(kind, found)


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


def _content(kind: str, found: Object) -> dict[str, bytes]:
    plain = {} if kind == "Secret" else found.get("data") or {}
    encoded = found.get("data" if kind == "Secret" else "binaryData") or {}
    return {
        **{key: text.encode() for key, text in plain.items()},
        **{key: b64decode(text) for key, text in encoded.items()},
    }
