"""Reads what a BeemFlowSecret asks for: every store once, all at the same time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from beemflow_secrets.controllers.failure import Failed, from_read
from beemflow_secrets.controllers.marks import identity, mark_of
from beemflow_secrets.controllers.secret.provenance import Provenance
from beemflow_secrets.controllers.secret.tracked import store_key
from beemflow_secrets.controllers.store.using import find_open, tell_standing
from beemflow_secrets.model.reasons import Reason
from beemflow_secrets.model.sources import DataEntry, NamedByFind, searches
from beemflow_secrets.providers.errors import SecretsError
from beemflow_secrets.providers.value import Ref, SecretValue
from beemflow_secrets.rendering.compose import Composed, Found, Unusable, compose, names_in, ref_of
from beemflow_secrets.rendering.finding import nothing_found, settled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from beemflow_secrets.controllers.conditions import Status
    from beemflow_secrets.controllers.objects import Key
    from beemflow_secrets.controllers.printing import Rename
    from beemflow_secrets.controllers.secret.demand import Wish
    from beemflow_secrets.controllers.store.using import Stores
    from beemflow_secrets.model.secret import SecretSpec
    from beemflow_secrets.model.sources import DataFrom


T = TypeVar("T")

LARGE = 128 * 1024
"""Bytes that are put together in a thread: twenty thousand fields would hold up the loop for tens of milliseconds."""

PER_FIELD = 32
"""What a field weighs beside its text, in bytes."""


Wanted = tuple[tuple["Key", tuple[Ref, ...]], ...]
"""What is to be read of which store."""


class Answers(NamedTuple):
    """What a store answered, and where it reads."""

    place: str
    of: dict[Ref, SecretValue | SecretsError]


class Reading(NamedTuple):
    """What was answered, what the Secret is to hold, and which links of chains that came from.

    `age` is for how many seconds a cache had kept the oldest of the values; `outage` is why one of them could not be
    read anew, None where all are as young as was asked for.
    """

    answers: Mapping[Key, Answers]
    composed: Composed
    provenance: Provenance
    age: float
    outage: Failed | None


def wanted_by(spec: SecretSpec, namespace: str) -> Wanted:
    """Return what a spec reads: every secret once, by store."""
    wanted: dict[Key, dict[Ref, None]] = {}
    for source in spec.sources():
        refs = wanted.setdefault(store_key(source, spec, namespace), {})
        if not searches(source):
            refs[ref_of(source)] = None
    return tuple((store, tuple(refs)) for store, refs in wanted.items())


async def fetch(
    stores: Stores, wanted: Wanted, namespace: str, *, wish: Wish, former: Provenance
) -> dict[Key, Answers]:
    """Read what is wanted; `wish` makes a Ref of key and version. Raises Failed.

    `former` is where the values of the Secret came from.
    """
    reads = [
        _fetch(stores, store, namespace, [wish(ref.key, ref.version) for ref in refs], former) for store, refs in wanted
    ]
    # One after another would add up what each takes; the first failure, in the order of the spec, is what is told.
    answers = [await reads[0]] if len(reads) == 1 else await asyncio.gather(*reads)
    return dict(zip((store for store, _ in wanted), answers, strict=True))


async def put_together(
    spec: SecretSpec, namespace: str, answers: Mapping[Key, Answers], told: Status, rename: Rename
) -> Reading:
    """Return what all answers come to. Raises Failed.

    `told` is the status of the resource: which sources were read before, and whether the Secret holds something.
    """
    sources = [(source, store_key(source, spec, namespace)) for source in spec.sources()]
    if not sources and told.get("entries"):
        message = "dataFrom: the flows that it names ask for no secret at all; the Secret stays until they ask for one"
        raise Failed(Reason.INVALID_SPEC, message)
    found = settled([_found(source, store, answers[store]) for source, store in sources])
    found = [await _rewritten(item, rename) for item in found]
    try:
        known, holds = frozenset(told.get("sourcesRead", ())), bool(told.get("entries"))
        policies = (spec.target.deletion_policy, known, spec.conflict_policy)
        composed = await _done(found, partial(compose, found, *policies, holds=holds))
    except Unusable as unusable:
        raise from_read(unusable.error, unusable.provider) from unusable.error
    served = {
        (store, ref.key): answer.provider
        for store, answered in answers.items()
        for ref, answer in answered.of.items()
        if isinstance(answer, SecretValue) and answer.provider is not None and ref.version is None
    }
    values = [
        (item.provider, item.answer)
        for item in found
        if isinstance(item.answer, SecretValue) and item.answer.kept is not None
    ]
    outages = (from_read(value.outage, store) for store, value in values if value.outage is not None)
    age = max((value.kept or 0.0 for _, value in values), default=0.0)
    return Reading(answers, composed, Provenance(served, found=_searched(sources, answers)), age, next(outages, None))


async def _fetch(stores: Stores, key: Key, namespace: str, refs: list[Ref], former: Provenance) -> Answers:
    opened = await find_open(stores, key, namespace)
    with opened.use() as chain:
        asked = [replace(ref, served_by=former.of(key, ref, opened.links)) for ref in refs] if opened.links else refs
        answers = await chain.fetch(asked) if asked else {}
    tell_standing(stores, key, answers.values())
    return Answers(opened.place, answers)


def _searched(
    sources: Sequence[tuple[DataEntry | DataFrom, Key]], answers: Mapping[Key, Answers]
) -> dict[tuple[Key, str], str]:
    """Return the keys of what was found and is there, by store and name."""
    return {
        (store, ref_of(source).key): source.secret_key
        for source, store in sources
        if isinstance(source, NamedByFind) and not source.former
        if isinstance(answers[store].of[ref_of(source)], SecretValue)
    }


def _found(source: DataEntry | DataFrom, store: Key, answered: Answers) -> Found:
    if searches(source):
        answer: SecretValue | SecretsError = nothing_found(source)
    else:
        answer = answered.of[ref_of(source)]
    return Found(source, store.name, answer, mark_of(store, answered.place, identity(source)))


async def _rewritten(item: Found, rename: Rename) -> Found:
    source = item.source
    if isinstance(source, DataEntry) or not source.rewrite or isinstance(item.answer, SecretsError):
        return item
    names = await _done([item], partial(names_in, source, item.answer))
    try:
        return replace(item, rewritten=await rename(source, names))
    except SecretsError as error:
        return replace(item, rewritten=error)


async def _done(found: Sequence[Found], work: Callable[[], T]) -> T:
    """Do something with what was found, in a thread where that is much."""
    if sum(_weight(item.answer) for item in found) < LARGE:
        return work()
    return await asyncio.to_thread(work)


def _weight(answer: SecretValue | SecretsError) -> int:
    if isinstance(answer, SecretsError):
        return 0
    if answer.fields is None:
        return len(answer.raw)
    return sum(PER_FIELD + (len(text) if isinstance(text, str) else 0) for text in answer.fields.values())
