"""Which native Secret to write to which stores: spec and status of BeemFlowPushSecret."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field

from beemflow_secrets.model.base import Model
from beemflow_secrets.model.cel import Rule, quoted
from beemflow_secrets.model.duration import Duration
from beemflow_secrets.model.keys import DIVIDED, KeyParts, split_key
from beemflow_secrets.model.meta import Conditions, DataKey, HandledRefresh, ObjectName, ObservedGeneration, StatusModel
from beemflow_secrets.model.sources import Property, RemoteKey, StoreRef
from beemflow_secrets.model.template import PushTemplate

MOST_STORES = 10
MOST_ENTRIES = 80  # the API server's budget for rules counts each pair of them
MOST_PUSHED = 2 * MOST_STORES * MOST_ENTRIES  # in a status: what is pushed now, and what is still to be taken back


class RemoteTarget(Model):
    """Where a value is written in the store."""

    remote_key: RemoteKey = Field(
        description="Name of the secret below the store's prefix, as slack/bot; or name and property, "
        r"as slack/bot#token. A # that belongs to the name is written \#."
    )
    property: Property | None = Field(
        default=None,
        description="Field of the secret, or a path into it, as a.b; its other fields stay. A dot that belongs to a "
        "name is written \\. . Default: the whole secret, which then holds nothing else.",
    )

    rules: ClassVar[tuple["Rule[RemoteTarget]", ...]] = (
        Rule(
            f"!has(self.property) || !self.remoteKey.matches({quoted(DIVIDED)})",
            lambda target: target.property is None or split_key(target.remote_key).property is None,
            "the property is named twice: in property, and behind the '#' of remoteKey",
        ),
    )

    def parts(self) -> KeyParts:
        """Return the key as the backend knows it, and the property, wherever it was written."""
        key, behind = split_key(self.remote_key)
        return KeyParts(key, self.property or behind)


class Match(Model):
    """What of the Secret is written where."""

    secret_key: DataKey | None = Field(
        default=None, description="Key of the Secret. Default: all of its keys, as one map."
    )
    remote_ref: RemoteTarget = Field(description="Where it is written.")


class PushEntry(Model):
    """One value, and where it is written."""

    match: Match = Field(description="What of the Secret is written where.")


class NamedSecret(Model):
    """A Secret of the same namespace."""

    name: ObjectName = Field(description="Its name.")


class Selector(Model):
    """What is pushed."""

    secret: NamedSecret = Field(description="The Secret to push. It is followed when it changes.")


_KIND = "(has({0}.kind) ? {0}.kind : 'BeemFlowSecretStore')"
_SAME_STORE = f"one.name == other.name && {_KIND.format('one')} == {_KIND.format('other')}"
_SAME_PLACE = (
    "one.match.remoteRef.remoteKey == other.match.remoteRef.remoteKey && (!has(one.match.remoteRef.property) || "
    "!has(other.match.remoteRef.property) || one.match.remoteRef.property == other.match.remoteRef.property)"
)


class PushSpec(Model):
    """Which Secret to write to which stores, and how often to look whether they still have it."""

    refresh_interval: Duration = Field(
        default=3600.0,
        description="How often the stores are looked at, and what differs there is written again. A change of the "
        "Secret is pushed within 15 s by itself. 0: only such changes are. Default 1h.",
    )
    secret_store_refs: list[StoreRef] = Field(
        min_length=1, max_length=MOST_STORES, description="The stores to write to, all of them the same."
    )
    update_policy: Literal["Replace", "IfNotExists"] = Field(
        default="Replace",
        description="Replace: what is there is overwritten. IfNotExists: what is there stays as it is, also when this "
        "resource has written it. Default Replace.",
    )
    deletion_policy: Literal["None", "Delete"] = Field(
        default="None",
        description="What becomes of what was pushed when its entry goes, or the resource. None: it stays. Delete: it "
        "goes too, and with the last field the secret. A Secret that is gone deletes nothing. Default None.",
    )
    selector: Selector = Field(description="What is pushed.")
    data: list[PushEntry] = Field(
        min_length=1, max_length=MOST_ENTRIES, description="The values, and where they are written."
    )
    template: PushTemplate = Field(
        default=PushTemplate(), description="What is pushed, where it is not what the Secret holds."
    )

    rules: ClassVar[tuple["Rule[PushSpec]", ...]] = (
        Rule(
            f"self.secretStoreRefs.all(one, self.secretStoreRefs.exists_one(other, {_SAME_STORE}))",
            lambda spec: _differ((ref.kind, ref.name) for ref in spec.secret_store_refs),
            "must name no store twice",
            ("secretStoreRefs",),
        ),
        Rule(
            f"self.data.all(one, self.data.exists_one(other, {_SAME_PLACE}))",
            # Stricter than the schema's: what stands behind a '#' is a property too.
            lambda spec: _apart([entry.match.remote_ref.parts() for entry in spec.data]),
            "must write no key twice, unless to properties that differ",
            ("data",),
        ),
    )


def _differ(items: Iterable[tuple[str, str]]) -> bool:
    return max(Counter(items).values()) == 1


def _apart(places: Sequence[KeyParts]) -> bool:
    """Tell whether no place is another one, or within it."""
    wholes = Counter(place.key for place in places)
    return _differ((place.key, place.property or "") for place in places) and all(
        wholes[place.key] == 1 for place in places if place.property is None
    )


class Pushed(StatusModel):
    """Something that was written to a store, or is about to be."""

    store: str = Field(max_length=253, description="Name of the store.")
    store_kind: str = Field(max_length=63, description="Its kind.")
    remote_key: str = Field(max_length=2048, description="The key that was written.")
    property: str | None = Field(
        default=None, max_length=1024, description="The field of it that was written; none: the whole."
    )
    mark: str = Field(
        max_length=16, description="By what the backend is known again, should the store lead to another one later."
    )


class PushStatus(StatusModel):
    """How what is pushed stands."""

    observed_generation: ObservedGeneration = None
    conditions: Conditions = Field(default=[])
    last_sync_time: datetime | None = Field(
        default=None,
        description="When all stores were last seen to have all of it. Written every 10 minutes at most when nothing "
        "else changes.",
    )
    last_handled_refresh: HandledRefresh = None
    pushed: list[Pushed] = Field(
        default=[],
        max_length=MOST_PUSHED,
        description="What was written where, noted before it is. deletionPolicy Delete takes back nothing else.",
    )
