"""Names, resolved as the system does it and judged as the store's bounds have it."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from aiohttp.abc import AbstractResolver, ResolveResult

if TYPE_CHECKING:
    from beemflow_secrets.providers.endpoints import Endpoints

    Question = tuple[str, int, socket.AddressFamily]
    Answer = list[ResolveResult] | OSError


class JudgingResolver(AbstractResolver):
    """Resolves names as the system does. What it answers is connected to, and nothing else is.

    A name that leads to a forbidden address beside others is refused as a whole: nobody has one by accident.
    Each lookup has a thread of its own, and equal ones are one. So a name whose server never answers holds up its own
    store alone: a pool's threads would run out for all, and the process could not end before they do.
    """

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints
        self._under_way: dict[Question, asyncio.Future[Answer]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Resolve. Raises OSError, and EndpointNotAllowed."""
        question = (host, port, family)
        looking = self._under_way.get(question)
        if looking is None:
            looking = self._under_way[question] = _look_up(question)
            looking.add_done_callback(lambda _: self._under_way.pop(question))
        # `wait` leaves it alone when this caller is cancelled: others wait for it too.
        await asyncio.wait({looking})
        found = looking.result()
        if isinstance(found, OSError):
            raise OSError(*found.args)  # to each his own
        for one in found:
            self._endpoints.check_resolved(host, one["host"])
        return found

    async def close(self) -> None:
        """Do nothing: a lookup under way ends by itself, and nobody waits for it."""


def _look_up(question: Question) -> asyncio.Future[Answer]:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Answer] = loop.create_future()

    def work() -> None:
        answer: Answer
        try:
            answer = _addresses(*question)
        except OSError as error:
            answer = error
        except UnicodeError:  # a label that no name can have
            answer = OSError("no name")
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(future.set_result, answer)

    threading.Thread(target=work, name="resolver", daemon=True).start()
    return future


def _addresses(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [
        ResolveResult(
            hostname=host,
            # With the interface of a link-local address, which the bare one lacks.
            host=socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0],
            port=port,
            family=kind,
            proto=protocol,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        for kind, _, protocol, _, address in found
    ]
