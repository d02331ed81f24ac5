"""What a sync of AWS secrets costs: calls, a twentieth of the keys. Counted, never timed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.controlplane.conftest import entry, spec
from tests.support.aws import REGION

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.api import Namespace
    from tests.support.aws import Aws
    from tests.support.operator import Operator

RESOURCES = 100


def test_resources_are_read_once_and_in_twenties_after_a_start(
    shared_operator: Operator, start_operator: Callable[[], Operator], ns: Namespace, aws: Aws, canary: str
) -> None:
    shared_operator.kill()
    aws.reset()
    # Keys gather while calls are in flight: in longer ones than this machine needs to begin a hundred syncs.
    aws.tell(batch_takes=0.5)
    ns.add_secret("aws-login", {"id": aws.access_key, "key": aws.secret_key})
    login = {"accessKeyId": "id", "secretAccessKey": "key"}
    keys = {field: {"secretKeyRef": {"name": "aws-login", "key": key}} for field, key in login.items()}
    ns.add_store("aws", {"driver": "aws-sm", "region": REGION, "aws": {"endpoint": aws.address, **keys}})
    for number in range(RESOURCES):
        aws.put(f"key-{number}", canary.encode())
        ns.add(f"res-{number}", spec(entry("token", f"key-{number}"), store="aws"))
    start_operator()
    for number in range(RESOURCES):
        ns.ready(f"res-{number}")
    first = Counter(aws.operations)
    assert first["ListSecrets"] == 1
    # Five full batches, and a few that left before the others came; the health check is among the single reads.
    assert first.total() <= RESOURCES / 20 + 8
    read = [key for one in aws.asked for key in one["SecretIdList"] or ()]
    # Each once, but for the few whose write a busy API server has not answered in time: they are synced again.
    assert len(read) <= len(set(read)) + RESOURCES // 10
