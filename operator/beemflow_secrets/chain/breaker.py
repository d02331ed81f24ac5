"""A link of a chain that does not answer costs one timeout a probe, not one a key.

The breaker stands below the loader, so it sees every call and knows all that are under way. When one fails, and none
has worked since that one began, the link is down: calls under way are given up, those that wait pass it over at once,
and it is asked how it is every few seconds until it answers.
"""

from __future__ import annotations

import asyncio
import random
from copy import copy
from time import perf_counter
from typing import TYPE_CHECKING, Literal, TypeGuard, TypeVar

import structlog

from beemflow_secrets.chain.batch import Batch
from beemflow_secrets.chain.budget import OverBudget
from beemflow_secrets.chain.layer import Layer
from beemflow_secrets.engine.clock import loop_time
from beemflow_secrets.providers.errors import (
    AuthFailed,
    Denied,
    EndpointNotAllowed,
    NotFound,
    SecretsError,
    Throttled,
    Unavailable,
)
from beemflow_secrets.providers.value import Ref, SecretValue
from beemflow_secrets.telemetry.logs import where

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable

    from beemflow_secrets.providers.base import SecretsProvider
    from beemflow_secrets.providers.value import Found, Search

log = structlog.get_logger(__name__)

T = TypeVar("T")
Answers = dict[Ref, SecretValue | SecretsError]

FAILING = (Unavailable, Throttled, AuthFailed, EndpointNotAllowed)
"""The errors that concern a link, not a key; but for OverBudget, which says nothing of the backend."""

PROBE_DOWN = (2.0, 5.0)
"""Seconds between probes of a link, or of a store, that is down, drawn anew each time."""

LONGEST_PAUSE = 300.0
"""Seconds. However long a Retry-After is, a link is asked by then how it is: it may serve again long before."""

SAME_OUTAGE = 10.0
"""Seconds for which a link has to serve after a probe found it up. Who fails a read before has not been up at all."""


class Breaker(Layer):
    """Stands before the calls to one link. `error` is why the link is down, None while it is up.

    `since` is when it went down, `worked` when a read was answered last (the event loop's clock), `latency` how long
    the last answer to a probe took, in seconds. `changed(up)` is called when the link goes down or comes back.
    """

    def __init__(self, inner: SecretsProvider, *, name: str, store: str = "") -> None:
        super().__init__(inner)
        self.name = name
        self._log = log.bind(store=store, link=name) if store else log.bind(link=name)
        self.error: SecretsError | None = None
        self.since = self.worked = float("-inf")
        self.latency = 0.0
        self.changed: Callable[[bool], None] = _nobody_listens
        self._found_up = self._asked = float("-inf")
        self._under_way: set[asyncio.Timeout] = set()
        self._recovery: asyncio.Task[None] | None = None

    @property
    def state(self) -> Literal["Healthy", "Degraded", "Down"]:
        """How the link stands. One that asks for patience is there."""
        if self.error is None:
            return "Healthy"
        return "Degraded" if isinstance(self.error, Throttled) else "Down"

    async def fetch(self, refs: Iterable[Ref]) -> Answers:
        """Read, or answer at once why the link is passed over."""
        asked = Batch.of(refs)
        try:
            answers = await self._while_up(lambda: self._inner.fetch(asked))
        except _PassedOver as down:
            return dict.fromkeys(asked, down.error)
        if asked.started is not None:  # else the store's own budget refused it
            await self._judge(answers.values(), asked.started)
        return answers

    async def find(self, search: Search) -> Found:
        """List, or raise at once why the link is passed over."""
        started = loop_time()
        try:
            found = await self._while_up(lambda: self._inner.find(search))
        except _PassedOver as down:
            raise down.error from None
        except OverBudget:
            raise
        except SecretsError as error:
            await self._judge([error], started)
            raise
        self._works()
        return found

    async def health_check(self) -> None:
        """Ask the link how it is, unless it is down: then that is being done. Raises why it is down."""
        await self.probe()
        if self.error is not None:
            raise copy(self.error)

    async def probe(self, *, max_age: float = 0.0) -> None:
        """Ask a link that is up how it is, if it has not answered for `max_age` seconds."""
        if self.error is not None or loop_time() - max(self.worked, self._asked) < max_age:
            return
        started = loop_time()
        try:
            await self._while_up(self._ask)
        except _PassedOver:
            pass
        except SecretsError as error:
            self._goes_down(error, started)

    async def close(self) -> None:
        """Ask no more, and close the link."""
        if self._recovery is not None:
            self._recovery.cancel()
            await asyncio.gather(self._recovery, return_exceptions=True)
        await self._inner.close()

    async def _while_up(self, ask: Callable[[], Awaitable[T]]) -> T:
        self._pass_over()
        scope = asyncio.timeout(None)
        try:
            async with scope:
                self._under_way.add(scope)
                return await ask()
        except TimeoutError:  # gone down meanwhile
            self._pass_over()
            raise
        finally:
            self._under_way.discard(scope)

    def _pass_over(self) -> None:
        if self.error is not None:
            raise _PassedOver(copy(self.error)) from None

    async def _judge(self, answers: Collection[object], started: float) -> None:
        failures = [answer for answer in answers if concerns_link(answer)]
        if any(isinstance(answer, SecretValue | NotFound | Denied) for answer in answers):
            self._works()
        elif failures and self.worked < started:
            self._goes_down(failures[0], started)
        elif failures:  # others were served meanwhile: is it this key, or has the link just gone?
            await self.probe()

    def _works(self) -> None:
        self.worked = loop_time()
        self._found_up = float("-inf")

    async def _ask(self) -> None:
        started = perf_counter()
        try:
            await self._inner.health_check()
        except (Denied, NotFound):
            pass  # who answers that serves
        finally:
            self.latency = perf_counter() - started
        self._asked = loop_time()

    def _goes_down(self, error: SecretsError, started: float) -> None:
        if self.error is not None:
            return
        self.error = _of_link(error)
        if started - self._found_up > SAME_OUTAGE:
            self.since = loop_time()
        for scope in self._under_way:
            scope.reschedule(loop_time())
        self._recovery = asyncio.create_task(self._recover())
        self._log.warning("Link is down", error=error.message)
        self.changed(False)

    async def _recover(self) -> None:
        while self.error is not None:
            await asyncio.sleep(_pause(self.error))
            try:
                await self._ask()
            except SecretsError as error:
                self.error = _of_link(error)
            except Exception as error:  # noqa: BLE001 - a driver's defect; were it the end, the link would stay down
                self._log.error("Driver failed unexpectedly", error=type(error).__name__, at=where(error))
            else:
                self.error, self._found_up = None, loop_time()
        self._log.info("Link serves again")
        self.changed(True)


class _PassedOver(Exception):
    """The link is down; `error` is why."""

    def __init__(self, error: SecretsError) -> None:
        super().__init__()
        self.error = error


def concerns_link(answer: object) -> TypeGuard[SecretsError]:
    """Whether an answer tells that the link cannot be asked, and not something of a key, or of our own budget."""
    return isinstance(answer, FAILING) and not isinstance(answer, OverBudget)


def _nobody_listens(_up: bool) -> None:  # noqa: FBT001 - the signature of those who do
    pass


def _pause(error: SecretsError) -> float:
    if isinstance(error, Throttled) and error.retry_after:
        return min(error.retry_after, LONGEST_PAUSE)
    return random.uniform(*PROBE_DOWN)  # noqa: S311 - spreads load, guards nothing


def _of_link(error: SecretsError) -> SecretsError:
    """Return the error without the key that was asked for: it is told to whoever asks for another, or for none."""
    own = copy(error)
    own.key = None
    return own
