"""All links at once: the fields of a key are joined."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from beemflow_secrets.chain.multi import Multi, Said, named, told
from beemflow_secrets.providers import jsontext
from beemflow_secrets.providers.aliases import Aliased
from beemflow_secrets.providers.errors import Invalid, NotFound, SecretsError
from beemflow_secrets.providers.value import Ref, SecretValue

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from beemflow_secrets.chain.multi import Answers, Link
    from beemflow_secrets.providers.value import Found, Search

Policy = Literal["First", "Last", "Error"]


class Merge(Multi):
    """Asks all links. One that is down makes a read fail: a value that lacks its fields would be taken for whole."""

    def __init__(self, links: Sequence[Link], *, policy: Policy) -> None:
        super().__init__(links)
        self._policy = policy

    def fault(self) -> SecretsError | None:
        """Say which links do not serve, None where all do."""
        down = self.down()
        return told(down) if down else None

    async def fetch(self, refs: Iterable[Ref]) -> Answers:
        """Read each from all links. A pinned version is the first link's alone."""
        asked = list(refs)
        current = [ref for ref in asked if ref.version is None]
        first, *others = await asyncio.gather(
            *(link.reader.fetch(asked if link is self.links[0] else current) for link in self.links)
        )
        return {
            ref: self._joined(
                ref,
                list(zip(self.links, (first[ref], *(found[ref] for found in others if ref in found)), strict=False)),
            )
            for ref in asked
        }

    async def find(self, search: Search) -> Found:
        """List what any link has."""
        return await self._union(search)

    def _joined(self, ref: Ref, found: list[tuple[Link, SecretValue | SecretsError]]) -> SecretValue | SecretsError:
        for link, answer in found:
            if isinstance(answer, SecretsError) and not isinstance(answer, NotFound):
                return named(link, answer)
        values = [answer.of_link(link.name) for link, answer in found if isinstance(answer, SecretValue)]
        if not values:
            return told([Said(link, error, down=False) for link, error in found if isinstance(error, SecretsError)])
        try:
            return join(values, self._policy)
        except Invalid as error:
            error.key = ref.key
            return error


def join(values: Sequence[SecretValue], policy: Policy) -> SecretValue:
    """Return one value with the fields of all. Raises Invalid where `policy` is Error and two have the same.

    Text that is no JSON object has no fields: beside other values it is taken as a whole, or not at all. One value
    alone stays as it is, byte for byte.
    """
    if len(values) == 1:
        return values[0]
    best, *others = reversed(values) if policy == "Last" else values
    fields = _fields(best)
    if policy == "Error":
        _refuse_conflicts(values)
    if fields is None:
        return best
    origins = dict.fromkeys(fields, best)
    for other in others:
        for name, content in (_fields(other) or {}).items():
            if name not in origins:
                fields[name], origins[name] = content, other
    return _one(values, fields, origins)


def _one(
    values: Sequence[SecretValue], fields: Mapping[str, object], origins: Mapping[str, SecretValue]
) -> SecretValue:
    used = [value for value in values if any(origin is value for origin in origins.values())]
    if len(used) == 1:
        return used[0]
    created = [value.created_at for value in used if value.created_at]
    expires = [value.expires_at for value in used if value.expires_at]
    aliases = {
        alias: own
        for value in reversed(used)
        if isinstance(value.fields, Aliased)
        for alias, own in value.fields.aliases.items()
        if own is None or origins.get(own) is value
    }
    one = SecretValue(
        Aliased(fields, aliases) if aliases else dict(fields),
        created_at=max(created, default=None),
        expires_at=min(expires, default=None),
        metadata={name: text for value in reversed(used) for name, text in value.metadata.items()},
    )
    one.provider = ", ".join(value.provider or "" for value in used)
    one.origins = origins
    return one


def _refuse_conflicts(values: Sequence[SecretValue]) -> None:
    owners: dict[str, SecretValue] = {}
    for value in values:
        fields = _fields(value)
        if fields is None:
            other = next(other for other in values if other is not value)
            raise Invalid(f"{value.provider} and {other.provider} both have it, and text is not joined")
        for name in fields:
            if (owner := owners.setdefault(name, value)) is not value:
                raise Invalid(f"{owner.provider} and {value.provider} both have the field {name!r}")


def _fields(value: SecretValue) -> dict[str, object] | None:
    """Return the fields, None for text that has none. null counts as missing."""
    found: object = value.fields
    if found is None:
        try:
            found = jsontext.loads(value.raw.decode())
        except ValueError:
            return None
    return {name: item for name, item in found.items() if item is not None} if isinstance(found, Mapping) else None
