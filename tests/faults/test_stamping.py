"""Who stamps is killed in the middle, and one namespace refuses a change that the others take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from beemflow_secrets.model import names
from tests.faults.conftest import message, until
from tests.support.stamps import failed, provisioned, stamped, stands_in, uid

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from tests.support.api import Api, Namespace
    from tests.support.apiproxy import ApiProxy, ApiRequest
    from tests.support.operator import Operator

NO = 'admission webhook "no.example.com" denied the request: not in this namespace'


def writes(those: Collection[Namespace]) -> Callable[[ApiRequest], bool]:
    """Return what tells whether a request stamps into one of these namespaces."""
    folders = {f"/namespaces/{one.name}/{names.SECRET.plural}" for one in those}

    def is_one(request: ApiRequest) -> bool:
        into, _, name = request.path.partition(f"/{names.SECRET.plural}")
        is_resource = name.count("/") <= 1  # and no status
        is_there = f"/namespaces{into.rpartition('/namespaces')[2]}/{names.SECRET.plural}" in folders
        return request.method in {"POST", "PATCH", "DELETE"} and is_resource and is_there

    return is_one


def test_killed_in_the_middle_the_next_writes_the_rest_and_one_that_refuses_a_change_keeps_what_it_has(
    start_operator: Callable[..., Operator],
    proxied: Path,
    api_proxy: ApiProxy,
    api: Api,
    ns: Namespace,
    team: Callable[..., list[Namespace]],
) -> None:
    first, second, late, later = those = team("a", "b", "c", "d")
    operator = start_operator(config=proxied)
    api_proxy.set(writes([late, later]), None)
    with ns.cluster_secret(stamped(ns)) as path:
        made = [api.wait(one.path("slack"), bool)["metadata"]["uid"] for one in (first, second)]
        until(lambda: all(api_proxy.count(writes([one])) for one in (late, later)))
        operator.kill()
        assert [api.get(one.path("slack")) for one in (late, later)] == [None, None]
        api_proxy.clear()
        operator.start()
        stands_in(ns, *those)
        assert [uid(one) for one in (first, second)] == made
        assert [api_proxy.count(writes([one])) for one in (first, second)] == [1, 1]
        # The same with a change, of which one namespace wants nothing.
        refusal = {"kind": "Status", "status": "Failure", "message": NO, "reason": "Forbidden", "code": 403}
        api_proxy.set(writes([second]), 403, orjson.dumps(refusal))
        api_proxy.set(writes([late, later]), None)
        stuck = api_proxy.count(writes([late]))
        api.patch(path, {"spec": {"secretSpec": {"refreshInterval": "2h"}}})
        api.wait(first.path("slack"), lambda found: (found or {})["spec"].get("refreshInterval") == "2h")
        until(lambda: api_proxy.count(writes([late])) > stuck)
        operator.kill()
        api_proxy.clear()
        api_proxy.set(writes([second]), 403, orjson.dumps(refusal))
        operator.start()
        found = stands_in(ns, first, late, later, failing=[second])
        assert failed(found)[second.name] == f"WriteRefused: BeemFlowSecret slack: {NO}"
        assert message(found) == f"namespace {second.name}: BeemFlowSecret slack: {NO}"
        kept = api.get(second.path("slack")) or {}
        assert (kept["metadata"]["uid"], "refreshInterval" in kept["spec"]) == (made[1], False)
        api_proxy.clear()
        assert provisioned(stands_in(ns, *those)) == [one.name for one in those]
        assert [uid(one) for one in (first, second)] == made
        assert [(api.get(one.path("slack")) or {})["metadata"]["generation"] for one in those] == [2, 2, 2, 2]
