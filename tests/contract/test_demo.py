"""The backends of `make demo`, each without a cluster: what the story does to them works, and they end when let go."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import yaml

from beemflow_secrets.model.store import StoreSpec
from e2e.backends import BACKENDS, example_secret

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from e2e.backends import Backend


@pytest.fixture(params=sorted(BACKENDS))
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    made = BACKENDS[request.param]()
    made.start()
    yield made
    made.close()


def test_it_can_be_told_the_story(backend: Backend, canary: str, tmp_path: Path) -> None:
    store = yaml.safe_load(backend.prepare()[-1])
    StoreSpec.model_validate(store["spec"])
    secret = yaml.safe_load(example_secret(backend))
    assert secret["spec"]["secretStoreRef"]["name"] == store["metadata"]["name"]
    assert (secret["metadata"]["name"], secret["spec"]["refreshInterval"]) == ("slack", "5s")
    backend.rotate(canary)
    backend.stop()
    backend.start()
    backend.rotate(f"{canary}-2")
    assert canary not in backend.hint(tmp_path)
    assert all(path.stat().st_mode & 0o77 == 0 for path in tmp_path.iterdir())
    os.fstat(backend.lifeline())
