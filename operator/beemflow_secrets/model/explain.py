"""One line that tells a person what is wrong with what was written, and never shows a value."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from beemflow_secrets.model.base import Model
from beemflow_secrets.model.form import RESOURCES_ONLY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pydantic import ValidationError

    Spell = Callable[[str], str]

LONGEST = 1000  # characters: a condition's message takes 1024

Place = tuple[int | str, ...]


class Mistake(NamedTuple):
    """What is wrong at one place."""

    place: Place
    text: str

    def told(self, root: str) -> str:
        """Write it with the path that leads there from `root`."""
        path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.place)
        return f"{root}{path}: {self.text}"


def explain(error: ValidationError, root: str = "spec") -> str:
    """Say where the mistakes are, what they are, the values' types and the nearest known names.

    `root` stands before every path. What does not fit into 1000 characters is counted.
    """
    told = [mistake.told(root) for mistake in mistakes(error)]
    text = told[0][:LONGEST]
    for number, mistake in enumerate(told[1:], start=1):
        if len(text) + len(mistake) > LONGEST - len("; and 9999 more"):
            return f"{text}; and {len(told) - number} more"
        text = f"{text}; {mistake}"
    return text


def mistakes(error: ValidationError, *, in_file: bool = False) -> list[Mistake]:
    """Return all mistakes. `in_file`: names are spelled as a configuration file has them."""
    spell = _in_file if in_file else _as_it_is
    found = []
    for one in error.errors(include_url=False):
        place: Place = one["loc"]
        if one["type"] == "rule":  # a rule speaks the resources' names
            place = tuple(spell(step) if isinstance(step, str) else step for step in place)
        found.append(Mistake(place, _mistake(error.title, place, one, spell)))
    return found


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


def _mistake(model: str, place: Place, error: Mapping[str, Any], spell: Spell) -> str:
    written, got = error["input"], json_type(error["input"])
    match error["type"]:
        case "missing" | "rule":
            return spell(str(error["msg"]).replace("Field required", "is required"))
        case "extra_forbidden":
            return f"is not a known field (it holds {got}){_nearest(place[-1], _fields(model, place[:-1], spell))}"
        case "literal_error":
            choices = str(error["ctx"]["expected"]).replace("False", "false")
            return f"must be {choices} (got {got})" + _nearest(written, re.findall("'([^']*)'", choices))
        case "value_error":
            text = spell(str(error["ctx"]["error"]))
        case "model_type" | "dict_type":
            text = "must be an object"
        case _:
            text = str(error["msg"]).replace("Input should", "must", 1)
    return f"{text} (got {got})"


def _nearest(written: object, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(written, list(known), n=1) if isinstance(written, str) else []
    return f"; did you mean {close[0]}?" if close else ""


def _fields(model: str, place: Place, spell: Spell) -> list[str]:
    """Name the fields of what stands at `place`, as users write them."""
    found = Model.by_name.get(model)
    for step in place:
        if found is None:
            return []
        if isinstance(step, str):
            annotations = {spell(str(field.alias)): field.annotation for field in found.model_fields.values()}
            found = _model_in(annotations.get(step))
    return [spell(str(field.alias)) for field in found.model_fields.values()] if found is not None else []


def _model_in(annotation: object) -> type[Model] | None:
    """Find the model in `Model`, `Model | None` and `list[Model]`."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part)) is not None), None)


def _as_it_is(text: str) -> str:
    return text


def _in_file(text: str) -> str:
    """Spell the names of fields in a text as a file does, and leave out those that a file cannot have."""
    names = {
        str(field.alias): name
        for model in Model.by_name.values()
        for name, field in model.model_fields.items()
        if field.alias != name
    }
    text = re.sub(r"[A-Za-z]+", lambda word: names.get(word[0], word[0]), text)
    for name in RESOURCES_ONLY:
        text = re.sub(rf"one of (\w+) and {name}\b", r"\1", text)
        text = re.sub(rf" and {name} belong\b", " belongs", text)
        text = re.sub(rf"(,| or) {name}\b", "", text)
    return text
