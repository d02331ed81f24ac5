"""target.template on a real API server: what it makes, what it follows, and what a bad one costs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.controlplane.conftest import entry, spec, until
from tests.support.api import condition

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.api import Namespace, Object
    from tests.support.operator import Operator

pytestmark = pytest.mark.usefixtures("operator", "store")

TOKEN = entry("token", "slack", property="token")
USER = entry("user", "slack", property="user")
FOLLOWED = 15.0
"""Seconds within which a change of a named object is seen; a busy machine is given the same again."""


def templated(*entries: Object, target: Object | None = None, **template: Any) -> Object:
    return spec(*(entries or (TOKEN, USER)), target={**(target or {}), "template": template})


def metadata(ns: Namespace, name: str) -> Object:
    found = ns.api.get(ns.secret_path(name))
    assert found is not None
    told: Object = found["metadata"]
    return told


def test_data_metadata_and_type(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put("slack", token=canary, user="bot")
    ns.add(
        "slack",
        templated(
            type="example.com/app",
            data={
                "config.ini": "user={{ secrets.user }}\ntoken={{ secrets.token }}\n",
                "url": "{{ secrets.user | urlencode }}",
            },
            metadata={
                "labels": {"team": "{{ secrets.user }}"},
                "annotations": {"version": "{{ secrets.user.version }}"},
            },
        ),
    )
    ready = ns.ready("slack")
    assert ns.data("slack") == {"config.ini": f"user=bot\ntoken={canary}\n", "url": "bot"}
    found = ns.api.get(ns.secret_path("slack"))
    assert found is not None
    assert found["type"] == "example.com/app"
    assert found["metadata"]["labels"]["team"] == "bot"
    assert found["metadata"]["annotations"]["version"] == "1"
    assert [told["secretKey"] for told in ready["status"]["entries"]] == ["token", "user"]


def test_a_rotation_is_rendered(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put("slack", token=canary, user="bot")
    ns.add("slack", {**templated(data={"t": "<{{ secrets.token }}>"}, mergePolicy="Merge"), "refreshInterval": "1s"})
    ns.wait_data("slack", {"token": canary, "user": "bot", "t": f"<{canary}>"})
    put("slack", token=canary + "2", user="bot")
    ns.wait_data("slack", {"token": canary + "2", "user": "bot", "t": f"<{canary}2>"})


def test_labels_and_annotations_that_left_the_template_go_and_others_stay(
    ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary, user="bot")
    literal = {"literal": "from-{{ secrets.user }}: x", "target": "Labels"}
    ns.add("slack", templated(metadata={"labels": {"a": "1"}, "annotations": {"b": "2"}}, templateFrom=[literal]))
    ns.ready("slack")
    ns.api.patch(ns.secret_path("slack"), {"metadata": {"labels": {"theirs": "1"}, "annotations": {"theirs": "2"}}})
    assert (
        metadata(ns, "slack")["labels"] | {"a": "1", "from-bot": "x", "theirs": "1"} == metadata(ns, "slack")["labels"]
    )
    ns.api.patch(ns.path("slack"), {"spec": {"target": {"template": None}}})
    until(lambda: "a" not in metadata(ns, "slack")["labels"])
    left = metadata(ns, "slack")
    assert "from-bot" not in left["labels"]
    assert "b" not in left["annotations"]
    assert (left["labels"]["theirs"], left["annotations"]["theirs"]) == ("1", "2")


@pytest.mark.parametrize("kind", ["configMap", "secret"])
def test_what_template_from_names_is_followed(ns: Namespace, put: Callable[..., int], canary: str, kind: str) -> None:
    put("slack", token=canary, user="bot")
    origin = {"name": "templates", "items": [{"key": "app.ini"}, {"key": "map", "templateAs": "KeysAndValues"}]}
    ns.add("slack", templated(templateFrom=[{kind: origin}]))
    told = condition(ns.ready("slack", "False", reason="InvalidSpec"))["message"]
    assert f"{'ConfigMap' if kind == 'configMap' else 'Secret'} templates, which the spec names, does not exist" in told
    add = ns.add_config_map if kind == "configMap" else ns.add_secret
    made = add("templates", {"app.ini": "{{ secrets.token }}", "map": "a: '{{ secrets.user }}'"})
    began = time.monotonic()
    ns.wait_data("slack", {"app.ini": canary, "a": "bot"})
    path = (
        ns.secret_path("templates").replace("/secrets/", "/configmaps/")
        if kind == "configMap"
        else ns.secret_path("templates")
    )
    field = "data" if kind == "configMap" else "stringData"
    ns.api.patch(path, {field: {"app.ini": "<{{ secrets.token }}>"}})
    ns.wait_data("slack", {"app.ini": f"<{canary}>", "a": "bot"})
    assert time.monotonic() - began < 2 * 2 * FOLLOWED
    assert made["metadata"]["name"] == "templates"


def test_a_key_that_a_config_map_has_not_is_named(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put("slack", token=canary, user="bot")
    ns.add_config_map("templates", {"a": "x"})
    ns.add("slack", templated(templateFrom=[{"configMap": {"name": "templates", "items": [{"key": "nope"}]}}]))
    told = condition(ns.ready("slack", "False", reason="InvalidSpec"))["message"]
    assert told == "ConfigMap templates, key nope: there is no such key"


def test_a_change_of_a_config_map_while_nobody_looked(
    ns: Namespace, put: Callable[..., int], canary: str, operator: Operator
) -> None:
    put("slack", token=canary, user="bot")
    ns.add_config_map("templates", {"a": "{{ secrets.user }}"})
    ns.add("slack", templated(templateFrom=[{"configMap": {"name": "templates", "items": [{"key": "a"}]}}]))
    ns.wait_data("slack", {"a": "bot"})
    operator.stop()
    ns.api.patch(ns.secret_path("templates").replace("/secrets/", "/configmaps/"), {"data": {"a": "new"}})
    operator.start()
    ns.wait_data("slack", {"a": "new"})


def test_what_is_undefined_is_named_and_nothing_is_written(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put("slack", token=canary, user="bot")
    ns.add("slack", templated(data={"config.ini": "{{ secrets.token }}\n{{ secrets.nope }}"}))
    told = condition(ns.ready("slack", "False", reason="InvalidTemplate"))["message"]
    assert told == "template key config.ini: line 2: secrets.nope is undefined"
    assert ns.data("slack") is None
    ns.api.patch(ns.path("slack"), {"spec": {"target": {"template": {"data": {"config.ini": "{{ secrets.token }}"}}}}})
    ns.wait_data("slack", {"config.ini": canary})


def test_a_template_that_turns_bad_leaves_the_secret_as_it_is(
    ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary, user="bot")
    ns.add("slack", templated(data={"a": "{{ secrets.token }}"}))
    ns.ready("slack")
    ns.api.patch(ns.path("slack"), {"spec": {"target": {"template": {"data": {"a": "{{ secrets.token"}}}}})
    ns.ready("slack", "False", reason="InvalidTemplate")
    assert ns.data("slack") == {"a": canary}


def test_keys_are_merged_into_somebody_elses_secret(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put("slack", token=canary, user="bot")
    ns.add_secret("theirs", {"own": "1"})
    target = {"name": "theirs", "creationPolicy": "Merge"}
    ns.add("slack", templated(target=target, data={"ini": "{{ secrets.token }}"}))
    ns.wait_data("theirs", {"own": "1", "ini": canary})


def test_a_key_that_was_made_by_a_template_and_edited_by_hand_is_taken_back_after_a_restart(
    ns: Namespace, put: Callable[..., int], canary: str, operator: Operator
) -> None:
    put("slack", token=canary, user="bot")
    ns.add_secret("theirs", {"own": "1"})
    ns.add(
        "slack", templated(target={"name": "theirs", "creationPolicy": "Merge"}, data={"ini": "{{ secrets.token }}"})
    )
    ns.wait_data("theirs", {"own": "1", "ini": canary})
    ns.ready("slack")
    operator.stop()
    ns.api.patch(ns.secret_path("theirs"), {"stringData": {"ini": "edited"}})
    operator.start()
    ns.api.patch(ns.path("slack"), {"metadata": {"annotations": {"secrets.beemflow.io/refresh-requested-at": "now"}}})
    ns.wait_data("theirs", {"own": "1", "ini": canary})


def test_made_once_its_labels_are_repaired_without_a_read(
    ns: Namespace, put: Callable[..., int], canary: str, reads: Callable[[str], int]
) -> None:
    put("slack", token=canary, user="bot")
    labels = {"team": "{{ secrets.user }}"}
    ns.add(
        "slack",
        {**templated(metadata={"labels": labels}, data={"a": "{{ secrets.token }}"}), "refreshPolicy": "CreatedOnce"},
    )
    ns.ready("slack")
    before = reads("slack")
    ns.api.patch(ns.secret_path("slack"), {"metadata": {"labels": {"team": "other"}}})
    until(lambda: metadata(ns, "slack")["labels"]["team"] == "bot")
    assert reads("slack") == before


BOMBS = [
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "{% set n = namespace(a='x') %}{% for i in range(60) %}{% set n.a = n.a + n.a %}{% endfor %}",
    "{{ 'a' * 10 ** 10 }}",
    "{{ secrets.token | pkcs12key }}",
]


def test_a_bomb_costs_its_own_resource_and_nobody_else(
    ns: Namespace, put: Callable[..., int], canary: str, operator: Operator
) -> None:
    put("slack", token=canary, user="bot")
    put("calm", token=canary)
    for number, bomb in enumerate(BOMBS * 3):
        ns.add(f"bomb-{number}", templated(data={"a": bomb + f"{{# {number} #}}"}))
    slowest = 0.0
    for number in range(5):
        began = time.monotonic()
        ns.add(f"calm-{number}", spec(entry("token", "calm", property="token")))
        ns.wait_data(f"calm-{number}", {"token": canary})
        slowest = max(slowest, time.monotonic() - began)
    for number in range(len(BOMBS) * 3):
        told = condition(ns.ready(f"bomb-{number}", "False", reason="InvalidTemplate"))["message"]
        assert told.startswith("template key a: ")
    assert slowest < 5.0  # what a bomb may take; on a quiet machine it is a tenth of a second
    until(lambda: operator.metric("process_resident_memory_bytes") < 200 * 1024 * 1024)
    assert operator.get("/healthz")[0] == 200
