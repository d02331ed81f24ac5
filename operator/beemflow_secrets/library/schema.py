"""The JSON schema of `flow.config.json`, for editors: of our section all, of the others nothing."""

from __future__ import annotations

import re
from typing import Any

from pydantic.alias_generators import to_snake

from beemflow_secrets.library.config import SecretsConfig
from beemflow_secrets.library.document import SECTION
from beemflow_secrets.model.form import IN_FILE, RESOURCES_ONLY
from beemflow_secrets.providers.registry import added_drivers

Schema = dict[str, Any]

VARIABLE = {"type": "string", "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*\}|\$env:[A-Za-z_]"}
"""A text with a variable in it: what it will be is not known before it is expanded."""

_CREDENTIAL = "CredentialRef"
_FIELD = re.compile(r"\b[a-z]+[A-Z]\w*")  # as descriptions, which are written for resources, name it
_CONSTRAINTS = {"enum", "pattern", "minLength", "maxLength"}


def file_schema() -> Schema:
    """Return the schema of the whole file. Drivers that installed packages add are in it."""
    section = SecretsConfig.model_json_schema(by_alias=False)
    known = section.pop("$defs")
    section["description"] = "Where BeemFlow's secrets come from."
    for driver in (section["properties"]["driver"], known["SectionLink"]["properties"]["driver"]):
        driver["enum"] = sorted({*driver["enum"], *added_drivers()})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "flow.config.json",
        "description": "BeemFlow's configuration; of its sections this schema knows `secrets` alone.",
        "type": "object",
        "properties": {SECTION: _converted(section, known)},
    }


def _converted(node: Schema, known: dict[str, Schema]) -> Schema:
    choices = [choice for choice in node.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) == 1:  # an absent field is the only way to say nothing
        node = {**choices[0], **{name: part for name, part in node.items() if name != "anyOf"}}
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        found = {"type": "string", "minLength": 1} if name == _CREDENTIAL else known[name]
        beside = {key: part for key, part in node.items() if key != "$ref"}
        return _converted({**found, **beside}, known)
    result = {
        name: part
        for name, part in node.items()
        if name not in {"title", "default", IN_FILE} and not name.startswith("x-kubernetes-")
    }
    if "description" in node:
        result["description"] = _FIELD.sub(lambda name: to_snake(name[0]), node.get(IN_FILE) or node["description"])
    if "properties" in result:
        result["properties"] = {
            name: _converted(part, known) for name, part in result["properties"].items() if name not in RESOURCES_ONLY
        }
    if "items" in result:
        result["items"] = _converted(result["items"], known)
    return _or_variable(result)


def _or_variable(node: Schema) -> Schema:
    """Let a text that must be of some form be a variable too."""
    texts = node.get("type") == "string" or {"type": "string"} in node.get("anyOf", ())
    if not texts or not node.keys() & _CONSTRAINTS:
        return node
    description = {"description": node["description"]} if "description" in node else {}
    return {**description, "anyOf": [{name: part for name, part in node.items() if name != "description"}, VARIABLE]}
