"""The suite: what every driver must do, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import structlog

from beemflow_secrets.testing.errors import Errors
from beemflow_secrets.testing.listing import Listing
from beemflow_secrets.testing.reading import Reading
from beemflow_secrets.testing.writing import Writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from beemflow_secrets.testing.harness import Harness

RECORD = "beemflow-secrets contract"
"""The property of a test's report in which a case tells of what it was."""


class ProviderContract(Reading, Listing, Writing, Errors):
    """Subclass it as `Test…` and give it a fixture `harness`, anew for each case."""

    @pytest.fixture
    def harness(self) -> Harness:
        """Return the backend; a subclass says which."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _looked_through(
        self,
        harness: Harness,
        request: pytest.FixtureRequest,
        record_property: Callable[[str, object], None],
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> Iterator[None]:
        """Tell the table of the case; afterwards no log and no output may hold a value or a credential."""
        ability = getattr(request.function, "needs", None)
        has = True
        if ability is not None:
            held = getattr(harness.abilities if hasattr(harness.abilities, ability) else harness, ability)
            has = held not in {None, False, "none"}
        case = request.node.name.removeprefix("test_").replace("_", " ")
        record_property(RECORD, [harness.title, case, "yes" if has else "instead"])
        with structlog.testing.capture_logs() as logs:
            yield
        harness.hides(repr(logs), caplog.text, *capfd.readouterr())
