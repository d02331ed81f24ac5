"""The contract suite on a real service. `python -m e2e.live` runs it; its name keeps it out of every other run."""

from __future__ import annotations

import os
from itertools import count
from typing import TYPE_CHECKING

import pytest

from beemflow_secrets.providers.errors import AuthFailed
from beemflow_secrets.testing import ProviderContract
from e2e.live.service import wrong
from e2e.live.services import SERVICES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from beemflow_secrets.testing import Harness
    from e2e.live.service import Service

_NUMBERS = count()


class TestLive(ProviderContract):
    @pytest.fixture
    async def harness(self) -> AsyncIterator[Service]:
        name, beginning = os.environ["BEEMFLOW_LIVE"].split(" ")
        async with SERVICES[name](f"{beginning}{next(_NUMBERS)}/") as made:
            yield made

    async def test_login_refused(self, harness: Harness) -> None:
        """Nobody's login is revoked here: another one is tried, which is none."""
        wrong(harness)  # type: ignore[arg-type]  # the fixture's
        assert type(await harness.error(harness.open(), "token")) is AuthFailed
