"""Pays from the budgets of a store for the requests of one attempt (providers/spending.py says which of them wait)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.chain.batch import Batch
from beemflow_secrets.engine.clock import loop_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from beemflow_secrets.chain.budget import Budget


async def take(budgets: Sequence[Budget], call: Batch, deadline: float) -> None:
    """Wait for a token of each, until `deadline` (the event loop's clock). Raises OverBudget."""
    for budget in budgets:
        await budget.take(call, deadline)


class OfAttempt:
    """Pays for an attempt of `call`, whose first request is paid for; what waits does so until `deadline`."""

    def __init__(self, budgets: Sequence[Budget], call: Batch, deadline: float) -> None:
        self._budgets = budgets
        self._call = call
        self._deadline = deadline
        self._paid = 1
        self._first = True

    async def pay(self) -> None:
        """Spend what is paid for, else owe."""
        if self._paid:
            self._paid -= 1
            return
        for budget in self._budgets:
            budget.owe()

    async def turn(self) -> None:
        """Let the first go at once, so that each attempt gets on, and pay for the others. Raises OverBudget."""
        if self._first:
            self._first = False
            return
        await take(self._budgets, self._call, self._deadline)
        self._paid += 1

    def aside(self, within: float) -> OfListing:
        """Return what pays for a listing beside it."""
        return OfListing(self._budgets, loop_time() + within)


class OfListing:
    """Pays for what nobody waits for, so that others go first."""

    def __init__(self, budgets: Sequence[Budget], deadline: float) -> None:
        self._budgets = budgets
        self._call = Batch(())
        self._call.patient = True
        self._deadline = deadline

    async def pay(self) -> None:
        """Wait for a token. Raises OverBudget."""
        await take(self._budgets, self._call, self._deadline)

    async def turn(self) -> None:
        """Let it go on: each of its requests waits anyway."""

    def aside(self, within: float) -> OfListing:
        """Return what pays for a listing beside it."""
        return OfListing(self._budgets, loop_time() + within)
