"""The block `cache` of a store: what is kept of its answers, and for how long."""

from typing import Annotated, Literal

from pydantic import Field

from beemflow_secrets.model.base import Model
from beemflow_secrets.model.duration import Between, Duration
from beemflow_secrets.model.form import in_file


class Cache(Model):
    """What is kept of the backend's answers, in memory and encrypted."""

    enabled: bool = Field(
        default=False,
        description="Keep what the backend answers. In the operator a refresh asks the backend all the same; what is "
        "kept serves first syncs, edits and repairs, when it is younger than the refreshInterval. Default false.",
        json_schema_extra=in_file("Keep what the backend answers. Default false."),
    )
    ttl: Annotated[float, Between(shortest="1ms")] = Field(
        default=300.0, description="For how long a value is served before the backend is asked again. Default 5m."
    )
    max_size: int = Field(
        default=1000, ge=1, le=1_000_000, description="The most values that are kept, from 1. Default 1000."
    )
    strategy: Literal["ttl", "lru", "write-through"] = Field(
        default="lru",
        description="What happens when the cache is full. ttl: nothing more is kept until values expire. lru: the one "
        "goes that has not been asked for the longest. write-through: as lru, and what is written through the store is "
        "kept at once. Default lru.",
    )
    stale_if_error: Duration = Field(
        default=0.0,
        description="For how long beyond its ttl a value is served, marked as stale, while the backend is unavailable "
        "or throttles; never when it answers that the secret is denied or not there. Default 0.",
    )
