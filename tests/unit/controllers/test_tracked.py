"""controllers/secret/tracked.py: what is told of all resources of a namespace at once."""

from __future__ import annotations

import math

from beemflow_secrets.controllers.objects import observe
from beemflow_secrets.controllers.secret.tracked import Registry
from beemflow_secrets.model import names


def add(registry: Registry, namespace: str, name: str, *, read: float = -math.inf, due: float = math.inf) -> None:
    metadata = {"namespace": namespace, "name": name, "uid": f"{namespace}/{name}", "generation": 1}
    seen = observe(names.SECRET.name, {"metadata": metadata, "spec": {"secretStoreRef": {"name": "prod"}}})
    item = registry.add(seen, {})
    item.read, item.due = read, due


def test_the_oldest_read_is_of_those_that_have_been_read_and_are_read_again() -> None:
    registry = Registry()
    add(registry, "flows", "late", read=50.0, due=60.0)
    add(registry, "flows", "fresh", read=90.0, due=150.0)
    add(registry, "flows", "once", read=1.0)
    add(registry, "flows", "never", due=91.0)
    add(registry, "still", "once", read=1.0)
    add(registry, "negative", "early", read=-5.0, due=60.0)  # the loop's clock began after the read
    assert registry.oldest_reads() == {"flows": 50.0, "negative": -5.0}
