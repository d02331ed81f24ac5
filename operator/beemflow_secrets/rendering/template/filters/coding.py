"""Filters that write values in another form, or read them from one."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from beemflow_secrets.providers import jsontext, yamlwriting
from beemflow_secrets.rendering import dotenv
from beemflow_secrets.rendering.template.faults import TemplateError
from beemflow_secrets.rendering.template.registry import offered
from beemflow_secrets.rendering.template.values import DEEPEST, Spelled, bytes_of, plain, readable, text_of, to_text

WIDEST_INDENT = 16
"""Blanks a level."""

HASHES = ("sha1", "sha224", "sha256", "sha384", "sha512")


@offered("base64encode")
def base64encode(value: object) -> str:
    """Write bytes as base64, without line breaks."""
    return base64.b64encode(bytes_of(to_text(value))).decode()


@offered("base64decode")
def base64decode(value: object) -> str:
    """Read base64, line breaks or not."""
    text = "".join(to_text(value).split())
    try:
        return text_of(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        raise TemplateError("base64decode: the value is not base64") from None


@offered("sha256")
def sha256(value: object) -> str:
    """Return the SHA-256 of a value's bytes, in hexadecimal letters."""
    return digest(value)


@offered("hash")
def digest(value: object, algorithm: str = "sha256") -> str:
    """Return the hash of a value's bytes, in hexadecimal letters."""
    if algorithm not in HASHES:
        raise TemplateError(f"hash takes {', '.join(HASHES)}")
    return hashlib.new(algorithm, bytes_of(to_text(value)), usedforsecurity=False).hexdigest()


@offered("json", "tojson", slow=8)
def to_json(value: object, indent: int | None = None) -> str:
    """Write JSON, and escape only what JSON demands."""
    written = jsontext.compact(plain(value))
    if indent is not None:
        if indent > WIDEST_INDENT:
            raise TemplateError(f"json is indented by {WIDEST_INDENT} at most")
        written = json.dumps(json.loads(written), ensure_ascii=False, indent=indent)
    return readable(written)


@offered("fromjson", slow=16)
def from_json(value: object) -> object:
    """Read JSON. Numbers with a fraction print as they are written there."""
    try:
        found: object = json.loads(readable(to_text(value)), parse_float=Spelled)
    except (ValueError, RecursionError):
        raise TemplateError("fromjson: the value is not JSON") from None
    return found


@offered("yaml", slow=64)
def to_yaml(value: object) -> str:
    """Write YAML, without a line break at the end."""
    readable(json.dumps(plain(value), ensure_ascii=False))
    return yamlwriting.dumps(_numbers(plain(value))).removesuffix("...\n").rstrip("\n")


@offered("urlencode", slow=8)
def urlencode(value: object) -> str:
    """Write text for a URL, with `/` as it is; a map as a query."""
    if not isinstance(value, Mapping):
        return quote(bytes_of(to_text(value)))
    return "&".join(
        f"{quote_plus(bytes_of(to_text(name)))}={quote_plus(bytes_of(to_text(item)))}" for name, item in value.items()
    )


@offered("dotenv", slow=8)
def to_dotenv(value: object) -> str:
    """Write a map as a .env file."""
    if not isinstance(value, Mapping):
        raise TemplateError("dotenv takes a map, as `secrets`")
    try:
        return dotenv.dumps({to_text(name): readable(to_text(item)) for name, item in value.items()})
    except ValueError:  # it names the key, which a template may have made of a value
        raise TemplateError("dotenv: a key can be called as no variable, or two become the same one") from None


def _numbers(value: object, depth: int = 0) -> Any:  # noqa: ANN401 - what YAML writes
    """Return data whose numbers are numbers again."""
    if depth > DEEPEST:
        raise TemplateError("a value is nested too deep")
    match value:
        case jsontext.Number():
            return float(value)
        case dict():
            return {name: _numbers(item, depth + 1) for name, item in value.items()}
        case list():
            return [_numbers(item, depth + 1) for item in value]
        case _:
            return value
