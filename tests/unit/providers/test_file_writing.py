"""Writing files: whole or not at all, with the mode they had, where only what is allowed, and only by one at a time."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from beemflow_secrets.model.store import StoreSpec
from beemflow_secrets.providers import replacing
from beemflow_secrets.providers.errors import Denied, Invalid, NotFound, SecretsError, Unavailable
from beemflow_secrets.providers.file import FileDriver
from beemflow_secrets.providers.surroundings import Surroundings

if TYPE_CHECKING:
    from pathlib import Path

CANARY = "canary-90ab"


def driver(path: Path, *roots: Path) -> FileDriver:
    async def nobody(_: Any) -> str:
        raise AssertionError

    spec = StoreSpec.model_validate({"driver": "file", "file": {"path": str(path)}})
    return FileDriver(spec, Surroundings(credential=nobody, file_roots=roots or None))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secrets.json"
    path.write_text('{"a": {"user": "bot", "port": 5}, "b": "text", "c": "{\\"x\\": 1}"}')
    path.chmod(0o640)
    return path


def text(path: Path) -> str:
    return path.read_text()


def fill(path: Path, content: str) -> None:
    path.write_text(content)


def status(path: Path) -> os.stat_result:
    return path.stat()


def written(path: Path) -> tuple[int, int, int]:
    """Return what every write changes, and no read does."""
    found = status(path)
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns


def names(path: Path) -> list[str]:
    return [entry.name for entry in path.iterdir()]


def remove(path: Path) -> None:
    path.unlink()


async def test_a_file_keeps_its_mode_and_leaves_nothing_beside_it(file: Path) -> None:
    inode = status(file).st_ino
    await driver(file).set_secret("new", CANARY)
    assert status(file).st_mode & 0o777 == 0o640
    assert status(file).st_ino != inode  # who has the old one open reads that, whole
    assert names(file.parent) == ["secrets.json"]


async def test_fields_of_maps_and_of_text_that_is_json_are_set_beside_the_others(file: Path) -> None:
    store = driver(file)
    await store.set_secret("a", CANARY, property="token")
    await store.set_secret("c", CANARY, property="y")
    await store.set_secret("d", CANARY, property="z")
    assert json.loads(text(file)) == {
        "a": {"user": "bot", "port": 5, "token": CANARY},
        "b": "text",
        "c": f'{{"x":1,"y":"{CANARY}"}}',
        "d": {"z": CANARY},
    }
    with pytest.raises(Invalid, match="no JSON object"):
        await store.set_secret("b", CANARY, property="y")
    for key, name in (("a", "token"), ("c", "y"), ("d", "z")):
        await store.delete_secret(key, property=name)
    assert list(json.loads(text(file))) == ["a", "b", "c"]


async def test_what_is_there_already_touches_nothing(file: Path) -> None:
    store, before = driver(file), written(file)
    await store.set_secret("a", "5", property="port")
    await store.set_secret("a", {"user": "bot", "port": "5"})
    await store.set_secret("b", "text")
    await store.delete_secret("no such key")
    await store.delete_secret("b", property="no such field")
    assert written(file) == before


async def test_a_file_that_is_not_there_is_not_made(file: Path) -> None:
    """It may be a volume that is not mounted: what would be written there would be hidden by it."""
    remove(file)
    for change in (driver(file).set_secret("a", CANARY), driver(file).delete_secret("a")):
        with pytest.raises(Unavailable, match="no such file"):
            await change
    assert names(file.parent) == []


async def test_a_broken_file_is_left_alone(file: Path) -> None:
    fill(file, '{"a": ')
    with pytest.raises(Unavailable):
        await driver(file).set_secret("a", CANARY)
    assert text(file) == '{"a": '


async def test_a_link_stays_and_what_it_leads_to_is_replaced(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(file)
    await driver(link).set_secret("b", CANARY)
    assert link.is_symlink()
    assert json.loads(text(file))["b"] == CANARY


async def test_nothing_is_written_outside_of_what_is_allowed(tmp_path: Path) -> None:
    allowed, outside = tmp_path / "allowed", tmp_path / "outside"
    for folder in (allowed, outside):
        folder.mkdir()
    (outside / "file").write_text("old")
    (allowed / "link").symlink_to(outside / "file")
    (allowed / "folder").symlink_to(outside)
    store = driver(allowed, allowed)
    for key in ("link", "folder/file", "folder/new", "folder/new/deeper"):
        with pytest.raises(Denied):
            await store.set_secret(key, CANARY)
        with pytest.raises(Denied):
            await store.delete_secret(key)
    for key in ("../outside/file", "..data/x", "a/..b"):
        with pytest.raises(Invalid):
            await store.set_secret(key, CANARY)
    assert [(path.name, path.read_text()) for path in outside.iterdir()] == [("file", "old")]


async def test_new_files_and_folders_are_their_owners_alone(tmp_path: Path) -> None:
    await driver(tmp_path).set_secret("a/b/c", b"\xff")
    assert (tmp_path / "a/b/c").read_bytes() == b"\xff"
    assert (tmp_path / "a/b/c").stat().st_mode & 0o777 == 0o600
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in ("a", "a/b")} == {0o700}
    for key in ("a", "a/b", "a/b/c/d", "x" * 300):
        with pytest.raises(SecretsError) as caught:
            await driver(tmp_path).set_secret(key, CANARY)
        assert type(caught.value) is Invalid
        assert caught.value.key == key


async def test_a_mounted_secret_is_read_only(tmp_path: Path) -> None:
    (tmp_path / "..1").mkdir()
    (tmp_path / "..1" / "token").write_text("old")
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "token").symlink_to("..data/token")
    for change in (driver(tmp_path).set_secret("token", CANARY), driver(tmp_path).delete_secret("token")):
        with pytest.raises(Invalid, match="kubelet"):
            await change
    assert await driver(tmp_path).get_secret("token") == "old"


@pytest.mark.parametrize("at", ["write", "fsync", "rename"])
async def test_a_disk_that_fails_leaves_the_old_file_and_no_piece_of_a_new_one(file: Path, at: str) -> None:
    before = text(file)
    full = OSError(28, f"No space left: {CANARY}")
    target = mock.patch.object(os, at, side_effect=full)
    if at == "write":
        target = mock.patch.object(os, "fdopen", side_effect=full)
    with target, pytest.raises(Unavailable, match="No space left on device") as caught:
        await driver(file).set_secret("new", "x")
    assert CANARY not in str(caught.value)
    assert (text(file), names(file.parent)) == (before, ["secrets.json"])


@pytest.mark.parametrize("number", [13, 30])
async def test_a_folder_that_may_not_be_written_to_is_denied(file: Path, number: int) -> None:
    with mock.patch.object(os, "rename", side_effect=OSError(number, "no")), pytest.raises(Denied):
        await driver(file).set_secret("new", "x")


async def test_many_writers_of_many_processes_lose_nothing(file: Path) -> None:
    drivers = [driver(file), driver(file)]  # each has locks of its own
    await asyncio.gather(*(drivers[n % 2].set_secret(f"k{n}", CANARY) for n in range(20)))
    assert {f"k{n}" for n in range(20)} <= json.loads(text(file)).keys()


async def test_who_holds_the_folder_is_waited_for_and_not_for_ever(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = os.open(file.parent, os.O_RDONLY)
    fcntl.flock(opened, fcntl.LOCK_EX)
    write = asyncio.create_task(driver(file).set_secret("new", CANARY))
    done, _ = await asyncio.wait([write], timeout=0.1)
    assert not done
    fcntl.flock(opened, fcntl.LOCK_UN)
    await write
    fcntl.flock(opened, fcntl.LOCK_EX)
    monkeypatch.setattr(replacing, "_PATIENCE", 0.05)
    with pytest.raises(Unavailable, match="holds the lock"):
        await driver(file).set_secret("newer", CANARY)
    os.close(opened)


async def test_the_file_grows_to_8_mib_and_no_further(file: Path) -> None:
    with pytest.raises(Invalid, match="8 MiB"):
        await driver(file).set_secret("new", "a" * (8 * 1024 * 1024))
    assert await driver(file).get_secret("b") == "text"
    with pytest.raises(NotFound):
        await driver(file).get_secret("new")
