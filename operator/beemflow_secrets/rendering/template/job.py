"""Several templates with the same names, as one piece of work that can be given to another process. Pure.

Both ways it travels as JSON: what comes back comes from a process that ran a stranger's text, and is not trusted.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING

from beemflow_secrets.providers.errors import NotFound, SecretsError
from beemflow_secrets.rendering.template.faults import Missing, TemplateError, TooMuch, Unread
from beemflow_secrets.rendering.template.values import Secret, Secrets, bytes_of, has_syntax, plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from beemflow_secrets.rendering.template.budget import Budget

MISSING, OTHER = "missing", "error"


@dataclass(frozen=True, slots=True)
class Job:
    """Templates, each with where it stands, and the names that they may use beside `secrets`."""

    texts: Sequence[tuple[str, str]]
    secrets: Secrets
    names: Mapping[str, object]

    def run(self, budget: Budget, done: list[bytes]) -> None:
        """Render all into `done`, behind what is there already. Raises TemplateError that names the place, and Unread.

        TooMuch leaves in `done` what has been rendered until then.
        """
        names = {**self.names, "secrets": self.secrets}
        for place, text in self.texts[len(done) :]:
            try:
                done.append(_render(text, names, budget) if has_syntax(text) else bytes_of(text))
            except TooMuch:
                raise
            except TemplateError as error:
                raise placed(error, place) from None

    def packed(self, done: int) -> bytes:
        """Return what another process needs to go on behind the first `done` templates."""
        answers = {key: _packed(answer) for key, answer in self.secrets.answers.items()}
        names = {}
        for name, value in self.names.items():
            try:
                names[name] = plain(value)
            except TemplateError:
                continue  # it is no value, and whoever asks for it is told so
        return json.dumps([self.texts[done:], answers, self.secrets.whole, names]).encode()

    def unpacked(self, answer: bytes, done: list[bytes]) -> None:
        """Take in what the other process answered. Raises what `run` does, and TooMuch for half an answer."""
        place, others = self.texts[len(done)][0], len(self.texts) - len(done) - 1
        killed = TooMuch(
            f"{place}{' or a template behind it' if others else ''}: {TooMuch().message}".removeprefix(": ")
        )
        try:
            kind, content = json.loads(answer)
        except ValueError:
            raise killed from None
        match kind:
            case "done":
                done += map(b64decode, content)
            case "unread":
                raise Unread(content)
            case "raise":  # what reading a secret ended with
                self.secrets.get(content)
            case "fault":
                raise TemplateError(content)
            case "much":
                raise TooMuch(content)
        if len(done) != len(self.texts):
            raise killed


def run_packed(packed: bytes, budget: Budget) -> bytes:
    """Do the other process's part: run a packed job, return the answer."""
    texts, answers, whole, names = json.loads(packed)
    secrets = Secrets({key: _unpacked(key, answer) for key, answer in answers.items()}, whole=whole)
    job, done = Job(texts, secrets, names), list[bytes]()
    answer: list[object]
    try:
        job.run(budget, done)
        answer = ["done", [b64encode(raw).decode() for raw in done]]
    except (TooMuch, MemoryError):
        answer = ["much", placed(TooMuch(), texts[len(done)][0]).message]
    except Unread as error:
        answer = ["unread", error.key]
    except TemplateError as error:
        answer = ["fault", error.message]
    except SecretsError as error:
        answer = ["raise", error.key]
    return json.dumps(answer).encode()


def _render(text: str, names: Mapping[str, object], budget: Budget) -> bytes:
    # Only here: who has no template need not load a parser.
    from beemflow_secrets.rendering.template.engine import render  # noqa: PLC0415 - as above

    return render(text, names, budget)


def placed(error: TemplateError, place: str) -> TemplateError:
    """Return an error that says in which template it is."""
    kind = Missing if isinstance(error, Missing) else TemplateError
    return kind(f"{place}: {error.message}" if place else error.message)


def _packed(answer: Secret | SecretsError) -> object:
    if isinstance(answer, NotFound):
        return MISSING
    if isinstance(answer, SecretsError):
        return OTHER
    return [str(answer), answer.version, answer.created_at, answer.expires_at]


def _unpacked(key: str, answer: list[str] | str) -> Secret | SecretsError:
    if answer == MISSING:
        return NotFound("", key=key)
    if answer == OTHER:
        return SecretsError("", key=key)
    return Secret(*answer)
