"""What a change of content was: which keys of the Secret, from which versions to which. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from beemflow_secrets.controllers.failure import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from beemflow_secrets.controllers.conditions import Status
    from beemflow_secrets.rendering.compose import Entry

    Entries = Sequence[Entry]

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


class _Origin(NamedTuple):
    """Where a key was read from."""

    provider: str | None = None
    remote_key: str | None = None
    version: str | None = None


def rotation(
    old: Status, new: Status, changed: Collection[str], *, untold: Entries = (), now_untold: Entries = ()
) -> Rotation | None:
    """Return the change between two statuses, None where there was none, or the content is the first.

    `changed` are the keys that the write itself saw change. Where it saw none, because an earlier process wrote, or
    others' keys stand in the Secret, versions tell; and where they do not, each key may be another. `untold` and
    `now_untold` are the entries for which each of the statuses has no place, as far as they are known.
    """
    former, version = old.get("contentVersion"), new.get("contentVersion")
    if former is None or version in {None, former}:
        return None
    before, after, nowhere = _origins(old, untold), _origins(new, now_untold), _Origin()
    names = changed or {key for key in before | after if before.get(key) != after.get(key)} or after
    versions = {key: (before.get(key, nowhere).version, after.get(key, nowhere).version) for key in sorted(names)}
    return Rotation(new["secretRef"]["name"], versions)


def _origins(told: Status, untold: Entries) -> dict[str, _Origin]:
    listed = {
        entry["secretKey"]: _Origin(entry.get("provider"), entry["remoteKey"], entry.get("version"))
        for entry in told.get("entries", ())
    }
    return listed | {entry.secret_key: _Origin(entry.provider, entry.remote_key, entry.version) for entry in untold}


def _told(key: str, old: str | None, new: str | None) -> str:
    if old == new:
        return key
    return f"{key} (version {old or 'unknown'} to {new or 'unknown'})"
