"""docs/data-from.md says what happens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from beemflow_secrets.model.sources import Rewrite
from beemflow_secrets.rendering.rewrite import Rewriting, steps_of
from beemflow_secrets.rendering.template.budget import here

TEXT = (Path(__file__).parents[3] / "docs" / "data-from.md").read_text()
TABLE = TEXT.partition("<!-- rewrite -->\n")[2].partition("\n\n")[0].splitlines()[2:]
ROWS = [tuple(re.findall(r"`([^`]*)`", row)) for row in TABLE]


def rewritten(name: str, *steps: object) -> str:
    done: list[bytes] = []
    Rewriting(steps_of([Rewrite.model_validate(step) for step in steps]), [name]).run(here(), done)
    return done[0].decode()


@pytest.mark.parametrize(("name", "source", "target", "becomes"), ROWS)
def test_each_row(name: str, source: str, target: str, becomes: str) -> None:
    assert rewritten(name, {"regexp": {"source": source, "target": target}}) == becomes


def test_the_resource() -> None:
    (resource,) = yaml.safe_load_all(TEXT.partition("```yaml\n")[2].partition("```")[0])
    assert rewritten("slack/bot", *resource["spec"]["dataFrom"][1]["rewrite"]) == "BOT"
    assert len(ROWS) >= 6
