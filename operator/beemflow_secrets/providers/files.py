"""Files that others replace while we read: each read gives one whole content, the old or the new.

A mounted Secret is replaced by swinging a link, an editor's file by renaming; then the file that was opened stays
what it was. One that is written in place is read again until it held still. All functions wait for the disk: they
belong in a thread.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from beemflow_secrets.providers.errors import Denied, Invalid, SecretsError, Unavailable

LARGEST = 8 * 1024 * 1024
"""Bytes of a file, as of any backend's answer."""

_TRIES, _PAUSE = 5, 0.01  # seconds

_SETTLED = 0.1
"""Seconds after a change in which another one could leave the same times: the kernel's clock ticks 4 to 10 ms."""

NOT_ALLOWED = "the operator may not read this file; --file-allowed-root allows a folder"

Roots = tuple[Path, ...] | None


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells one content of a file from the next, without reading it."""

    changed: int
    """Nanoseconds since the epoch."""
    size: int
    inode: tuple[int, int]
    """Device and number: another file may have come in its place, with its times."""
    touched: int
    """Nanoseconds; unlike `changed` no program can set it back."""

    @classmethod
    def of(cls, found: os.stat_result) -> Stamp:
        """Take it from what stat says."""
        return cls(found.st_mtime_ns, found.st_size, (found.st_dev, found.st_ino), found.st_ctime_ns)

    @property
    def version(self) -> str:
        """The content's version: its time, and its size."""
        return f"{self.changed}-{self.size}"

    @property
    def at(self) -> datetime:
        """When the content was written."""
        return datetime.fromtimestamp(self.changed / 1e9, UTC)


@dataclass(frozen=True, slots=True)
class Whole:
    """One content of a file. `settled` says that a change since would show in the stamp."""

    content: bytes
    stamp: Stamp
    settled: bool

    def __repr__(self) -> str:
        return f"Whole(***, {self.stamp!r})"


def resolve(path: Path, roots: Roots) -> Path:
    """Follow all links of a path to what is there, and check that it lies below one of `roots`; None allows all.

    Raises FileNotFoundError, Denied, and Unavailable where the system gives no answer.
    """
    if roots == ():
        raise Denied(NOT_ALLOWED)
    try:
        return _resolved(path, roots)
    except FileNotFoundError:
        raise
    except (OSError, RuntimeError) as error:  # Python before 3.13 has RuntimeError for links in a circle
        if getattr(error, "errno", None) == errno.ENAMETOOLONG:  # no file can have this name
            raise FileNotFoundError from None
        raise trouble(error) from error


def _resolved(path: Path, roots: Roots) -> Path:
    try:
        return _allowed(path.resolve(strict=True), roots)
    except (FileNotFoundError, NotADirectoryError):
        # Whether a file outside is there is nobody's to know: that it is not allowed comes first.
        _allowed(path.resolve(), roots)
        raise FileNotFoundError from None


def stamp_of(path: Path, roots: Roots) -> Stamp:
    """Return a file's stamp as it is now. Raises as `read`."""
    try:
        return Stamp.of(resolve(path, roots).stat())
    except FileNotFoundError:
        raise
    except OSError as error:
        raise trouble(error) from error


def read(path: Path, roots: Roots) -> Whole:
    """Read a whole file. Raises FileNotFoundError, IsADirectoryError, or a SecretsError."""
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_PAUSE)
        found = resolve(path, roots)
        try:
            whole = _read(found)
        except (FileNotFoundError, IsADirectoryError):
            # It went between the look and the reading, as when a link swings: what is there now decides.
            if resolve(path, roots) == found and found.is_dir():
                raise IsADirectoryError from None
            continue
        except OSError as error:
            raise trouble(error) from error
        if whole is not None:
            return whole
    raise Unavailable("the file changes while it is read")


def trouble(error: OSError | RuntimeError) -> SecretsError:
    """Say what the system's refusal means. Its text stays behind: it holds the path."""
    number = error.errno if isinstance(error, OSError) else errno.ELOOP
    match number:
        case errno.EACCES | errno.EPERM:
            return Denied("this process may not read the file")
        case errno.ENOENT | errno.ENOTDIR:
            return Unavailable("there is no such file")
        case _:
            return Unavailable(f"the file cannot be read ({os.strerror(number or errno.EIO)})")


def _allowed(found: Path, roots: Roots) -> Path:
    if roots is not None and not any(found.is_relative_to(root.resolve()) for root in roots):
        raise Denied(NOT_ALLOWED)
    return found


def _read(found: Path) -> Whole | None:
    """Read what was resolved; None where it is not that any more, or did not hold still."""
    # O_NOFOLLOW and the look at /proc: a link put in its place since must not lead elsewhere. O_NONBLOCK: a pipe.
    opened = os.open(found, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        before = os.fstat(opened)
        if stat.S_ISDIR(before.st_mode):
            raise IsADirectoryError
        if not stat.S_ISREG(before.st_mode):
            raise Invalid("it is no regular file")
        if before.st_size > LARGEST:
            raise Unavailable(f"the file is larger than {LARGEST // 1024**2} MiB")
        if not _is(opened, found):
            return None
        with os.fdopen(opened, "rb", closefd=False) as file:
            content = file.read(LARGEST + 1)
        now, after = time.time_ns(), Stamp.of(os.fstat(opened))
    finally:
        os.close(opened)
    if after != Stamp.of(before) or after.size != len(content):
        return None
    return Whole(content, after, settled=now - max(after.changed, after.touched) > _SETTLED * 1e9)


def _is(opened: int, found: Path) -> bool:
    """Tell whether the open file is the one at `found`, by the path that the kernel has for it."""
    try:
        return Path(f"/proc/self/fd/{opened}").readlink() == found
    except OSError:  # no /proc: not Linux, so no operator
        return True
