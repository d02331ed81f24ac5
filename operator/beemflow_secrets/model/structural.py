"""From pydantic's JSON schema to the structural schema that a CustomResourceDefinition takes.

The API server knows no `$ref`, no null beside a type and no `additionalProperties: false`: it drops or refuses unknown
fields by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.model.form import IN_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import BaseModel

    from beemflow_secrets.model.cel import Schema

    Amend = Callable[[Schema], Schema]

_DROPPED = {"title", "default", "$defs", IN_FILE}
_FIRST = ("description", "type", "required", "enum", "pattern")
_LAST = ("properties", "items", "additionalProperties", "x-kubernetes-validations")


def structural(model: type[BaseModel], amend: Mapping[str, Amend] | None = None) -> Schema:
    """Return the model's schema. `amend` changes, by name, its own schema and that of models that it holds."""
    schema, amend = model.model_json_schema(by_alias=True), amend or {}
    whole = _convert(schema, schema.get("$defs", {}), amend)
    return _ordered(amend.get(model.__name__, _as_it_is)(whole))


def _convert(node: Schema, known: Mapping[str, Schema], amend: Mapping[str, Amend]) -> Schema:
    node = _without_null(node)
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        found = amend.get(name, _as_it_is)(_convert(known[name], known, amend))
        beside = _convert({key: value for key, value in node.items() if key != "$ref"}, known, amend)
        return _ordered({**found, **beside})
    result = {key: value for key, value in node.items() if key not in _DROPPED}
    if "const" in result:
        result["enum"] = [result.pop("const")]
    if result.get("additionalProperties") is False:
        del result["additionalProperties"]
    for key in result.keys() & {"items", "additionalProperties"}:
        result[key] = _convert(result[key], known, amend)
    if "properties" in result:
        result["properties"] = {key: _convert(part, known, amend) for key, part in result["properties"].items()}
    if "description" in result:
        result["description"] = " ".join(result["description"].split())
    return _ordered(result)


def _ordered(node: Schema) -> Schema:
    """Put first what a reader looks for, and what is long last."""
    middle = sorted(node.keys() - {*_FIRST, *_LAST})
    return {key: node[key] for key in (*_FIRST, *middle, *_LAST) if key in node}


def _without_null(node: Schema) -> Schema:
    """Take `null` out of a choice: an absent field is the only way to say nothing."""
    choices = [choice for choice in node.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) != 1:
        return node
    return {**choices[0], **{key: value for key, value in node.items() if key != "anyOf"}}


def _as_it_is(schema: Schema) -> Schema:
    return schema
