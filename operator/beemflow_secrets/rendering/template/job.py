"""Several templates with the same names, as one piece of work. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

from beemflow_secrets.providers.errors import NotFound, SecretsError
from beemflow_secrets.rendering.template.budget import LARGEST_OUTPUT
from beemflow_secrets.rendering.template.faults import TemplateError, TooMuch
from beemflow_secrets.rendering.template.values import Secret, Secrets, bytes_of, has_syntax, plain
from beemflow_secrets.rendering.template.work import Work, placed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from beemflow_secrets.rendering.template.budget import Budget

MISSING, OTHER = "missing", "error"


@dataclass(frozen=True, slots=True)
class Job(Work):
    """Templates, each with where it stands, and the names that they may use beside `secrets`."""

    KIND: ClassVar[str] = "templates"
    LARGEST: ClassVar[int] = LARGEST_OUTPUT

    texts: Sequence[tuple[str, str]]
    secrets: Secrets
    names: Mapping[str, object] = field(repr=False)  # what a flow's steps gave, among others

    def __len__(self) -> int:
        """Return how many templates there are."""
        return len(self.texts)

    def place(self, part: int) -> str:
        """Return where a template stands."""
        return self.texts[part][0]

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

    def packed(self, done: int) -> object:
        """Return what another process needs to go on behind the first `done` templates."""
        answers = {key: _packed(answer) for key, answer in self.secrets.answers.items()}
        names = {}
        for name, value in self.names.items():
            try:
                names[name] = plain(value)
            except TemplateError:
                continue  # it is no value, and whoever asks for it is told so
        return [self.texts[done:], answers, self.secrets.whole, names]

    @classmethod
    def unpacked(cls, packed: Any) -> Self:  # noqa: ANN401 - it is JSON
        """Return what was packed."""
        texts, answers, whole, names = packed
        secrets = Secrets({key: _unpacked(key, answer) for key, answer in answers.items()}, whole=whole)
        return cls(texts, secrets, names)

    def fail(self, key: str) -> None:
        """Raise what reading a secret ended with."""
        self.secrets.get(key)


def _render(text: str, names: Mapping[str, object], budget: Budget) -> bytes:
    # Only here: who has no template need not load a parser.
    from beemflow_secrets.rendering.template.engine import render  # noqa: PLC0415 - as above

    return render(text, names, budget)


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
