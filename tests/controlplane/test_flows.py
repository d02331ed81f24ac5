"""dataFrom[].flows on a real API server: exactly the secrets that flows in a ConfigMap ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.api import condition

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.api import Namespace, Object
    from tests.support.operator import Operator

pytestmark = pytest.mark.usefixtures("operator", "store")

HELLO = """
name: hello
steps:
  - id: greet
    with:
      token: '{{ secrets["slack#token"] }}'
      user: '{{ secrets["slack#user"] | default "bot" }}'
      home: "{{ secrets.HOME }}"
"""
MCP = '{"mcpServers": {"x": {"env": {"KEY": "$env:plain"}}}}'


def of_flows(name: str = "my-flows", **fields: object) -> Object:
    return {"secretStoreRef": {"name": "prod"}, "dataFrom": [{"flows": {"configMapRef": {"name": name}}}], **fields}


def edit(ns: Namespace, data: dict[str, str | None]) -> None:
    ns.api.patch(f"/api/v1/namespaces/{ns.name}/configmaps/my-flows", {"data": data})


def test_exactly_the_secrets_that_flows_ask_for(
    ns: Namespace, put: Callable[..., int], canary: str, operator: Operator
) -> None:
    put("slack", token=canary, unused="x")
    put("plain", value="key")
    ns.add_config_map("my-flows", {"hello.flow.yaml": HELLO, "mcp.json": MCP})
    ns.add("app", of_flows())
    found = ns.ready("app")
    assert ns.data("app") == {"SLACK_TOKEN": canary, "plain": "key"}
    assert {told["secretKey"]: told["remoteKey"] for told in found["status"]["entries"]} == {
        "SLACK_TOKEN": "slack#token",
        "plain": "plain",
    }
    # An edit is followed; so is what appears in the backend for an optional one.
    put("slack", token=canary, user="me")
    edit(ns, {"mcp.json": None})
    ns.wait_data("app", {"SLACK_TOKEN": canary, "SLACK_USER": "me"})
    # A file that is lost, or mistyped, empties no Secret.
    edit(ns, {"hello.flow.yaml": HELLO.replace("secrets", "secret")})
    told = condition(ns.ready("app", "False", reason="InvalidSpec"))["message"]
    assert "ask for no secret at all" in told
    assert ns.data("app") == {"SLACK_TOKEN": canary, "SLACK_USER": "me"}
    edit(ns, {"hello.flow.yaml": HELLO})
    ns.ready("app")
    operator.stop()
    edit(ns, {"mcp.json": MCP})
    operator.start()
    ns.wait_data("app", {"SLACK_TOKEN": canary, "SLACK_USER": "me", "plain": "key"})


def test_a_refresh_reads_what_the_flows_ask_for(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put("plain", value=canary)
    ns.add_config_map("my-flows", {"mcp.json": MCP})
    ns.add("app", of_flows(refreshInterval="1s"))
    ns.wait_data("app", {"plain": canary})
    put("plain", value=canary + "2")
    ns.wait_data("app", {"plain": canary + "2"})


def test_a_config_map_that_is_missing_and_comes_later(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put("plain", value=canary)
    ns.add("app", of_flows())
    told = condition(ns.ready("app", "False", reason="InvalidSpec"))["message"]
    assert told == "ConfigMap my-flows, which the spec names, does not exist"
    ns.add_config_map("my-flows", {"mcp.json": MCP})
    ns.wait_data("app", {"plain": canary})
    ns.api.delete(f"/api/v1/namespaces/{ns.name}/configmaps/my-flows")
    ns.ready("app", "False", reason="InvalidSpec")
    assert ns.data("app") == {"plain": canary}


def test_a_secret_that_is_missing_is_named(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put("slack", user=canary)
    ns.add_config_map("my-flows", {"hello.flow.yaml": HELLO})
    ns.add("app", of_flows())
    told = condition(ns.ready("app", "False", reason="PropertyNotFound"))["message"]
    assert "key slack: no property 'token' (for SLACK_TOKEN)" in told
    assert ns.data("app") is None


@pytest.mark.parametrize(
    ("text", "reason", "fault"),
    [
        (
            "name: x\nvars: '{{ secrets.A'",
            "InvalidTemplate",
            "ConfigMap my-flows, key f.yaml: flow x, vars: it is no temp",
        ),
        ("name: [", "InvalidSpec", "ConfigMap my-flows, key f.yaml: it is not YAML"),
        ("a: &a [*a]", "InvalidSpec", "ConfigMap my-flows, key f.yaml: it is nested deeper than 100 levels"),
    ],
)
def test_a_file_that_is_no_flow_is_named(ns: Namespace, text: str, reason: str, fault: str) -> None:
    ns.add_config_map("my-flows", {"f.yaml": text})
    ns.add("app", of_flows())
    assert condition(ns.ready("app", "False", reason=reason))["message"].startswith(fault)


def test_data_wins_and_templates_take_what_flows_brought(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put("plain", value="of the flow")
    put("other", value=canary)
    ns.add_config_map("my-flows", {"mcp.json": MCP})
    data = [{"secretKey": "plain", "remoteRef": {"key": "other"}}]
    ns.add("app", of_flows(data=data, target={"template": {"data": {".env": "{{ secrets | dotenv }}"}}}))
    ns.wait_data("app", {".env": f"plain='{canary}'\n"})
