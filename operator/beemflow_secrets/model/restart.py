"""Workloads whose pods are restarted when a Secret has new content, and how far that has come."""

from typing import Literal

from pydantic import Field
from pydantic.config import JsonDict

from beemflow_secrets.model.base import Model
from beemflow_secrets.model.meta import ObjectName, StatusModel

MOST_RESTARTS = 20

WorkloadKind = Literal["Deployment", "StatefulSet", "DaemonSet"]

AS_MAP: JsonDict = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["kind", "name"]}


class Workload(Model):
    """A workload of the resource's namespace."""

    kind: WorkloadKind = Field(description="Deployment, StatefulSet or DaemonSet.")
    name: ObjectName = Field(description="Its name.")


class Restart(StatusModel):
    """How far one of these workloads is."""

    kind: WorkloadKind = Field(description="Deployment, StatefulSet or DaemonSet.")
    name: str = Field(max_length=253, description="Its name.")
    restarted_for: str | None = Field(
        default=None,
        max_length=128,
        description="The contentVersion that its pods were restarted for, or began with. While it is another than "
        "contentVersion a restart is owed.",
    )
    message: str | None = Field(default=None, max_length=1024, description="Why a restart that is owed has failed.")
