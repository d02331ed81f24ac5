"""A BeemFlowSecret for many namespaces: spec and status of BeemFlowClusterSecret."""

from typing import Annotated

from pydantic import Field

from beemflow_secrets.model.base import Model
from beemflow_secrets.model.meta import (
    Annotations,
    Conditions,
    HandledRefresh,
    Labels,
    ObjectName,
    ObservedGeneration,
    StatusModel,
)
from beemflow_secrets.model.namespaces import Namespaces
from beemflow_secrets.model.secret import SecretSpec

MOST_NAMESPACES = 10_000  # in a status; as many names are two thirds of a MiB, and an object may have one and a half
MOST_FAILURES_TOLD = 1000
LONGEST_FAILURE = 512


class SecretMetadata(Model):
    """What the BeemFlowSecrets carry beside what the operator marks them with."""

    labels: Labels = Field(default={}, description="Labels of the BeemFlowSecrets. Their Secrets do not get them.")
    annotations: Annotations = Field(
        default={}, description="Annotations of the BeemFlowSecrets. Their Secrets do not get them."
    )


class ClusterSecretSpec(Model):
    """Which BeemFlowSecret stands in which namespaces."""

    secret_spec: SecretSpec = Field(
        description="The spec of the BeemFlowSecrets. A store of kind BeemFlowSecretStore is that of each namespace."
    )
    secret_name: ObjectName | None = Field(
        default=None, description="Name of the BeemFlowSecrets. Default: the resource's own name."
    )
    secret_metadata: SecretMetadata = Field(default=SecretMetadata(), description="What the BeemFlowSecrets carry.")
    namespaces: Namespaces = Field(
        description="The namespaces, those that any of the three names. They are followed: one that is named no more "
        "loses its BeemFlowSecret, and so its Secret. Where none is left, nothing is taken away."
    )


class FailedNamespace(StatusModel):
    """A namespace in which the BeemFlowSecret is not as it shall be."""

    namespace: str = Field(max_length=63, description="Its name.")
    reason: str = Field(max_length=LONGEST_FAILURE, description="Why: a reason as conditions have it, and a sentence.")


class ClusterSecretStatus(StatusModel):
    """Where the BeemFlowSecret stands."""

    observed_generation: ObservedGeneration = None
    conditions: Conditions = Field(default=[])
    last_handled_refresh: HandledRefresh = None
    provisioned_namespaces: list[Annotated[str, Field(max_length=63)]] = Field(
        default=[],
        max_length=MOST_NAMESPACES,
        description="The namespaces in which the BeemFlowSecret stands as it shall.",
    )
    failed_namespaces: list[FailedNamespace] = Field(
        default=[], max_length=MOST_FAILURES_TOLD, description="The namespaces in which it does not."
    )
