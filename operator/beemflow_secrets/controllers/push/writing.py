"""The calls to a store: what is there, what is written, what is taken back."""

from __future__ import annotations

import asyncio
from itertools import groupby
from typing import TYPE_CHECKING

from beemflow_secrets.controllers.failure import Failed, from_read
from beemflow_secrets.controllers.push.places import mark_at
from beemflow_secrets.controllers.store.using import find_open, tell_standing
from beemflow_secrets.engine.clock import loop_time
from beemflow_secrets.model.reasons import Reason
from beemflow_secrets.providers.errors import SecretsError
from beemflow_secrets.providers.value import Ref

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from beemflow_secrets.controllers.objects import Key
    from beemflow_secrets.controllers.push.places import Place, Pushed
    from beemflow_secrets.controllers.push.planning import Wanted
    from beemflow_secrets.controllers.store.controller import StoreController
    from beemflow_secrets.controllers.store.opening import OpenStore
    from beemflow_secrets.providers.base import SecretsProvider
    from beemflow_secrets.providers.value import SecretValue

AT_ONCE = 8
"""Keys of a store that are written at a time for one resource."""


async def writable(stores: StoreController, store: Key, namespace: str) -> OpenStore:
    """Return a store that can be written to. Raises Failed."""
    opened = await find_open(stores, store, namespace)
    if "Write" not in opened.capabilities:
        driver = opened.spec.driver
        raise Failed(Reason.INVALID_SPEC, f"{store} cannot be written to: its driver is {driver}")
    return opened


async def look(
    stores: StoreController, store: Key, chain: SecretsProvider, keys: Iterable[str], *, patient: bool
) -> dict[str, SecretValue | SecretsError]:
    """Return what the store has now, by key. `patient`: nobody waits for it."""
    refs = [Ref(key, since=loop_time(), patient=patient, max_age=0.0, to_write=True) for key in dict.fromkeys(keys)]
    answers = await chain.fetch(refs)
    tell_standing(stores, store, answers.values())
    return {ref.key: answer for ref, answer in answers.items()}


async def write(chain: SecretsProvider, items: Sequence[Wanted]) -> None:
    """Write all, the fields of a key one after the other. Raises Failed for the first that fails."""
    await _each_key(
        [item.place for item in items],
        lambda number: chain.set_secret(
            items[number].place.key, items[number].content, property=items[number].place.property
        ),
    )


async def take_back(opened: OpenStore, chain: SecretsProvider, pushed: Sequence[Pushed]) -> list[Pushed]:
    """Delete what was written, and return what is left there, for the store leads to another backend now.

    Raises Failed for the first that fails.
    """
    known = [item for item in pushed if mark_at(item.place, opened) == item.mark]
    places = [item.place for item in known]
    await _each_key(places, lambda number: chain.delete_secret(places[number].key, property=places[number].property))
    return [item for item in pushed if item not in known]


async def _each_key(places: Sequence[Place], change: Callable[[int], Awaitable[object]]) -> None:
    """Make a change for each place, by its number."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one_key(numbers: list[int]) -> None:
        async with slots:
            for number in numbers:
                await change(number)

    order = sorted(range(len(places)), key=lambda number: places[number].key)
    keys = [list(numbers) for _, numbers in groupby(order, key=lambda number: places[number].key)]
    ended = await asyncio.gather(*map(one_key, keys), return_exceptions=True)
    failed = [error for error in ended if isinstance(error, BaseException)]
    for error in sorted(failed, key=lambda error: isinstance(error, SecretsError)):
        if isinstance(error, SecretsError):
            told = from_read(error, places[0].store.name)
            raise Failed(told.reason, f"{told.message}{_more(failed)}", retry_after=told.retry_after) from error
        raise error


def _more(failed: Sequence[BaseException]) -> str:
    return f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
