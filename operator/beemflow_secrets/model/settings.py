"""What the operator's process is told: each field is a flag of `run` and an environment variable."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from beemflow_secrets.model.audit import Audit, AuditSink

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from beemflow_secrets.model.address import Origin
    from beemflow_secrets.model.notify import Notify


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The flags of `beemflow-secrets run`; cli/run.py says what each does."""

    http_address: str = "0.0.0.0:8080"
    leader_elect: bool = False
    concurrency: int = 128
    namespaces: tuple[str, ...] = ()
    namespace_roles: Mapping[str, frozenset[str]] = field(default_factory=dict)
    env_allowed_prefixes: tuple[str, ...] = ()
    file_allowed_roots: tuple[Path, ...] = ()
    allowed_endpoints: frozenset[Origin] = frozenset()
    store_ambient_credentials: bool = False
    cluster_store_ambient_credentials: bool = True
    notify: Notify | None = None
    audit: Audit = field(default_factory=lambda: Audit(sinks=[AuditSink(type="stdout")]))
