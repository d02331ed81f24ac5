"""Imports that leave behind what a library takes along where it finds it, and we never use."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def without(module: str) -> Iterator[None]:
    """Import in this block as where a module is not installed; after it, who needs the module has it."""
    if module in sys.modules:
        yield  # it is here, and costs no more
        return
    sys.modules[module] = None  # type: ignore[assignment] # what makes an import of it fail (docs.python.org/3/reference/import.html)
    try:
        yield
    finally:
        del sys.modules[module]
