"""dataFrom[].find on a real API server: what is looked for is found anew each time, and an outage finds nothing out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.model.names import REFRESH_REQUESTED_ANNOTATION
from tests.controlplane.conftest import entry, until
from tests.support.api import condition
from tests.support.chains import Server, chain
from tests.support.faultproxy import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.api import Api, Namespace, Object
    from tests.support.openbao import OpenBao
    from tests.support.operator import Operator

pytestmark = pytest.mark.usefixtures("operator", "store")

FLOWS = {"team": "flows"}


def finding(*finds: Object, **fields: Any) -> Object:
    return {"secretStoreRef": {"name": "prod"}, "dataFrom": [{"find": find} for find in finds], **fields}


@pytest.fixture
def tag(bao: OpenBao, folder: str) -> Callable[..., None]:
    """Give a secret of the test's folder custom metadata."""

    def write(key: str, **tags: str) -> None:
        bao.call("POST", f"secret/metadata/{folder}/{key}", {"custom_metadata": tags})

    return write


@pytest.fixture
def remove(bao: OpenBao, folder: str) -> Callable[[str], None]:
    """Remove a secret with all its versions."""
    return lambda key: bao.remove_kv2("secret", f"{folder}/{key}")


@pytest.fixture
def filled(put: Callable[..., int], tag: Callable[..., None], canary: str) -> dict[str, str]:
    """Some secrets in the backend, two of which are tagged; what they hold."""
    held = {"slack/bot": canary, "slack/deep/er": "2", "slacker": "3", "github": "4", "a#b c": "5", 'q"{{x}}': "6"}
    for key, value in held.items():
        put(key, value=value)
    tag("slack/bot", team="flows", stage="live")
    tag("github", team="flows")
    return held


def message(found: Object) -> str:
    return str(condition(found)["message"])


@pytest.mark.usefixtures("login")
def test_secrets_are_found_by_path_by_name_and_by_tags(
    ns: Namespace, store_spec: Object, filled: dict[str, str]
) -> None:
    wanted: dict[str, tuple[Object, list[str]]] = {
        "folder": ({"path": "slack/"}, ["slack/bot", "slack/deep/er"]),
        "folder-too": ({"path": "slack"}, ["slack/bot", "slack/deep/er"]),
        "name": ({"name": {"regexp": "^s[^/]*$|bo"}}, ["slack/bot", "slacker"]),
        "whole-name": ({"path": "slack/", "name": {"regexp": "^slack/[a-z]+$"}}, ["slack/bot"]),
        "tags": ({"tags": FLOWS}, ["slack/bot", "github"]),
        "two-tags": ({"tags": {**FLOWS, "stage": "live"}}, ["slack/bot"]),
        "all-three": ({"path": "slack/", "name": {"regexp": "b"}, "tags": FLOWS}, ["slack/bot"]),
        "all": ({"name": {"regexp": ".*"}}, list(filled)),
    }
    for name, (find, _) in wanted.items():
        ns.add(name, finding(find))
    names = {"slack/bot": "slack_bot", "slack/deep/er": "slack_deep_er", "a#b c": "a_b_c", 'q"{{x}}': "q___x__"}
    for name, (_, found) in wanted.items():
        told = ns.ready(name)
        assert ns.data(name) == {names.get(key, key): filled[key] for key in found}, name
        remote = {one["secretKey"]: one["remoteKey"].replace(r"\#", "#") for one in told["status"]["entries"]}
        assert remote == {names.get(key, key): key for key in found}
        assert len(told["status"]["sourcesRead"]) == 1
    # Names, and what is searched in them, begin below the store's prefix.
    ns.add_store("slack", {**store_spec, "prefix": "slack/"})
    ns.add("below", {**finding({"name": {"regexp": "^bot$|^deep/"}}), "secretStoreRef": {"name": "slack"}})
    ns.wait_data("below", {"bot": filled["slack/bot"], "deep_er": "2"})


def test_a_refresh_finds_what_has_come_and_loses_what_has_gone(
    ns: Namespace,
    proxy: FaultProxy,
    filled: dict[str, str],
    put: Callable[..., int],
    tag: Callable[..., None],
    remove: Callable[[str], None],
) -> None:
    ns.add("app", finding({"tags": FLOWS}, refreshInterval="1s"))
    ns.wait_data("app", {"slack_bot": filled["slack/bot"], "github": "4"})
    put("new", value="6")
    tag("new", team="flows")
    ns.wait_data("app", {"slack_bot": filled["slack/bot"], "github": "4", "new": "6"})
    tag("github", team="other")
    put("new", value="7")
    ns.wait_data("app", {"slack_bot": filled["slack/bot"], "new": "7"})
    # Nobody can be asked: all stays.
    proxy.down()
    ns.ready("app", "False", reason="BackendUnavailable")
    assert ns.data("app") == {"slack_bot": filled["slack/bot"], "new": "7"}
    proxy.up()
    ns.ready("app")
    # Nothing is found: all stays as well, and the expression is named.
    for key in ("slack/bot", "new"):
        tag(key, team="other")
    told = message(ns.ready("app", "False", reason="KeyNotFound"))
    assert told == "store prod: nothing is found by tags team=flows (for dataFrom)"
    remove("slack/bot")
    until(lambda: ns.data("app") == {"slack_bot": filled["slack/bot"], "new": "7"})
    tag("github", team="flows")
    ns.wait_data("app", {"github": "4"})


def test_data_wins_and_what_is_found_twice_is_refused(ns: Namespace, filled: dict[str, str]) -> None:
    ns.add("app", finding({"path": "slack/"}, data=[entry("slack_bot", "github")]))
    ns.wait_data("app", {"slack_bot": "4", "slack_deep_er": "2"})
    own = {"find": {"path": "slack"}, "rewrite": [{"regexp": {"source": "slack/(.*)", "target": "$1"}}]}
    ns.add("renamed", {**finding(), "dataFrom": [own]})
    ns.wait_data("renamed", {"bot": filled["slack/bot"], "deep_er": "2"})
    ns.add("twice", finding({"path": "slack/"}, {"name": {"regexp": "bot$"}}))
    told = message(ns.ready("twice", "False", reason="InvalidSpec"))
    assert "slack/bot gives the key slack_bot too" in told
    assert filled["slack/bot"] not in told


def test_names_that_can_be_no_keys_of_a_secret_are_named(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    for key in ("a/b", "a_b", "..c", "d" * 254):
        put(key, value=canary)
    for name, expression, fault in (
        ("meet", "^a", "'a/b' and 'a_b' both become the key a_b"),
        ("dots", "c$", "'..c' cannot be a key of a Secret"),
        ("long", "dd", "cannot be a key of a Secret"),
    ):
        ns.add(name, finding({"name": {"regexp": expression}}))
        assert fault in message(ns.ready(name, "False", reason="InvalidSpec"))
    ns.add("none", finding({"name": {"regexp": "(?=a)"}}))
    assert "dataFrom[0].find.name.regexp: is not an RE2" in message(ns.ready("none", "False", reason="InvalidSpec"))


def test_resources_that_look_in_one_place_share_a_listing(
    ns: Namespace, proxy: FaultProxy, operator: Operator, filled: dict[str, str], folder: str
) -> None:
    operator.stop()
    for number in range(20):
        ns.add(f"app-{number}", finding({"path": "slack/", "name": {"regexp": f"bot|{number}"}}))
    proxy.forget()
    operator.start()
    for number in range(20):
        ns.wait_data(f"app-{number}", {"slack_bot": filled["slack/bot"]})
    # A folder each; a machine that is slow may come to need another listing.
    assert proxy.count("GET", f"/v1/secret/metadata/{folder}/slack") <= 3 * 2


def test_only_what_may_be_listed_and_read_is_found(
    ns: Namespace, store: str, filled: dict[str, str], proxy: FaultProxy, folder: str
) -> None:
    flow = f"{ns.name}/app"
    policies = [
        {"flowPatterns": [flow], "secretPatterns": ["slack*", "github"], "allowedActions": ["list"]},
        {"flowPatterns": [flow, f"{ns.name}/blind"], "secretPatterns": ["slack/*", "a*"], "allowedActions": ["read"]},
    ]
    ns.api.patch(ns.store_path(store), {"spec": {"accessPolicies": policies}})
    ns.store_ready(store)
    everything = finding({"name": {"regexp": ".*"}})
    ns.add("app", everything)
    ns.wait_data("app", {"slack_bot": filled["slack/bot"], "slack_deep_er": "2"})
    before = proxy.count("GET", f"/v1/secret/metadata/{folder}")
    ns.add("blind", everything)
    told = message(ns.ready("blind", "False", reason="AccessDenied"))
    assert f"no access policy of the store lets flow '{ns.name}/blind' list its keys" in told
    assert proxy.count("GET", f"/v1/secret/metadata/{folder}") == before
    # With a policy that hides all, nothing is found; a Secret that was to go with its keys stays.
    ns.api.patch(ns.path("app"), {"spec": {"refreshInterval": "1s", "target": {"deletionPolicy": "Delete"}}})
    ns.ready("app")
    policies[0]["secretPatterns"] = ["typo*"]
    ns.api.patch(ns.store_path(store), {"spec": {"accessPolicies": policies}})
    assert "nothing is found by name .*" in message(ns.ready("app", "False", reason="KeyNotFound"))
    assert ns.data("app") == {"slack_bot": filled["slack/bot"], "slack_deep_er": "2"}


def test_what_deletion_policy_makes_of_a_search_that_finds_nothing_any_more(
    ns: Namespace, filled: dict[str, str], remove: Callable[[str], None], put: Callable[..., int]
) -> None:
    for name, policy in (("goes", "Delete"), ("stays", "Merge"), ("typo", "Delete")):
        find = {"path": "slack/"} if name != "typo" else {"path": "slack/", "name": {"regexp": "bot"}}
        ns.add(name, finding(find, refreshInterval="1s", target={"deletionPolicy": policy}))
        ns.ready(name)
    # What another expression finds was never read.
    ns.api.patch(ns.path("typo"), {"spec": {"dataFrom": [{"find": {"path": "slick/"}}]}})
    ns.ready("typo", "False", reason="KeyNotFound")
    assert ns.data("typo") == {"slack_bot": filled["slack/bot"]}
    for key in ("slack/bot", "slack/deep/er"):
        remove(key)
    assert "gone from the backend" in message(ns.ready("goes", reason="SecretDeleted"))
    assert ns.data("goes") is None
    ns.wait_data("stays", {})
    ns.ready("goes", reason="SecretDeleted")
    put("slack/bot", value="again")
    ns.wait_data("goes", {"slack_bot": "again"})
    assert ns.data("typo") == {"slack_bot": filled["slack/bot"]}


def test_beyond_a_hundred_keys_each_is_asked_for_before_a_secret_goes(
    ns: Namespace,
    store: str,
    bao: OpenBao,
    folder: str,
    remove: Callable[[str], None],
    put: Callable[..., int],
    canary: str,
) -> None:
    names = [f"slack/{number:03}" for number in range(101)]
    for name in names:
        put(name, value=canary)
    reading = {"secretPatterns": ["slack/*"], "allowedActions": ["read"]}
    ns.api.patch(ns.store_path(store), {"spec": {"accessPolicies": [{**reading, "allowedActions": ["read", "list"]}]}})
    for name, policy in (("goes", "Delete"), ("stays", "Merge")):
        ns.add(name, finding({"path": "slack"}, refreshInterval="1s", target={"deletionPolicy": policy}))
        assert ns.ready(name)["status"]["entriesOmitted"] == 1
    # The listing shows nothing, and all that the status names are gone: one is there all the same.
    listing = {"secretPatterns": ["typo/*"], "allowedActions": ["list"]}
    ns.api.patch(ns.store_path(store), {"spec": {"accessPolicies": [reading, listing]}})
    for name in ("goes", "stays"):
        ns.ready(name, "False", reason="KeyNotFound")
    for key in names[:-1]:
        remove(key)
    for name in ("goes", "stays"):
        ns.api.patch(ns.path(name), {"metadata": {"annotations": {REFRESH_REQUESTED_ANNOTATION: "now"}}})
        ns.api.wait(ns.path(name), lambda found: (found or {})["status"].get("lastHandledRefresh") == "now")
        assert "nothing is found by path slack" in message(ns.ready(name, "False", reason="KeyNotFound"))
        assert len(ns.data(name) or {}) == len(names)
    # Nor does it go with one that is listed though it was deleted.
    listing["secretPatterns"] = [names[0]]
    put(names[0], value=canary)
    bao.delete_kv2("secret", f"{folder}/{names[0]}")
    ns.api.patch(ns.store_path(store), {"spec": {"accessPolicies": [reading, listing]}})
    ns.store_ready(store)
    for name in ("goes", "stays"):
        ns.api.patch(ns.path(name), {"metadata": {"annotations": {REFRESH_REQUESTED_ANNOTATION: "again"}}})
        ns.api.wait(ns.path(name), lambda found: (found or {})["status"].get("lastHandledRefresh") == "again")
        ns.ready(name, "False", reason="KeyNotFound")
        assert len(ns.data(name) or {}) == len(names)
    remove(names[-1])
    ns.ready("goes", reason="SecretDeleted")
    assert ns.data("goes") is None
    ns.wait_data("stays", {})


def test_a_store_without_tags_says_so(
    api: Api, ns: Namespace, start_operator: Callable[..., Operator], tmp_path: Path, canary: str
) -> None:
    (tmp_path / "secrets.json").write_text(f'{{"slack/bot": "{canary}"}}')
    start_operator("--file-allowed-root", str(tmp_path))
    with ns.cluster_store({"driver": "file", "file": {"path": str(tmp_path / "secrets.json")}}) as store:
        of_file = {"secretStoreRef": {"name": store, "kind": "BeemFlowClusterSecretStore"}}
        ns.add("tagged", {**finding({"tags": FLOWS}), **of_file})
        ns.add("named", {**finding({"path": "slack"}), **of_file})
        told = message(ns.ready("tagged", "False", reason="InvalidSpec"))
        assert told == f"store {store}: this backend has no tags: find by path or name"
        ns.ready("named")
        assert ns.data("named") == {"slack_bot": canary}


def test_a_spare_that_has_less_takes_nothing_away(
    ns: Namespace, bao: OpenBao, proxy: FaultProxy, folder: str, canary: str
) -> None:
    main = Server(bao, proxy, f"{folder}-main")
    with FaultProxy(bao.address) as own:
        spare = Server(bao, own, f"{folder}-spare")
        for server, keys in ((main, ("slack/a", "slack/b")), (spare, ("slack/a",))):
            for key in keys:
                server.put(key, value=canary)
        ns.add_store("chain", chain(main.link(ns, "main"), spare.link(ns, "spare"), failoverAfter="0s"))
        ns.store_ready("chain")
        looking = {**finding({"path": "slack"}, refreshInterval="1s"), "secretStoreRef": {"name": "chain"}}
        ns.add("app", looking)
        ns.wait_data("app", {"slack_a": canary, "slack_b": canary})
        proxy.down()
        assert "main" in message(ns.ready("app", "False", reason="BackendUnavailable"))
        # Who has nothing yet is served by the spare, and so is his next refresh.
        ns.add("new", looking)
        ns.wait_data("new", {"slack_a": canary})
        spare.put("slack/c", value=canary)
        ns.wait_data("new", {"slack_a": canary, "slack_c": canary})
        assert ns.data("app") == {"slack_a": canary, "slack_b": canary}
        proxy.up()
        for name in ("app", "new"):
            ns.wait_data(name, {"slack_a": canary, "slack_b": canary})
            ns.ready(name)
