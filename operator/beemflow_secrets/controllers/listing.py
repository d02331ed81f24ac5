"""Listings of our kinds in some namespaces, of which one where a right lacks must not hold up the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from beemflow_secrets.kube import paths
from beemflow_secrets.kube.errors import Forbidden

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from beemflow_secrets.kube.client import KubeClient, Object
    from beemflow_secrets.model.names import Kind

log = structlog.get_logger(__name__)


async def listed(
    client: KubeClient,
    kind: Kind,
    namespaces: Sequence[str],
    *,
    metadata: bool = False,
    refused: set[str] | None = None,
) -> AsyncIterator[Object]:
    """Yield all objects of a kind in `namespaces`, "" for all. Raises ApiError.

    A namespace in which they may not be listed is told of in the log, put into `refused`, and passed over. Where all
    may not be listed there is nothing to go on with: that is raised.
    """
    for namespace in namespaces:
        try:
            async for page in client.pages(paths.resources(kind.plural, namespace), metadata=metadata):
                for item in page["items"] or []:
                    yield item
        except Forbidden as error:
            if not namespace:
                raise
            log.warning("A right is missing", namespace=namespace, error=error.message)
            if refused is not None:
                refused.add(namespace)
