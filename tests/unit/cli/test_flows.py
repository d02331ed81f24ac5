"""`refs` and `validate`, typed as a person types them, on files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

Ran = subprocess.CompletedProcess[str]

CANARY = "canary-90c4"

FLOW = """
name: hello
steps:
  - id: greet
    with: {token: "{{ secrets.TOKEN }}", user: '{{ secrets["slack/bot#user"] | default "bot" }}'}
  - with: {home: "{{ secrets.HOME }}", any: "{{ secrets[vars.name] }}"}
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = {"secrets": {"driver": "file", "file": {"path": "secrets.json"}}}
    Path("flow.config.json").write_text(json.dumps(config))
    Path("secrets.json").write_text(json.dumps({"TOKEN": CANARY, "slack/bot": {"user": CANARY}}))
    Path("hello.flow.yaml").write_text(FLOW)


def typed(*arguments: str) -> Ran:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-m", "beemflow_secrets", *arguments],
        env={"PATH": os.environ["PATH"], "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert CANARY not in ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    return ran


def test_refs_as_json_has_the_contracts_fields() -> None:
    ran = typed("refs", "hello.flow.yaml", "-o", "json")
    place = {"flow": "hello", "file": "hello.flow.yaml"}
    assert (ran.returncode, json.loads(ran.stdout)) == (
        0,
        [
            {"key": "TOKEN", "optional": False, **place, "step": "greet", "path": "steps[0].with.token"},
            {"key": "slack/bot#user", "optional": True, **place, "step": "greet", "path": "steps[0].with.user"},
            {"key": "HOME", "optional": False, **place, "step": None, "path": "steps[1].with.home"},
        ],
    )
    assert ran.stderr == (
        "hello.flow.yaml: flow hello, steps[1].with.any: secrets[vars.name] is computed: "
        "only a run tells which key it is\n"
    )


def test_refs_of_several_files_in_all_forms() -> None:
    Path("mcp.json").write_text('{"mcpServers": {"x": {"env": {"KEY": "$env:KEY"}}}}')
    ran = typed("refs", "hello.flow.yaml", "mcp.json")
    rows = [line.split() for line in ran.stdout.splitlines()]
    assert rows[0] == ["KEY", "OPTIONAL", "FLOW", "FILE", "STEP", "PATH"]
    assert ["TOKEN", "no", "hello", "hello.flow.yaml", "greet", "steps[0].with.token"] in rows
    assert ["KEY", "no", "mcp.json", "mcpServers.x.env.KEY"] in rows
    found = yaml.safe_load(typed("refs", "hello.flow.yaml", "mcp.json", "-o", "yaml").stdout)
    assert [one["key"] for one in found] == ["TOKEN", "slack/bot#user", "HOME", "KEY"]


def test_a_flow_whose_secrets_are_there_is_valid() -> None:
    ran = typed("validate", "hello.flow.yaml")
    assert (ran.returncode, ran.stdout) == (0, "")
    assert "is computed" in ran.stderr
    assert json.loads(typed("validate", "hello.flow.yaml", "-o", "json").stdout) == []


def test_all_that_is_missing_is_named_with_file_flow_step_and_key() -> None:
    Path("bad.yaml").write_text(
        "name: bad\n"
        "steps:\n"
        "  - {id: a, with: '{{ secrets.NOPE }}'}\n"
        "  - {id: b, if: '{{ secrets[\"slack/bot#nope\"] }}'}\n"
    )
    ran = typed("validate", "hello.flow.yaml", "bad.yaml")
    assert ran.returncode == 3
    told = [line for line in ran.stderr.splitlines() if "computed" not in line]
    assert [line.rpartition(": not found: ")[0] for line in told] == [
        "bad.yaml: flow bad, step a, steps[0].with: NOPE",
        "bad.yaml: flow bad, step b, steps[1].if: slack/bot#nope",
    ]
    (first, second) = json.loads(typed("validate", "bad.yaml", "-o", "json").stdout)
    assert (first["key"], first["file"], first["flow"], first["step"]) == ("NOPE", "bad.yaml", "bad", "a")
    assert second["reason"].startswith("not found: ")


def test_exclude() -> None:
    Path("own.yaml").write_text('name: own\nvars: ["{{ secrets.HOME }}", "{{ secrets.AWS_REGION }}"]\n')
    assert typed("validate", "own.yaml").returncode == 3
    assert typed("validate", "own.yaml", "--exclude", "AWS_*", "--exclude", "HOME").returncode == 0
    ran = typed("validate", "own.yaml", "--exclude", "AWS_*")
    assert (ran.returncode, "HOME" in ran.stderr) == (3, True)


def test_a_policy_judges_the_flow_by_its_name_or_by_the_flag() -> None:
    section = {"driver": "file", "file": {"path": "secrets.json"}, "access_policies": [{"flow_patterns": ["hello"]}]}
    Path("flow.config.json").write_text(json.dumps({"secrets": section}))
    assert typed("validate", "hello.flow.yaml").returncode == 0
    ran = typed("validate", "hello.flow.yaml", "--flow", "other")
    assert ran.returncode == 3
    assert "hello.flow.yaml: flow hello, step greet, steps[0].with.token: TOKEN: denied: " in ran.stderr
    section["access_policies"] = [{"required_roles": ["ops"]}]
    Path("flow.config.json").write_text(json.dumps({"secrets": section}))
    assert typed("validate", "hello.flow.yaml").returncode == 3
    assert typed("validate", "hello.flow.yaml", "--role", "ops").returncode == 0


@pytest.mark.parametrize("verb", ["refs", "validate"])
@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("name: [", "bad.yaml: it is not YAML"),
        ("text: {{ secrets.A }}", "bad.yaml: a name is a list or a map (line 1); templates stand in quotes"),
        ("name: x\nvars: '{{ secrets.A'", "bad.yaml: flow x, vars: it is no template"),
        ("a: &a [*a]", "bad.yaml: it is nested deeper"),
    ],
)
def test_a_flow_that_does_not_parse(verb: str, text: str, fault: str) -> None:
    Path("bad.yaml").write_text(text)
    ran = typed(verb, "bad.yaml")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith(fault)
    assert len(ran.stderr.splitlines()) == 1


@pytest.mark.parametrize("verb", ["refs", "validate"])
def test_a_file_that_is_not_there(verb: str) -> None:
    ran = typed(verb, "nope.yaml")
    assert (ran.returncode, ran.stderr) == (2, "nope.yaml: No such file or directory\n")
    assert typed(verb).returncode == 2


def test_a_wrong_configuration_and_a_backend_that_is_away() -> None:
    Path("secrets.json").unlink()
    ran = typed("validate", "hello.flow.yaml")
    assert ran.returncode == 1
    Path("flow.config.json").write_text('{"secrets": {"driver": "nope"}}')
    assert typed("validate", "hello.flow.yaml").returncode == 2
