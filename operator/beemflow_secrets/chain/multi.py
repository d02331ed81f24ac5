"""Several backends as one: what all strategies share, and those where one link stands in for another."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from beemflow_secrets.chain.breaker import concerns_link
from beemflow_secrets.engine.clock import loop_time
from beemflow_secrets.providers.base import FetchingProvider
from beemflow_secrets.providers.errors import Denied, Held, NoTags, NotFound, SecretsError
from beemflow_secrets.providers.value import Ref, SecretValue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from beemflow_secrets.chain.breaker import Breaker
    from beemflow_secrets.providers.base import SecretsProvider
    from beemflow_secrets.providers.value import Found, Search

Answers = dict[Ref, SecretValue | SecretsError]


class Link(NamedTuple):
    """One backend of a chain: all that stands before its driver, of that its breaker."""

    name: str
    driver: str
    reader: SecretsProvider
    breaker: Breaker


class Said(NamedTuple):
    """What a link answered that did not serve. `down`: the link was down by then."""

    link: Link
    error: SecretsError
    down: bool


class Multi(FetchingProvider):
    """The links, in the order in which they are wanted. One that answered in the last `fresh` seconds is not probed."""

    def __init__(self, links: Sequence[Link]) -> None:
        self.links = tuple(links)
        self.fresh = 0.0

    def listen(self, changed: Callable[[str, bool], None]) -> None:
        """Call `changed(link, up)` whenever a link goes down or comes back."""
        for link in self.links:
            link.breaker.changed = partial(changed, link.name)

    def down(self) -> list[Said]:
        """Return the links that are down, and why."""
        return [Said(link, error, down=True) for link in self.links if (error := link.breaker.error) is not None]

    @abstractmethod
    def fault(self) -> SecretsError | None:
        """Say why the chain cannot serve, None where it can."""

    async def health_check(self) -> None:
        """Ask the links that are up how they are. Raises where the chain cannot serve."""
        await asyncio.gather(*(link.breaker.probe(max_age=self.fresh) for link in self.links))
        if (fault := self.fault()) is not None:
            raise fault

    async def close(self) -> None:
        """Close all links."""
        await asyncio.gather(*(link.reader.close() for link in self.links))

    async def _union(self, search: Search) -> Found:
        """List what any link has; of two that have a name, the earlier's tags are told.

        Raises where one cannot be asked: fewer names would be taken for all.
        """
        listings = await asyncio.gather(*(link.reader.find(search) for link in self.links), return_exceptions=True)
        union: Found = {}
        for link, listing in zip(self.links, listings, strict=True):
            if isinstance(listing, SecretsError):
                raise named(link, listing)
            if isinstance(listing, BaseException):
                raise listing
            union = listing | union
        return dict(sorted(union.items()))


class Failover(Multi):
    """Asks the next link where one cannot be asked; with `priority` also where it has no such key.

    `failover_after` is in seconds: a value that a link served (`Ref.served_by`) is replaced by one of a later link when
    the first has been down for so long.
    """

    def __init__(self, links: Sequence[Link], *, priority: bool, failover_after: float) -> None:
        super().__init__(links)
        self._priority = priority
        self._failover_after = failover_after
        self._places = {link.name: place for place, link in enumerate(links)}

    def fault(self) -> SecretsError | None:
        """Say why no link serves, None where one does."""
        down = self.down()
        return told(down) if len(down) == len(self.links) else None

    async def fetch(self, refs: Iterable[Ref]) -> Answers:
        """Read each from the first link that answers. A pinned version is the first link's alone."""
        answers: Answers = {}
        said: dict[Ref, list[Said]] = {ref: [] for ref in refs}
        left = list(said)
        for place, link in enumerate(self.links):
            found = await link.reader.fetch(left) if left else {}
            passed = []
            for ref in left:
                answer, down = found[ref], link.breaker.error is not None
                if isinstance(answer, SecretsError):
                    said[ref].append(Said(link, answer, down))
                if isinstance(answer, SecretValue):
                    answers[ref] = self._hold(ref, place, said[ref]) or answer.of_link(link.name)
                elif ref.version is None and self._passes(answer, link):
                    passed.append(ref)
                else:
                    # "Not found" of a spare says nothing of what a link has that cannot be asked.
                    answers[ref] = told(said[ref]) if isinstance(answer, NotFound) else named(link, answer)
            left = passed
        return answers | {ref: told(said[ref]) for ref in left}

    async def find(self, search: Search) -> Found:
        """List what the first link has that can be asked; with `priority` what any link has.

        What a spare lacks would be taken from a caller who has it from a link before that one, `Search.served_by`.
        """
        if self._priority:
            return await self._union(search)
        said: list[Said] = []
        needed = self._places.get(search.served_by or "", len(self.links) - 1)
        for link in self.links[: needed + 1]:
            try:
                return await link.reader.find(search)
            except SecretsError as error:
                # A spare without tags cannot stand in, which is no fault of the search.
                no_stand_in = bool(said) and isinstance(error, NoTags)
                if not (no_stand_in or concerns_link(error) or _tells_of_link(error, link)):
                    raise named(link, error) from None
                said.append(Said(link, error, down=True))
        raise told(said)

    def _passes(self, answer: SecretsError, link: Link) -> bool:
        """Whether the next link is asked. Not where it is our own budget that is used up: the backend is well."""
        missing = self._priority and isinstance(answer, NotFound)
        return missing or concerns_link(answer) or _tells_of_link(answer, link)

    def _hold(self, ref: Ref, place: int, said: list[Said]) -> SecretsError | None:
        """Say why a value that was found at `place` must not replace the one that there is; None where it may."""
        former = self._places.get(ref.served_by or "", place)
        if former >= place or isinstance(said[former].error, NotFound):
            return None
        link, _, down = said[former]
        if not down:  # the link serves others: it is this key that cannot be read
            return told(said[former:])
        breaker = link.breaker
        wait = breaker.since + self._failover_after - loop_time() if breaker.error is not None else 0.0
        if wait <= 0 and breaker.error is not None:
            return None
        held = Held(
            f"{link.name}: {said[former].error.message}; its value is kept until it has been down for "
            f"{self._failover_after:g} s",
            key=ref.key,
        )
        held.wait, held.is_down = wait, lambda: breaker.error is not None
        return held


def _tells_of_link(error: SecretsError, link: Link) -> bool:
    """Whether an answer is why a link is down: a mount that is not there, say, is no fault of the key."""
    return link.breaker.error is not None and not isinstance(error, NotFound | Denied)


def named(link: Link, error: SecretsError) -> SecretsError:
    """Return the error with the link's name. A copy: below, one error may answer several callers."""
    own = copy(error)
    own.message = f"{link.name}: {error.message}"
    return own


def told(said: Sequence[Said]) -> SecretsError:
    """Return the first link's error, which names what each link said. Not found only where all say so."""
    first = next((one for one in said if not isinstance(one.error, NotFound)), said[0])
    own = named(first.link, first.error)
    own.message = "; ".join(f"{link.name}: {error.message}" for link, error, _ in said)
    return own
