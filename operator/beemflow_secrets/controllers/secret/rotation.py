"""What a change of content was: which keys of the Secret, from which versions to which. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from beemflow_secrets.controllers.failure import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from beemflow_secrets.controllers.conditions import Status

MOST_NAMED = 20
"""Keys that a message names. More would be cut anyway."""


class Rotation(NamedTuple):
    """A Secret whose content is another now. `versions` are the old and the new one of each key, None where unknown.

    A key that came has no old version, one that went no new one, and what a template makes has neither.
    """

    secret: str
    versions: Mapping[str, tuple[str | None, str | None]]

    def message(self) -> str:
        """Return it in words."""
        told = [_told(key, *versions) for key, versions in self.versions.items()]
        more = f" and {len(told) - MOST_NAMED} more" if len(told) > MOST_NAMED else ""
        return printable(f"Secret {self.secret} has new content: {', '.join(told[:MOST_NAMED])}{more}")


def rotation(old: Status, new: Status, changed: Collection[str]) -> Rotation | None:
    """Return the change between two statuses, None where there was none, or the content is the first.

    `changed` are the keys that the write itself saw change. Where it saw none, because an earlier process wrote, or
    others' keys stand in the Secret, versions tell; and where they do not, each key may be another.
    """
    former, version = old.get("contentVersion"), new.get("contentVersion")
    if former is None or version in {None, former}:
        return None
    before, after = _entries(old), _entries(new)
    names = changed or {key for key in before | after if _origin(before.get(key)) != _origin(after.get(key))} or after
    versions = {key: (_version(before.get(key)), _version(after.get(key))) for key in sorted(names)}
    return Rotation(new["secretRef"]["name"], versions)


def _entries(told: Status) -> dict[str, Status]:
    return {entry["secretKey"]: entry for entry in told.get("entries", ())}


def _version(entry: Status | None) -> str | None:
    return entry.get("version") if entry is not None else None


def _origin(entry: Status | None) -> tuple[str | None, ...]:
    return tuple(entry.get(name) for name in ("provider", "remoteKey", "version")) if entry is not None else ()


def _told(key: str, old: str | None, new: str | None) -> str:
    if old == new:
        return key
    return f"{key} (version {old or 'unknown'} to {new or 'unknown'})"
