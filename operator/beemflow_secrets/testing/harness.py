"""What the author of a driver supplies: how its backend is filled, and what it can do."""

from __future__ import annotations

import secrets
import traceback
from abc import ABC, abstractmethod
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from beemflow_secrets.providers.added import AddedDriver
from beemflow_secrets.providers.base import Driver
from beemflow_secrets.providers.errors import AuthFailed, SecretsError
from beemflow_secrets.providers.surroundings import Surroundings
from beemflow_secrets.providers.value import Ref, SecretValue

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from beemflow_secrets.model.store import CredentialRef
    from beemflow_secrets.providers.base import SecretsProvider


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What a backend can do. Nothing is skipped for one that it lacks: what must happen instead is checked.

    versions    "history": old versions can be read; "current": the current one has a name; "none": it has none
    fields      a secret is a map of fields; else it is text or bytes
    binary      a value may be bytes that are no text
    empty       a value may be empty; else a secret without one counts as missing
    created_at  it says when a secret, or the version, was made
    expires_at  it, or the owner of a secret, says when that expires
    gone        a deleted secret is told from one that never was
    login       it wants to know who asks
    denies      who asks may be refused one secret and not another
    throttles   it can be told to refuse what comes too fast
    stops       it can be stopped and comes back
    wire        it is reached by HTTP, so that a proxy can stand before it
    writes      it can be written to: the login that is lent may
    tags        secrets have tags, or labels, by which they can be found
    largest     bytes of the largest value that is tried
    """

    versions: Literal["history", "current", "none"] = "none"
    fields: bool = False
    binary: bool = False
    empty: bool = True
    created_at: bool = False
    expires_at: bool = False
    gone: bool = False
    login: bool = False
    denies: bool = False
    throttles: bool = False
    stops: bool = False
    wire: bool = False
    writes: bool = False
    tags: bool = False
    largest: int = 65536


class Harness(ABC):
    """One backend, empty when a test begins and of no use to any other test.

    `title` is its name in the table. `credentials` holds what `Surroundings.credential` answers, by the key that a
    CredentialRef names; `asked` which of them were asked for.
    """

    title: ClassVar[str]
    abilities: ClassVar[Abilities]
    meeting: ClassVar[tuple[str, str] | None] = None
    """Two keys that are one secret, for backends that cannot hold every key."""

    upstream: str = ""
    """The backend's address, for backends with a wire; `upstream_tls` says whom to trust there."""
    upstream_tls: ssl.SSLContext | None = None

    def __init__(self) -> None:
        self.canary = f"canary-{secrets.token_hex(8)}"
        self.credentials: dict[str, str] = {}
        self.asked: list[str] = []
        self.closing = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.closing.aclose()

    # --- to be written

    @abstractmethod
    def make(self, address: str) -> SecretsProvider:
        """Make a driver, or a provider of six methods as entry points name them. Calls nobody.

        `address` is where its backend is to be reached: `upstream`, or a proxy before it.
        """

    @abstractmethod
    async def put(self, key: str, content: Mapping[str, bytes] | bytes, *, expires_at: datetime | None = None) -> None:
        """Write a secret: a map of fields where the backend has them, else bytes; text wherever it must be."""

    @abstractmethod
    async def delete(self, key: str) -> None:
        """Delete a secret as its owner would."""

    def listed(self, key: str) -> str:
        """Return the name by which a listing tells `key`, or a beginning of one."""
        return key

    def takes(self, key: str) -> bool:
        """Whether the backend can hold a secret of this name, mapped or not. `key` is well-formed."""
        del key
        return True

    # --- to be written for the ability of the name that is behind each

    async def revoke(self) -> None:
        """Make the login one that the backend does not accept, or accepts no longer (login)."""
        raise NotImplementedError

    async def restore(self) -> None:
        """Make the login good again, by what `credentials` holds or otherwise (login)."""
        raise NotImplementedError

    async def tag(self, key: str, tags: Mapping[str, str]) -> None:
        """Give a secret that is there these tags, as its owner would (tags)."""
        raise NotImplementedError

    async def deny(self, key: str) -> None:
        """Take the right to read a secret away; others stay readable. Drivers are opened afterwards (denies)."""
        raise NotImplementedError

    def throttled(self) -> AbstractAsyncContextManager[object]:
        """Refuse for a while some of twenty requests that come together as too many (throttles)."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Stop the backend: connections to it are refused (stops)."""
        raise NotImplementedError

    async def start(self) -> None:
        """Start it again, with all that it held (stops)."""
        raise NotImplementedError

    # --- what the suite uses

    def open(self, address: str | None = None) -> Driver:
        """Make a driver that is closed when the test ends."""
        made = self.make(self.upstream if address is None else address)
        driver = made if isinstance(made, Driver) else AddedDriver(self.title, made)
        self.closing.push_async_callback(driver.close)
        return driver

    def surroundings(self) -> Surroundings:
        """Return surroundings that lend what `credentials` holds."""
        return Surroundings(credential=self._lend)

    async def put_text(self, key: str, text: str | bytes | None = None) -> str:
        """Write a secret that is one text, by default the canary; return it."""
        content = self.canary if text is None else text
        raw = content if isinstance(content, bytes) else content.encode()
        await self.put(key, {"value": raw} if self.abilities.fields else raw)
        return content if isinstance(content, str) else ""

    async def value(self, driver: Driver, key: str, version: str | None = None) -> SecretValue:
        """Read a secret that is there."""
        answer = (await driver.fetch([Ref(key, version)]))[Ref(key, version)]
        assert isinstance(answer, SecretValue), f"{key}: {answer!r}"
        self.hides(repr(answer), str(answer), f"{answer}")
        return answer

    async def error(self, driver: Driver, key: str, version: str | None = None) -> SecretsError:
        """Read a secret that cannot be read; nothing that hangs on the error may show a value or a credential."""
        answer = (await driver.fetch([Ref(key, version)]))[Ref(key, version)]
        assert isinstance(answer, SecretsError), f"{key} was read: {answer!r}"
        self.shows(answer)
        return answer

    def shows(self, error: SecretsError) -> None:
        """Check that an error can be shown."""
        self.hides("".join(traceback.format_exception(error)))
        linked: list[BaseException | None] = [error]
        while linked:
            if (one := linked.pop()) is not None:
                self.hides(repr(one), str(one), repr(one.args), repr(vars(one)))
                linked += [one.__cause__, one.__context__]

    def hides(self, *texts: str) -> None:
        """Check that no text holds the canary or a credential."""
        hidden = [secret for secret in (self.canary, *self.credentials.values()) if secret.strip()]
        # Not `in`, with an assert on it: pytest would print the text.
        assert not any(secret in text for secret in hidden for text in texts), "a value or a credential is shown"

    async def _lend(self, ref: CredentialRef) -> str:
        name = ref.secret_key_ref.key
        self.asked.append(name)
        if name not in self.credentials:
            raise AuthFailed(f"no credential {name!r}")
        return self.credentials[name]
