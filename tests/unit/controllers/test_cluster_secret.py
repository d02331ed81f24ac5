"""controllers/clustersecret: what one that stands lacks, what is known of those that stand, what a status tells."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, cast

import orjson
import pytest

from beemflow_secrets.controllers.clustersecret.rounds import Behind, Rounds
from beemflow_secrets.controllers.clustersecret.stamping import Gone, Stamping
from beemflow_secrets.controllers.clustersecret.stamps import GONE, Stamps, key_of
from beemflow_secrets.controllers.clustersecret.status import stamped
from beemflow_secrets.controllers.clustersecret.tracked import Plan, Tracked, plan
from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.controllers.objects import Observed, observe
from beemflow_secrets.kube.errors import NotFound
from beemflow_secrets.kube.reflector import Namespace
from beemflow_secrets.model.names import CLUSTER_SECRET, OWNER_LABEL, REFRESH_REQUESTED_ANNOTATION
from beemflow_secrets.model.reasons import Reason
from tests.unit.model.cases import entry, secret
from tests.unit.model.cases import stamped as written

if TYPE_CHECKING:
    from beemflow_secrets.controllers.clustersecret.wanted import Wanted
    from beemflow_secrets.controllers.objects import Key
    from beemflow_secrets.kube.client import KubeClient

METADATA = {"labels": {"app": "flows"}, "annotations": {"note": "from above"}}


def seen(uid: str = "uid-1", **fields: Any) -> Observed:
    body = {"metadata": {"name": "slack", "uid": uid, "generation": 1}, "spec": written(**fields)}
    return observe(CLUSTER_SECRET.name, body)


def wanted(uid: str = "uid-1", **fields: Any) -> Wanted:
    made = plan(seen(uid, **{"secretMetadata": METADATA, **fields}))
    assert isinstance(made, Plan)
    return made.wanted


def standing(of: Wanted | None = None) -> dict[str, Any]:
    """Return a resource as the API server has it after it was stamped."""
    body = deepcopy((of or wanted()).body("ns", None))
    ours: dict[str, Any] = {
        field: {f"f:{name}": {} for name in body["metadata"][field]} for field in ("labels", "annotations")
    }
    fields = {"f:metadata": {f"f:{field}": names for field, names in ours.items()}, "f:spec": {}}
    body["metadata"] |= {
        "uid": "uid-s",
        "resourceVersion": "7",
        "managedFields": [{"manager": "beemflow-secrets", "operation": "Update", "fieldsV1": fields}],
    }
    return body


def test_one_that_is_as_wanted_lacks_nothing_whatever_others_put_there() -> None:
    found = standing()
    assert wanted().changes(found) == []
    metadata = found["metadata"]
    metadata["labels"]["theirs"] = metadata["annotations"]["theirs"] = "stays"
    metadata["annotations"][REFRESH_REQUESTED_ANNOTATION] = "somebody's"
    metadata["ownerReferences"].insert(0, {"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "b"})
    found["status"] = {"observedGeneration": 3}
    assert wanted().changes(found) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "data"), [entry("another")]),
        (("spec", "suspend"), True),
        (("metadata", "labels", "app"), "another"),
        (("metadata", "labels", OWNER_LABEL), "another"),
        (("metadata", "annotations", "note"), None),
        (("metadata", "ownerReferences"), []),
    ],
)
def test_what_was_changed_is_put_back_in_one_patch_of_the_version_that_was_seen(
    path: tuple[str, ...], value: object
) -> None:
    found = standing()
    held: Any = found
    for name in path[:-1]:
        held = held[name]
    held[path[-1]] = value
    test, change = wanted().changes(found)
    assert test == {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}
    assert change["path"].startswith(f"/{path[0]}")
    assert change["value"] != value


def test_what_the_metadata_names_no_more_goes() -> None:
    _, *changes = wanted(secretMetadata={"labels": {"app": "flows"}}).changes(standing())
    assert changes == [{"op": "remove", "path": "/metadata/annotations/note"}]


def test_a_request_is_handed_on_and_then_left_alone() -> None:
    found = standing()
    _, change = wanted().changes(found, "now")
    assert change["value"] == "now"
    found["metadata"]["annotations"][REFRESH_REQUESTED_ANNOTATION] = "now"
    assert wanted().changes(found, "now") == wanted().changes(found) == []


def test_equal_wishes_have_equal_marks_and_each_part_counts() -> None:
    others = [
        wanted("uid-2"),
        wanted(secretName="other"),
        wanted(secretMetadata={}),
        wanted(secretSpec=secret(refreshInterval="15m")),
    ]
    assert wanted().mark == wanted(namespaces={"names": ["b"]}).mark
    assert len({wanted().mark, *(other.mark for other in others)}) == 5


def test_those_that_stand_are_known_by_their_owner_and_by_whether_they_are_as_wanted() -> None:
    wants = {"uid-1": wanted()}
    stamps = Stamps(wants.get)
    found = standing()
    before, after = stamps.take(found)
    assert before is None
    assert after is not None
    assert (after.owner, after.maker, after.mark) == ("uid-1", "slack", wanted().mark)
    assert stamps.knows(found)
    # As wanted, but as a person wrote it: that is still to be taken over.
    restored = standing()
    restored["metadata"]["managedFields"][0]["manager"] = "kubectl-client-side-apply"
    assert wanted().changes(restored) == []
    assert not stamps.knows(restored)
    drifted = deepcopy(found)
    drifted["spec"]["suspend"] = True
    assert not stamps.knows(drifted)
    _, after = stamps.take(drifted)
    assert after is not None
    assert after.mark == b""
    assert stamps.of("uid-1") == [key_of(found)]
    # Without its owner reference the label tells; without both it is nobody's.
    del drifted["metadata"]["ownerReferences"]
    stamps.take(drifted)
    assert stamps.of("uid-1") == [key_of(found)]
    del drifted["metadata"]["labels"]
    before, after = stamps.take(drifted)
    assert before is not None
    assert after is None
    assert stamps.of("uid-1") == []
    foreign = standing()
    foreign["metadata"]["ownerReferences"] = [
        {"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "b", "controller": True}
    ]
    assert stamps.take(foreign) == (None, None)


def test_a_namespace_that_changes_in_other_ways_is_of_no_interest() -> None:
    made = plan(seen(namespaces={"selector": {"matchLabels": {"team": "a"}}}))
    assert isinstance(made, Plan)
    inside, outside = Namespace({"team": "a"}), Namespace({"team": "b"})
    going = Namespace({"team": "a"}, leaving=True)
    turned = [(None, inside), (inside, None), (inside, outside), (outside, inside), (inside, going), (going, None)]
    assert all(made.turned("ns", *change) for change in turned)
    others = [(None, outside), (outside, None), (outside, Namespace({"team": "b"}, leaving=True))]
    others += [(inside, Namespace({"team": "a", "x": "y"}, frozenset({"role"})))]
    assert not any(made.turned("ns", *change) for change in others)
    assert list(made.selected({("", "b"): inside, ("", "a"): going, ("", "c"): outside})) == ["a", "b"]


class Meddling:
    """An API server with a webhook that puts another label on whatever is written."""

    def __init__(self) -> None:
        self.held = standing()
        self.patches = 0

    async def get(self, path: str, *, metadata: bool = False) -> dict[str, Any]:
        assert path.endswith("/beemflowsecrets/slack")
        assert not metadata
        return self.held

    async def json_patch(self, _path: str, _operations: list[dict[str, Any]]) -> dict[str, Any]:
        self.patches += 1
        self.held = standing()
        self.held["metadata"]["labels"]["app"] = "meddled"
        return self.held


async def test_what_is_changed_as_it_is_written_is_told_and_not_written_again_and_again() -> None:
    server, wish = Meddling(), wanted(secretSpec=secret(refreshInterval="15m"))
    stamps = Stamps({"uid-1": wish}.get)
    stamps.take(server.held)
    stamping = Stamping(cast("KubeClient", server), stamps, lives=lambda _: True, stands=lambda _: True)
    with pytest.raises(Failed, match="is changed as it is written"):
        await stamping.stamp(key_of(server.held), wish, None)
    assert server.patches == 1


class LettingGo(Meddling):
    """One that has taken its owner off a resource. `owner` is what it has of that, None for nothing."""

    def __init__(self, owner: dict[str, Any] | None) -> None:
        super().__init__()
        self.owner = owner
        del self.held["metadata"]["ownerReferences"]

    async def get(self, path: str, *, metadata: bool = False) -> dict[str, Any]:
        if not metadata:
            return self.held
        assert path.endswith("/beemflowclustersecrets/slack")
        if self.owner is None:
            raise NotFound("gone")
        return {"metadata": self.owner}


@pytest.mark.parametrize("owner", [None, {"uid": "uid-2"}, {"uid": "uid-1", "deletionTimestamp": "now"}])
async def test_what_its_owner_lets_go_of_in_the_middle_of_a_round_is_not_put_back(owner: dict[str, Any] | None) -> None:
    server, stamps = LettingGo(owner), Stamps({"uid-1": wanted()}.get)
    stamping = Stamping(cast("KubeClient", server), stamps, lives=lambda _: True, stands=lambda _: True)
    with pytest.raises(Gone):
        await stamping.stamp(key_of(server.held), wanted(), None)
    assert server.patches == 0


async def test_two_that_write_to_one_place_at_a_time_hear_of_each_other_and_end_each_for_itself() -> None:
    stamps = Stamps({"uid-1": wanted()}.get)
    found = standing()
    with stamps.flight(key_of(found)) as first:
        with stamps.flight(key_of(found)) as second:
            stamps.hear(found)
        stamps.gone(key_of(found))
        assert not stamps.knows(found)
    assert (first, second) == ({"7", GONE}, {"7"})
    stamps.take(found)
    assert stamps.knows(found)


class Overtaken(Meddling):
    """One whose watch tells of another's change before it answers ours. `later`: the other wrote after us."""

    def __init__(self, stamps: Stamps, wish: Wanted, *, later: bool) -> None:
        super().__init__()
        self.stamps, self.wish, self.later = stamps, wish, later

    async def json_patch(self, _path: str, _operations: list[dict[str, Any]]) -> dict[str, Any]:
        self.patches += 1
        ours = standing(self.wish)
        ours["metadata"]["resourceVersion"] = "9"
        if self.patches > 1:
            self.held = ours
            return ours
        others = standing(self.wish)
        others["spec"]["suspend"] = True
        others["metadata"]["resourceVersion"] = "10" if self.later else "8"
        assert not self.stamps.knows(others)  # it must come through
        self.stamps.hear(others)
        self.held = others if self.later else ours
        return ours


@pytest.mark.parametrize("later", [True, False])
async def test_a_change_of_others_that_overtakes_the_answer_to_ours_is_not_lost(later: bool) -> None:  # noqa: FBT001 - a case
    wish = wanted(secretSpec=secret(refreshInterval="15m"))
    stamps = Stamps({"uid-1": wish}.get)
    stamps.take(standing())
    server = Overtaken(stamps, wish, later=later)
    stamping = Stamping(cast("KubeClient", server), stamps, lives=lambda _: True, stands=lambda _: True)
    await stamping.stamp(key_of(server.held), wish, None)
    assert (server.patches, "suspend" in server.held["spec"]) == (2 if later else 1, False)
    assert stamps.knows(server.held)


class Recorder:
    """Stands for the API server, which has the BeemFlowClusterSecret, and for who writes to namespaces."""

    def __init__(self, *, fails: str = "", **metadata: Any) -> None:
        self.metadata = {"uid": "uid-1", "generation": 1, **metadata}
        self.fails = fails
        self.written: list[str] = []

    async def get(self, path: str, *, metadata: bool) -> dict[str, Any]:
        assert path.endswith("/beemflowclustersecrets/slack")
        assert metadata
        return {"metadata": self.metadata}

    async def stamp(self, key: Key, _wanted: Wanted, _request: str | None) -> None:
        self.written.append(f"stamp {key.namespace}")

    async def may_go(self, former: Key, _wanted: Wanted) -> bool:
        if former.name == self.fails:
            raise Failed(Reason.WRITE_REFUSED, "refused")
        return False

    async def take_away(self, key: Key, _owner: object) -> None:
        self.written.append(f"take away {key.namespace}")

    def rounds(self, stamps: Stamps, *, ready: bool = True, **namespaces: Namespace) -> Rounds:
        named = {("", name): found for name, found in namespaces.items()}
        client, stamping = cast("KubeClient", self), cast("Stamping", self)
        return Rounds(client, stamps, stamping, namespaces=lambda: named, ready=lambda _: ready)


def item(observed: Observed) -> Tracked:
    return Tracked(observed, b"{}", plan(observed))


async def test_nothing_is_written_into_what_goes_away_and_what_is_left_there_goes_with_it() -> None:
    observed = seen(namespaces={"names": ["a", "b"]})
    planned = plan(observed)
    assert isinstance(planned, Plan)
    stamps = Stamps({"uid-1": planned.wanted}.get)
    for namespace in ("c", "d"):  # not selected any more
        found = standing(planned.wanted)
        found["metadata"]["namespace"] = namespace
        stamps.take(found)
    going, there = Namespace({}, leaving=True), Namespace({})
    server = Recorder()
    made = await server.rounds(stamps, a=there, b=going, c=there, d=going).make(item(observed), observed, planned)
    assert server.written == ["stamp a", "take away c"]
    assert (made.standing, made.failed, made.gone) == (["a"], {}, [])


async def test_nothing_is_taken_away_where_all_that_is_selected_is_going_away() -> None:
    observed = seen(namespaces={"names": ["b"]})
    planned = plan(observed)
    assert isinstance(planned, Plan)
    stamps = Stamps({"uid-1": planned.wanted}.get)
    found = standing(planned.wanted)
    found["metadata"]["namespace"] = "c"
    stamps.take(found)
    server = Recorder()
    going, there = Namespace({}, leaving=True), Namespace({})
    with pytest.raises(Failed, match="none of the cluster's namespaces but such as are going away"):
        await server.rounds(stamps, b=going, c=there).make(item(observed), observed, planned)
    assert server.written == []


async def test_of_two_former_names_in_a_namespace_one_that_fails_is_told_beside_one_that_waits() -> None:
    observed = seen(namespaces={"names": ["a"]})
    planned = plan(observed)
    assert isinstance(planned, Plan)
    stamps = Stamps({"uid-1": planned.wanted}.get)
    for name in ("first", "second"):
        found = standing(planned.wanted)
        found["metadata"] |= {"name": name, "namespace": "a"}
        stamps.take(found)
    server = Recorder(fails="first")
    made = await server.rounds(stamps, ready=False, a=Namespace({})).make(item(observed), observed, planned)
    assert (list(made.failed), made.former) == (["a"], ["a"])


@pytest.mark.parametrize(
    "metadata", [{"deletionTimestamp": "2026-01-01T00:00:00Z"}, {"generation": 2}, {"uid": "uid-2"}]
)
async def test_nothing_is_written_for_a_resource_that_is_deleted_or_changed_as_its_watch_is_still_to_tell(
    metadata: dict[str, Any],
) -> None:
    observed = seen()
    planned = plan(observed)
    assert isinstance(planned, Plan)
    server = Recorder(**metadata)
    with pytest.raises(Behind):
        await server.rounds(Stamps(lambda _: None), a=Namespace({})).make(item(observed), observed, planned)
    assert server.written == []


def test_a_status_names_the_first_failure_and_is_bounded() -> None:
    failures = {f"ns-{number:05}": Failed(Reason.WRITE_REFUSED, "x" * 2000) for number in range(1200)}
    names = [f"team-{number}" for number in range(20_000)]
    status = stamped({}, seen(), name="slack", standing=names, failed=failures, former=(), now=1.0)
    assert (len(status["provisionedNamespaces"]), len(status["failedNamespaces"])) == (10_000, 1000)
    assert status["failedNamespaces"][0]["reason"].startswith("WriteRefused: xxx")
    ready = status["conditions"][0]
    assert (ready["status"], ready["reason"]) == ("False", "WriteRefused")
    assert ready["message"].startswith("namespace ns-00000: xxx")
    assert len(ready["message"]) <= 1024
    assert len(orjson.dumps(status)) < 1_500_000  # what an object of the API server may have


def test_an_empty_list_is_told_only_where_something_stood_in_it() -> None:
    first = stamped({}, seen(), name="slack", standing=["a"], failed={}, former=(), now=1.0)
    assert "failedNamespaces" not in first
    assert first["conditions"][0]["message"] == "BeemFlowSecret slack stands in 1 namespace"
    none = stamped(first, seen(), name="slack", standing=[], failed={}, former=(), now=1.0)
    assert none["provisionedNamespaces"] == []
