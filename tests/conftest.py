"""What tests of several folders share."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
import structlog

from e2e.clusters.controlplane import ControlPlane

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]

pytest_plugins = ["tests.support.fixtures", "beemflow_secrets.testing.plugin"]

# A machine that is busy is slow, and that is no counterexample.
hypothesis.settings.register_profile("busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
# For whoever has some minutes: pytest --timeout 0 --hypothesis-profile fuzz tests/unit/rendering/test_leaks.py
hypothesis.settings.register_profile("fuzz", parent=hypothesis.settings.get_profile("busy"), max_examples=20_000)
hypothesis.settings.load_profile("busy")

# Says that there is no event loop yet. Without it pytest-asyncio's first look for one makes one, which nobody closes.
asyncio.set_event_loop(None)


@pytest.fixture(autouse=True)
def _structlog_as_it_was() -> Iterator[None]:
    """The library sets structlog up. After all other fixtures: one that captures logs puts back what it found."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane with our kinds and the operator's ServiceAccount, made when the first test asks for it.

    Each xdist worker has one of its own: an operator serves a whole cluster, so two workers' operators would serve
    each other's resources, and a test that kills the API server would kill it for all.
    """
    plane = ControlPlane(tmp_path_factory.mktemp("control-plane"))
    plane.start(ROOT / "crds", ROOT / "manifests" / "rbac.yaml")
    yield plane
    plane.stop()


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A namespace of the test's own. Its deletion is not waited for."""
    name = f"test-{secrets.token_hex(4)}"
    control_plane.kubectl("create", "namespace", name)
    yield name
    control_plane.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")
