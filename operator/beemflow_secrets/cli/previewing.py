"""What `render` and `diff` share: plans of several resources at a time, and what an end without one is worth."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from beemflow_secrets.cli.console import Exit
from beemflow_secrets.cli.progress import progress
from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.model.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    Object = dict[str, Any]

T = TypeVar("T")

AT_ONCE = 32
"""Resources that are worked out at a time."""

_CODES = {
    Reason.KEY_NOT_FOUND: Exit.MISSING,
    Reason.PROPERTY_NOT_FOUND: Exit.MISSING,
    Reason.ACCESS_DENIED: Exit.MISSING,
    Reason.INVALID_SPEC: Exit.USAGE,
    Reason.INVALID_TEMPLATE: Exit.USAGE,
    Reason.STORE_NOT_FOUND: Exit.USAGE,
}


def code_of(failures: Iterable[Failed], *, not_ready: Exit) -> Exit:
    """Return what the process ends with: what is wrong in the files before what is missing, and that before outages.

    `not_ready` is for a store that cannot be opened: files lack something, or a cluster does.
    """
    known = {**_CODES, Reason.STORE_NOT_READY: not_ready}
    codes = {known.get(failure.reason, Exit.FAILED) for failure in failures}
    return next((code for code in (Exit.USAGE, Exit.MISSING, Exit.FAILED) if code in codes), Exit.OK)


async def each(what: str, bodies: list[Object], work: Callable[[Object], Awaitable[T]]) -> list[T | Failed]:
    """Do some work for each resource, and return what came of it, or why nothing did."""
    room = asyncio.Semaphore(AT_ONCE)
    with progress(what, len(bodies)) as step:

        async def one(body: Object) -> T | Failed:
            async with room:
                try:
                    return await work(body)
                except Failed as failure:
                    return failure
                finally:
                    step(1)

        return await asyncio.gather(*map(one, bodies))
