"""One line that tells a person what is wrong with what was written, and never shows a value."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, get_args

from beemflow_secrets.model.base import Model

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic import ValidationError

LONGEST = 1000  # characters: a condition's message takes 1024

Place = tuple[int | str, ...]


def explain(error: ValidationError, root: str = "spec") -> str:
    """Say where the mistakes are, what they are, the values' types and the nearest known names.

    `root` stands before every path. What does not fit into 1000 characters is counted.
    """
    mistakes = [_explain_one(error.title, found, root) for found in error.errors(include_url=False)]
    text = mistakes[0][:LONGEST]
    for told, mistake in enumerate(mistakes[1:], start=1):
        if len(text) + len(mistake) > LONGEST - len("; and 9999 more"):
            return f"{text}; and {len(mistakes) - told} more"
        text = f"{text}; {mistake}"
    return text


def json_type(value: object) -> str:
    """Name the type of a value as JSON does, with its article."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list() | tuple():
            return "a list"
        case _:
            return "an object"


def _explain_one(model: str, error: Mapping[str, Any], root: str) -> str:
    place: Place = error["loc"]
    path = root + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return f"{path}: {_mistake(model, place, error)}"


def _mistake(model: str, place: Place, error: Mapping[str, Any]) -> str:
    written, got = error["input"], json_type(error["input"])
    match error["type"]:
        case "missing" | "rule":
            return str(error["msg"]).replace("Field required", "is required")
        case "extra_forbidden":
            return f"is not a known field (it holds {got}){_nearest(place[-1], _fields(model, place[:-1]))}"
        case "literal_error":
            choices = str(error["ctx"]["expected"])
            return f"must be {choices} (got {got})" + _nearest(written, re.findall("'([^']*)'", choices))
        case "value_error":
            text = str(error["ctx"]["error"])
        case "model_type" | "dict_type":
            text = "must be an object"
        case _:
            text = str(error["msg"]).replace("Input should", "must", 1)
    return f"{text} (got {got})"


def _nearest(written: object, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(written, list(known), n=1) if isinstance(written, str) else []
    return f"; did you mean {close[0]}?" if close else ""


def _fields(model: str, place: Place) -> list[str]:
    """Name the fields of what stands at `place`, as users write them."""
    found = Model.by_name.get(model)
    for step in place:
        if found is None:
            return []
        if isinstance(step, str):
            annotations = {field.alias: field.annotation for field in found.model_fields.values()}
            found = _model_in(annotations.get(step))
    return [str(field.alias) for field in found.model_fields.values()] if found is not None else []


def _model_in(annotation: object) -> type[Model] | None:
    """Find the model in `Model`, `Model | None` and `list[Model]`."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part)) is not None), None)
