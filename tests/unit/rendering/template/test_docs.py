"""docs/templates.md: what stands there is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from beemflow_secrets.model.secret import SecretSpec, Target
from beemflow_secrets.rendering.compose import Composed, Entry
from beemflow_secrets.rendering.shape import names, parts, shaped
from beemflow_secrets.rendering.template.budget import aside
from beemflow_secrets.rendering.template.job import Job
from beemflow_secrets.rendering.template.registry import FILTERS
from beemflow_secrets.rendering.template.values import Secret
from tests.unit.rendering.template.rendering import rendered

TEXT = (Path(__file__).parents[4] / "docs" / "templates.md").read_text()
ROWS: list[tuple[str, str]] = re.findall(r"^\| `(\{.*)` \| `(.*)` \|$", TEXT, flags=re.MULTILINE)
MANIFESTS: list[Any] = [yaml.safe_load(found) for found in re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)]

HELD = {"user": Secret("bot"), "config": Secret('{"ports": [443]}')}


@pytest.mark.parametrize(("text", "printed"), ROWS)
def test_the_table(text: str, printed: str) -> None:
    assert rendered(text.replace("\\|", "|"), held=HELD) == printed


def test_all_filters_are_named() -> None:
    assert len(ROWS) == 13
    aliases = {"tojson", "e", "escape", "forceescape", "safe"}  # of json, and of nothing at all
    assert [name for name in FILTERS if name not in aliases and not re.search(rf"\b{name}\b", TEXT)] == []


def test_the_manifest_makes_what_it_says() -> None:
    spec = SecretSpec.model_validate(MANIFESTS[0]["spec"])
    found = made(spec.target)
    assert found.data == {
        "slack.ini": b"[slack]\nuser = bot\ntoken = xoxb\n",
        ".env": b"token='xoxb'\nuser='bot'\n",
    }
    assert found.annotations == {"slack-version": "3"}


def test_templates_from_elsewhere() -> None:
    found = made(Target.model_validate(MANIFESTS[1]["target"]))
    assert found.data == {
        "token": b"xoxb", "user": b"bot", "app.ini": b"bot", "a": b"1", "SLACK_TOKEN": b"xoxb", "SLACK_USER": b"bot",
    }  # fmt: skip
    assert found.labels == {"team": "bot"}


def made(target: Target) -> Composed:
    entries = [Entry(key, "prod", "slack/bot", "3", None, None) for key in ("token", "user")]
    read = Composed({"token": b"xoxb", "user": b"bot"}, entries)
    documents = {("ConfigMap", "slack-templates"): {"app.ini": b"{{ secrets.user }}", "all": b"a: 1"}}
    wanted = parts(target.template, documents)
    printed: list[bytes] = []
    Job([(part.place, part.text) for part in wanted], names(read), {}).run(aside(), printed)
    return shaped(target.template, read, list(zip(wanted, printed, strict=True)))
