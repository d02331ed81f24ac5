"""Rules that hold in two places: here, and in the API server, which answers `kubectl apply` by itself.

There a rule is a CEL expression in the CRD. Each stands beside its Python twin, with one message for both. In CEL
`self` is the object or field that the rule stands at, and a field is asked for with `has()` before it is read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic_core import core_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler

KEYWORD = "x-kubernetes-validations"

M = TypeVar("M")
Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rule(Generic[M]):
    """Something that must hold between the fields of a model.

    `path` leads from the model to the field that the answer points at, in the names that users write.
    """

    cel: str
    holds: Callable[[M], bool]
    message: str
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Matches:
    """An annotation of text: `regex` is found in it, or is not where `never` is set.

    A JSON schema's `pattern` could say it too, with an answer that quotes the expression instead of `message`.
    """

    regex: str
    message: str
    never: bool = False

    def __get_pydantic_core_schema__(self, source: type[Any], handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Check after the type has been checked."""
        return core_schema.no_info_after_validator_function(self._check(), handler(source))

    def __get_pydantic_json_schema__(self, core: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> Schema:
        """Add the rule to those that stand at the field."""
        return with_rule(handler(core), self._cel("self"), self.message)

    def _check(self) -> Callable[[Any], Any]:
        found, unwanted = compiled(self.regex).search, self.never

        def check(text: str) -> str:
            if (found(text) is not None) is unwanted:
                raise ValueError(self.message)
            return text

        return check

    def _cel(self, subject: str) -> str:
        return f"{'!' if self.never else ''}{subject}.matches({quoted(self.regex)})"


class KeysMatch(Matches):
    """An annotation of a map: what `Matches` says of a text holds for each of its keys."""

    __slots__ = ()

    def _check(self) -> Callable[[Any], Any]:
        check_key = super()._check()

        def check(found: dict[str, str]) -> dict[str, str]:
            for key in found:
                check_key(key)
            return found

        return check

    def _cel(self, subject: str) -> str:
        return f"{subject}.all(name, {super()._cel('name')})"


def compiled(regex: str) -> re.Pattern[str]:
    """Compile for Python what is written for RE2.

    There `$` is the end of the text; in Python it also stands before a last newline. So `$` stands for the end alone in
    the expressions of this project, never for itself.
    """
    return re.compile(regex.replace("$", r"\Z"))


def listed(names: tuple[str, ...], last: str) -> str:
    """Write names as a sentence has them: `a, b or c`."""
    return f" {last} ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def quoted(text: str) -> str:
    """Write a regular expression as a CEL string."""
    return f"r'{text}'"


def with_rule(schema: Schema, expression: str, message: str, path: tuple[str, ...] = ()) -> Schema:
    """Return a JSON schema with one more rule."""
    added = {"rule": expression, "message": message}
    if path:
        added["fieldPath"] = "".join(f".{name}" for name in path)
    return {**schema, KEYWORD: [*schema.get(KEYWORD, []), added]}
