"""One operation on a backend: its turn, its deadline, its retries, its metrics. The only place that tries again."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

from beemflow_secrets.chain.batch import Batch, call_of
from beemflow_secrets.chain.budget import OverBudget
from beemflow_secrets.chain.layer import Layer
from beemflow_secrets.chain.purse import OfAttempt, take
from beemflow_secrets.chain.turns import Turns
from beemflow_secrets.engine.backoff import full_jitter
from beemflow_secrets.engine.clock import loop_time
from beemflow_secrets.providers.errors import SecretsError, Throttled, Unavailable
from beemflow_secrets.providers.spending import paid_by
from beemflow_secrets.providers.value import Ref, SecretValue
from beemflow_secrets.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

    from beemflow_secrets.chain.budget import Budget
    from beemflow_secrets.model.store import Retry
    from beemflow_secrets.providers.base import Driver
    from beemflow_secrets.providers.value import Content, Found, Search

T = TypeVar("T")

Answers = dict[Ref, SecretValue | SecretsError]

CALLS = 16
"""Reads that one backend of a store may have in flight."""


class Call(Layer):
    """`timeout` (seconds) bounds one attempt; an operation with all its retries ends within twice that.

    `within` (seconds) ends it earlier: a link of a chain gets one timeout, since another backend may be asked.
    Each attempt takes from all `budgets`, and waits within the operation's time for it; so do the requests that its
    driver sends beyond one. No more than `calls` reads are
    in flight; how long one waits for others to end is not counted, as long as the backend answers them.
    """

    def __init__(
        self,
        driver: Driver,
        *,
        timeout: float,
        retry: Retry,
        within: float | None = None,
        budgets: Sequence[Budget] = (),
        calls: int = CALLS,
    ) -> None:
        super().__init__(driver)
        self._budgets = budgets
        self._turns = Turns(calls)
        self._within = 2 * timeout if within is None else within
        self._name = driver.name
        self._timeout = timeout
        self._retry = retry

    async def fetch(self, refs: Iterable[Ref]) -> Answers:
        """Ask for all, then again for those alone that were throttled or found the backend unavailable."""
        deadline = loop_time() + self._within
        answers: Answers = {}
        batch = Batch.of(refs)
        batch.waits()
        asked: list[Ref] = batch
        for attempt in range(1, self._retry.attempts + 1):
            try:
                await take(self._budgets, batch, deadline)
            except OverBudget as refusal:
                return answers or dict.fromkeys(asked, refusal)
            came = loop_time()
            try:
                async with self._turns.take():
                    if self._turns.moves_since(came):
                        deadline += loop_time() - came
                    if attempt == 1:
                        batch.starts()
                    answers.update(await self._attempt_fetch(asked, batch, deadline))
            except TimeoutError:
                return answers or dict.fromkeys(asked, self._late())
            failed = [error for ref in asked if isinstance(error := answers[ref], Throttled | Unavailable)]
            if not failed or not await self._wait(attempt, failed, deadline):
                break
            asked = [ref for ref in asked if isinstance(answers[ref], Throttled | Unavailable)]
        return answers

    async def find(self, search: Search) -> Found:
        """List, trying again while throttled or unavailable."""
        return await self._persist("list", lambda: self._inner.find(search), call_of(search))

    async def set_secret(self, key: str, value: Content, *, property: str | None = None) -> SecretValue:
        """Write, trying again as for a read: what an attempt has written that got no answer is not written twice."""
        return await self._persist("write", lambda: self._inner.set_secret(key, value, property=property))

    async def delete_secret(self, key: str, *, property: str | None = None) -> None:
        """Delete, trying again: what is gone already is no error."""
        await self._persist("delete", lambda: self._inner.delete_secret(key, property=property))

    async def health_check(self) -> None:
        """Ask once: whoever probes comes again by itself. It waits for no budget, but is charged to it."""
        for budget in self._budgets:
            budget.charge()
        await self._attempt("health", self._inner.health_check, loop_time() + self._timeout)

    async def _persist(self, operation: str, ask: Callable[[], Awaitable[T]], call: Batch | None = None) -> T:
        """Do what may be done again, until it is answered by neither of the two."""
        call = Batch(()) if call is None else call
        call.waits()
        deadline = loop_time() + self._within
        attempt = 0
        failed: list[Throttled | Unavailable] = []
        while True:
            attempt += 1
            try:
                await take(self._budgets, call, deadline)
                if attempt == 1:
                    call.starts()
                with paid_by(OfAttempt(self._budgets, call, deadline)):
                    return await self._attempt(operation, ask, deadline)
            except OverBudget as refusal:
                raise (failed[0] if failed else refusal) from None
            except (Throttled, Unavailable) as error:
                failed = [error]
                if not await self._wait(attempt, failed, deadline):
                    raise

    async def _attempt_fetch(self, refs: list[Ref], call: Batch, deadline: float) -> Answers:
        began = loop_time()
        ends = min(began + self._timeout, deadline)
        # Who waits for a token until half of the time is over leaves the backend the other half to answer.
        purse = OfAttempt(self._budgets, call, (began + ends) / 2)
        try:
            async with asyncio.timeout_at(ends):
                with self._measured("read") as measured, paid_by(purse):
                    answers = await self._inner.fetch(refs)
                    measured.answers = answers.values()
        except TimeoutError:
            self._turns.silent(began)
            return dict.fromkeys(refs, self._late())
        self._turns.answered()
        return answers

    async def _attempt(self, operation: str, ask: Callable[[], Awaitable[T]], deadline: float) -> T:
        try:
            async with asyncio.timeout_at(min(loop_time() + self._timeout, deadline)):
                with self._measured(operation):
                    return await ask()
        except TimeoutError:
            raise self._late() from None

    async def _wait(self, failures: int, errors: list[Throttled | Unavailable], deadline: float) -> bool:
        """Wait before the next attempt. False where none is worth it: it was the last, or would come too late."""
        if failures == self._retry.attempts:
            return False
        asked_to = [error.retry_after for error in errors if isinstance(error, Throttled) and error.retry_after]
        # Where the backend names a time, it wins, also over maxDelay.
        wait = max(asked_to) if asked_to else self._jitter(failures)
        if loop_time() + wait >= deadline:
            return False
        await asyncio.sleep(wait)
        return True

    def _jitter(self, failures: int) -> float:
        return full_jitter(failures, base=self._retry.base_delay, most=self._retry.max_delay)

    def _late(self) -> Unavailable:
        return Unavailable(f"no answer within {self._timeout:g} s")

    @contextmanager
    def _measured(self, operation: str) -> Iterator[_Measured]:
        measured = _Measured()
        # Not the loop's clock: uvloop's counts whole milliseconds.
        started = perf_counter()
        with metrics.active_connections.labels(self._name).track_inprogress():
            try:
                yield measured
            except SecretsError as error:
                measured.answers = [error]
                raise
            except asyncio.CancelledError:
                measured.answers = [self._late()]
                raise
            finally:
                metrics.request_duration_seconds.labels(self._name, operation).observe(perf_counter() - started)
                for answer in measured.answers:
                    metrics.count_request(self._name, operation, answer)


class _Measured:
    """What an attempt came to; an operation that returns no answers counts as one success."""

    __slots__ = ("answers",)

    def __init__(self) -> None:
        self.answers: Iterable[object] = (None,)
