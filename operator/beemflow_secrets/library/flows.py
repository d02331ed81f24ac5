"""`validate` and `render`: flows, held against a store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar, cast

from beemflow_secrets.library.secrets import Secrets
from beemflow_secrets.providers.errors import Denied, Invalid, NotFound, SecretsError
from beemflow_secrets.rendering.flows.places import texts
from beemflow_secrets.rendering.flows.references import references, uses_of
from beemflow_secrets.rendering.template import values
from beemflow_secrets.rendering.template.aside import Aside
from beemflow_secrets.rendering.template.faults import TemplateError, Unread
from beemflow_secrets.rendering.template.job import Job

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from beemflow_secrets.providers.base import SecretsProvider
    from beemflow_secrets.providers.value import SecretValue
    from beemflow_secrets.rendering.flows.references import Use

T = TypeVar("T")


async def validate(secrets: SecretsProvider, flow: object) -> None:
    """Return if each secret that a parsed flow asks for is there and may be read.

    Else raise one NotFound, or one Denied where none is missing, whose `keys` holds all that fail. A key is left out
    where it is optional and missing; computed keys cannot be judged. Raises Invalid for what is no flow, and any other
    SecretsError as it is.
    """
    wanted = {found.key: found.optional for found in references(flow)}
    answers = await _secrets(secrets).read(list(wanted))
    missing = [key for key, answer in answers.items() if isinstance(answer, NotFound) and not wanted[key]]
    denied = [key for key, answer in answers.items() if isinstance(answer, Denied)]
    for answer in answers.values():
        if isinstance(answer, SecretsError) and not isinstance(answer, NotFound | Denied):
            raise answer
    if missing:
        raise NotFound(_told(missing, denied), keys=(*missing, *denied))
    if denied:
        raise Denied(_told(missing, denied), keys=tuple(denied))


async def render(secrets: SecretsProvider, template: T, context: Mapping[str, object] | None = None) -> T:
    """Return a text, or a tree of lists and maps, with each text in it rendered; what is no text stays as it is.

    `context` holds what templates may name beside `secrets`: vars, event, outputs. Only the keys are read that a text
    asks for. Raises TemplateError, an Invalid, that names flow, step and path; and a SecretsError of a key that is
    used, NotFound apart: what is missing is undefined.
    """
    places = [(str(place), text) for place, text in texts(template)]
    rendering = _Rendering(_secrets(secrets), context or {})
    await rendering.read({use.key for _, text in places for use in _uses(text) if use.key is not None})
    done = iter([await rendering.text(place, text) for place, text in places])
    return cast("T", _filled(template, done))


class _Rendering:
    """One render: what has been read for it until now."""

    def __init__(self, secrets: Secrets, context: Mapping[str, object]) -> None:
        self._secrets = secrets
        self._context = context
        self._answers: dict[str, values.Secret | SecretsError] = {}
        self._aside = Aside()

    async def read(self, keys: Iterable[str]) -> None:
        """Read keys, all together."""
        if wanted := sorted(keys):
            found = await self._secrets.read(wanted)
            self._answers |= {key: _secret(answer) for key, answer in found.items()}

    async def text(self, place: str, text: str) -> str:
        """Return one text. A key that only the run can tell is read when it is asked for."""
        job = Job([(place, text)], values.Secrets(self._answers, whole=False), self._context)
        while True:
            try:
                (raw,) = await self._aside.render(job)
            except Unread as asked:
                await self.read([asked.key])
                continue
            try:
                return raw.decode()
            except UnicodeDecodeError:
                raise TemplateError(f"{place}: the result is binary (not UTF-8): use base64encode") from None


def _secrets(secrets: SecretsProvider) -> Secrets:
    if not hasattr(secrets, "fetch"):
        raise Invalid("an open store is needed, as `async with open_secrets() as secrets` gives it")
    return secrets if isinstance(secrets, Secrets) else Secrets(secrets, type(secrets).__name__)


def _uses(text: str) -> list[Use]:
    """Return what a text asks for; nothing of one that is no template, whose place is told when it is rendered."""
    try:
        return uses_of(text)
    except TemplateError:
        return []


def _secret(answer: SecretValue | SecretsError) -> values.Secret | SecretsError:
    if isinstance(answer, SecretsError):
        return answer
    return values.secret(answer.raw, answer.version, answer.created_at, answer.expires_at)


def _filled(node: object, done: Iterator[str]) -> object:
    """Return a tree of the same form, its texts replaced in the order in which `texts` yields them."""
    match node:
        case str():
            return next(done)
        case Mapping():
            return {name: _filled(item, done) for name, item in node.items()}
        case list():
            return [_filled(item, done) for item in node]
        case tuple():
            return tuple(_filled(item, done) for item in node)
    return node


def _told(missing: list[str], denied: list[str]) -> str:
    parts = [f"{how}: {', '.join(keys)}" for how, keys in (("not found", missing), ("denied", denied)) if keys]
    return "; ".join(parts)
