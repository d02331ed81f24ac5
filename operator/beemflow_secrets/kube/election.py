"""Who leads, decided from what is seen of a Lease and when. No I/O: moments are handed in, of a clock that never jumps.

As client-go's leaderelection does it: a lease ends so long after *we* last saw it change, by our own clock. The times
that stand in it are for people; clocks of two machines differ.

A leader stops before its lease ends, and counts from before it asked for it: so no other leads while its last writes
are under way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

DURATION = 10.0
"""Seconds for which a lease is held without being renewed."""

RENEW_WITHIN = 7.0
"""Seconds after which a leader that could not renew leads no more: what it began by then has until the lease ends."""

EVERY = 2.0
"""Seconds between attempts to take or renew the lease."""

NEVER = float("-inf")


@dataclass(frozen=True, slots=True)
class Held:
    """A lease as it stands. `holder` is empty where nobody has it; `renewed` is compared and never read as a time."""

    holder: str
    duration: float = DURATION
    transitions: int = 0
    renewed: str = ""


class Election:
    """What one candidate knows. `identity` is no other's, ever: a process that lost leads no more under it."""

    def __init__(self, identity: str) -> None:
        self._identity = identity
        self._seen: Held | None = None
        self._free_at = NEVER
        self._began = NEVER
        self._resigned = False

    @property
    def holder(self) -> str:
        """Whoever has the lease as it was last seen."""
        return self._seen.holder if self._seen is not None else ""

    @property
    def ends(self) -> float:
        """The moment at which the lease ends that we hold, if it is not renewed."""
        return self._began + DURATION

    @property
    def deadline(self) -> float:
        """The moment from which on nothing may be begun any more, if the lease is not renewed."""
        return self._began + RENEW_WITHIN

    def leads(self, now: float) -> bool:
        """Whether something may be begun now that only the leader does."""
        return now < self.deadline and not self._resigned

    def free_in(self, now: float) -> float:
        """Return the seconds until the lease may be bid for, if it is not seen to change. 0: now."""
        return max(self._free_at - now, 0.0)

    def saw(self, held: Held | None, now: float) -> None:
        """Take in how the lease stood at some moment until `now`. None: there is none."""
        if held is None or held.holder in {"", self._identity}:
            self._free_at = NEVER
        elif held != self._seen:
            self._free_at = now + held.duration
        self._seen = held
        if self._began != NEVER and self.holder not in {"", self._identity}:
            self.resign()

    def bid(self, now: float) -> Held | None:
        """Return what to write so as to lead, None while another does, or after we have resigned.

        To be written on no other version than the one that was seen.
        """
        if self._resigned or self.free_in(now):
            return None
        before = self._seen or Held(self._identity)
        changes = before.holder != self._identity
        return replace(
            before, holder=self._identity, duration=DURATION, transitions=before.transitions + changes, renewed=""
        )

    def won(self, held: Held, began: float) -> None:
        """Take in that a bid was written, by a request that was begun at a moment."""
        self._seen = held
        self._free_at = NEVER
        self._began = max(self._began, began)

    def resign(self) -> None:
        """Lead no more, for good."""
        self._resigned = True
