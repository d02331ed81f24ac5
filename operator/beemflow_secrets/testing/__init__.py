"""For those who write a driver: the contract suite that proves it, and a proxy that makes its backend misbehave.

    class TestMine(ProviderContract):
        @pytest.fixture
        async def harness(self) -> AsyncIterator[MineHarness]:
            async with MineHarness() as made:
                yield made

A driver is done when this passes. docs/drivers.md tells the rest. It needs pytest and pytest-asyncio (asyncio_mode
auto), and nothing outside of tests imports it. With `pytest_plugins = ["beemflow_secrets.testing.plugin"]` in the
conftest.py of the root a run ends with the table of drivers and cases.
"""

import pytest

# Before they are imported: their asserts then say what differs.
pytest.register_assert_rewrite(
    *(f"beemflow_secrets.testing.{name}" for name in ("contract", "errors", "harness", "listing", "reading", "writing"))
)

from beemflow_secrets.testing.contract import ProviderContract  # noqa: E402 - as above
from beemflow_secrets.testing.faultproxy import FaultProxy  # noqa: E402
from beemflow_secrets.testing.harness import Abilities, Harness  # noqa: E402

__all__ = ["Abilities", "FaultProxy", "Harness", "ProviderContract"]
