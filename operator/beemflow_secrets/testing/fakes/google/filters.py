"""Filters of listings, as far as they are used here (https://cloud.google.com/secret-manager/docs/filtering)."""

from __future__ import annotations

import re
from typing import Any

from beemflow_secrets.testing.fakes.google.errors import GoogleError

_TERM = re.compile(r'(?P<field>[a-z_]+(?:\.[A-Za-z0-9_-]+)?)(?P<operator>[:=])(?P<text>"[^"]*"|[A-Za-z0-9_./*-]+)')


def keeps(text: str, secret: dict[str, Any]) -> bool:
    """Tell whether a filter keeps a secret: terms joined by AND. `name:x` is "contains", as `:` is for all texts."""
    return all(_holds(term, secret) for term in filter(None, re.split(r"\s+AND\s+", text.strip())))


def _holds(term: str, secret: dict[str, Any]) -> bool:
    found = _TERM.fullmatch(term)
    if found is None:
        raise GoogleError("INVALID_ARGUMENT", "The filter is none that is understood.")
    name, _, key = found["field"].partition(".")
    held = secret.get(name)
    if isinstance(held, dict):
        held = held.get(key)
    wanted = found["text"].strip('"')
    if held is None:
        return False
    return wanted == "*" or (wanted in str(held) if found["operator"] == ":" else wanted == held)
