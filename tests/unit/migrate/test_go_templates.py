"""A Go template that is turned prints what Go prints; one that would not is not turned."""

from __future__ import annotations

import json
from typing import Any

import pytest

from beemflow_secrets.migrate.gotemplate.turn import NotTurned, turn
from beemflow_secrets.rendering.template.budget import Budget
from beemflow_secrets.rendering.template.engine import render
from beemflow_secrets.rendering.template.faults import TemplateError
from beemflow_secrets.rendering.template.values import Secret, Secrets
from tests.unit.migrate.templates import CORPUS, DATA, NOT_TURNED

ENTRIES: list[dict[str, Any]] = json.loads(CORPUS.read_text(encoding="utf-8"))
NAMES = {"secrets": Secrets({name: Secret(text) for name, text in DATA.items()}, whole=True)}


def printed(text: str) -> str:
    return render(text, NAMES, Budget(steps=10**6, size=10**9)).decode()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["template"][:60])
def test_a_turned_template_prints_what_go_prints(entry: dict[str, Any]) -> None:
    text, output = entry["template"], entry["output"]
    if text in NOT_TURNED:
        with pytest.raises(NotTurned):
            turn(text)
    elif output is None:
        with pytest.raises((NotTurned, TemplateError)):
            printed(turn(text).text)
    else:
        assert printed(turn(text).text) == output


def test_most_of_the_corpus_is_turned() -> None:
    assert sum(entry["output"] is not None for entry in ENTRIES) > 190


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{{ htpasswd .a .b }}", "the function htpasswd has no counterpart here"),
        ('{{ template "x" }}', "the statement template has no counterpart here"),
        ("{{ .a", "an action does not end"),
    ],
)
def test_what_is_not_turned_is_told_by_its_name(text: str, told: str) -> None:
    with pytest.raises(NotTurned, match=told):
        turn(text)


def test_what_may_print_otherwise_is_told() -> None:
    assert [caution.split()[0] for caution in turn("{{ .a | toJson }}{{ .b | quote }}").cautions] == ["toJson", "quote"]
    assert turn("{{ .a | b64enc }}").cautions == []


def test_a_transform_has_its_own_name() -> None:
    assert turn("{{ .value | upper }}", {"value": "value"}).text == "{{ value | upper }}"
