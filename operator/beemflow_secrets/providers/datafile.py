"""A file that holds many secrets: JSON, YAML or dotenv, a map of names at its root."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from beemflow_secrets.providers import dotenvtext, jsontext, yamltext
from beemflow_secrets.providers.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

_DOTENV_NAME = re.compile(r"(^|.*\.)env(\..*)?$")
_ASSIGNMENT = re.compile(r"\s*(export\s+)?[A-Za-z_][A-Za-z0-9_.]*\s*=")


def text_of(content: bytes) -> str:
    """Decode a file's text. Raises Unavailable for what is none."""
    try:
        return content.decode("utf-8-sig")  # some editors put a mark before it
    except UnicodeDecodeError:
        raise Unavailable("the file is no text (not UTF-8)") from None


def parse(name: str, content: bytes) -> Mapping[str, object]:
    """Return what a file holds, by name. `name` is the file's own: its ending tells the format, else the text does.

    Raises Unavailable, not Invalid, for what cannot be read: a file that is being written is broken for a moment,
    so the read is worth another attempt, and a chain may go on to its next link.
    """
    text = text_of(content)
    if not text.strip():
        # "Not found" could delete a Secret; so looks a file that was cut off to be written anew, or by a full disk.
        raise Unavailable("the file is empty: it may be about to be written")
    form = form_of(name, text)
    try:
        match form:
            case "JSON":
                found = jsontext.loads(text)
            case "dotenv":
                found = dotenvtext.loads(text)
            case _:
                found = yamltext.loads(text)
    except json.JSONDecodeError as error:
        raise Unavailable(f"the file cannot be read: it is not JSON (line {error.lineno})") from None
    except ValueError as error:
        raise Unavailable(f"the file cannot be read: {error}") from None
    if found is None and form == "YAML":
        return {}  # comments alone
    if not isinstance(found, dict):
        raise Unavailable(f"the file cannot be read: its {form} is no map of names to secrets")
    return found


def form_of(name: str, text: str) -> str:
    """Return the format of a file: its ending tells it, else its first line."""
    lower = name.lower()
    if lower.endswith(".json"):
        return "JSON"
    if lower.endswith((".yaml", ".yml")):
        return "YAML"
    if _DOTENV_NAME.fullmatch(lower):
        return "dotenv"
    lines = (line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    first = next(lines, "")
    if first.lstrip().startswith("{"):
        return "JSON"
    return "dotenv" if _ASSIGNMENT.match(first) else "YAML"
