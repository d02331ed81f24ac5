"""dataFrom[].rewrite and conflictPolicy on a real API server: other names for keys, and whose key it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.controlplane.conftest import entry
from tests.support.api import condition

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.api import Namespace, Object

pytestmark = pytest.mark.usefixtures("operator", "store")

BOT = {"regexp": {"source": "^slack/(?P<who>.*)", "target": "${who}"}}
UPPER = {"transform": {"template": "{{ value | upper }}"}}


def regexp(source: str, target: str) -> Object:
    return {"regexp": {"source": source, "target": target}}


def rewriting(*steps: Object, key: str = "team") -> Object:
    return {"extract": {"key": key}, "rewrite": list(steps)}


def reading(*sources: Object, **fields: object) -> Object:
    return {"secretStoreRef": {"name": "prod"}, "dataFrom": list(sources), **fields}


def edit(ns: Namespace, **fields: object) -> None:
    ns.api.patch(ns.path("team"), {"spec": fields})


def test_keys_are_called_as_a_rewrite_says(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put("team", **{"slack/bot": canary, "slack/web hook": "hook", "github": "gh"})
    ns.add("team", reading(rewriting(BOT, UPPER)))
    found = ns.ready("team")
    assert ns.data("team") == {"BOT": canary, "WEB_HOOK": "hook", "GITHUB": "gh"}
    assert {told["secretKey"]: told["remoteKey"] for told in found["status"]["entries"]} == {
        "BOT": "team",
        "WEB_HOOK": "team",
        "GITHUB": "team",
    }
    # Of flows the keys are rewritten as they stand there, and called as variables would be.
    put("plain", value="own")
    text = 'name: f\nvars: ["{{ secrets[\'team#slack/bot\'] }}", "$env:plain"]\n'
    ns.add_config_map("my-flows", {"f.flow.yaml": text})
    flows: Object = {"flows": {"configMapRef": {"name": "my-flows"}}, "rewrite": [regexp("^team#slack/", "my-"), UPPER]}
    ns.add("flows", reading(flows))
    ns.ready("flows")
    assert ns.data("flows") == {"MY_BOT": canary, "PLAIN": "own"}


@pytest.mark.parametrize(
    ("step", "reason", "told"),
    [
        (regexp("(?=a)", ""), "InvalidSpec", "dataFrom[0].rewrite[0].regexp.source: is not an RE2 expression"),
        (regexp("^.*/", ""), "InvalidSpec", "key team: 'slack/bot' and 'team/bot' both become the key bot"),
        (regexp("^slack/.*", ".."), "InvalidSpec", "key team: 'slack/bot' becomes '..', which cannot be a key"),
        (
            {"transform": {"template": "{{ value }}{{ secrets.token }}"}},
            "InvalidTemplate",
            "key team: rewrite[0].transform of 'slack/bot': secrets.token is undefined",
        ),
        (
            {
                "transform": {
                    "template": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
                }
            },
            "InvalidTemplate",
            "it takes too much time or memory",
        ),
    ],
)
def test_what_cannot_be_is_told_and_the_secret_stays(
    ns: Namespace, put: Callable[..., int], canary: str, step: Object, reason: str, told: str
) -> None:
    put("team", **{"slack/bot": canary, "team/bot": "b"})
    ns.add("team", reading(rewriting(), conflictPolicy="Last"))
    ns.ready("team")
    edit(ns, dataFrom=[rewriting(step)])
    found = ns.ready("team", "False", reason=reason)
    assert told in condition(found)["message"]
    assert ns.data("team") == {"slack_bot": canary, "team_bot": "b"}


def test_the_policy_says_whose_key_it_is_and_data_wins(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put("one", token=canary, a="1")
    put("two", **{"slack/token": "two", "b": "2"})
    put("plain", value="own")
    both = [rewriting(key="one"), rewriting(regexp("^slack/", ""), key="two")]
    ns.add("team", reading(*both))
    found = ns.ready("team", "False", reason="InvalidSpec")
    assert "one gives the key token too" in condition(found)["message"]
    assert ns.data("team") is None
    edit(ns, conflictPolicy="First")
    ns.wait_data("team", {"token": canary, "a": "1", "b": "2"})
    edit(ns, conflictPolicy="Last")
    ns.wait_data("team", {"token": "two", "a": "1", "b": "2"})
    found = ns.ready("team")
    assert {told["secretKey"]: told["remoteKey"] for told in found["status"]["entries"]}["token"] == "two"
    edit(ns, data=[entry("token", "plain")])
    ns.wait_data("team", {"token": "own", "a": "1", "b": "2"})


def test_what_is_found_is_called_as_a_rewrite_says_and_the_policy_holds_for_it(
    ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("slack/bot", value=canary)
    put("slack/hook", value="hook")
    put("github/bot", value="gh")
    put("one", BOT="of one", OTHER="1")
    found: Object = {"find": {"path": "slack/"}, "rewrite": [regexp("slack/(.*)", "$1"), UPPER]}
    ns.add("team", reading(found))
    ns.wait_data("team", {"BOT": canary, "HOOK": "hook"})
    edit(ns, dataFrom=[rewriting(key="one"), found])
    told = ns.ready("team", "False", reason="InvalidSpec")
    assert "one gives the key BOT too" in condition(told)["message"]
    edit(ns, conflictPolicy="First")
    ns.wait_data("team", {"BOT": "of one", "OTHER": "1", "HOOK": "hook"})
    edit(ns, conflictPolicy="Last")
    ns.wait_data("team", {"BOT": canary, "OTHER": "1", "HOOK": "hook"})
    # Two names of one search that become one are refused under each policy, and the Secret stays.
    edit(ns, dataFrom=[{"find": {"name": {"regexp": "/bot$"}}, "rewrite": [regexp("^.*/", "")]}])
    told = ns.ready("team", "False", reason="InvalidSpec")
    assert "'github/bot' and 'slack/bot' both become the key bot" in condition(told)["message"]
    assert ns.data("team") == {"BOT": canary, "OTHER": "1", "HOOK": "hook"}
