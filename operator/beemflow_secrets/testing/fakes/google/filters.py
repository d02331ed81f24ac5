"""What listings are asked for: filters (https://cloud.google.com/secret-manager/docs/filtering), and fields.

Both as far as they are used here.
"""

from __future__ import annotations

import re
from typing import Any

from beemflow_secrets.testing.fakes.google.errors import GoogleError

_TERM = re.compile(r'(?P<field>[a-z_]+(?:\.[A-Za-z0-9_-]+)?)(?P<operator>[:=])(?P<text>"[^"]*"|[A-Za-z0-9_./*-]+)')


def keeps(text: str, secret: dict[str, Any]) -> bool:
    """Tell whether a filter keeps a secret: terms joined by AND. `name:x` is "contains", as `:` is for all texts."""
    return all(_holds(term, secret) for term in filter(None, re.split(r"\s+AND\s+", text.strip())))


def chosen(fields: str | None, document: dict[str, Any]) -> dict[str, Any]:
    """Return what the parameter `fields` leaves of an answer: `secrets(name,labels),nextPageToken`.

    Source: https://cloud.google.com/apis/docs/system-parameters.
    """
    if fields is None:
        return document
    kept: dict[str, Any] = {}
    for name, inner in re.findall(r"(\w+)(?:\(([\w,]*)\))?", fields):
        if name in document:
            names = inner.split(",")
            kept[name] = [_only(one, names) for one in document[name]] if inner else document[name]
    return kept


def _only(found: dict[str, Any], names: list[str]) -> dict[str, Any]:
    return {name: item for name, item in found.items() if name in names}


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
