"""What templates compute with: text, numbers, true and false, lists, maps, and the secrets.

Text holds a value's bytes, whatever they are: what is no UTF-8 stands in it as lone surrogates (PEP 383), which the end
turns back. So filters carry bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import copy
from typing import TYPE_CHECKING, Self

from beemflow_secrets.providers import jsontext
from beemflow_secrets.providers.errors import NotFound, SecretsError
from beemflow_secrets.providers.times import as_rfc3339
from beemflow_secrets.rendering.template.faults import Missing, TemplateError, Unread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

PARTS = ("version", "created_at", "expires_at")
"""What a secret tells beside its value."""


_SYNTAX = re.compile(r"\{[{%#]")


def has_syntax(text: str) -> bool:
    """Whether a text is more than itself."""
    return _SYNTAX.search(text) is not None


def text_of(raw: bytes) -> str:
    """Return bytes as text."""
    return raw.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    """Return text as bytes. Raises TemplateError for what no bytes are: half a character, written as an escape."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise TemplateError("it makes text with half a character in it") from None


class Secret(str):
    """A secret's text. Its version and times are text too, None where the backend does not tell them."""

    __slots__ = ("created_at", "expires_at", "version")

    version: str | None
    created_at: str | None
    expires_at: str | None

    def __new__(
        cls, text: str, version: str | None = None, created_at: str | None = None, expires_at: str | None = None
    ) -> Self:
        """Make one of a value's text."""
        made = super().__new__(cls, text)
        made.version, made.created_at, made.expires_at = version, created_at, expires_at
        return made

    def __repr__(self) -> str:
        return "***"


def secret(raw: bytes, version: str | None, created_at: datetime | None, expires_at: datetime | None) -> Secret:
    """Return what was read as templates have it."""
    created, expires = (None if moment is None else as_rfc3339(moment) for moment in (created_at, expires_at))
    return Secret(text_of(raw), version, created, expires)


class Spelled(float):
    """A number with a fraction, which prints as it was written: 1.10 stays 1.10."""

    __slots__ = ("text",)

    text: str

    def __new__(cls, text: str) -> Self:
        """Make one of a number as it is written."""
        made = super().__new__(cls, text)
        made.text = text
        return made


class Secrets:
    """What `secrets` is in a template. `whole`: these are all that there are, so that they can be gone through.

    An answer may be an error: NotFound makes the key missing, any other is raised where the key is used.
    """

    __slots__ = ("answers", "whole")

    def __init__(self, answers: Mapping[str, Secret | SecretsError], *, whole: bool) -> None:
        self.answers = answers
        self.whole = whole

    def get(self, key: str) -> Secret | None:
        """Return a secret, None for one that is not there. Raises Unread, or the error that reading it ended with."""
        answer = self.answers.get(key)
        if answer is None:
            if self.whole:
                return None
            raise Unread(key)
        if isinstance(answer, NotFound):
            return None
        if isinstance(answer, SecretsError):
            own = copy(answer)  # others may be given the same one, and a traceback grows with each raise
            own.__cause__ = answer.__cause__
            raise own
        return answer

    def all(self) -> dict[str, Secret]:
        """Return all secrets. Raises TemplateError where it is not known which there are."""
        if not self.whole:
            raise TemplateError("`secrets` as a whole is for templates of a BeemFlowSecret: name the key here")
        return {key: found for key in self.answers if (found := self.get(key)) is not None}

    def __iter__(self) -> Iterator[str]:
        return iter(self.all())


class Namespace(dict[str, object]):
    """What `namespace()` makes: names that a loop may set for those outside."""

    __slots__ = ()


def to_text(value: object) -> str:
    """Return what a value prints as: text as it is, numbers as they are written, all else as compact JSON."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Secrets):
        raise TemplateError('`secrets` is not one value: write secrets.NAME, secrets["NAME"] or `secrets | dotenv`')
    return jsontext.compact(plain(value))


def plain(value: object, depth: int = 0) -> object:
    """Return a value as JSON's and YAML's writers know it. Raises TemplateError for what is none."""
    if depth > DEEPEST:
        raise TemplateError("a value is nested too deep")
    match value:
        case Spelled():
            return jsontext.Number(value.text)
        case str():
            return str(value)
        case int() if value.bit_length() > LARGEST_WRITTEN:
            raise TemplateError("a number is too large")
        case bool() | int() | float() | None:
            return value
        case Secrets():
            return {key: str(found) for key, found in value.all().items()}
        case Mapping():
            return {to_text(name): plain(item, depth + 1) for name, item in value.items()}
        case list() | tuple():
            return [plain(item, depth + 1) for item in value]
        case _:
            raise TemplateError("what it prints is no value")


DEEPEST = 100
"""Levels of lists and maps."""

LARGEST_WRITTEN = 14_000
"""Bits of a whole number: Python writes none of more than 4300 digits."""


def readable(text: str) -> str:
    """Return text that shall be written into a format of text. Raises TemplateError for binary values."""
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise TemplateError("a value is binary, which this format cannot hold: use base64encode")
    return text


def look_up(base: object, name: object) -> object:
    """Return what stands below a value under a name or number, None for nothing. null counts as nothing.

    Raises TemplateError for what only Python's own objects have: no default acts on that.
    """
    found = _below(base, name)
    if found is None and isinstance(name, str) and name.startswith("__") and not isinstance(base, Secrets):
        raise TemplateError("nothing has a name that begins with `__`")
    return found


def _below(base: object, name: object) -> object:
    match base:
        case Secrets() if isinstance(name, str):
            return base.get(str(name))
        case Secret() if name in PARTS:
            return getattr(base, str(name))  # one of ours, by a name that is in our list
        case Mapping() if isinstance(name, str | int | float | bool | None):
            return base.get(name)
        case list() | tuple() | str() if isinstance(name, int) and not isinstance(name, bool):
            return base[name] if -len(base) <= name < len(base) else None
    return None


def items_of(value: object) -> list[object]:
    """Return what a loop goes through. Raises TemplateError for what has no items."""
    match value:
        case str():
            return list(value)
        case list() | tuple():
            return list(value)
        case Mapping() | Secrets():
            return list(value)
    raise TemplateError("a number or `none` has no items to go through")


def missing(spelled: str) -> Missing:
    """Return the error for a name that is not there."""
    return Missing(f"{spelled} is undefined")
