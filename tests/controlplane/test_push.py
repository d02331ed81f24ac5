"""BeemFlowPushSecret: a native Secret, written to stores."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest

from tests.controlplane.conftest import entry, spec, until, writes
from tests.support.api import condition
from tests.support.push import change, gone, match, noted, push, refreshed

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace
    from tests.support.faultproxy import FaultProxy
    from tests.support.operator import Operator


@pytest.mark.usefixtures("operator", "writable")
def test_a_secret_is_pushed_and_pushed_again_when_it_changes_and_no_version_is_made_for_nothing(
    ns: Namespace,
    put: Callable[..., int],
    held: Callable[[str], Any],
    versions: Callable[[str], int],
    canary: str,
) -> None:
    put("shared", other="stays", token="old")
    ns.add_secret("slack", {"token": canary, "user": "bot"})
    entries = [match("token", "shared", property="token"), match("", "all"), match("user", "team/user")]
    ns.add_push("slack", push(*entries, match("", "shared", property="whole")))
    found = ns.push_ready("slack", reason="Synced")
    assert held("shared") == {
        "other": "stays",
        "token": canary,
        "whole": json.dumps({"token": canary, "user": "bot"}, separators=(",", ":")),
    }
    assert (held("all"), held("team/user")) == ({"token": canary, "user": "bot"}, {"value": "bot"})
    assert noted(found) == [
        ("prod", "all", None),
        ("prod", "shared", "token"),
        ("prod", "shared", "whole"),
        ("prod", "team/user", None),
    ]
    assert {"lastSyncTime", "observedGeneration"} <= found["status"].keys()
    assert "finalizers" not in found["metadata"]  # nothing is to be taken back
    before = [versions(key) for key in ("shared", "all", "team/user")]
    version = refreshed(ns, "slack", "one")["metadata"]["resourceVersion"]
    assert [versions(key) for key in ("shared", "all", "team/user")] == before
    change(ns, user=f"{canary}-2")
    until(lambda: held("team/user") == {"value": f"{canary}-2"})
    ns.api.wait(ns.push_path("slack"), lambda found: found is not None and condition(found)["status"] == "True")
    assert versions("shared") == before[0] + 1  # the token is as it was
    refreshed(ns, "slack", "two")
    assert ns.api.get(ns.push_path("slack"))["metadata"]["resourceVersion"] != version  # type: ignore[index]  # it is there
    ns.api.delete(ns.push_path("slack"))
    gone(ns, "slack")
    assert held("team/user") == {"value": f"{canary}-2"}  # deletionPolicy None


@pytest.mark.usefixtures("operator", "writable")
def test_replace_overwrites_and_if_not_exists_leaves_what_is_there(
    ns: Namespace, put: Callable[..., int], held: Callable[[str], Any], versions: Callable[[str], int], canary: str
) -> None:
    put("there", value="theirs")
    put("part", user="theirs")
    ns.add_secret("slack", {"token": canary})
    entries = [
        match("token", "there"),
        match("token", "part#user"),
        match("token", "part#token"),
        match("token", "new"),
    ]
    ns.add_push("careful", push(*entries, updatePolicy="IfNotExists", deletionPolicy="Delete"))
    found = ns.push_ready("careful")
    assert (held("there"), held("part"), held("new")) == (
        {"value": "theirs"},
        {"user": "theirs", "token": canary},
        {"value": canary},
    )
    assert noted(found) == [("prod", "new", None), ("prod", "part", "token")]
    assert "there" in condition(found)["message"]
    change(ns, token=f"{canary}-2")
    found = refreshed(ns, "careful", "now")
    assert (held("new"), versions("new")) == ({"value": canary}, 1)
    assert noted(found) == [("prod", "new", None), ("prod", "part", "token")]
    ns.api.delete(ns.push_path("careful"))
    gone(ns, "careful")
    assert (held("there"), held("part"), held("new")) == ({"value": "theirs"}, {"user": "theirs"}, None)
    ns.add_push("bold", push(match("token", "there"), refreshInterval="1s"))
    ns.push_ready("bold")
    assert held("there") == {"value": f"{canary}-2"}
    put("there", value="theirs again")
    until(lambda: held("there") == {"value": f"{canary}-2"})  # by the refresh


@pytest.mark.usefixtures("operator", "writable")
def test_a_refresh_that_finds_all_as_it_shall_be_writes_nothing(
    control_plane: ControlPlane,
    ns: Namespace,
    proxy: FaultProxy,
    folder: str,
    reads: Callable[[str], int],
    versions: Callable[[str], int],
    canary: str,
) -> None:
    ns.add_secret("slack", {"token": canary, "user": "bot"})
    fields = [match("token", "a", property="token"), match("user", "a", property="user")]
    ns.add_push("slack", push(*fields, refreshInterval="1s"))
    ns.push_ready("slack")
    known = reads("a")
    until(lambda: reads("a") >= known + 3)  # two fields of one key are one read
    own = [request for request in writes(control_plane, ns) if request[1].startswith("beemflowpushsecrets")]
    assert own == [("patch", "beemflowpushsecrets/slack/status")] * 2  # the note, and how it ended
    assert (versions("a"), proxy.count("POST", f"/v1/secret/data/{folder}/a")) == (2, 2)


@pytest.mark.usefixtures("operator", "writable")
@pytest.mark.parametrize("by", ["prod", "another", "below"])
def test_a_push_into_what_its_own_secret_is_made_of_comes_to_rest(
    ns: Namespace,
    put: Callable[..., int],
    held: Callable[[str], Any],
    versions: Callable[[str], int],
    by: str,
    canary: str,
) -> None:
    if by == "another":  # with a login of its own, to the same place
        spec_of = ns.api.get(ns.store_path("prod"))["spec"]  # type: ignore[index]  # it is there
        ns.add_store("another", {**spec_of, "timeout": "2s"})
    if by == "below":
        spec_of = ns.api.get(ns.store_path("prod"))["spec"]  # type: ignore[index]  # it is there
        ns.add_store("below", {**spec_of, "prefix": "team/"})
    put("team/loop", value=canary)
    put("team/grows", value=canary)
    ns.add("slack", spec(entry("token", "team/loop"), entry("grows", "team/grows"), refreshInterval="1s"))
    ns.ready("slack")
    # The one writes what was read; the other more with each round, were it let.
    template = {"mergePolicy": "Merge", "data": {"grows": "{{ secrets.grows }}+"}}
    above = "" if by == "below" else "team/"
    entries = [match("token", f"{above}loop"), match("grows", f"{above}grows")]
    ns.add_push("slack", push(*entries, store=by, template=template, refreshInterval="1s"))
    ns.push_ready("slack")
    put("team/loop", value=f"{canary}-2")
    ns.wait_data("slack", {"token": f"{canary}-2", "grows": canary})
    for mark in ("one", "two", "three"):
        refreshed(ns, "slack", mark)
    assert (versions("team/loop"), versions("team/grows")) == (2, 1)
    assert held("team/loop") == {"value": f"{canary}-2"}


@pytest.mark.usefixtures("operator", "writable")
def test_two_pushes_to_one_key_the_first_keeps_it_also_over_a_restart(
    ns: Namespace, operator: Operator, held: Callable[[str], Any], versions: Callable[[str], int], canary: str
) -> None:
    ns.add_secret("slack", {"token": canary, "user": "second"})
    ns.add_push("b-first", push(match("token", "one"), match("token", "shared#a")))
    ns.push_ready("b-first")
    ns.add_push("a-second", push(match("user", "one"), match("user", "two"), match("user", "shared#b")))
    found = ns.push_ready("a-second", "False", reason="TargetConflict")
    assert f"BeemFlowPushSecret {ns.name}/b-first" in condition(found)["message"]
    assert (held("one"), held("two")) == ({"value": canary}, {"value": "second"})
    assert held("shared") == {"a": canary, "b": "second"}  # fields of one secret are two places
    operator.kill()
    operator.start()
    found = refreshed(ns, "a-second", "now")
    assert condition(found)["reason"] == "TargetConflict"
    assert (held("one"), versions("one")) == ({"value": canary}, 1)
    ns.api.delete(ns.push_path("b-first"))
    ns.push_ready("a-second")
    assert held("one") == {"value": "second"}


@pytest.mark.usefixtures("operator", "writable")
def test_a_template_makes_what_is_pushed_and_a_missing_key_pushes_nothing(
    ns: Namespace, held: Callable[[str], Any], canary: str
) -> None:
    ns.add_secret("slack", {"token": canary})
    ns.add_config_map("texts", {"url": "https://{{ secrets.token }}@slack"})
    items = [{"configMap": {"name": "texts", "items": [{"key": "url"}]}}]
    template = {"mergePolicy": "Merge", "templateFrom": items, "data": {"b64": "{{ secrets.token | base64encode }}"}}
    ns.add_push("slack", push(match("url", "url"), match("b64", "b64"), match("token", "plain"), template=template))
    ns.push_ready("slack")
    assert held("url") == {"value": f"https://{canary}@slack"}
    assert (held("b64"), held("plain")) == ({"value": b64encode(canary.encode()).decode()}, {"value": canary})
    ns.api.patch(f"/api/v1/namespaces/{ns.name}/configmaps/texts", {"data": {"url": "{{ secrets.token }}"}})
    until(lambda: held("url") == {"value": canary})
    ns.api.patch(ns.push_path("slack"), {"spec": {"data": [match("missing", "m"), match("token", "n")]}})
    found = ns.push_ready("slack", "False", reason="InvalidSpec")
    assert "has no key missing" in condition(found)["message"]
    assert held("n") is None
    ns.api.patch(ns.push_path("slack"), {"spec": {"template": {"data": {"b64": "{{ secrets.nobody }}"}}}})
    assert "nobody" in condition(ns.push_ready("slack", "False", reason="InvalidTemplate"))["message"]


@pytest.mark.usefixtures("operator", "writable")
def test_policies_judge_a_push_as_write_and_delete_and_the_audit_has_it(
    ns: Namespace, operator: Operator, held: Callable[[str], Any], canary: str
) -> None:
    flows = [f"{ns.name}/*"]

    def allow(*actions: str, keys: str = "*") -> None:
        policy = {"flowPatterns": flows, "secretPatterns": [keys], "allowedActions": list(actions)}
        ns.api.patch(ns.store_path("prod"), {"spec": {"accessPolicies": [policy]}})
        ns.store_ready("prod")

    allow("read", "list", "delete")
    ns.add_secret("slack", {"token": canary})
    ns.add_push("slack", push(match("token", "a"), match("token", "b"), deletionPolicy="Delete"))
    found = ns.push_ready("slack", "False", reason="AccessDenied")
    assert "write" in condition(found)["message"]
    assert held("a") is None
    allow("write")
    ns.push_ready("slack")
    ns.api.patch(ns.push_path("slack"), {"spec": {"data": [match("token", "b")]}})
    found = ns.push_ready("slack", "False", reason="AccessDenied")
    assert (held("a"), noted(found)) == ({"value": canary}, [("prod", "a", None), ("prod", "b", None)])
    allow("write", "delete")
    ns.push_ready("slack")
    assert held("a") is None

    def records() -> set[tuple[str, str, str]]:
        lines = [json.loads(line) for line in operator.log().splitlines() if f'"flow_id":"{ns.name}/slack"' in line]
        return {(line["secret_key"], line["action"], line["decision"]) for line in lines}

    wanted = {
        ("a", "write", "denied"),
        ("a", "write", "allowed"),
        ("a", "delete", "denied"),
        ("a", "delete", "allowed"),
    }
    until(lambda: wanted <= records())


@pytest.mark.usefixtures("operator", "writable")
def test_a_store_that_cannot_be_written_to_or_is_not_there_is_told_and_the_others_are_written(
    ns: Namespace, held: Callable[[str], Any], canary: str
) -> None:
    ns.add_secret("slack", {"token": canary})
    link = ns.api.get(ns.store_path("prod"))["spec"]  # type: ignore[index]  # it is there
    ns.add_store(
        "chain", {"driver": "multi", "multi": {"strategy": "failover", "providers": [{**link, "name": "one"}]}}
    )
    refs = [{"name": "prod"}, {"name": "chain"}]
    ns.add_push("slack", push(match("token", "a"), secretStoreRefs=refs))
    found = ns.push_ready("slack", "False", reason="InvalidSpec")
    assert "chain cannot be written to" in condition(found)["message"]
    assert (held("a"), noted(found)) == ({"value": canary}, [("prod", "a", None)])
    ns.api.patch(ns.push_path("slack"), {"spec": {"secretStoreRefs": [{"name": "prod"}, {"name": "later"}]}})
    ns.push_ready("slack", "False", reason="StoreNotFound")
    ns.add_store("later", {**link, "prefix": "later/"})
    ns.push_ready("slack")
    assert held("later/a") == {"value": canary}


@pytest.mark.usefixtures("operator", "writable")
def test_a_secret_that_is_pushed_is_read_at_the_next_refresh(ns: Namespace, canary: str) -> None:
    ns.api.patch(ns.store_path("prod"), {"spec": {"cache": {"enabled": True, "strategy": "write-through"}}})
    ns.store_ready("prod")
    ns.add_secret("slack", {"token": canary})
    ns.add_push("slack", push(match("token", "a")))
    ns.push_ready("slack")
    ns.add("reader", spec(entry("token", "a"), refreshInterval="1s"))
    ns.ready("reader")
    change(ns, token=f"{canary}-2")
    ns.wait_data("reader", {"token": f"{canary}-2"})
