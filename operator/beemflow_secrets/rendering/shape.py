"""From what was read to how the Secret looks: which templates there are, and what is made of what they print. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import TypeAdapter, ValidationError

from beemflow_secrets.model.meta import Annotations, DataKey, Labels
from beemflow_secrets.providers import jsontext, yamltext
from beemflow_secrets.rendering.template import values
from beemflow_secrets.rendering.template.faults import TemplateError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from beemflow_secrets.model.template import Template, TemplateFrom, TemplateSource
    from beemflow_secrets.rendering.compose import Composed

Documents = Mapping[tuple[str, str], Mapping[str, bytes]]
"""What the named objects hold, by kind and name."""

Target = Literal["data", "labels", "annotations"]

LARGEST_MAP = 256 * 1024
"""Bytes of one text that becomes keys and values."""

_LABELS: TypeAdapter[dict[str, str]] = TypeAdapter(Labels)
_ANNOTATIONS: TypeAdapter[dict[str, str]] = TypeAdapter(Annotations)
_KEY: TypeAdapter[str] = TypeAdapter(DataKey)


class NoSuchKey(Exception):
    """An object that the spec names has not the key that it names. The message names both."""


class Part(NamedTuple):
    """One template: where it stands, and what it makes; `name` None: keys and values in one text."""

    place: str
    target: Target
    name: str | None
    text: str


def named(template: Template) -> set[tuple[str, str]]:
    """Return kinds and names of the objects that hold templates."""
    found = (_object(origin) for origin in template.template_from if origin.literal is None)
    return {(kind, source.name) for kind, source in found}


def parts(template: Template, documents: Documents) -> list[Part]:
    """Return all templates, in the order in which what they make is laid over what stood before.

    Raises TemplateError for what is no text, and NoSuchKey.
    """
    found: list[Part] = []
    for place, origin in enumerate(template.template_from):
        target = _TARGETS[origin.target]
        if origin.literal is not None:
            found.append(Part(f"templateFrom[{place}].literal", target, None, origin.literal))
            continue
        kind, source = _object(origin)
        for item in source.items:
            held, where = documents[(kind, source.name)], f"{kind} {source.name}, key {item.key}"
            if item.key not in held:
                raise NoSuchKey(f"{where}: there is no such key")
            name = item.key if item.template_as == "Values" else None
            found.append(Part(where, target, name, _text(where, held[item.key])))
    found += [Part(f"template key {key}", "data", key, text) for key, text in template.data.items()]
    found += [Part(f"label {key}", "labels", key, text) for key, text in template.metadata.labels.items()]
    found += [
        Part(f"annotation {key}", "annotations", key, text) for key, text in template.metadata.annotations.items()
    ]
    return found


def names(composed: Composed) -> values.Secrets:
    """Return what `secrets` is in a template: the resource's own data, each key with where it came from."""
    told = {entry.secret_key: entry for entry in composed.entries}
    made = {
        key: values.secret(raw, told[key].version, told[key].created_at, told[key].expires_at)
        for key, raw in composed.data.items()
    }
    return values.Secrets(made, whole=True)


def shaped(template: Template, composed: Composed, made: Sequence[tuple[Part, bytes]]) -> Composed:
    """Return what the Secret holds, of what was read and of what the templates print.

    Raises TemplateError, which names the template, for what is no map, key, label or annotation.
    """
    only_made = template.merge_policy == "Replace" and any(part.target == "data" for part, _ in made)
    data: dict[str, bytes] = {} if only_made else dict(composed.data)
    texts: dict[Target, dict[str, str]] = {"labels": {}, "annotations": {}}
    for part, raw in made:
        for number, (name, value) in enumerate([(part.name, raw)] if part.name is not None else _pairs(part, raw), 1):
            # What a template printed may be a value, a key too.
            called = part.name if part.name is not None else f"key {number} of what it prints"
            if part.target == "data":
                _check(_KEY, name, f"{part.place}: {called} cannot be a key of a Secret")
                data[name] = value
            else:
                text = texts[part.target][name] = _text(part.place, value)
                adapter = _LABELS if part.target == "labels" else _ANNOTATIONS
                _check(adapter, {name: text}, f"{part.place}: {called} cannot be set to what was made of it")
    return replace(composed, data=data, labels=texts["labels"], annotations=texts["annotations"])


_TARGETS: dict[str, Target] = {"Data": "data", "Labels": "labels", "Annotations": "annotations"}


def _object(origin: TemplateFrom) -> tuple[str, TemplateSource]:
    """Return kind and items of the object that holds templates; the model has seen to it that there is one."""
    if origin.config_map is not None:
        return "ConfigMap", origin.config_map
    if origin.secret is not None:
        return "Secret", origin.secret
    raise AssertionError  # pragma: no cover - a literal, of which nobody asks it


def _text(place: str, raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise TemplateError(f"{place}: it is binary, and no text") from None


def _pairs(part: Part, raw: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the keys and values of a text that is a YAML map."""
    if len(raw) > LARGEST_MAP:
        raise TemplateError(f"{part.place}: a map of more than {LARGEST_MAP // 1024} KiB is not read")
    try:
        found = yamltext.loads(_text(part.place, raw))
    except ValueError as error:
        raise TemplateError(f"{part.place}: what it prints is no map of keys and values: {error}") from None
    if not isinstance(found, Mapping):
        raise TemplateError(f"{part.place}: what it prints is no map of keys and values")
    for number, (name, value) in enumerate(found.items(), 1):
        if value is None:
            raise TemplateError(f"{part.place}: key {number} of what it prints has no value")
        yield name, jsontext.as_bytes(value)


def _check(adapter: TypeAdapter[Any], value: object, fault: str) -> None:
    try:
        adapter.validate_python(value)
    except ValidationError:
        raise TemplateError(fault) from None
