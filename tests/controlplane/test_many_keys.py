"""A secret with very many fields: all of it is written, the status stays small, and others are served meanwhile."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import orjson
import pytest

from tests.controlplane.conftest import entry, spec
from tests.support.api import condition, decoded

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.api import Namespace
    from tests.support.openbao import OpenBao
    from tests.support.operator import Operator

pytestmark = pytest.mark.usefixtures("operator", "store")

FIELDS = 20_000


def extracting(key: str, **fields: object) -> dict[str, object]:
    return {"secretStoreRef": {"name": "prod"}, "dataFrom": [{"extract": {"key": key}}], **fields}


def test_twenty_thousand_keys_by_extract(
    operator: Operator, ns: Namespace, bao: OpenBao, put: Callable[..., int], folder: str, canary: str
) -> None:
    fields = {f"k{number:05}": str(number) for number in range(FIELDS - 1)}
    when = "2031-02-03T04:05:06Z"

    def write(value: str) -> None:
        # As text: the server takes no object of so many fields.
        doc = orjson.dumps({**fields, "canary": value}).decode()
        bao.write_kv2("secret", f"{folder}/big", {"doc": doc}, custom_metadata={"expires-at": when})

    write(canary)
    put("clock", token=canary)
    ns.add("clock", spec(entry("token", "clock#token"), refreshInterval="1s"))
    ns.ready("clock")
    ns.add("big", extracting("big#doc", refreshInterval="1s"))
    found = ns.ready("big")
    status = found["status"]
    assert condition(found)["message"] == f"{FIELDS} keys synced"
    assert len(status["entries"]) == 100
    assert status["entriesOmitted"] == FIELDS - 100
    assert status["expiresAt"] == when
    assert len(orjson.dumps(status)) < 64 * 1024
    data = ns.data("big") or {}
    assert len(data) == FIELDS
    assert data["k00000"] == "0"
    assert data["canary"] == canary
    # One of it changes: all of it is written again, and it alone is another.
    write(f"{canary}-2")
    ns.api.wait(ns.secret_path("big"), lambda secret: decoded(secret or {})["canary"] != canary)
    assert (ns.data("big") or {}) == {**data, "canary": f"{canary}-2"}


def test_a_secret_over_a_mebibyte_is_refused_and_said_so_and_what_was_there_stays(
    ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    entries = [entry(f"part-{number}", f"part-{number}#text") for number in range(3)]
    for number in range(3):
        put(f"part-{number}", text=canary)
    ns.add("big", spec(*entries, refreshInterval="1s"))
    ns.ready("big")
    for number in range(3):
        put(f"part-{number}", text=canary + "x" * 400_000)
    found = ns.ready("big", "False", reason="WriteRefused")
    assert "Secret big" in condition(found)["message"]
    # Two of the three may have been written before the third was read.
    assert all(text.startswith(canary) for text in (ns.data("big") or {}).values())
    assert len(ns.data("big") or {}) == 3
    put("part-0", text=f"{canary}-2")
    ns.ready("big")
    ns.api.wait(ns.secret_path("big"), lambda secret: decoded(secret or {}).get("part-0") == f"{canary}-2")


def test_the_pages_answer_while_many_keys_are_put_together(
    operator: Operator, ns: Namespace, bao: OpenBao, folder: str, canary: str
) -> None:
    doc = orjson.dumps({f"k{number:05}": canary for number in range(10_000)}).decode()
    bao.write_kv2("secret", f"{folder}/big", {"doc": doc})
    ns.add("big", extracting("big#doc", refreshInterval="1s"))
    slowest, began = 0.0, time.monotonic()
    while time.monotonic() < began + 5:
        asked = time.monotonic()
        assert operator.get("/healthz")[0] == 200
        slowest = max(slowest, time.monotonic() - asked)
    ns.ready("big")
    assert slowest < 2
