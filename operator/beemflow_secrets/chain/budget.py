"""A store's own limit on its calls: a token bucket, and the line of those who wait for a token."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from beemflow_secrets.engine.clock import loop_time
from beemflow_secrets.providers.errors import Throttled

if TYPE_CHECKING:
    from beemflow_secrets.chain.batch import Batch
    from beemflow_secrets.model.backend import RequestBudget

FURTHEST = 300.0
"""Seconds. Nobody is told to come back later than this: many do not wait for longer, and their turns would be lost."""

_ROUNDING = 1e-6

_NOTHING_PROMISED = {True: float("-inf"), False: float("-inf")}


class OverBudget(Throttled):
    """The store's own budget is used up: it says nothing of the backend."""


class _Place:
    """A call's place in the line."""

    __slots__ = ("call", "turn")

    def __init__(self, call: Batch) -> None:
        self.call = call
        self.turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Budget:
    """`per_second` calls on the average, `burst` at once. Who is not patient goes first; equals go as they came.

    Who cannot have his turn in time is refused at once, and told when to come back: each at a moment of his own, one
    after another as tokens will be there, so that hundreds who are refused neither come back together, nor is any of
    them passed over again and again.
    """

    def __init__(self, spec: RequestBudget) -> None:
        self._rate = spec.per_second
        self._burst = float(spec.most_at_once)
        self._tokens = self._burst
        self._filled: float | None = None
        self._line: list[_Place] = []
        self._timer: asyncio.TimerHandle | None = None
        # Until when turns are promised to those who were refused: the patient, and the others.
        self._promised = dict(_NOTHING_PROMISED)

    async def take(self, call: Batch, deadline: float) -> None:
        """Wait for a token, until `deadline` (the event loop's clock). Raises OverBudget."""
        self._fill()
        if not self._line and self._spend():
            return
        if loop_time() + self._wait(call) > deadline:
            raise self._refusal(call)
        place = _Place(call)
        self._line.append(place)
        self._arm()
        try:
            async with asyncio.timeout_at(deadline):
                await place.turn
        except BaseException as error:
            self._leave(place)
            if isinstance(error, TimeoutError):  # those who came later and wait less patiently went first
                raise self._refusal(call) from None
            raise

    def charge(self) -> None:
        """Take a token without waiting for one: it will be missing to others, but never more than one is."""
        self._fill()
        self._tokens = min(self._tokens, max(self._tokens - 1.0, -1.0))

    def owe(self) -> None:
        """Take a token that may not be there yet: others wait until all that is owed has come."""
        self._fill()
        self._tokens -= 1.0

    def _spend(self) -> bool:
        if self._tokens < 1.0 - _ROUNDING:
            return False
        self._tokens -= 1.0
        return True

    def _fill(self) -> None:
        now = loop_time()
        if self._filled is not None:
            filled = self._tokens + (now - self._filled) * self._rate
            if filled - self._burst >= 1:  # nobody came for a whole token: who was promised one does not come
                self._promised = dict(_NOTHING_PROMISED)
            self._tokens = min(self._burst, filled)
        self._filled = now

    def _wait(self, call: Batch) -> float:
        """Return for how many seconds a newcomer would wait."""
        ahead = sum(call.patient or not place.call.patient for place in self._line)
        return max(ahead + 1 - self._tokens, 0.0) / self._rate

    def _refusal(self, call: Batch) -> OverBudget:
        patient, now = call.patient, loop_time()
        promised = max(self._promised.values()) if patient else self._promised[False]
        back = min(max(promised + 1 / self._rate, now + self._wait(call)), now + FURTHEST)
        self._promised[patient] = back
        return OverBudget(
            f"the store's own requestBudget, {self._rate:g} calls a second, is used up", retry_after=back - now
        )

    def _leave(self, place: _Place) -> None:
        if place in self._line:
            self._line.remove(place)
        elif not place.turn.cancelled():  # his turn had come: it goes to the next
            self._tokens += 1.0
            self._serve()

    def _arm(self) -> None:
        if self._line and self._timer is None:
            pause = max(1.0 - self._tokens, 0.0) / self._rate
            self._timer = asyncio.get_running_loop().call_later(pause, self._serve_on_time)

    def _serve_on_time(self) -> None:
        self._timer = None
        self._serve()

    def _serve(self) -> None:
        self._fill()
        self._line = [place for place in self._line if not place.turn.done()]  # others were cancelled just now
        while self._line and self._spend():
            place = next((place for place in self._line if not place.call.patient), self._line[0])
            self._line.remove(place)
            place.turn.set_result(None)
        self._arm()
