"""What reading needs of an API server, so that files can stand in for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from beemflow_secrets.kube.client import Object


class Reader(Protocol):
    """Gives objects by their paths, as `KubeClient` does. Both methods raise an ApiError."""

    async def get(self, path: str, *, metadata: bool = False) -> Object:
        """Return an object, or its metadata alone."""

    async def create(self, path: str, body: Object, *, dry_run: bool = False) -> Object:
        """POST: what makes a token of a ServiceAccount."""
