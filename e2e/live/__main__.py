"""`make live BACKEND=aws`: the contract suite on the real service, with the login of who runs it.

What it writes begins with a random name, and is removed at the end, also when cases failed or Ctrl-C was pressed.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from e2e.live.service import BEGINNING
from e2e.live.services import SERVICES

if TYPE_CHECKING:
    from collections.abc import Sequence

SUITE = Path(__file__).with_name("suite.py")


class _WithoutFaults:
    """Leaves out what happens on the way to a service: that is made by a proxy, before fakes and servers of our own."""

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        left = [item for item in items if getattr(getattr(item, "function", None), "needs", None) == "wire"]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


def main(arguments: Sequence[str]) -> int:
    name, *rest = arguments or ("",)
    service = SERVICES.get(name)
    if service is None:
        print(f"live: BACKEND is one of {', '.join(SERVICES)}", file=sys.stderr)
        return 2
    if missing := [variable for variable in service.variables if not os.environ.get(variable)]:
        print(f"live: {name} needs {', '.join(missing)} in the environment", file=sys.stderr)
        return 2
    beginning = f"{BEGINNING}-{secrets.token_hex(4)}-"
    os.environ["BEEMFLOW_LIVE"] = f"{name} {beginning}"
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = ["-q", "-p", "no:cacheprovider", "-p", "beemflow_secrets.testing.plugin", "-W", "default"]
    try:
        return int(pytest.main([*options, str(SUITE), *rest], plugins=[_WithoutFaults()]))
    finally:
        print(f"live: {asyncio.run(service.clean(beginning))} secrets removed, all that began with {beginning}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
