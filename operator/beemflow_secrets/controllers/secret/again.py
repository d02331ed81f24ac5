"""What a good sync leaves for the refresh after it, which mostly finds the same: then nothing is composed or told anew.

Nine refreshes of ten change nothing, and putting together again what is known costs more than reading it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from beemflow_secrets.controllers.digests import begun
from beemflow_secrets.providers.value import SecretValue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beemflow_secrets.controllers.objects import Key
    from beemflow_secrets.controllers.secret.reading import Answers, Wanted
    from beemflow_secrets.controllers.secret.timing import Terms


class Last(NamedTuple):
    """What was `wanted`, and a digest of what was `heard`.

    `terms` are those of the spec; `told` is the lastSyncTime that the status has, in seconds since the epoch.
    """

    wanted: Wanted
    heard: bytes
    terms: Terms
    told: float


def last_of(answers: Mapping[Key, Answers], terms: Terms, told: float) -> Last | None:
    """Return what to compare the next answers with. None where they are not all good and just read."""
    heard = digest(answers)
    if heard is None:
        return None
    return Last(tuple((store, tuple(answered.of)) for store, answered in answers.items()), heard, terms, told)


def digest(answers: Mapping[Key, Answers]) -> bytes | None:
    """Return what tells one set of answers from another, in memory. None where not all are good and just read."""
    made = begun()
    for store, answered in answers.items():
        for ref, answer in answered.of.items():
            if not isinstance(answer, SecretValue) or answer.kept is not None:
                return None
            raw = answer.raw
            told = (*store, answered.place, ref.key, ref.version, _facts(answer), answer.fields is None, len(raw))
            made.update(f"{told}".encode())
            made.update(raw)
    return made.digest()


def _facts(value: SecretValue) -> tuple[object, ...]:
    """Return what is told of a value: where it came from, and its times."""
    origins = [(field, _facts(origin)) for field, origin in value.origins.items()]
    return value.version, value.provider, str(value.created_at), str(value.expires_at), origins
