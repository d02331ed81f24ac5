from __future__ import annotations

import asyncio
import socket

import pytest
from pytest_socket import SocketBlockedError

# pytest-socket warns before it refuses, and a warning is an error here.
pytestmark = pytest.mark.filterwarnings("ignore:A test tried to use socket")


def test_a_unit_test_cannot_open_a_socket() -> None:
    with pytest.raises(SocketBlockedError):
        socket.create_connection(("127.0.0.1", 9))


async def test_nor_can_it_through_the_event_loop() -> None:
    with pytest.raises(SocketBlockedError):
        await asyncio.open_connection("127.0.0.1", 9)
