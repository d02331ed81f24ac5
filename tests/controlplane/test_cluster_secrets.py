"""BeemFlowClusterSecret: a BeemFlowSecret in each selected namespace; what is not ours stays, nothing goes by error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from beemflow_secrets.model import names
from tests.controlplane.conftest import OPERATOR, entry, spec, until
from tests.support.api import Namespace, condition
from tests.support.stamps import TOKEN, failed, is_gone, label, provisioned, reading, stamped, stands_in, uid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Api, Object
    from tests.support.operator import Operator

KIND = names.CLUSTER_SECRET
OWNER = "secrets.beemflow.io/owner"
REFRESH = "secrets.beemflow.io/refresh-requested-at"


@pytest.fixture
def shared(operator: Operator, ns: Namespace, store_spec: Object, login: str) -> Iterator[str]:
    """A cluster store that serves all namespaces, called as the test's own."""
    store_spec["vault"]["secretId"]["secretKeyRef"]["namespace"] = ns.name
    with ns.cluster_store(store_spec) as name:
        yield name


def stamp_writes(plane: ControlPlane, ns: Namespace) -> list[tuple[str, str]]:
    """Return the operator's writes of BeemFlowSecrets in the team's namespaces, but for statuses: verb, namespace."""
    return [
        (event["verb"], event["objectRef"]["namespace"])
        for event in plane.requests(OPERATOR)
        if event["stage"] == "ResponseComplete"
        and event["verb"] in {"create", "patch", "delete"}
        and event["objectRef"]["resource"] == names.SECRET.plural
        and not event["objectRef"].get("subresource")
        and event["objectRef"]["namespace"].startswith(ns.name)
    ]


@pytest.mark.usefixtures("shared")
def test_it_stands_in_each_selected_namespace_and_follows_what_is_selected(
    control_plane: ControlPlane,
    api: Api,
    ns: Namespace,
    team: Callable[..., list[Namespace]],
    put: Callable[..., int],
    canary: str,
) -> None:
    put("slack", token=canary)
    labelled, by_name, by_regex, other = team("labelled", "named", "matched", "other")
    for one in (by_name, by_regex, other):
        label(one, None)
    selection = {
        "names": [by_name.name],
        "regexes": [f"{ns.name}-mat.*"],
        "selector": {"matchLabels": {"team": ns.name}},
    }
    metadata = {"labels": {"app": "flows"}, "annotations": {"note": "from above"}}
    with ns.cluster_secret(stamped(ns, namespaces=selection, secretMetadata=metadata)) as path:
        found = ns.cluster_secret_ready(reason="Synced")
        assert provisioned(found) == sorted(one.name for one in (labelled, by_name, by_regex))
        assert failed(found) == {}
        assert found["status"]["observedGeneration"] == 1
        for one in (labelled, by_name, by_regex):
            made = one.ready("slack")
            assert one.data("slack") == {"token": canary}
            assert made["spec"] == reading(ns)
            assert made["metadata"]["labels"] == {
                "app": "flows",
                "app.kubernetes.io/managed-by": "beemflow-secrets",
                OWNER: found["metadata"]["uid"],
            }
            assert made["metadata"]["annotations"] == {
                "note": "from above",
                "secrets.beemflow.io/owner-name": ns.name,
            }
            (reference,) = made["metadata"]["ownerReferences"]
            assert (reference["kind"], reference["name"], reference["controller"]) == (KIND.name, ns.name, True)
            secret = one.api.get(one.secret_path("slack"))
            assert secret is not None
            assert "note" not in secret["metadata"]["annotations"]
        assert api.get(other.path("slack")) is None
        assert "condition met" in control_plane.kubectl(
            "wait", "--for=condition=Ready", f"bfcs/{ns.name}", "--timeout=5s"
        )
        columns = control_plane.kubectl("get", "bfcs", ns.name).splitlines()
        assert columns[0].split() == ["NAME", "STORE", "REFRESH", "READY", "REASON", "AGE"]
        # A namespace comes into the selection, one goes out of it, one is made.
        label(other, ns.name)
        stands_in(ns, labelled, by_name, by_regex, other)
        other.ready("slack")
        label(labelled, "another")
        stands_in(ns, by_name, by_regex, other)
        is_gone(labelled)
        labelled.collected("slack")
        (fresh,) = team("fresh")
        stands_in(ns, by_name, by_regex, other, fresh)
        fresh.ready("slack")
        # The spec changes everywhere, and what it takes away goes.
        put("slack", token=canary, user="bot")
        api.patch(path, {"spec": {"secretSpec": {"data": [entry("user", "slack#user")]}}})
        for one in (by_name, by_regex, other, fresh):
            one.wait_data("slack", {"user": "bot"})
        api.patch(path, {"spec": {"secretMetadata": None}})
        for one in (by_name, by_regex, other, fresh):
            api.wait(one.path("slack"), lambda found: "app" not in (found or {})["metadata"]["labels"])
        # A request for values from the backend is handed on, and not again.
        api.patch(path, {"metadata": {"annotations": {REFRESH: "now-1"}}})
        for one in (by_name, by_regex, other, fresh):
            api.wait(one.path("slack"), lambda found: (found or {})["status"].get("lastHandledRefresh") == "now-1")
        api.wait(path, lambda found: (found or {})["status"].get("lastHandledRefresh") == "now-1")
        api.patch(fresh.path("slack"), {"metadata": {"annotations": {REFRESH: "mine"}}})
        api.wait(fresh.path("slack"), lambda found: (found or {})["status"].get("lastHandledRefresh") == "mine")
    # What was stamped goes with the resource, and the Secrets with that.
    for one in (by_name, by_regex, other, fresh):
        one.api.wait(one.path("slack"), lambda found: found is None, patience=60)
        one.collected("slack")


@pytest.mark.usefixtures("shared")
def test_what_others_change_is_put_back_and_what_they_add_stays(
    api: Api, ns: Namespace, team: Callable[..., list[Namespace]], put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    (one,) = team("a")
    with ns.cluster_secret(stamped(ns)):
        ns.cluster_secret_ready()
        api.patch(one.path("slack"), {"metadata": {"labels": {"theirs": "stays"}, "annotations": {"also": "stays"}}})
        made = one.ready("slack")
        first = made["metadata"]["uid"]
        wrong: list[Object] = [
            {"spec": {"data": [entry("token", "slack#token"), entry("more", "slack#token")]}},
            {"metadata": {"labels": {OWNER: None}}},
            {"metadata": {"labels": {OWNER: "another"}, "ownerReferences": None}},
            {"metadata": {"annotations": {"secrets.beemflow.io/owner-name": "another"}}},
        ]
        for change in wrong:
            api.patch(one.path("slack"), change)
            api.wait(
                one.path("slack"),
                lambda found: (
                    found
                    and found["spec"] == made["spec"]
                    and found["metadata"]["labels"] == made["metadata"]["labels"]
                    and found["metadata"].get("annotations") == made["metadata"]["annotations"]
                    and found["metadata"].get("ownerReferences") == made["metadata"]["ownerReferences"]
                ),
            )
        assert uid(one) == first
        api.delete(one.path("slack"))
        api.wait(one.path("slack"), lambda found: found and found["metadata"]["uid"] != first)
        one.ready("slack")


@pytest.mark.usefixtures("shared")
def test_what_changed_while_nobody_looked_is_followed_by_who_starts_and_the_rest_is_not_written(
    control_plane: ControlPlane,
    api: Api,
    ns: Namespace,
    team: Callable[..., list[Namespace]],
    put: Callable[..., int],
    shared_operator: Operator,
    start_operator: Callable[..., Operator],
    canary: str,
) -> None:
    put("slack", token=canary)
    stays, leaves, restored = team("stays", "leaves", "restored")
    with ns.cluster_secret(stamped(ns)) as path:
        for one in (stays, leaves, restored):
            one.ready("slack")
        before = len(stamp_writes(control_plane, ns))
        shared_operator.kill()
        label(leaves, None)
        (comes,) = team("comes")
        # A person, or a backup, restores what stood there.
        backup = api.get(restored.path("slack")) or {}
        api.delete(restored.path("slack"))
        kept = {key: backup["metadata"][key] for key in ("labels", "annotations", "ownerReferences")}
        again = restored.add("slack", backup["spec"], **kept)["metadata"]["uid"]
        running = start_operator()
        is_gone(leaves)
        comes.ready("slack")
        api.patch(path, {"metadata": {"annotations": {"nothing": "new"}}})
        (last,) = team("last")  # the next write comes after what a start would have written
        last.ready("slack")
        *writes, latest = stamp_writes(control_plane, ns)[before:]
        assert sorted(writes) == [("create", comes.name), ("delete", leaves.name), ("patch", restored.name)]
        assert latest == ("create", last.name)
        # What was restored goes as any other.
        assert uid(restored) == again
        label(restored, None)
        is_gone(restored)
        running.kill()
        before = len(stamp_writes(control_plane, ns))
    # Deleted while nobody looked: it is served no more, and what it stamped goes.
    start_operator()
    for one in (stays, comes, last):
        api.wait(one.path("slack"), lambda found: found is None, patience=60)
    assert stamp_writes(control_plane, ns)[before:] == []


@pytest.mark.usefixtures("shared")
def test_what_is_not_ours_is_left_alone_until_it_goes(
    api: Api, ns: Namespace, team: Callable[..., list[Namespace]], put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    taken, free = team("taken", "free")
    theirs = taken.add("slack", reading(ns, entry("theirs", "slack#token")), labels={"app": "theirs"})
    taken.ready("slack")
    with ns.cluster_secret(stamped(ns)):
        found = ns.cluster_secret_ready("False", reason="TargetConflict")
        assert provisioned(found) == [free.name]
        assert failed(found).keys() == {taken.name}
        assert "BeemFlowSecret slack exists and was not made by this resource" in failed(found)[taken.name]
        assert taken.name in condition(found)["message"]
        free.ready("slack")
        there = api.get(taken.path("slack"))
        assert there is not None
        assert (there["metadata"]["uid"], there["spec"]) == (theirs["metadata"]["uid"], theirs["spec"])
        # Another BeemFlowClusterSecret for the same name does not get what this one has.
        second = Namespace(api, f"{ns.name}-second")
        with second.cluster_secret(stamped(ns, namespaces={"names": [free.name]})):
            refused = second.cluster_secret_ready("False", reason="TargetConflict")
            assert f"exists and belongs to {KIND.name} {ns.name}" in failed(refused)[free.name]
            # It does once that one has it no more, and then the first does not.
            label(free, None)
            heir = second.cluster_secret_ready(reason="Synced")
            assert free.ready("slack")["metadata"]["labels"][OWNER] == heir["metadata"]["uid"]
            label(free, ns.name)
            stands_in(ns, failing=[free, taken])
        stands_in(ns, free, failing=[taken])
        # Out of the selection, and the resource deleted: neither takes it away.
        label(taken, None)
        stands_in(ns, free)
        assert api.get(taken.path("slack")) is not None
        label(taken, ns.name)
        ns.cluster_secret_ready("False", reason="TargetConflict")
        api.delete(taken.path("slack"))
        stands_in(ns, free, taken)
        ns.cluster_secret_ready(reason="Synced")
        assert uid(taken) != theirs["metadata"]["uid"]


@pytest.mark.usefixtures("shared")
def test_a_copy_that_a_person_made_stays_until_its_namespace_is_selected(
    api: Api, ns: Namespace, team: Callable[..., list[Namespace]], put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    (one,), (other,) = team("a"), team("other", team="nobody")
    with ns.cluster_secret(stamped(ns)) as path:
        made = one.ready("slack")
        kept = {key: made["metadata"][key] for key in ("labels", "annotations", "ownerReferences")}
        copy = other.add("slack", made["spec"], **kept)["metadata"]["uid"]
        api.patch(path, {"spec": {"secretMetadata": {"labels": {"round": "two"}}}})
        api.wait(one.path("slack"), lambda found: (found or {})["metadata"]["labels"].get("round") == "two")
        ns.cluster_secret_ready(reason="Synced")
        assert uid(other) == copy
        # Then it becomes ours, with what it holds, and goes as any other.
        label(other, ns.name)
        stands_in(ns, one, other)
        assert uid(other) == copy
        label(other, None)
        is_gone(other)
        other.collected("slack")


@pytest.mark.usefixtures("shared")
def test_what_one_namespace_refuses_is_told_and_tried_again_and_the_others_are_served(
    api: Api, ns: Namespace, team: Callable[..., list[Namespace]], put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    full, free = team("full", "free")
    quota, hard = f"/api/v1/namespaces/{full.name}/resourcequotas", {f"count/{names.SECRET.plural}.{names.GROUP}": "0"}
    api.create(quota, {"metadata": {"name": "none"}, "spec": {"hard": hard}})
    api.patch(f"{quota}/none/status", {"status": {"hard": hard, "used": hard}})
    with ns.cluster_secret(stamped(ns)) as path:
        found = ns.cluster_secret_ready("False", reason="WriteRefused")
        assert (provisioned(found), list(failed(found))) == ([free.name], [full.name])
        assert "exceeded quota: none" in failed(found)[full.name]
        assert f"namespace {full.name}: BeemFlowSecret slack: " in condition(found)["message"]
        free.ready("slack")
        api.delete(f"{quota}/none")
        stands_in(ns, free, full)
        found = api.wait(path, lambda found: found and condition(found)["status"] == "True")
        assert condition(found)["reason"] == "Synced"


@pytest.mark.usefixtures("shared")
def test_a_selection_that_becomes_empty_removes_nothing(
    api: Api, ns: Namespace, team: Callable[..., list[Namespace]], put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    those = team("a", "b")
    with ns.cluster_secret(stamped(ns)) as path:
        ns.cluster_secret_ready()
        uids = [one.ready("slack")["metadata"]["uid"] for one in those]
        mistyped = {"selector": {"matchLabels": {"team": f"{ns.name}-mistyped"}}}
        api.patch(path, {"spec": {"namespaces": mistyped}})
        found = ns.cluster_secret_ready("False", reason="InvalidSpec")
        assert "selects none of the cluster's namespaces" in condition(found)["message"]
        assert provisioned(found) == [one.name for one in those]
        # Not by the last label that goes, either; and what comes back is as it was.
        api.patch(path, {"spec": {"namespaces": {"selector": {"matchLabels": {"team": ns.name}}}}})
        ns.cluster_secret_ready(reason="Synced")
        label(those[0], None)
        is_gone(those[0])
        label(those[1], None)
        ns.cluster_secret_ready("False", reason="InvalidSpec")
        assert uid(those[1]) == uids[1]
        assert those[1].data("slack") == {"token": canary}
        # Suspended, nothing is written.
        api.patch(path, {"metadata": {"annotations": {"secrets.beemflow.io/suspend": "true"}}})
        api.wait(path, lambda found: found and condition(found)["reason"] == "Suspended")
        label(those[0], ns.name)
        api.patch(path, {"metadata": {"annotations": {"secrets.beemflow.io/suspend": None}}})
        stands_in(ns, those[0])
        is_gone(those[1])


@pytest.mark.usefixtures("shared")
def test_a_namespace_that_goes_away_is_no_failure(
    api: Api, ns: Namespace, team: Callable[..., list[Namespace]], put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    stays, goes = team("stays", "goes")
    with ns.cluster_secret(stamped(ns)) as path:
        stands_in(ns, stays, goes)
        goes.ready("slack")
        # A finalizer holds the namespace in the middle of going.
        goes.add_config_map("holds", {})
        holder = f"/api/v1/namespaces/{goes.name}/configmaps/holds"
        api.patch(holder, {"metadata": {"finalizers": ["tests/holds"]}})
        api.delete(f"/api/v1/namespaces/{goes.name}")
        found = stands_in(ns, stays)
        assert condition(found)["status"] == "True"
        is_gone(goes)
        api.patch(path, {"spec": {"secretMetadata": {"labels": {"round": "two"}}}})
        api.wait(stays.path("slack"), lambda found: (found or {})["metadata"]["labels"].get("round") == "two")
        assert provisioned(ns.cluster_secret_ready(reason="Synced")) == [stays.name]
        assert ("Warning", "WriteRefused") not in ns.events(ns.name)
        api.patch(holder, {"metadata": {"finalizers": None}})
        api.wait(f"/api/v1/namespaces/{goes.name}", lambda found: found is None, patience=60)
        assert provisioned(ns.cluster_secret_ready(reason="Synced")) == [stays.name]


@pytest.mark.usefixtures("shared")
def test_under_another_name_the_new_stands_before_the_old_goes(
    api: Api, ns: Namespace, team: Callable[..., list[Namespace]], put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    (one,) = team("a")
    with ns.cluster_secret(stamped(ns)) as path:
        ns.cluster_secret_ready()
        one.ready("slack")
        # The new one cannot be synced: the old one's Secret is all there is, and stays.
        api.patch(path, {"spec": {"secretName": "bot", "secretSpec": {"data": [entry("token", "missing")]}}})
        one.ready("bot", "False", reason="KeyNotFound")
        found = ns.cluster_secret_ready()
        assert "of the former name stays in 1 namespace until bot is ready" in condition(found)["message"]
        assert one.data("slack") == {"token": canary}
        put("missing", value=canary)
        api.patch(path, {"metadata": {"annotations": {REFRESH: "now"}}})
        one.wait_data("bot", {"token": canary})
        is_gone(one)
        one.collected("slack")
        api.wait(path, lambda found: found and "former" not in condition(found)["message"])
        assert one.data("bot") == {"token": canary}
        # Where the newest name is somebody else's, the former one stays until it is free.
        one.add("chat", reading(ns))
        api.patch(path, {"spec": {"secretName": "chat"}})
        found = ns.cluster_secret_ready("False", reason="TargetConflict")
        assert failed(found).keys() == {one.name}
        assert one.data("bot") == {"token": canary}
        api.delete(one.path("chat"))
        is_gone(one, "bot")
        stands_in(ns, one)
        one.wait_data("chat", {"token": canary})


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("policy", ["Owner", "Orphan", "Merge"])
def test_under_another_name_for_the_same_secret_that_stands_all_the_time(
    api: Api, ns: Namespace, team: Callable[..., list[Namespace]], put: Callable[..., int], policy: str, canary: str
) -> None:
    put("slack", token=canary)
    (one,) = team("a")
    secret = one.add_secret("kept", {"theirs": "stays"}) if policy == "Merge" else {}
    target = {"name": "kept", "creationPolicy": policy}
    with ns.cluster_secret(stamped(ns, secretSpec=reading(ns, target=target))) as path:
        one.ready("slack")
        secret = secret or api.get(one.secret_path("kept")) or {}
        api.patch(path, {"spec": {"secretName": "bot"}})
        one.ready("bot", reason="Synced")
        is_gone(one)
        found = api.wait(path, lambda found: found and "former" not in condition(found)["message"])
        assert condition(found)["status"] == "True"
        there = api.get(one.secret_path("kept"))
        assert there is not None
        assert there["metadata"]["uid"] == secret["metadata"]["uid"]
        assert (one.data("kept") or {})["token"] == canary
        put("slack", token=f"{canary}-2")
        api.patch(one.path("bot"), {"metadata": {"annotations": {REFRESH: "now"}}})
        api.wait(one.path("bot"), lambda found: (found or {})["status"].get("lastHandledRefresh") == "now")
        assert (one.data("kept") or {})["token"] == f"{canary}-2"


@pytest.mark.usefixtures("shared")
def test_one_that_is_made_anew_takes_over_what_the_former_left(
    control_plane: ControlPlane,
    api: Api,
    ns: Namespace,
    team: Callable[..., list[Namespace]],
    put: Callable[..., int],
    canary: str,
) -> None:
    put("slack", token=canary)
    (one,) = team("a")
    with ns.cluster_secret(stamped(ns)):
        ns.cluster_secret_ready()
        made = one.ready("slack")
        control_plane.kubectl("delete", "bfcs", ns.name, "--cascade=orphan")
        left = api.wait(one.path("slack"), lambda found: found and not found["metadata"].get("ownerReferences"))
        assert left["metadata"]["uid"] == made["metadata"]["uid"]
    secret = api.get(one.secret_path("slack"))
    # And what a person restored of it.
    (two,) = team("b")
    kept = {key: left["metadata"][key] for key in ("labels", "annotations")}
    restored = two.add("slack", left["spec"], **kept)["metadata"]["uid"]
    with ns.cluster_secret(stamped(ns)):
        anew = ns.cluster_secret_ready()
        found = api.get(one.path("slack"))
        assert found is not None
        assert found["metadata"]["uid"] == made["metadata"]["uid"]
        assert found["metadata"]["ownerReferences"][0]["uid"] == anew["metadata"]["uid"]
        assert found["metadata"]["labels"][OWNER] == anew["metadata"]["uid"]
        assert api.get(one.secret_path("slack")) == secret
        stands_in(ns, one, two)
        assert uid(two) == restored
        label(two, None)
        is_gone(two)


@pytest.mark.usefixtures("shared")
def test_a_change_costs_one_write_a_namespace_and_an_unchanged_round_none(
    control_plane: ControlPlane,
    api: Api,
    ns: Namespace,
    team: Callable[..., list[Namespace]],
    put: Callable[..., int],
    canary: str,
) -> None:
    put("slack", token=canary)
    those = team(*(f"n{number:03}" for number in range(60)))
    with ns.cluster_secret(stamped(ns)) as path:
        stands_in(ns, *those)
        for one in those:
            one.ready("slack", patience=60)
        assert sorted(stamp_writes(control_plane, ns)) == [("create", one.name) for one in those]
        before = len(stamp_writes(control_plane, ns))
        api.patch(path, {"spec": {"secretSpec": {"refreshInterval": "2h"}}})
        for one in those:
            api.wait(one.path("slack"), lambda found: (found or {})["spec"].get("refreshInterval") == "2h")
        ns.cluster_secret_ready()
        assert sorted(stamp_writes(control_plane, ns)[before:]) == [("patch", one.name) for one in those]
        # Rounds that change nothing: somebody's label on one, and one more namespace, which is one write.
        before = len(stamp_writes(control_plane, ns))
        api.patch(those[0].path("slack"), {"metadata": {"labels": {"theirs": "stays"}}})
        api.patch(path, {"metadata": {"annotations": {"theirs": "too"}}})
        (more,) = team("more")
        stands_in(ns, *those, more)
        assert stamp_writes(control_plane, ns)[before:] == [("create", more.name)]
        statuses = [
            event
            for event in control_plane.requests(OPERATOR)
            if event["requestURI"].partition("?")[0] == f"{path}/status" and event["stage"] == "ResponseComplete"
        ]
        assert len(statuses) == 3  # a first one, one for the other generation, one for the other namespace
    until(lambda: api.get(path) is None)


def test_where_namespaces_are_named_the_kind_is_off(
    api: Api, ns: Namespace, team: Callable[..., list[Namespace]], start_operator: Callable[..., Operator]
) -> None:
    (one,) = team("a")
    start_operator("--namespaces", f"{ns.name},{one.name}")
    with ns.cluster_secret(stamped(ns)) as path:
        # What is served there is, and a long time after the other would have been.
        one.add("served", spec(TOKEN, store="missing"))
        one.ready("served", "False", reason="StoreNotFound")
        assert api.get(one.path("slack")) is None
        found = api.get(path)
        assert found is not None
        assert found["status"] == {"observedGeneration": -1}
