"""Who leads: candidates on one Lease, on clocks of their own, through delays, lost answers, freezes and ends.

Time is virtual: each step of a candidate takes as long as is drawn, and a freeze is a step that takes long.
"""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from beemflow_secrets.kube.election import DURATION, EVERY, RENEW_WITHIN, Election, Held

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

END = 200.0
"""Seconds that are played."""


@dataclass
class Server:
    """A Lease with its version, as the API server has it."""

    lease: Held | None = None
    version: int = 0
    stamps: Iterator[int] = field(default_factory=itertools.count)

    def write(self, lease: Held, version: int) -> Held | None:
        """Put a lease in the place of that version. None: it was another."""
        if version != self.version:
            return None
        self.version += 1
        self.lease = replace(lease, renewed=str(next(self.stamps)))
        return self.lease


class Candidate:
    """One process, on a clock that began at another time. `led` are the spans in which it might have written."""

    def __init__(self, number: int, server: Server, pauses: st.DataObject, ahead: float) -> None:
        self.name = f"candidate-{number}"
        self.election = Election(self.name)
        self.led: list[tuple[float, float]] = []
        self._server = server
        self._pauses = pauses
        self._ahead = ahead
        self._lives = True

    def live(self, started: float) -> Generator[float, float, None]:
        """Play, from a moment on. Yields the moment of its next step."""
        now = started
        while self._lives:
            began = now
            now = yield now + self._pause("on the way")
            lease, version = self._server.lease, self._server.version
            now = yield now + self._pause("on the way back")
            self.election.saw(lease, now + self._ahead)
            now = yield now + self._pause("before the bid")
            if (bid := self.election.bid(now + self._ahead)) is not None:
                asked = now
                now = yield now + self._pause("on the way")
                written = self._server.write(bid, version)
                now = yield now + self._pause("on the way back")
                if written is not None and self._pauses.draw(st.integers(0, 9), label="answer") > 0:
                    self.election.won(written, asked + self._ahead)
            self._note(now)
            now = yield max(now, began + EVERY)
            if self.led and not self.election.leads(now + self._ahead):
                return
            if self._pauses.draw(st.integers(0, 29), label="end") == 0:
                self._end(now)

    def _note(self, now: float) -> None:
        """Take down that it could write now: until its deadline, and what it began then until the lease ends."""
        if self.election.leads(now + self._ahead):
            self.led.append((now, self.election.ends - self._ahead))

    def _end(self, now: float) -> None:
        self._lives = False
        if self.led and self.election.leads(now + self._ahead) and self._pauses.draw(st.booleans(), label="releases"):
            self.election.resign()
            self.led[-1] = (self.led[-1][0], min(self.led[-1][1], now))
            assert self._server.lease is not None
            if self._server.lease.holder == self.name:
                self._server.write(replace(self._server.lease, holder="", duration=1.0), self._server.version)

    def _pause(self, what: str) -> float:
        kind = self._pauses.draw(st.integers(0, 19), label=what)
        return 0.05 if kind < 15 else self._pauses.draw(st.floats(0.0, 4.0 if kind < 19 else 40.0), label="seconds")


def play(candidates: list[Candidate], starts: list[float]) -> None:
    lives = [candidate.live(start) for candidate, start in zip(candidates, starts, strict=True)]
    due = [(next(life), number) for number, life in enumerate(lives)]
    heapq.heapify(due)
    while due:
        now, number = heapq.heappop(due)
        if now < END:
            try:
                heapq.heappush(due, (lives[number].send(now), number))
            except StopIteration:
                continue


@settings(max_examples=100, deadline=None)
@given(data=st.data(), number=st.integers(2, 4))
def test_two_never_lead_at_once_whatever_takes_long_or_gets_lost(data: st.DataObject, number: int) -> None:
    server = Server()
    starts = data.draw(st.lists(st.floats(0, 30), min_size=number, max_size=number), label="starts")
    aheads = data.draw(st.lists(st.floats(-1e6, 1e6), min_size=number, max_size=number), label="clocks")
    candidates = [Candidate(index, server, data, ahead) for index, ahead in enumerate(aheads)]
    play(candidates, starts)
    spans = sorted((*span, one.name) for one in candidates for span in one.led)
    for (_, end, leader), (begin, _, other) in itertools.pairwise(spans):
        assert leader == other or begin >= end - 1e-6, (leader, end, other, begin)


def test_a_lease_is_judged_by_when_it_was_seen_to_change_and_never_by_what_stands_in_it() -> None:
    mine = Election("me")
    theirs = Held("other", renewed="1999-01-01T00:00:00.000000Z")
    mine.saw(theirs, 1000.0)
    assert mine.bid(1000.0 + DURATION - 0.1) is None
    mine.saw(replace(theirs, renewed="2999-01-01T00:00:00.000000Z"), 1000.0 + DURATION - 0.1)
    assert mine.bid(1000.0 + DURATION) is None
    mine.saw(mine._seen, 1000.0 + 2 * DURATION - 0.2)
    bid = mine.bid(1000.0 + 2 * DURATION)
    assert bid is not None
    assert (bid.holder, bid.transitions) == ("me", 1)


def test_the_holders_own_word_says_how_long_its_lease_lasts() -> None:
    mine = Election("me")
    mine.saw(Held("other", duration=60.0), 0.0)
    assert mine.free_in(10.0) == 50.0
    mine.saw(Held("", duration=1.0), 11.0)
    assert mine.bid(11.0) is not None


def test_what_a_leader_may_begin_ends_before_its_lease_does() -> None:
    mine = Election("me")
    bid = mine.bid(0.0)
    assert bid is not None
    assert bid.transitions == 0
    mine.won(bid, 5.0)
    assert mine.leads(5.0 + RENEW_WITHIN - 0.01)
    assert not mine.leads(5.0 + RENEW_WITHIN)
    assert mine.ends == 5.0 + DURATION
    mine.won(bid, 4.0)  # the answer to an earlier request
    assert mine.ends == 5.0 + DURATION


def test_who_sees_that_another_has_taken_over_leads_no_more_and_bids_no_more() -> None:
    mine = Election("me")
    mine.won(Held("me"), 0.0)
    mine.saw(Held("other"), 1.0)
    assert not mine.leads(1.0)
    mine.saw(None, 100.0)
    assert mine.bid(100.0) is None
