"""The errors of reading a secret: few, typed, and safe to show.

    SecretsError
    ├── NotFound        the backend has no such key, version or field
    │   └── Gone        it had it: deleted, destroyed or disabled
    ├── Denied          the backend knows who asks and refuses
    ├── AuthFailed      the backend does not accept who asks
    ├── Throttled       too many requests; `retry_after` says when to come again
    ├── Unavailable     no usable answer: refused, cut off, timed out, sealed, a failed TLS handshake
    │   └── Held        a later link of a chain has an answer, which may not replace the former link's yet
    └── Invalid         the request or the value cannot be right: a malformed key, a value that is no text
        ├── EndpointNotAllowed  the store may not connect to the address that it names
        └── NoTags      the backend has no tags that secrets could be found by

A message names a field or a version, never a value; the key stands beside it in `key`. What an SDK or a server said
is in `__cause__` and stays there: such texts hold paths, account names and sometimes values, so they never reach a
status, an event or a log.
"""

from __future__ import annotations

from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self


class SecretsError(Exception):
    """The base of every error that reading or writing a secret can raise.

    `message` is one sentence that is safe to show and does not repeat the key; `key` is the key that is concerned.
    """

    def __init__(self, message: str, *, key: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.key = key

    def __str__(self) -> str:
        return f"{self.key}: {self.message}" if self.key is not None else self.message

    def __copy__(self) -> Self:
        """Copy it with its cause, and without its `__init__`, which a driver's own error may have otherwise."""
        own = type(self).__new__(type(self), *self.args)
        own.__dict__.update(self.__dict__)
        own.__cause__ = self.__cause__
        return own


class NotFound(SecretsError):
    """No such key, version or field.

    `property` is the field that the secret lacks, None when the secret itself is missing.
    `keys` holds every missing key of a read of many.
    """

    def __init__(
        self, message: str, *, key: str | None = None, property: str | None = None, keys: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message, key=key)
        self.property = property
        self.keys = keys or ((key,) if key is not None else ())


class Gone(NotFound):
    """The key or version was there and is deleted, destroyed or disabled."""


class Denied(SecretsError):
    """The login is good and has no right to this. `keys` holds every key of which that holds, as in NotFound."""

    def __init__(self, message: str, *, key: str | None = None, keys: tuple[str, ...] = ()) -> None:
        super().__init__(message, key=key)
        self.keys = keys or ((key,) if key is not None else ())


class AuthFailed(SecretsError):
    """The login itself is refused: a wrong, expired or revoked credential."""


class Throttled(SecretsError):
    """Too many requests. `retry_after` is in seconds, None where the backend named no time."""

    def __init__(self, message: str, *, key: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message, key=key)
        self.retry_after = retry_after


class Unavailable(SecretsError):
    """The backend gave no usable answer."""


class Held(Unavailable):
    """The link of a chain that served a value is down, and no later link's value shall replace it yet.

    `wait` is how long not, in seconds; `is_down` tells whether the link still is.
    """

    wait: float = 0.0
    is_down: Callable[[], bool] = staticmethod(lambda: False)


class Invalid(SecretsError):
    """The request, or the value for what is asked of it, cannot be right; trying again does not help."""


class EndpointNotAllowed(Invalid):
    """The address is none that the store may connect to, by its text or by what its name resolves to."""


class MissingExtra(Invalid):
    """What is asked for takes an extra that is not installed; the message names it."""


class NoTags(Invalid):
    """The backend has no tags, so that nothing can be found by them."""


def named(error: SecretsError, key: str) -> SecretsError:
    """Return a copy of an error with a key of its own: one error may answer several who ask, and is written into."""
    own = copy(error)
    own.key = key
    if isinstance(own, NotFound):
        own.keys = (key,)
    return own


@contextmanager
def naming(key: str) -> Iterator[None]:
    """Name the key in what is raised without one."""
    try:
        yield
    except SecretsError as error:
        error.key = error.key or key
        raise
