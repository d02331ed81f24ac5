"""A file of secrets with one of them changed: all else stays as it is written, comments too. Pure.

Whatever the edit, its text is read again: what does not hold just what it should is refused, so that a form that is not
understood here is never damaged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import StringIO

import yaml
from dotenv.parser import parse_stream

from beemflow_secrets.providers import datafile, jsontext
from beemflow_secrets.providers.errors import Invalid, SecretsError

_NOTHING = "# no secrets\n"
"""What is left of YAML or dotenv when its last key goes: a file with nothing in it looks like one that was cut off."""


def edited(name: str, content: bytes, key: str, new: object) -> bytes:
    """Return the file with `new` under `key`; None takes the key away. `name` is the file's own. Raises a SecretsError.

    `new` is text, or a map, which dotenv does not have.
    """
    text = datafile.text_of(content)
    held = dict(datafile.parse(name, content))
    wanted = {other: value for other, value in held.items() if other != key}
    if new is not None:
        wanted = held | {key: new}
    match datafile.form_of(name, text):
        case "JSON":
            after = _json(text, wanted)
        case "dotenv":
            after = _dotenv(text, key, new)
        case _:
            after = _yaml(text, key, new)
    raw = (after if after.strip() else _NOTHING).encode()
    try:
        right = datafile.parse(name, raw) == wanted
    except SecretsError:
        right = False
    if not right:
        # Outside of the handler: what was raised there may quote the text.
        raise Invalid("the file's form leaves no place for this change; a JSON file takes all", key=key)
    return raw


def _json(text: str, wanted: Mapping[str, object]) -> str:
    """Return JSON anew: it has no comments. Numbers stay as they were spelled, one line stays one line."""
    lines = "\n" in text.strip() or text.strip() in {"", "{}"}
    return (_spread(wanted, "\n") if lines else jsontext.compact(wanted)) + ("\n" if text.endswith("\n") else "")


def _spread(value: object, newline: str) -> str:
    deeper = f"{newline}  "
    match value:
        case Mapping() if value:
            items = (f"{json.dumps(name, ensure_ascii=False)}: {_spread(item, deeper)}" for name, item in value.items())
            return "{" + deeper + f",{deeper}".join(items) + newline + "}"
        case list() if value:
            return "[" + deeper + f",{deeper}".join(_spread(item, deeper) for item in value) + newline + "]"
        case _:
            return jsontext.compact(value)


def _dotenv(text: str, key: str, new: object) -> str:
    """Change the last line of the key, which counts, and take the others away."""
    lines = list(parse_stream(StringIO(text)))
    places = [place for place, line in enumerate(lines) if line.key == key]
    value = None if new is None else "'" + str(new).replace("\\", r"\\").replace("'", r"\'") + "'"
    parts = [line.original.string for line in lines]
    for place in places:
        before = parts[place].partition("=")[0]
        last = value is not None and place == places[-1]
        parts[place] = f"{before}={value}\n" if last else before[: len(before) - len(before.lstrip())]
    if value is not None and not places:
        parts.append(f"{'' if not text or text.endswith(chr(10)) else chr(10)}{key}={value}\n")
    return "".join(parts)


def _yaml(text: str, key: str, new: object) -> str:
    """Cut the key's own lines out of the text and put JSON there, which is YAML too."""
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError:
        return text
    entries = root.value if isinstance(root, yaml.MappingNode) else []
    written = "" if new is None else jsontext.compact(new)
    for name, value in entries:
        if isinstance(name, yaml.ScalarNode) and name.value == key:
            begin, end = name.start_mark.index, _end(text, value)
            if new is None:
                line = text.find("\n", end - 1)
                return text[:begin].rstrip(" ") + (text[line + 1 :] if line >= 0 else "")
            tail = "\n" if text[begin:end].endswith("\n") else ""
            return f"{text[:begin]}{text[begin : name.end_mark.index]}: {written}{tail}{text[end:]}"
    if new is None:
        return text
    indent = " " * entries[0][0].start_mark.column if entries else ""
    before = text if not text or text.endswith("\n") else f"{text}\n"
    return f"{before}{indent}{jsontext.compact(key)}: {written}\n"


def _end(text: str, value: yaml.Node) -> int:
    """Return where a value ends; for YAML a list or a map ends behind the comments that follow it."""
    end: int = value.end_mark.index
    if isinstance(value, yaml.CollectionNode) and not value.flow_style:
        lines = text[:end].splitlines(keepends=True)
        while lines and (not lines[-1].strip() or lines[-1].lstrip().startswith("#")):
            end -= len(lines.pop())
    return end
