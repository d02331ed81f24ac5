"""providers/resolver.py: lookups that hang hold up nobody else, and equal ones are one."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.providers.endpoints import EVERYWHERE, Endpoints
from beemflow_secrets.providers.errors import EndpointNotAllowed
from beemflow_secrets.providers.resolver import JudgingResolver

if TYPE_CHECKING:
    from collections.abc import Iterator

HANGING = 50
"""Stores: more than any pool of threads has."""


class System:
    """The system's resolver. Names that begin with `dead` are answered once `revived` is set."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.revived = threading.Event()

    def __call__(self, host: str, port: int, *_: object, **__: object) -> list[Any]:
        self.asked.append(host)
        if host.startswith("dead"):
            self.revived.wait(30)
        if host == "nowhere":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if host == "l" * 64:
            raise UnicodeError("label too long")
        if host == "scoped":
            return [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", port, 0, 1))]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.7", port))]


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    made = System()
    monkeypatch.setattr(socket, "getaddrinfo", made)
    yield made
    made.revived.set()


async def looked_up(resolver: JudgingResolver, host: str) -> list[str]:
    return [one["host"] for one in await resolver.resolve(host, 443, socket.AF_UNSPEC)]


async def test_equal_lookups_are_one_and_the_next_asks_anew(system: System) -> None:
    resolver = JudgingResolver(EVERYWHERE)
    both = await asyncio.gather(looked_up(resolver, "vault"), looked_up(resolver, "vault"))
    assert list(both) == [["192.0.2.7"], ["192.0.2.7"]]
    assert system.asked == ["vault"]
    await looked_up(resolver, "vault")
    assert system.asked == ["vault", "vault"]


async def test_names_whose_servers_are_silent_hold_up_nobody_else(system: System) -> None:
    dead = [asyncio.create_task(looked_up(JudgingResolver(EVERYWHERE), f"dead-{number}")) for number in range(HANGING)]
    async with asyncio.timeout(10):
        assert await looked_up(JudgingResolver(EVERYWHERE), "vault") == ["192.0.2.7"]
    assert not any(task.done() for task in dead)
    system.revived.set()
    await asyncio.gather(*dead)


async def test_who_gives_up_takes_nobody_along(system: System) -> None:
    resolver = JudgingResolver(EVERYWHERE)
    first, second = (asyncio.create_task(looked_up(resolver, "dead")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait({first})
    system.revived.set()
    assert await second == ["192.0.2.7"]
    assert system.asked == ["dead"]


@pytest.mark.parametrize("name", ["nowhere", "l" * 64])
async def test_what_is_no_name_is_an_error_of_the_system(system: System, name: str) -> None:
    for _ in range(2):
        with pytest.raises(OSError, match=r"(?i)name"):
            await looked_up(JudgingResolver(EVERYWHERE), name)


async def test_a_link_local_address_has_its_interface_and_is_judged(system: System) -> None:
    (found,) = await looked_up(JudgingResolver(EVERYWHERE), "scoped")
    assert found.startswith("fe80::1%")
    with pytest.raises(EndpointNotAllowed):
        await looked_up(JudgingResolver(Endpoints(link_local=False)), "scoped")
