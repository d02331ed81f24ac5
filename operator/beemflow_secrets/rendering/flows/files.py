"""Files of flows: YAML or JSON, as BeemFlow writes them, within bounds."""

from __future__ import annotations

from beemflow_secrets.providers import jsontext, yamltext
from beemflow_secrets.providers.errors import Invalid

LARGEST = 8 * 1024 * 1024
"""Bytes of a file."""


def parse(raw: bytes, name: str) -> list[object]:
    """Return the documents of a file; what begins as JSON in a file called so is JSON.

    Raises Invalid that says where the mistake is and quotes nothing.
    """
    if len(raw) > LARGEST:
        raise Invalid(f"it is {len(raw) / 1024 / 1024:.0f} MiB large, and may be {LARGEST // 1024 // 1024}")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid("it is no text (not UTF-8)") from None
    try:
        if name.endswith(".json") and text.lstrip().startswith(("{", "[")):
            return [jsontext.document(text)]
        return [found for found in yamltext.load_all(text, spelled=False) if found is not None]
    except ValueError as error:
        raise Invalid(f"{error}; templates stand in quotes") from None
