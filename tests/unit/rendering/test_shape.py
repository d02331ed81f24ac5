"""From what was read to how the Secret looks: data, labels and annotations that templates make."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from beemflow_secrets.model.template import Template
from beemflow_secrets.rendering.compose import Composed, Entry
from beemflow_secrets.rendering.shape import NoSuchKey, named, names, parts, shaped
from beemflow_secrets.rendering.template.budget import aside
from beemflow_secrets.rendering.template.faults import TemplateError
from beemflow_secrets.rendering.template.job import Job

CANARY = "canary-6a11"
AT = datetime(2026, 11, 25, tzinfo=UTC)

READ = Composed(
    {"token": CANARY.encode(), "user": b"bot", "cert": b"\xff\x00"},
    [Entry(key, "prod", key, "3", AT, None) for key in ("token", "user", "cert")],
    marks=("mark",),
)
HELD = {
    ("ConfigMap", "templates"): {
        "app.ini": b"user={{ secrets.user }}",
        "map": b"A: '{{ secrets.user }}'\nB: 1.10\nC: [true]\n",
        "binary": b"\xff",
    },
    ("Secret", "templates"): {"app.ini": b"secret={{ secrets.user }}"},
}


def made(**spec: Any) -> Composed:
    template = Template.model_validate(spec)
    wanted = parts(template, HELD)
    printed: list[bytes] = []
    Job([(part.place, part.text) for part in wanted], names(READ), {}).run(aside(), printed)
    return shaped(template, READ, list(zip(wanted, printed, strict=True)))


def refusal(**spec: Any) -> str:
    with pytest.raises(TemplateError) as caught:
        made(**spec)
    assert CANARY not in str(caught.value)
    return caught.value.message


def origin(kind: str, key: str, template_as: str = "Values", **fields: str) -> dict[str, Any]:
    return {kind: {"name": "templates", "items": [{"key": key, "templateAs": template_as}]}, **fields}


def test_data_is_what_templates_make_and_nothing_else() -> None:
    found = made(data={"ini": "token={{ secrets.token }}\n", "cert": "{{ secrets.cert }}"})
    assert found.data == {"ini": f"token={CANARY}\n".encode(), "cert": b"\xff\x00"}
    assert (found.entries, found.marks) == (READ.entries, READ.marks)


def test_merge_lays_it_over_what_was_read() -> None:
    found = made(mergePolicy="Merge", data={"user": "{{ secrets.user | upper }}", "new": "x"})
    assert found.data == {**READ.data, "user": b"BOT", "new": b"x"}


def test_without_templates_of_data_all_that_was_read_stays() -> None:
    found = made(
        metadata={"labels": {"team": "{{ secrets.user }}"}, "annotations": {"version": "{{ secrets.user.version }}"}}
    )
    assert found.data == READ.data
    assert (found.labels, found.annotations) == ({"team": "bot"}, {"version": "3"})


def test_a_key_of_an_object_becomes_a_value_or_keys_and_values() -> None:
    assert made(templateFrom=[origin("configMap", "app.ini")]).data == {"app.ini": b"user=bot"}
    assert made(templateFrom=[origin("secret", "app.ini")]).data == {"app.ini": b"secret=bot"}
    found = made(templateFrom=[origin("configMap", "map", "KeysAndValues")])
    assert found.data == {"A": b"bot", "B": b"1.10", "C": b"[true]"}


def test_a_literal_becomes_keys_and_values() -> None:
    line = "{{ key | upper }}: {{ secrets[key] | json }}\n"
    literal = f"{{% for key in secrets if key != 'cert' %}}{line}{{% endfor %}}"
    assert made(templateFrom=[{"literal": literal}]).data == {"TOKEN": CANARY.encode(), "USER": b"bot"}


def test_what_stands_later_wins_and_data_over_all() -> None:
    found = made(
        templateFrom=[origin("configMap", "app.ini"), origin("secret", "app.ini"), {"literal": "a: 1\nb: 2"}],
        data={"b": "3"},
    )
    assert found.data == {"app.ini": b"secret=bot", "a": b"1", "b": b"3"}


def test_labels_and_annotations_from_elsewhere() -> None:
    found = made(
        templateFrom=[
            {"literal": "team: '{{ secrets.user }}'", "target": "Labels"},
            origin("configMap", "map", "KeysAndValues", target="Annotations"),
        ],
        metadata={"labels": {"team": "mine"}},
    )
    assert found.data == READ.data
    assert (found.labels, found.annotations) == ({"team": "mine"}, {"A": "bot", "B": "1.10", "C": "[true]"})


def test_the_objects_that_a_template_names() -> None:
    template = Template.model_validate(
        {"templateFrom": [origin("configMap", "a"), origin("secret", "b"), {"literal": "c"}]}
    )
    assert named(template) == {("ConfigMap", "templates"), ("Secret", "templates")}


def test_a_key_that_an_object_has_not_is_named() -> None:
    with pytest.raises(NoSuchKey, match=r"^ConfigMap templates, key nope: there is no such key$"):
        made(templateFrom=[origin("configMap", "nope")])


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ({"data": {"ini": "a\n{{ secrets.nope }}"}}, "template key ini: line 2: secrets.nope is undefined"),
        ({"metadata": {"labels": {"a": "{{ secrets.nope }}"}}}, "label a: secrets.nope is undefined"),
        ({"metadata": {"annotations": {"a": "{{ x }}"}}}, "annotation a: x is undefined"),
        ({"templateFrom": [{"literal": "{{ x }}"}]}, "templateFrom[0].literal: x is undefined"),
        ({"templateFrom": [origin("configMap", "binary")]}, "ConfigMap templates, key binary: it is binary"),
        ({"templateFrom": [{"literal": "{{ secrets.token }}"}]}, "templateFrom[0].literal: what it prints is no map"),
        ({"templateFrom": [{"literal": "a: [\n"}]}, "templateFrom[0].literal: what it prints is no map"),
        ({"templateFrom": [{"literal": "a: '{{ secrets.cert }}'"}]}, "templateFrom[0].literal: it is binary"),
        ({"templateFrom": [{"literal": "a:"}]}, "templateFrom[0].literal: key 1 of what it prints has no value"),
        ({"templateFrom": [{"literal": "a/b: x"}]}, "key 1 of what it prints cannot be a key of a Secret"),
        ({"templateFrom": [{"literal": "..a: x"}]}, "key 1 of what it prints cannot be a key of a Secret"),
        ({"metadata": {"labels": {"a": "{{ secrets.token }} x"}}}, "label a: a cannot be set to what was made of it"),
        ({"metadata": {"labels": {"a": "{{ secrets.cert }}"}}}, "label a: it is binary"),
        (
            {"templateFrom": [{"literal": "secrets.beemflow.io/owner: x", "target": "Labels"}]},
            "key 1 of what it prints cannot be set",
        ),
        (
            {"templateFrom": [{"literal": "secrets.beemflow.io/adopt: x", "target": "Annotations"}]},
            "key 1 of what it prints cannot be set",
        ),
        ({"templateFrom": [{"literal": "a: '{{ 'x' * 300000 }}'"}]}, "more than 256 KiB"),
    ],
)  # fmt: skip
def test_mistakes_name_the_template_and_show_no_value(spec: dict[str, Any], fault: str) -> None:
    assert fault in refusal(**spec)
