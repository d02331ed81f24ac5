"""The process's metrics, prefix `beemflow_secrets_`. No label holds a key; series go with their resource."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

PREFIX = "beemflow_secrets"

registry = CollectorRegistry()

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

requests_total = Counter(
    "requests_total",
    "Keys asked of a backend, by what came of it",
    ("provider", "operation", "outcome"),
    namespace=PREFIX,
    registry=registry,
)
request_duration_seconds = Histogram(
    "request_duration_seconds",
    "Time of one call to a backend",
    ("provider", "operation"),
    namespace=PREFIX,
    registry=registry,
    buckets=_SECONDS,
)
errors_total = Counter(
    "errors_total", "Failed requests, by kind of error", ("provider", "kind"), namespace=PREFIX, registry=registry
)
active_connections = Gauge(
    "active_connections", "Calls to a backend in flight", ("provider",), namespace=PREFIX, registry=registry
)
secrets = Gauge(
    "secrets", "BeemFlowSecrets by namespace and readiness", ("namespace", "ready"), namespace=PREFIX, registry=registry
)
store_ready = Gauge(
    "store_ready",
    "Whether a store serves (1) or not (0); cluster stores have no namespace",
    ("kind", "namespace", "name"),
    namespace=PREFIX,
    registry=registry,
)
leader = Gauge(
    "leader",
    "Whether this replica works (1) or stands by (0); one without --leader-elect works",
    namespace=PREFIX,
    registry=registry,
)
sync_duration_seconds = Histogram(
    "sync_duration_seconds",
    "Time of one sync of a BeemFlowSecret, from the queue to its status",
    namespace=PREFIX,
    registry=registry,
    buckets=_SECONDS,
)
queue_depth = Gauge(
    "queue_depth", "Resources that wait for a worker", ("priority",), namespace=PREFIX, registry=registry
)
oldest_due_seconds = Gauge(
    "oldest_due_seconds", "How long the longest waiting resource has been due", namespace=PREFIX, registry=registry
)
oldest_sync_seconds = Gauge(
    "oldest_sync_seconds",
    "How long ago the values of a namespace were read last, of the BeemFlowSecret whose read is the longest ago; "
    "those that are read once only do not count",
    ("namespace",),
    namespace=PREFIX,
    registry=registry,
)
expiry_timestamp_seconds = Gauge(
    "expiry_timestamp_seconds",
    "When the first value of a BeemFlowSecret expires, in seconds since the epoch",
    ("namespace", "name"),
    namespace=PREFIX,
    registry=registry,
)
stale = Gauge(
    "stale",
    "Whether a BeemFlowSecret with spec.staleness holds what an earlier read gave, since the last one failed",
    ("namespace", "name"),
    namespace=PREFIX,
    registry=registry,
)
cache_requests_total = Counter(
    "cache_requests_total",
    "Keys asked of a cache: it had them (hit), the backend was asked (miss), the last value stood in for it (stale)",
    ("result",),
    namespace=PREFIX,
    registry=registry,
)
for _result in ("hit", "miss", "stale"):
    cache_requests_total.labels(_result)
cache_hit_ratio = Gauge(
    "cache_hit_ratio", "The share of hits among all keys asked of caches", namespace=PREFIX, registry=registry
)


def _hit_ratio() -> float:
    samples = [sample for family in cache_requests_total.collect() for sample in family.samples]
    asked = {sample.labels["result"]: sample.value for sample in samples if sample.name.endswith("_total")}
    return asked["hit"] / (sum(asked.values()) or 1)


cache_hit_ratio.set_function(_hit_ratio)

audit_failures_total = Counter(
    "audit_failures_total",
    "Records of accesses that a sink did not take, counted anew with each attempt",
    ("sink",),
    namespace=PREFIX,
    registry=registry,
)

notification_failures_total = Counter(
    "notification_failures_total",
    "Notifications of changes that the webhook did not take, counted anew with each attempt",
    namespace=PREFIX,
    registry=registry,
)


KINDS = ("AuthFailed", "Denied", "Gone", "Invalid", "NotFound", "Throttled", "Unavailable")
"""The errors of a backend. An alert on a rate sees nothing of a series that begins with its first error."""


def serve_driver(provider: str) -> None:
    """Let the families of a driver have samples before its first call."""
    active_connections.labels(provider)
    for kind in KINDS:
        errors_total.labels(provider, kind)
    for operation in ("read", "list", "health"):
        requests_total.labels(provider, operation, "success")
        request_duration_seconds.labels(provider, operation)


def count_request(provider: str, operation: str, answer: object) -> None:
    """Count one answer: an exception by its class, everything else as success."""
    if isinstance(answer, Exception):
        kind = type(answer).__name__
        requests_total.labels(provider, operation, kind).inc()
        errors_total.labels(provider, kind).inc()
    else:
        requests_total.labels(provider, operation, "success").inc()
