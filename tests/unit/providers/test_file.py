from __future__ import annotations

import asyncio
import os
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from beemflow_secrets.model.file import FileSpec
from beemflow_secrets.model.store import CredentialRef, StoreSpec
from beemflow_secrets.providers import files
from beemflow_secrets.providers.errors import Denied, Invalid, NotFound, SecretsError, Unavailable
from beemflow_secrets.providers.file import FileDriver
from beemflow_secrets.providers.surroundings import Surroundings
from beemflow_secrets.providers.value import Ref, SecretValue
from beemflow_secrets.rendering.property import pick

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CANARY = "canary-51d7"

YAML = f"""
# a comment
text: "{CANARY}"
lines: |
  one
  two
map: {{user: bob, port: 5432, ratio: 1.10, empty: null, deep: {{a: [x, {{b: c}}]}}}}
one: {{value: only}}
number: 1.10
yes: on
date: 2026-01-01
octal: 0755
bytes: !!binary /wD+
list: [1, "2", true]
nothing: null
base: &base {{host: db, user: base}}
merged: {{<<: *base, user: own}}
a/b.c-d: path
"""


async def no_credentials(_: CredentialRef) -> str:
    raise AssertionError("files need no login")


def driver(path: Path, *roots: Path, fenced: bool = False) -> FileDriver:
    surroundings = Surroundings(credential=no_credentials, file_roots=roots if fenced else None)
    return FileDriver(StoreSpec(driver="file", file=FileSpec(path=str(path))), surroundings)


async def answer(source: FileDriver, key: str, version: str | None = None) -> SecretValue | SecretsError:
    ref = Ref(key, version)
    return (await source.fetch([ref]))[ref]


async def value(source: FileDriver, key: str) -> SecretValue:
    found = await answer(source, key)
    assert isinstance(found, SecretValue), found
    return found


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def replace(path: Path, text: str) -> None:
    new = path.with_name(f"{path.name}.new")
    new.write_text(text)
    new.replace(path)


def mount(folder: Path, number: int, secrets: dict[str, str]) -> None:
    """Write a payload as the kubelet's atomic writer does, and swing `..data` to it."""
    payload = folder / f"..payload_{number}"
    payload.mkdir(parents=True)
    for name, text in secrets.items():
        (payload / name).write_text(text)
    old = (folder / "..data").resolve() if (folder / "..data").exists() else None
    (folder / "..data_tmp").symlink_to(payload.name)
    (folder / "..data_tmp").rename(folder / "..data")
    for name in secrets:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    if old is not None:
        for file in old.iterdir():
            file.unlink()
        old.rmdir()


# A file that holds all keys.


@pytest.mark.parametrize(
    ("key", "raw"),
    [
        ("text", CANARY.encode()),
        ("lines", b"one\ntwo\n"),
        ("one", b"only"),
        ("number", b"1.10"),
        ("yes", b"on"),
        ("date", b"2026-01-01"),
        ("octal", b"0755"),
        ("bytes", b"\xff\x00\xfe"),
        ("list", b'[1,"2",true]'),
        ("merged", b'{"host":"db","user":"own"}'),
        ("a/b.c-d", b"path"),
    ],
)
async def test_yaml(tmp_path: Path, key: str, raw: bytes) -> None:
    assert (await value(driver(write(tmp_path / "s.yaml", YAML)), key)).raw == raw


async def test_fields_of_a_map(tmp_path: Path) -> None:
    found = await value(driver(write(tmp_path / "s.yaml", YAML)), "map")
    assert found.fields is not None
    assert [pick(found, name) for name in ("user", "port", "ratio", "deep.a.1.b")] == [b"bob", b"5432", b"1.10", b"c"]
    with pytest.raises(NotFound):
        pick(found, "empty")
    # Without a property: the map as JSON, numbers as they are spelled.
    assert b'"port":5432,"ratio":1.10,"empty":null' in found.raw


async def test_json(tmp_path: Path) -> None:
    source = driver(write(tmp_path / "s.json", '\ufeff{"a": "x\\ny", "b": {"c": 1.0}, "n": null, "half": "\\ud800"}'))
    assert (await value(source, "a")).raw == b"x\ny"
    assert (await value(source, "b")).raw == b'{"c":1.0}'
    assert isinstance(await answer(source, "n"), NotFound)
    assert isinstance(await answer(source, "half"), Invalid)
    assert await source.list_secrets() == ["a", "b", "half"]


async def test_dotenv_with_quotes(tmp_path: Path) -> None:
    text = """# comment
export TOKEN='it is ${HOME} \\n # all of it'
DOUBLE="two\\nlines and \\"quotes\\" and $HOME"
PLAIN=plain text # a comment
LINES="first
second"
EMPTY=
NONE
TOKEN2 = spaced
PLAIN=last one counts
"""
    source = driver(write(tmp_path / "prod.env", text))
    found = {key: (await value(source, key)).value for key in await source.list_secrets()}
    assert found == {
        "TOKEN": "it is ${HOME} \\n # all of it",
        "DOUBLE": 'two\nlines and "quotes" and $HOME',
        "PLAIN": "last one counts",
        "LINES": "first\nsecond",
        "EMPTY": "",
        "TOKEN2": "spaced",
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("secrets", '{"key": "here"}'),
        ("secrets", "# a comment\n\nkey='here'\n"),
        ("secrets", "key: here\n"),
        (".env", "key=here"),
        (".env.local", "key=here"),
        ("env", "export key=here"),
        ("S.JSON", '{"key": "here"}'),
        ("secrets.txt", "key: here"),
    ],
)
async def test_the_format_is_told_by_the_name_or_else_by_the_text(tmp_path: Path, name: str, text: str) -> None:
    assert (await value(driver(write(tmp_path / name, text)), "key")).value == "here"


async def test_an_empty_folder_may_be_a_volume_that_is_not_mounted(tmp_path: Path) -> None:
    folder = tmp_path / "mounted"
    folder.mkdir()
    (folder / "..data").mkdir()
    source = driver(folder)
    assert isinstance(await answer(source, "a"), Unavailable)
    write(folder / "..data" / "b", "x")
    assert isinstance(await answer(source, "a"), NotFound)


@pytest.mark.parametrize("name", ["s.yaml", "s.json", ".env", "s"])
@pytest.mark.parametrize("text", ["", " \n"])
async def test_an_empty_file_may_be_about_to_be_written(tmp_path: Path, name: str, text: str) -> None:
    source = driver(write(tmp_path / name, text))
    assert isinstance(await answer(source, "a"), Unavailable)
    write(tmp_path / name, '{"a": "x"}' if name.endswith("json") else "a=x" if name == ".env" else "a: x")
    assert (await value(source, "a")).raw == b"x"


async def test_a_yaml_file_of_comments_alone_has_no_keys(tmp_path: Path) -> None:
    source = driver(write(tmp_path / "s.yaml", "# nothing yet\n"))
    assert await source.list_secrets() == []
    assert isinstance(await answer(source, "a"), NotFound)


async def test_listings_are_by_plain_prefix(tmp_path: Path) -> None:
    source = driver(write(tmp_path / "s.yaml", YAML))
    assert await source.list_secrets("n") == ["number"]
    assert await source.list_secrets("a/") == ["a/b.c-d"]
    assert "nothing" not in await source.list_secrets()


# Versions, and following changes.


async def test_a_version_is_of_time_and_size_and_a_pinned_one_serves_while_it_is_current(tmp_path: Path) -> None:
    path = write(tmp_path / "s.yaml", "a: old")
    source = driver(path)
    old = await value(source, "a")
    assert old.version == f"{path.stat().st_mtime_ns}-6"
    assert old.created_at is not None
    assert abs(old.created_at.timestamp() - path.stat().st_mtime) < 1e-3
    assert await answer(source, "a", old.version) == old
    replace(path, "a: newer")
    assert (await value(source, "a")).value == "newer"
    gone = await answer(source, "a", old.version)
    assert isinstance(gone, NotFound)
    assert "no history" in gone.message


async def test_an_unchanged_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "s.yaml", "a: x")
    os.utime(path, (1, 1))
    reads: list[Path] = []
    read = files.read

    def counted(path: Path, roots: files.Roots) -> files.Whole:
        reads.append(path)
        return read(path, roots)

    monkeypatch.setattr(files, "read", counted)
    source = driver(path)
    await asyncio.sleep(2 * files._SETTLED)
    for _ in range(5):
        await value(source, "a")
    assert len(reads) == 1


async def test_a_change_that_leaves_time_and_size_is_seen(tmp_path: Path) -> None:
    path = write(tmp_path / "s.yaml", "a: 1")
    source = driver(path)
    for number in range(2, 9):
        at = path.stat().st_mtime_ns
        path.write_text(f"a: {number}")
        os.utime(path, ns=(at, at))
        assert (await value(source, "a")).value == str(number)


async def test_a_file_replaced_while_it_is_read_gives_one_whole_content(tmp_path: Path) -> None:
    path = write(tmp_path / "s.json", "{}")
    source = driver(path)
    stop = threading.Event()

    def swap() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            text = f'"{str(number % 10) * 3000}"'
            replace(path, f'{{"a": {text}, "b": {text}}}')

    writer = threading.Thread(target=swap)
    replace(path, '{"a": "0", "b": "0"}')
    writer.start()
    try:
        whole, ends = 0, time.monotonic() + 10
        while whole < 100 and time.monotonic() < ends:
            one, two = (await source.fetch([Ref("a"), Ref("b")])).values()
            if isinstance(one, Unavailable):
                continue  # replaced too often while it was read: the chain comes again
            assert isinstance(one, SecretValue), one
            assert one == two
            assert len(set(one.value)) == 1
            whole += 1
        assert whole == 100
    finally:
        stop.set()
        writer.join()


# A folder.


async def test_a_folder_has_one_file_a_key(tmp_path: Path) -> None:
    (tmp_path / "slack").mkdir()
    write(tmp_path / "slack" / "bot", b"\xff\x00 bytes stay\n")
    write(tmp_path / "db.json", '{"user": "bob"}')
    write(tmp_path / ".hidden", "a key too")
    (tmp_path / "nowhere").symlink_to("gone")
    source = driver(tmp_path)
    assert (await value(source, "slack/bot")).raw == b"\xff\x00 bytes stay\n"
    assert pick(await value(source, "db.json"), "user") == b"bob"
    assert await source.list_secrets() == [".hidden", "db.json", "slack/bot"]
    assert await source.list_secrets("slack/") == ["slack/bot"]
    for key in ("slack", "nowhere", "none", "db.json/user", "x" * 300):
        assert isinstance(await answer(source, key), NotFound), key


@pytest.mark.parametrize("key", ["../out", "a/../../out", "/etc/passwd", "a/./b", "..", "", "a\0b", "a\ud800"])
async def test_no_key_leaves_the_folder(tmp_path: Path, key: str) -> None:
    write(tmp_path / "out", CANARY)
    (tmp_path / "in" / "a").mkdir(parents=True)
    found = await answer(driver(tmp_path / "in"), key)
    assert isinstance(found, Invalid)
    assert found.key == key


async def test_a_mounted_secret(tmp_path: Path) -> None:
    mount(tmp_path, 1, {"user": "bob", "password": "old"})
    source = driver(tmp_path)
    assert await source.list_secrets() == ["password", "user"]
    assert isinstance(await answer(source, "..data/user"), NotFound)
    old = await value(source, "password")
    mount(tmp_path, 2, {"password": "new!"})
    assert (await value(source, "password")).value == "new!"
    assert isinstance(await answer(source, "password", old.version), NotFound)
    assert isinstance(await answer(source, "user"), NotFound)  # its link is still there
    assert await source.list_secrets() == ["password"]


async def test_a_mounted_secret_that_swings_is_never_torn_nor_missing(tmp_path: Path) -> None:
    mount(tmp_path, 0, {"user": "0", "password": "0"})
    source = driver(tmp_path)
    stop = threading.Event()

    def swing() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            mount(tmp_path, number, {"user": str(number), "password": str(number)})
            time.sleep(0.002)

    writer = threading.Thread(target=swing)
    writer.start()
    try:
        ends = time.monotonic() + 0.5
        while time.monotonic() < ends:
            user, password = (await source.fetch([Ref("user"), Ref("password")])).values()
            assert isinstance(user, SecretValue), user
            assert isinstance(password, SecretValue), password
            assert user.value == password.value
            assert await source.list_secrets() == ["password", "user"]
    finally:
        stop.set()
        writer.join()


# What is wrong with a file.

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGE_BOMB = "a: &a {k0: x}\n" + "".join(
    f"{new}: &{new} {{<<: [{', '.join([f'*{old}'] * 40)}]}}\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("s.json", f'{{"a": "{CANARY}",,}}', "it is not JSON (line 1)"),
        ("s.json", "", "the file is empty"),
        ("s.json", '{"a": NaN}', "NaN is not JSON"),
        ("s.json", '{"a": ' + "[" * 100_000, "nested too deep"),
        ("s.json", f'["{CANARY}"]', "its JSON is no map"),
        ("s.yaml", f"a: 'x'\nb: [{CANARY}", "it is not YAML (line"),
        ("s.yaml", f"a: x\nb: !{CANARY}", "none of YAML's own (line 2); put text that begins so in quotes"),
        ("s.yaml", "a: !!python/object/apply:os.system [true]", "none of YAML's own (line 1)"),
        ("s.yaml", "a: !!set {b}", "none of YAML's own"),
        ("s.yaml", "a: &a [*a]", "nested deeper than 100 levels"),
        ("s.yaml", "[" * 5000, "it is not YAML"),
        ("s.yaml", "- " * 200 + "a", "nested deeper than 100 levels"),
        ("s.yaml", "? [a]\n: b", "a name is a list or a map (line 1)"),
        ("s.yaml", "a: {<<: 3}", "`<<` takes maps alone (line 1)"),
        ("s.yaml", "a: !!binary '*'", "a !!binary is not base64"),
        ("s.yaml", "a: 1\n---\nb: 2", "it holds several documents"),
        ("s.yaml", CANARY, "its YAML is no map"),
        ("s.yaml", BOMB, "its aliases unfold to too much"),
        ("s.yaml", MERGE_BOMB, "its aliases unfold to too much"),
        (".env", f"A=1\nB='{CANARY}", "it is not dotenv (line 2)"),
        ("s.yaml", b"a: \xff", "the file is no text (not UTF-8)"),
        ("s.json", b"{" + b" " * files.LARGEST + b"}", "the file is larger than 8 MiB"),
    ],
    ids=lambda given: given[:24] if isinstance(given, str) else "bytes",
)
async def test_a_file_that_cannot_be_read(tmp_path: Path, name: str, text: str | bytes, message: str) -> None:
    # Unavailable: one that is being written is broken for a moment, and no Secret is deleted for it.
    source = driver(write(tmp_path / name, text))
    began = time.monotonic()
    found = await answer(source, "a")
    assert isinstance(found, Unavailable), found
    assert message in found.message
    assert CANARY not in repr(found)
    with pytest.raises(Unavailable):
        await source.health_check()
    assert time.monotonic() - began < 20
    write(tmp_path / name, {"s.json": '{"a": "b"}', ".env": "a=b"}.get(name, "a: b"))
    assert (await value(source, "a")).value == "b"


async def test_what_is_missing_is_away_so_that_nothing_is_deleted_for_it(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", write(tmp_path / "file", "a: b") / "below"):
        found = await answer(driver(path), "a")
        assert isinstance(found, Unavailable)
        assert found.message == "there is no such file or folder"
        with pytest.raises(Unavailable):
            await driver(path).health_check()


async def test_a_circle_of_links_and_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to("circle")
    os.mkfifo(tmp_path / "pipe")
    assert isinstance(await answer(driver(tmp_path / "circle"), "a"), Unavailable)
    assert isinstance(await answer(driver(tmp_path / "pipe"), "a"), Invalid)
    assert isinstance(await answer(driver(tmp_path), "pipe"), Invalid)


@pytest.mark.parametrize(
    ("error", "kind"),
    [(PermissionError(13, "x"), Denied), (OSError(5, "x"), Unavailable), (OSError(116, "x"), Unavailable)],
)
async def test_what_the_system_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, kind: type[SecretsError]
) -> None:
    # The tests may run as root, whom no mode stops.
    def refuse(*_: object) -> int:
        raise error

    source = driver(write(tmp_path / "s.yaml", "a: b"))
    monkeypatch.setattr(os, "open", refuse)
    found = await answer(source, "a")
    assert type(found) is kind
    assert str(tmp_path) not in found.message


async def test_an_unreadable_file_is_denied(tmp_path: Path) -> None:
    path = write(tmp_path / "s.yaml", "a: b")
    assert isinstance(await answer(driver(path), "a"), SecretValue)
    path.chmod(0)
    root = os.geteuid() == 0
    if root:  # whom no mode stops
        os.seteuid(65534)
    try:
        assert isinstance(await answer(driver(path), "a"), Denied)
    finally:
        if root:
            os.seteuid(0)


# The fence.


async def test_in_the_operator_nothing_is_readable_until_a_root_is_allowed(tmp_path: Path) -> None:
    path = write(tmp_path / "s.yaml", "a: b")
    source = driver(path, fenced=True)
    found = await answer(source, "a")
    assert isinstance(found, Denied)
    assert "--file-allowed-root" in found.message
    with pytest.raises(Denied):
        await source.list_secrets()
    assert Surroundings(credential=no_credentials).file_roots == ()


async def test_links_are_followed_before_the_fence_is_asked(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    (inside / "folder").mkdir(parents=True)
    outside.mkdir()
    write(outside / "s.yaml", f"a: {CANARY}")
    write(inside / "s.yaml", "a: b")
    (inside / "link.yaml").symlink_to(outside / "s.yaml")
    (inside / "away").symlink_to(outside)
    (inside / "folder" / "key").symlink_to("../../out/s.yaml")
    (inside / "folder" / "own").symlink_to("../s.yaml")
    (tmp_path / "root").symlink_to(inside)

    for root in (inside, tmp_path / "root"):
        assert (await value(driver(inside / "s.yaml", root, fenced=True), "a")).value == "b"
        assert (await value(driver(tmp_path / "root" / "s.yaml", root, fenced=True), "a")).value == "b"
        for path in (inside / "link.yaml", inside / "away" / "s.yaml", inside / ".." / "out" / "s.yaml"):
            assert isinstance(await answer(driver(path, root, fenced=True), "a"), Denied), path
    folder = driver(inside / "folder", inside, fenced=True)
    assert isinstance(await answer(folder, "key"), Denied)
    assert (await value(folder, "own")).value == "a: b"
    assert await folder.list_secrets() == ["own"]


async def test_what_is_outside_is_denied_whether_it_is_there_or_not(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "inside-not").mkdir()
    write(tmp_path / "inside-not" / "s", "a: b")
    for name in ("none", "inside-not/s"):
        assert isinstance(await answer(driver(tmp_path / name, tmp_path / "in", fenced=True), "a"), Denied)


async def test_a_link_put_in_place_after_the_look_leads_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    (inside / "folder").mkdir(parents=True)
    outside.mkdir()
    write(inside / "folder" / "key", "mine")
    write(outside / "key", CANARY)
    look = files.resolve

    def swapped(after: Callable[[], None]) -> Callable[[Path, files.Roots], Path]:
        def resolve(path: Path, roots: files.Roots) -> Path:
            found = look(path, roots)
            after()
            return found

        return resolve

    def swap_folder() -> None:
        if not (inside / "folder").is_symlink():
            (inside / "folder").rename(inside / "was")
            (inside / "folder").symlink_to(outside)

    monkeypatch.setattr(files, "resolve", swapped(swap_folder))
    with pytest.raises(Denied):
        files.read(inside / "folder" / "key", (inside,))


async def test_a_folder_that_is_a_link_outside_every_now_and_then_leads_nowhere(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    for folder, text in ((inside / "real", "a: mine"), (outside, f"a: {CANARY}")):
        folder.mkdir(parents=True)
        write(folder / "key", text)
        write(folder / "only-outside" if folder == outside else folder / "only-inside", text)
    done = threading.Event()

    def swing() -> None:
        while not done.wait(0.0003):  # for as long it is the right one
            (inside / "real").rename(inside / "was")
            (inside / "real").symlink_to(outside)
            (inside / "real").unlink()
            (inside / "was").rename(inside / "real")

    swinging = threading.Thread(target=swing)
    swinging.start()
    try:
        through_folder, through_file = (driver(inside / path, inside, fenced=True) for path in ("real", "real/key"))
        seen: set[object] = set()
        tried = 0
        while (tried := tried + 1) < 400 or not seen >= {b"a: mine", b"mine", Denied}:
            for found in (await answer(through_folder, "key"), await answer(through_file, "a")):
                seen.add(found.raw if isinstance(found, SecretValue) else type(found))
            with suppress(Denied, Unavailable):
                assert "only-outside" not in await through_folder.list_secrets()
    finally:
        done.set()
        swinging.join()
    assert not any(isinstance(one, bytes) and CANARY.encode() in one for one in seen)


@pytest.mark.parametrize("way", ["/proc/self/root{}", "/dev/fd/../root{}"])
async def test_links_of_the_kernel_are_links(tmp_path: Path, way: str) -> None:
    (tmp_path / "in").mkdir()
    write(tmp_path / "out", f"a: {CANARY}")
    (tmp_path / "in" / "link").symlink_to(way.format(tmp_path / "out"))
    assert isinstance(await answer(driver(tmp_path / "in" / "link", tmp_path / "in", fenced=True), "a"), Denied)


async def test_nothing_prints_a_value(tmp_path: Path) -> None:
    path = write(tmp_path / "s.yaml", YAML)
    source = driver(path)
    shown = f"{source!r} {source} {await answer(source, 'text')!r} {files.read(path, None)!r}"
    assert CANARY not in shown
