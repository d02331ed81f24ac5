"""Files that others read while we replace them: written beside, then put in place at once. Waits for the disk."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from beemflow_secrets.providers import files
from beemflow_secrets.providers.errors import Denied, Invalid, SecretsError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OWN = 0o600
_OWN_FOLDER = 0o700
_PATIENCE, _PAUSE = 5.0, 0.01  # seconds


@contextmanager
def held(folder: Path) -> Iterator[int]:
    """Keep other writers out of a folder, of other processes too. `folder` is resolved. Yields it, open."""
    with _troubles():
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _lock(opened)
        yield opened
    finally:
        os.close(opened)  # and with it the lock


def replace(folder: int, name: str, content: bytes) -> None:
    """Put a file in place: the old one or the new one is there, whole. The former's mode and owner stay.

    A new file is its owner's alone. Raises a SecretsError.
    """
    if len(content) > files.LARGEST:
        raise Invalid(f"the file would be larger than {files.LARGEST // 1024**2} MiB")
    beside = f"..{secrets.token_hex(8)}"  # a name that no listing tells
    with _troubles():
        opened = os.open(
            beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _OWN, dir_fd=folder
        )
        try:
            try:
                with os.fdopen(opened, "wb", closefd=False) as file:
                    file.write(content)
                _as_before(opened, folder, name)
                os.fsync(opened)
            finally:
                os.close(opened)
            os.rename(beside, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with suppress(OSError):
                os.unlink(beside, dir_fd=folder)
            raise
        os.fsync(folder)


def remove(folder: int, name: str) -> None:
    """Take a file away, if it is there. Raises a SecretsError."""
    with _troubles(), suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)
        os.fsync(folder)


def make_folders(base: Path, names: list[str], roots: files.Roots) -> Path:
    """Return the folder that `names` lead to below `base`; those that are not there are made. Raises a SecretsError."""
    found = base
    for name in names:
        try:
            found = files.resolve(found / name, roots)
        except FileNotFoundError:
            with _troubles():
                (found / name).mkdir(_OWN_FOLDER)
            found = files.resolve(found / name, roots)
    return found


def _as_before(opened: int, folder: int, name: str) -> None:
    try:
        former = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return
    with suppress(PermissionError):  # only root gives files away
        os.fchown(opened, former.st_uid, former.st_gid)
    os.fchmod(opened, former.st_mode & 0o777)


def _lock(opened: int) -> None:
    """Wait for the lock, in short steps: a thread that waits in the kernel could not be ended."""
    last = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > last:
                raise Unavailable("somebody else holds the lock of the file's folder") from None
            time.sleep(_PAUSE)
        else:
            return


@contextmanager
def _troubles() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _trouble(error) from error


def _trouble(error: OSError) -> SecretsError:
    """Say what the system's refusal means. Its text stays behind: it holds the path."""
    match error.errno:
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return Denied("this process may not write the file")
        case errno.ENAMETOOLONG | errno.EISDIR | errno.ENOTDIR | errno.EEXIST | errno.EINVAL:
            return Invalid("no file can have this name here")
        case number:
            return Unavailable(f"the file cannot be written ({os.strerror(number or errno.EIO)})")
