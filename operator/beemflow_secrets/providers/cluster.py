"""The cluster that this process belongs to, for drivers that read it or log in as somebody of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.kube.connection import NoCluster, connect
from beemflow_secrets.providers.errors import Invalid

if TYPE_CHECKING:
    from beemflow_secrets.kube.connection import Connection
    from beemflow_secrets.providers.surroundings import Surroundings


def this_cluster(surroundings: Surroundings) -> Connection:
    """Return the operator's cluster, else the one that kubectl would speak to. Raises Invalid where there is none."""
    if surroundings.cluster is not None:
        return surroundings.cluster
    try:
        return connect()
    except NoCluster as error:
        raise Invalid(str(error)) from None
