"""Sinks that are files: real ones, with disks that are full and readers that do not read."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from beemflow_secrets.chain.audit.feed import Feed, SinkFault
from beemflow_secrets.chain.audit.files import FileSink, StdoutSink


def lines(*numbers: int) -> bytes:
    return b"".join(b'{"n":%d}\n' % number for number in numbers)


def numbers(path: Path) -> list[int]:
    return [json.loads(line)["n"] for line in path.read_text().splitlines()]


async def test_a_file_is_made_for_its_owner_alone_and_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for number in range(2):
        sink = FileSink(path)
        await sink.write(lines(number))
        await sink.close()
    assert numbers(path) == [0, 1]
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_file_that_is_rotated_is_made_anew(tmp_path: Path) -> None:
    path, old = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.1"
    sink = FileSink(path)
    await sink.write(lines(1))
    path.rename(old)
    await sink.write(lines(2))
    await sink.write(lines(3))
    os.truncate(path, 0)  # logrotate's copytruncate
    await sink.write(lines(4))
    path.unlink()
    path.write_bytes(lines(5))
    await sink.write(lines(6))
    assert (numbers(old), numbers(path)) == ([1], [5, 6])
    await sink.close()


@pytest.mark.parametrize(
    ("path", "said"),
    [("/dev/full", "No space left on device"), ("absent/audit.jsonl", "No such file or directory"), (".", "Is a dir")],
)
async def test_what_cannot_be_written_is_told_in_the_systems_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    sink = FileSink(Path(path))
    for _ in range(2):
        with pytest.raises(SinkFault, match=said):
            await sink.write(lines(1))
    await sink.close()


async def test_a_disk_that_fills_up_leaves_no_two_records_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "audit.jsonl"
    sink = FileSink(path)
    real, room = os.write, [12]

    def write(number: int, text: bytes) -> int:
        taken = min(len(text), room[0])
        if not taken:
            raise OSError(28, "No space left on device")
        room[0] -= taken
        return real(number, bytes(text[:taken]))

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(SinkFault, match="No space"):
        await sink.write(lines(1, 2))
    room[0] = 10_000
    await sink.write(lines(1, 2))
    assert path.read_text().splitlines() == ['{"n":1}', '{"n"', '{"n":1}', '{"n":2}']
    await sink.close()


async def test_a_pipe_that_nobody_reads_holds_up_nothing_and_loses_nothing_once_it_is_read() -> None:
    reader, writer = os.pipe()
    sink = StdoutSink(writer)
    large = lines(*range(20_000))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await sink.write(large)
    with pytest.raises(SinkFault, match="its last write has not ended yet"):
        await sink.write(lines(1))
    found = b""
    while len(found) < len(large):
        found += await asyncio.to_thread(os.read, reader, 65536)
    assert found == large
    while True:  # the thread has still to say that it is done
        try:
            await sink.write(lines(1))
            break
        except SinkFault:
            await asyncio.sleep(0.01)
    assert os.read(reader, 100) == lines(1)
    os.close(reader)
    with pytest.raises(SinkFault, match="Broken pipe"):
        await sink.write(lines(2))
    await sink.close()
    os.close(writer)


async def test_a_feed_writes_what_is_left_when_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    feed = Feed(FileSink(path), required=False)
    for number in range(3000):
        feed.put([lines(number)])
    await feed.close()
    assert numbers(path) == list(range(3000))
