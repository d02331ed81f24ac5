"""Fields that the API server did not keep, since the kinds in the cluster are older than this operator.

It answers with success, and names them in Warning headers (RFC 7234, 5.5; Kubernetes, "field validation").
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import structlog

from beemflow_secrets.kube.paths import GROUP_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable

log = structlog.get_logger(__name__)

# Warnings of any other text are admission webhooks', who may quote a value.
_UNKNOWN = re.compile(r'299 \S+ "unknown field \\"([^"\\]+)\\""')


class Pruned:
    """Tells each field once."""

    def __init__(self) -> None:
        self._told: set[tuple[str, str]] = set()

    def heed(self, path: str, warnings: Iterable[str]) -> None:
        """Hear the Warning headers of a write to `path`."""
        for warning in warnings:
            found = _UNKNOWN.match(warning)
            if found is None or not path.startswith(f"{GROUP_VERSION}/"):
                continue
            kind = path.removesuffix("/status").rsplit("/", 2)[1]
            if (kind, found[1]) not in self._told:
                self._told.add((kind, found[1]))
                log.warning(
                    "The kinds in the cluster are older than this operator",
                    kind=kind,
                    lost=found[1],
                    what_to_do="kubectl apply --server-side -f crds/",
                )
