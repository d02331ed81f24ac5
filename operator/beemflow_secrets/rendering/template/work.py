"""A piece of work that can be given to another process, and how that process answers. Pure.

Both ways it travels as JSON: what comes back comes from a process that ran a stranger's text, and is not trusted.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from beemflow_secrets.providers.errors import Invalid, SecretsError
from beemflow_secrets.rendering.template.faults import Missing, TemplateError, TooMuch, Unread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from beemflow_secrets.rendering.template.budget import Budget


class Work(Protocol):
    """Something that is done part by part, each with a result in bytes."""

    KIND: ClassVar[str]
    """By what the other process knows it."""

    LARGEST: ClassVar[int]
    """Bytes of a part's result."""

    def __len__(self) -> int:
        """Return how many parts there are."""

    @abstractmethod
    def place(self, part: int) -> str:
        """Return what a part is called in messages."""

    @abstractmethod
    def run(self, budget: Budget, done: list[bytes]) -> None:
        """Do all parts into `done`, behind what is there already. Raises TemplateError and Invalid that name the place.

        TooMuch leaves in `done` what has been done until then. Unread and others are what reading a secret ended with.
        """

    @abstractmethod
    def packed(self, done: int) -> object:
        """Return what another process needs to go on behind the first `done` parts, as JSON knows it."""

    @classmethod
    @abstractmethod
    def unpacked(cls, packed: Any) -> Self:  # noqa: ANN401 - it is JSON
        """Return what was packed."""

    @abstractmethod
    def fail(self, key: str) -> None:
        """Raise what reading a secret ended with."""


def pack(work: Work, done: int) -> bytes:
    """Return what another process needs to go on behind the first `done` parts."""
    return json.dumps([work.KIND, work.packed(done)]).encode()


def run_packed(packed: bytes, budget: Budget, kinds: Sequence[type[Work]]) -> bytes:
    """Do the other process's part: run packed work, return the answer."""
    name, content = json.loads(packed)
    (kind,) = (kind for kind in kinds if name == kind.KIND)
    work, done = kind.unpacked(content), list[bytes]()
    answer: list[object]
    try:
        work.run(budget, done)
        answer = ["done", [b64encode(raw).decode() for raw in done]]
    except (TooMuch, MemoryError):
        answer = ["much", placed(TooMuch(), work.place(len(done))).message]
    except Unread as error:
        answer = ["unread", error.key]
    except TemplateError as error:
        answer = ["fault", error.message]
    except Invalid as error:
        answer = ["invalid", error.message]
    except SecretsError as error:
        answer = ["raise", error.key]
    return json.dumps(answer).encode()


def take(work: Work, answer: bytes, done: list[bytes]) -> None:
    """Take in what the other process answered. Raises what `run` does, and TooMuch for half an answer."""
    place, others = work.place(len(done)), len(work) - len(done) - 1
    killed = TooMuch(f"{place}{' or one behind it' if others else ''}: {TooMuch().message}".removeprefix(": "))
    try:
        kind, content = json.loads(answer)
    except ValueError:
        raise killed from None
    match kind:
        case "done":
            done += map(b64decode, content)
        case "unread":
            raise Unread(content)
        case "raise":
            work.fail(content)
        case "fault":
            raise TemplateError(content)
        case "invalid":
            raise Invalid(content)
        case "much":
            raise TooMuch(content)
    if len(done) != len(work):
        raise killed


def placed(error: TemplateError, place: str) -> TemplateError:
    """Return an error that says where it is."""
    kind = Missing if isinstance(error, Missing) else TemplateError
    return kind(f"{place}: {error.message}" if place else error.message)
