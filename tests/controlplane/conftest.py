"""Control-plane tests take their fixtures from tests/support/fixtures.py, and these two words."""

from __future__ import annotations

from tests.support.fixtures import entry, spec

__all__ = ["entry", "spec"]
