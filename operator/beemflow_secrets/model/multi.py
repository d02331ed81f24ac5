"""The block of the driver multi: a chain of backends, where one stands in for another or all are read together."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from beemflow_secrets.model.backend import BackendSpec, Retry, Timeout
from beemflow_secrets.model.base import Model
from beemflow_secrets.model.cel import Rule
from beemflow_secrets.model.duration import Duration
from beemflow_secrets.model.form import OrAdded
from beemflow_secrets.model.tls import Tls

MOST_LINKS = 8

LinkDriver = Literal["1password", "aws-sm", "azure-kv", "env", "file", "gcp-sm", "kubernetes", "vault"]


def _no_chain(driver: object) -> object:
    if driver == "multi":
        raise ValueError("must not be multi: a chain holds no chain")
    return driver


class Link(BackendSpec):
    """One backend of a chain."""

    name: (
        Annotated[str, Field(min_length=1, max_length=63, pattern="^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$")]
        | None
    ) = Field(default=None, description="What the link is called in statuses and with values. Default: its driver.")
    driver: Annotated[LinkDriver, OrAdded(), BeforeValidator(_no_chain)] = Field(
        default="env", description="What kind of backend it is, as of a store; but no chain. Default env."
    )
    timeout: Timeout | None = Field(default=None, description="Bounds one attempt. Default: that of the store.")
    retry: Retry | None = Field(
        default=None, description="When a failed attempt is made again. Default: the retry of the store, as a whole."
    )
    tls: Tls | None = Field(
        default=None,
        description="How the connection to the backend is secured. Default: the tls of the store, as a whole.",
    )

    @property
    def called(self) -> str:
        """The link's name, given or not."""
        return self.name or self.driver

    @property
    def given(self) -> dict[str, Any]:
        """What it holds beside its name; what is left out is the store's."""
        held = {name: getattr(self, name) for name in type(self).model_fields if name != "name"}
        return {name: value for name, value in held.items() if value is not None}


# The default name is the driver's, whose default is env.
_CALLED = "(has({0}.name) ? {0}.name : has({0}.driver) ? {0}.driver : 'env')"


class Multi(Model):
    """Which backends are asked, in which order, and how their answers become one."""

    strategy: Literal["failover", "merge", "priority"] = Field(
        description="failover: the next link is asked when one is unavailable, throttled or cannot authenticate. "
        "priority: also when it has no such key. merge: all are asked, and the fields of a key are joined."
    )
    providers: list[Link] = Field(
        min_length=1, max_length=MOST_LINKS, description="The links, from 1 to 8, the most wanted first."
    )
    conflict_policy: Literal["First", "Last", "Error"] = Field(
        default="First",
        description="For merge, where several links have a field: First, the earlier link's is taken; Last, the later "
        "one's; Error, the key cannot be read. Default First.",
    )
    failover_after: Duration = Field(
        default=30.0,
        description="For failover and priority: a value that one link served is replaced by a later link's when the "
        "first has been down for so long. A key without a value does not wait. Default 30s.",
    )

    rules: ClassVar[tuple["Rule[Multi]", ...]] = (
        Rule(
            f"self.providers.all(one, self.providers.exists_one(other, "
            f"{_CALLED.format('one')} == {_CALLED.format('other')}))",
            lambda multi: len({link.called for link in multi.providers}) == len(multi.providers),
            "must have links of different names; one without a name is called as its driver",
            path=("providers",),
        ),
        Rule(
            "!has(self.conflictPolicy) || self.strategy == 'merge'",
            lambda multi: multi.strategy == "merge" or "conflict_policy" not in multi.model_fields_set,
            "conflictPolicy belongs to strategy merge: no other joins values",
            path=("conflictPolicy",),
        ),
        Rule(
            "!has(self.failoverAfter) || self.strategy != 'merge'",
            lambda multi: multi.strategy != "merge" or "failover_after" not in multi.model_fields_set,
            "failoverAfter belongs to the strategies failover and priority: merge has no spare",
            path=("failoverAfter",),
        ),
    )
