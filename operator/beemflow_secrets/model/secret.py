"""What to read and which native Secret to write: spec and status of BeemFlowSecret."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from beemflow_secrets.model.base import Model
from beemflow_secrets.model.cel import Rule
from beemflow_secrets.model.duration import Between, Duration
from beemflow_secrets.model.meta import Conditions, HandledRefresh, ObjectName, ObservedGeneration, StatusModel
from beemflow_secrets.model.restart import AS_MAP, MOST_RESTARTS, Restart, Workload
from beemflow_secrets.model.sources import DataEntry, DataFrom, Named, StoreRef
from beemflow_secrets.model.template import Template

MOST_ENTRIES = (
    1000  # of data, in one resource; the API server's budget for rules counts every entry that could be there
)
MOST_SOURCES = 100  # of dataFrom
MOST_ENTRIES_TOLD = 100  # in a status: more would bloat the object; `entriesOmitted` counts the rest

_WRITES_WHOLE = "!has(self.creationPolicy) || self.creationPolicy in ['Owner', 'Orphan']"


class Target(Model):
    """The Secret that is written."""

    name: ObjectName | None = Field(default=None, description="Name of the Secret. Default: the resource's own name.")
    creation_policy: Literal["Owner", "Orphan", "Merge", "None"] = Field(
        default="Owner",
        description="Owner: the Secret belongs to the resource and goes with it. Orphan: it stays when the resource "
        "goes. Merge: keys are written into a Secret that exists, of which nothing else is touched; they go when their "
        "entry goes, and stay when the resource goes. None: values are read and reported on, and nothing is written. "
        "Default Owner.",
    )
    deletion_policy: Literal["Retain", "Delete", "Merge"] = Field(
        default="Retain",
        description="What becomes of the Secret when keys that were read before are gone from the backend. Retain: it "
        "stays as it is, and Ready is False. Delete: it goes when all of its keys are gone, and returns with them. "
        "Merge: the keys that are gone go. Default Retain.",
    )
    immutable: bool = Field(
        default=False,
        description="Make the Secret immutable: data is written once, and the condition Outdated tells when it differs "
        "from what the backend holds. Delete the Secret to have it made anew. Default false.",
    )
    template: Template = Field(default=Template(), description="How the Secret looks.")

    rules: ClassVar[tuple["Rule[Target]", ...]] = (
        Rule(
            f"!has(self.immutable) || !self.immutable || {_WRITES_WHOLE}",
            lambda target: not target.immutable or target.writes_whole,
            "immutable needs creationPolicy Owner or Orphan: only they write the whole Secret",
        ),
        Rule(
            f"!has(self.deletionPolicy) || self.deletionPolicy != 'Delete' || {_WRITES_WHOLE}",
            lambda target: target.deletion_policy != "Delete" or target.writes_whole,
            "deletionPolicy Delete needs creationPolicy Owner or Orphan: no other Secret is ours to delete",
        ),
    )

    @property
    def writes_whole(self) -> bool:
        """Whether the Secret is all ours, and not a part of it, or nothing."""
        return self.creation_policy in {"Owner", "Orphan"}


class Staleness(Model):
    """For how long the values of an earlier read are good enough."""

    max_age: Annotated[float, Between("1s")] = Field(
        description="While no backend answers, Ready stays True and the condition Stale tells why, until the last good "
        "read is older than this."
    )


class Expiry(Model):
    """When to warn of values that expire."""

    warn_before: Duration = Field(
        default=604800.0,
        description="The condition Expiring turns True so long before a value expires. Default 168h.",
    )


class SecretSpec(Model):
    """What to read, how often, and the Secret to write."""

    secret_store_ref: StoreRef = Field(description="The store to read from.")
    refresh_policy: Literal["Periodic", "OnChange", "CreatedOnce"] = Field(
        default="Periodic",
        description="Periodic: read again every refreshInterval. OnChange: when the spec changes. CreatedOnce: only "
        "while the Secret does not stand. Under all, a Secret that was changed or deleted is repaired with what the "
        "backend holds then, and a refresh can be asked for. Default Periodic.",
    )
    refresh_interval: Duration = Field(
        default=3600.0,
        description="No value gets older than this. 0: read once, and again when the spec changes. Default 1h.",
    )
    suspend: bool = Field(default=False, description="Stop all writing, repairs too. Default false.")
    target: Target = Field(default=Target(), description="The Secret that is written.")
    data: list[DataEntry] = Field(
        default=[],
        max_length=MOST_ENTRIES,
        description="The keys of the Secret. All are written together, or not at all.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["secretKey"]},
    )
    data_from: list[DataFrom] = Field(
        default=[],
        max_length=MOST_SOURCES,
        description="Whole secrets, each field of which becomes a key, and flows, each secret of which does. "
        "Where data has the same key, data wins.",
    )
    conflict_policy: Literal["Error", "First", "Last"] = Field(
        default="Error",
        description="What holds where several of dataFrom have the same key. Error: none, Ready is False. First: the "
        "one that stands first in dataFrom. Last: the one that stands last. Default Error.",
    )
    staleness: Staleness | None = Field(
        default=None,
        description="How long an outage is put up with. Without it Ready turns False at the first failed refresh.",
    )
    expiry: Expiry = Field(default=Expiry(), description="When to warn of values that expire.")
    rollout_restart: list[Workload] = Field(
        default=[],
        max_length=MOST_RESTARTS,
        description="Workloads of this namespace whose pods are restarted when the Secret has new content, by an "
        "annotation of their template. The operator needs the right to patch them. Default: none.",
        json_schema_extra=AS_MAP,
    )

    rules: ClassVar[tuple["Rule[SecretSpec]", ...]] = (
        Rule(
            "(has(self.data) && self.data.size() > 0) || (has(self.dataFrom) && self.dataFrom.size() > 0)",
            lambda spec: bool(spec.data or spec.data_from),
            "data or dataFrom must name something to read",
        ),
        Rule(
            "!has(self.rolloutRestart) || self.rolloutRestart.size() == 0 || !has(self.target) || "
            "!has(self.target.creationPolicy) || self.target.creationPolicy != 'None'",
            lambda spec: not spec.rollout_restart or spec.target.creation_policy != "None",
            "rolloutRestart needs a Secret, and creationPolicy None writes none",
        ),
    )

    @field_validator("data")
    @classmethod
    def _no_twins(cls, data: list[DataEntry]) -> list[DataEntry]:
        # The schema's list type refuses twins too.
        counted = Counter(entry.secret_key for entry in data)
        for twin, times in counted.most_common(1):
            if times > 1:
                raise ValueError(f"has secretKey {twin} {times} times")
        return data

    @field_validator("rollout_restart")
    @classmethod
    def _no_twin_workloads(cls, workloads: list[Workload]) -> list[Workload]:
        # As above.
        if len({(one.kind, one.name) for one in workloads}) < len(workloads):
            raise ValueError("names a workload twice")
        return workloads

    def sources(self) -> list[DataFrom | DataEntry]:
        """Return all that is to be read, in the order in which it fills the Secret: what comes later wins.

        Flows must have been replaced before by what they ask for, and searches by what was found (`with_sources`).
        """
        return [*self.data_from, *self.data]

    def with_sources(self, sources: Sequence[DataFrom | Named]) -> "SecretSpec":
        """Return the spec with other sources in the place of dataFrom."""
        return self.model_copy(update={"data_from": sources})


class SecretRef(StatusModel):
    """The Secret that was written."""

    name: str = Field(max_length=253, description="Its name.")
    uid: str = Field(max_length=128, description="Its uid.")
    resource_version: str = Field(max_length=128, description="Its version, as it was written or found last.")


class Entry(StatusModel):
    """Where one key of the Secret came from."""

    secret_key: str = Field(max_length=253, description="Key in the Secret's data.")
    provider: str | None = Field(
        default=None, max_length=1024, description="The link of a chain that served it, or those; else the store."
    )
    remote_key: str = Field(max_length=2048, description="The key that was read, as written in the spec.")
    version: str | None = Field(default=None, max_length=256, description="Its version there.")
    created_at: datetime | None = Field(default=None, description="When that version was made.")
    expires_at: datetime | None = Field(default=None, description="When it expires.")
    stale: bool | None = Field(default=None, description="Whether it is of an earlier read, since the last one failed.")


class SecretStatus(StatusModel):
    """How the Secret stands."""

    observed_generation: ObservedGeneration = None
    conditions: Conditions = Field(default=[])
    secret_ref: SecretRef | None = Field(default=None, description="The Secret that was written.")
    content_version: str | None = Field(
        default=None,
        max_length=128,
        description="A random token, new with each change of content. It says nothing about the values. "
        "While the Secret is gone with its keys, that of what it held last.",
    )
    last_sync_time: datetime | None = Field(
        default=None,
        description="The last good read. Written every 10 minutes at most when nothing else changes.",
    )
    last_change_time: datetime | None = Field(default=None, description="When the content changed last.")
    expires_at: datetime | None = Field(default=None, description="When the first of the values expires.")
    last_handled_refresh: HandledRefresh = None
    entries: list[Entry] = Field(
        default=[], max_length=MOST_ENTRIES_TOLD, description="Where the Secret's keys came from, the first 100."
    )
    sources_read: list[Annotated[str, Field(max_length=16)]] = Field(
        default=[],
        max_length=MOST_ENTRIES + MOST_SOURCES,
        description="By what the sources that were read are known again: deletionPolicy counts no others as gone.",
    )
    restarts: list[Restart] = Field(
        default=[],
        max_length=MOST_RESTARTS,
        description="How far the workloads of rolloutRestart are.",
        json_schema_extra=AS_MAP,
    )
    entries_omitted: int | None = Field(default=None, ge=0, description="How many entries are not listed.")
