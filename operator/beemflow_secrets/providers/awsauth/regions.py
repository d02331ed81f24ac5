"""Where the services of a region are."""

from __future__ import annotations

import functools
import re
from importlib import resources
from typing import Any

import orjson

from beemflow_secrets.providers.errors import Invalid


def address_of(service: str, region: str) -> str:
    """Return the public address of a service (secretsmanager, sts) in a region. Raises Invalid for no such region."""
    for partition in _partitions():
        if region in partition["regions"] or re.fullmatch(partition["regionRegex"], region):
            return f"https://{service}.{region}.{partition['outputs']['dnsSuffix']}"
    raise Invalid(f"region {region} is none of AWS")


@functools.cache
def _partitions() -> list[dict[str, Any]]:
    """Return what botocore knows of AWS's partitions: names of their regions, and where those are."""
    found = orjson.loads(resources.files("botocore").joinpath("data/partitions.json").read_bytes())["partitions"]
    return list(found)
