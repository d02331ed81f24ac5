"""Takes and holds the Lease that says which of several processes writes (coordination.k8s.io/v1).

A Lease does not fence: the API server takes a write from whoever has the right to it. So the client asks `allowance`
right before each, and a write has to end before the lease does.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from beemflow_secrets.kube import paths
from beemflow_secrets.kube.election import DURATION, EVERY, Election, Held
from beemflow_secrets.kube.errors import ApiError, ApiUnavailable, Conflict, NotFound, NotLeading

if TYPE_CHECKING:
    from collections.abc import Callable

    from beemflow_secrets.kube.client import Object

log = structlog.get_logger(__name__)

NAME = "beemflow-secrets"

ATTEMPT = 3.0
"""Seconds for one attempt: two of them fit before a leader has to stop."""

RELEASE = 1.0
"""Seconds for giving the lease back. Who does not get it back by then waits for its end."""


class Lost(Exception):
    """The lease is held no more; the message says why. The process must end: what it knows may be old by now."""


class Client(Protocol):
    """The requests that a lease takes, as `KubeClient` has them. Each raises an ApiError."""

    async def get(self, path: str) -> Object:
        """Return an object."""

    async def create(self, path: str, body: Object) -> Object:
        """Make an object that must not be there."""

    async def replace(self, path: str, body: Object) -> Object:
        """Put an object in the place of the version that it names."""


def uptime() -> float:
    """Return seconds of a clock that never jumps, and goes on while the machine sleeps: leases end meanwhile too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def namespace_of_lease(otherwise: str) -> str:
    """Return POD_NAMESPACE, the namespace that the pod's Deployment hands in, else another."""
    return os.environ.get("POD_NAMESPACE") or otherwise


class Elector:
    """One candidate for the lease of a namespace. `now` is a clock that never jumps, in seconds."""

    def __init__(self, client: Client, namespace: str, *, now: Callable[[], float] = uptime) -> None:
        self._client = client
        self._namespace = namespace
        self._now = now
        # Not the pod's name alone: a container that is started again in its pod is another process.
        self._identity = f"{socket.gethostname()}_{secrets.token_hex(8)}"
        self._election = Election(self._identity)
        self._known: Object | None = None
        self.leading = asyncio.Event()
        self.problem: str | None = None

    def allowance(self) -> float:
        """Return the seconds that a write may take which begins now. Raises NotLeading where none may begin."""
        now = self._now()
        if not self._election.leads(now):
            raise NotLeading("the lease is not held: another process may be writing")
        return self._election.ends - now

    async def run(self) -> None:
        """Try for the lease, set `leading` once it is held, and hold it until cancelled. Raises Lost."""
        while True:
            began = self._now()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._patience(began)):
                    await self._try()
            now = self._now()
            if self._election.leads(now) and not self.leading.is_set():
                log.info("Leading", lease=self._path, identity=self._identity)
                self.leading.set()
            elif self.leading.is_set() and not self._election.leads(now):
                raise Lost(self._why())
            await asyncio.sleep(max(min(EVERY - (now - began), self._until_something(now)), 0.0))

    async def release(self) -> None:
        """Give the lease back, so that the next need not wait for its end. From now on nothing may be written."""
        held = self._election.leads(self._now())
        self._election.resign()
        if not held:
            return
        with suppress(ApiError, TimeoutError):
            async with asyncio.timeout(RELEASE):
                found = await self._client.get(self._path)
                if found["spec"].get("holderIdentity") == self._identity:
                    freed = {**found["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
                    await self._client.replace(self._path, {**found, "spec": freed})
                    log.info("Lease released", lease=self._path)

    @property
    def _path(self) -> str:
        return paths.leases(self._namespace, NAME)

    def _patience(self, now: float) -> float:
        return min(ATTEMPT, self._election.deadline - now) if self.leading.is_set() else ATTEMPT

    def _until_something(self, now: float) -> float:
        """Return the seconds until the lease that we hold has to be renewed, or another's ends."""
        if self.leading.is_set():
            return self._election.deadline - now
        return self._election.free_in(now) or EVERY

    def _why(self) -> str:
        if self._election.holder not in {"", self._identity}:
            return f"the lease {self._path} was taken over by {self._election.holder}"
        return f"the lease {self._path} could not be renewed in time"

    async def _try(self) -> None:
        try:
            if self._known is None or not self.leading.is_set():
                await self._look()
            if (bid := self._election.bid(self._now())) is not None:
                await self._write(bid)
            self.problem = None
        except (Conflict, NotFound) as error:  # as seldom as two bid at once, or somebody deleted it
            log.info("Lease not taken", lease=self._path, error=error.message)
            self.problem = None if isinstance(error, Conflict) else error.message
        except ApiError as error:
            log.warning("Lease not reached", lease=self._path, error=error.message)
            if not isinstance(error, ApiUnavailable):
                self.problem = error.message

    async def _look(self) -> None:
        before = self._election.holder
        try:
            self._known = await self._client.get(self._path)
        except NotFound:
            self._known = None
        held = _held(self._known) if self._known is not None else None
        self._election.saw(held, self._now())
        if self._election.holder not in {before, "", self._identity}:
            log.info("Standing by", lease=self._path, leader=self._election.holder)

    async def _write(self, bid: Held) -> None:
        # Until an answer comes nobody knows what stands there: it is looked at before the next bid.
        known, self._known = self._known, None
        before: dict[str, Any] = known["spec"] if known is not None else {}
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        renews = before.get("holderIdentity") == self._identity
        spec = {
            **before,
            "holderIdentity": bid.holder,
            "leaseDurationSeconds": int(bid.duration),
            "leaseTransitions": bid.transitions,
            "acquireTime": before.get("acquireTime", stamp) if renews else stamp,
            "renewTime": stamp,
        }
        began = self._now()
        if known is None:
            metadata = {"name": NAME, "namespace": self._namespace}
            body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
            written = await self._client.create(paths.leases(self._namespace), body)
        else:
            written = await self._client.replace(self._path, {**known, "spec": spec})
        self._known = written
        self._election.won(_held(written), began)


def _held(lease: Object) -> Held:
    spec = lease.get("spec") or {}
    return Held(
        holder=spec.get("holderIdentity") or "",
        duration=float(spec.get("leaseDurationSeconds") or DURATION),
        transitions=spec.get("leaseTransitions") or 0,
        renewed=spec.get("renewTime") or "",
    )
