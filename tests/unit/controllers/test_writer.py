"""controllers/target/writer.py: what was done to a Secret is told, whatever becomes of the rest."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.controllers.target import target
from beemflow_secrets.controllers.target.ownership import Owner
from beemflow_secrets.controllers.target.target import Desired
from beemflow_secrets.controllers.target.writer import Writer
from beemflow_secrets.kube.errors import Forbidden, NotFound

if TYPE_CHECKING:
    from beemflow_secrets.kube.client import KubeClient, Object
    from beemflow_secrets.kube.reflector import OwnedSecrets


def wanted(kind: str) -> Desired:
    content: dict[str, bytes] = {"token": b"v"}
    return Desired("slack", Owner("slack", "uid-1"), True, False, kind, content, {}, {})


class Cluster:
    """One Secret, and whoever refuses that another is made once that is gone."""

    def __init__(self, found: Object) -> None:
        metadata = {**found["metadata"], "namespace": "ns", "uid": "u", "resourceVersion": "7"}
        self.found: Object | None = {**found, "metadata": metadata}

    async def get(self, _: str) -> Object:
        if self.found is None:
            raise NotFound("no such Secret")
        return self.found

    async def create(self, _: str, made: Object, *, dry_run: bool = False) -> Object:
        if not dry_run:
            raise Forbidden("quota")
        return made

    async def delete(self, _: str, *, uid: str, resource_version: str) -> None:
        assert (uid, resource_version) == ("u", "7")
        self.found = None


def test_that_a_secret_is_made_anew_is_told_though_the_create_is_refused() -> None:
    cluster = Cluster(target.manifest(wanted("example.com/one"), None))
    owned = SimpleNamespace(seen=lambda _: object())
    writer = Writer(cast("KubeClient", cluster), cast("OwnedSecrets", owned), lambda _: False)
    told: list[tuple[str, str]] = []
    with pytest.raises(Failed):
        asyncio.run(writer.ensure("ns", wanted("Opaque"), None, lambda *event: told.append(event)))
    assert told == [("SecretRecreated", "Secret slack is made anew: its type was example.com/one")]
