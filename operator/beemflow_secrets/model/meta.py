"""What every kind has: names of other objects, labels and annotations, times, conditions."""

import re
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from beemflow_secrets.model import expressions
from beemflow_secrets.model.base import Model
from beemflow_secrets.model.cel import KeysMatch, Matches
from beemflow_secrets.model.names import GROUP, MANAGED_BY_LABEL

_DNS_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"

ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=rf"^{_DNS_LABEL}(\.{_DNS_LABEL})*$")]
NamespaceName = Annotated[str, Field(min_length=1, max_length=63, pattern=f"^{_DNS_LABEL}$")]

DATA_KEY = "^[-._a-zA-Z0-9]+$"
NO_DATA_KEY = r"^\.(\.|$)"

DataKey = Annotated[
    str,
    Field(min_length=1, max_length=253, pattern=DATA_KEY),
    Matches(NO_DATA_KEY, "must neither be '.' nor begin with '..'", never=True),
]
"""A key of a Secret or ConfigMap."""

Expression = Annotated[str, Field(min_length=1, max_length=expressions.LONGEST), AfterValidator(expressions.checked)]
"""A regular expression of RE2. The API server cannot say whether one is: what is none is told by the operator."""


_NAME = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_LEGAL_KEYS = (
    KeysMatch(
        rf"^({_DNS_LABEL}(\.{_DNS_LABEL})*/)?{_NAME}$",
        "must have names of up to 63 letters, digits, '-', '_' and '.', perhaps behind a domain and '/'",
    ),
    KeysMatch("^.{318}", "must have names of up to 317 characters", never=True),
    KeysMatch(
        f"^({re.escape(GROUP)}/|{re.escape(MANAGED_BY_LABEL)}$)",
        f"must leave {GROUP}/… and {MANAGED_BY_LABEL} to the operator",
        never=True,
    ),
)

Labels = Annotated[
    dict[str, Annotated[str, Field(max_length=63, pattern=rf"^({_NAME})?$")]], Field(max_length=64), *_LEGAL_KEYS
]
TemplatedLabels = Annotated[
    dict[str, Annotated[str, Field(max_length=1024, pattern=rf"^({_NAME})?$|\{{[{{%#]")]],
    Field(max_length=64),
    *_LEGAL_KEYS,
]
"""Labels whose values may be templates."""

Annotations = Annotated[dict[str, Annotated[str, Field(max_length=32768)]], Field(max_length=64), *_LEGAL_KEYS]


class StatusModel(Model):
    """Something that the operator writes. What it does not know there, a newer version may have written."""

    model_config = ConfigDict(extra="ignore", strict=False)


NOT_OBSERVED = -1
"""No object's generation. A status begins with it: nobody shall take an object for current before we have seen it."""

ObservedGeneration = Annotated[
    int | None, Field(ge=NOT_OBSERVED, description="The metadata.generation of the spec that this tells about.")
]

HandledRefresh = Annotated[
    str | None,
    Field(
        max_length=262144,  # as long as all annotations of an object may be
        description="The annotation secrets.beemflow.io/refresh-requested-at that was answered last.",
    ),
]


class Condition(StatusModel):
    """One aspect of how a resource stands, as all of Kubernetes has it."""

    type: str = Field(max_length=316, description="What it is about.")
    status: Literal["True", "False", "Unknown"] = Field(description="True, False or Unknown.")
    reason: str = Field(min_length=1, max_length=1024, description="Why, in one word for programs.")
    message: str = Field(max_length=32768, description="Why, in words for people.")
    last_transition_time: datetime = Field(description="When status changed last.")
    observed_generation: ObservedGeneration = None


Conditions = Annotated[
    list[Condition],
    Field(
        max_length=16,
        description="How it stands; the condition Ready says whether it serves.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    ),
]
