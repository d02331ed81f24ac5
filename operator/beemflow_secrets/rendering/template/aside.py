"""Work with strangers' texts, done so that nobody waits for it.

What is cheap, as nearly all of it is, is done at once, within a budget of a few milliseconds. What needs more gets
a process of its own, which is killed when it takes too long; its memory goes with it. What was found to take too much
is remembered, by a digest, so that a template which is tried again and again takes a process once.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections import OrderedDict
from contextlib import suppress
from hashlib import blake2b
from typing import TYPE_CHECKING

from beemflow_secrets.rendering.template.budget import LARGEST_OUTPUT, here
from beemflow_secrets.rendering.template.faults import TemplateError, TooMuch
from beemflow_secrets.rendering.template.work import pack, take

if TYPE_CHECKING:
    from beemflow_secrets.rendering.template.work import Work

LONGEST = 5.0
"""Seconds that a process may take, from its start."""

AT_ONCE = 2
"""Processes at a time."""

REMEMBERED = 1000
"""Pieces of work that took too much."""

_PROGRAM = "import sys; sys.path[:] = sys.argv[1:]; from beemflow_secrets.rendering.template.child import main; main()"


class Aside:
    """Does work, where it needs that in processes of their own."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._key = secrets.token_bytes(32)
        self._refused: OrderedDict[bytes, str] = OrderedDict()

    async def render(self, work: Work) -> list[bytes]:
        """Return what each part of it makes. Raises what `run` does: TemplateError, Unread, a secret's error.

        TooMuch is raised for what takes more than 5 s, 1 MiB of output or 256 MiB of memory.
        """
        done: list[bytes] = []
        try:
            work.run(here(), done)
        except TooMuch:
            await self._elsewhere(work, done)
        return done

    async def _elsewhere(self, work: Work, done: list[bytes]) -> None:
        packed = pack(work, len(done))
        digest = blake2b(packed, key=self._key, digest_size=16).digest()
        if (known := self._refused.get(digest)) is not None:
            raise TooMuch(known)
        async with self._slots:
            answer = await _answer(packed, most=2 * work.LARGEST * len(work))
        try:
            take(work, answer or b"", done)
        except TooMuch as error:
            if answer is not None:  # on another day the machine may be less busy
                self._refused[digest] = error.message
                while len(self._refused) > REMEMBERED:
                    self._refused.popitem(last=False)
            raise


async def _answer(packed: bytes, *, most: int) -> bytes | None:
    """Return what a process answers: nothing where it used up what it may, None where time was up before that.

    Raises TemplateError where none can be started.
    """
    # Nothing of the environment, where secrets may be, but for what the interpreter itself may need.
    environment = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-c", _PROGRAM, *sys.path),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment,
            cwd="/",
        )
    except OSError:
        raise TemplateError("it needs a process of its own, and none can be started") from None
    try:
        async with asyncio.timeout(LONGEST):
            return await _talk(process, packed, most)
    except TimeoutError:
        return None
    except OSError:
        return b""
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill a process, and let go of it. What it said is read to the end: before that asyncio does not end `wait`."""
    with suppress(ProcessLookupError):
        process.kill()
    while process.stdout is not None and await process.stdout.read(LARGEST_OUTPUT):
        pass
    await process.wait()


async def _talk(process: asyncio.subprocess.Process, packed: bytes, most: int) -> bytes:
    if process.stdin is None or process.stdout is None:
        raise AssertionError  # pragma: no cover - both are pipes
    process.stdin.write(packed)
    await process.stdin.drain()
    process.stdin.close()
    answer = bytearray()
    while len(answer) <= most and (part := await process.stdout.read(LARGEST_OUTPUT)):
        answer += part
    return bytes(answer)
