"""Texts that nobody would write, and output that goes nowhere: one line and an exit code, never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

Ran = subprocess.CompletedProcess[str]

LONG = "k" * 1100
ALONE = r'"\ud800"'
FLOW = '{"name": "f", "steps": [{"id": "a", "with": {"text": "{{ secrets.A }} {{ secrets[vars.name] }}"}}]}'
RENDERED = '{"apiVersion": "secrets.beemflow.io/v1", "kind": "BeemFlowSecret", "metadata": {"name": "a"}, "spec": %s}'
SECRET = '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "stringData": {"a": %s}}'
HUGE = "9" * 6000


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    section = {"driver": "file", "file": {"path": "secrets.json"}}
    Path("flow.config.json").write_text(json.dumps({"secrets": section}))
    held = {"A": "é", "x:key:y": "1", LONG: "2", "n\u001b[1mo": "3", "c": {"\ud800": 1}}
    Path("secrets.json").write_text(json.dumps(held))
    Path("flow.json").write_text(FLOW)


def typed(verb: str, **environment: str) -> Ran:
    """Run a line of the shell in which $B is the program; its exit code is the program's."""
    told = {"PATH": os.environ["PATH"], "B": f"{sys.executable} -W error -m beemflow_secrets", **environment}
    ran = subprocess.run(["sh", "-c", verb], env=told, capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in ran.stderr
    return ran


@pytest.mark.parametrize(
    ("file", "text", "verb", "said"),
    [
        ("c.json", f'{{"secrets": {{"driver": "env", "ttl": {HUGE}}}}}', "get A --config", "too many digits"),
        ("c.yaml", f"secrets: {{driver: env, ttl: {HUGE}}}", "get A --config", "a number has too many digits (line 1)"),
        ("c.json", f'{{"secrets": {{"ttl": {HUGE}}}}}', "migrate config", "too many digits"),
        ("f.json", FLOW.replace('"a"', ALONE), "refs", "half a letter"),
        ("f.json", FLOW.replace('"f"', ALONE), "refs -o json", "half a letter"),
        ("m.json", RENDERED % f'{{"a": {ALONE}}}', "render", "half a letter"),
        ("s.json", SECRET % ALONE, "render", "half a letter"),
        ("k", "[" * 100_000, "status --kubeconfig", "cannot read k: it is no YAML"),
    ],
)
def test_a_file_that_nobody_would_write_is_told_in_one_line(file: str, text: str, verb: str, said: str) -> None:
    Path(file).write_text(text)
    ran = typed(f"$B {verb} {file}")
    assert (ran.returncode, ran.stdout, len(ran.stderr.splitlines())) == (2, "", 1)
    assert said in ran.stderr
    assert "set_int_max_str_digits" not in ran.stderr


def test_a_name_that_no_encoding_holds_is_no_value_and_stands_escaped_in_a_list() -> None:
    ran = typed("$B get c --show")
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", "c: the value is no valid text\n")
    Path("secrets.json").write_text(f'{{{ALONE}: "x"}}')
    assert typed("$B list").stdout.splitlines() == ["NAME", r"\ud800"]
    assert json.loads(typed("$B list -o json").stdout) == ["\ud800"]
    assert typed("$B list -o yaml").stdout == '- "\\uD800"\n'


def test_a_table_in_a_pipe_has_each_name_whole_in_one_line() -> None:
    named = typed("$B list").stdout.splitlines()
    assert named == ["NAME", "A", "c", LONG, r"n\x1b[1mo", "x:key:y"]


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        ("$B crds >/dev/full", "No space left on device (OSError)"),
        ("$B list >/dev/full", "No space left on device (OSError)"),
        ("PYTHONUNBUFFERED=1 $B list >/dev/full", "No space left on device (OSError)"),
        ("$B get A >&-", "Bad file descriptor (OSError)"),
    ],
)
def test_an_output_that_cannot_be_written_is_told_in_one_line(verb: str, said: str) -> None:
    ran = typed(verb)
    assert (ran.returncode, ran.stderr) == (1, f"input or output: {said}\n")


def test_values_are_utf_8_in_every_language() -> None:
    ran = typed("$B export --key A --show", PYTHONIOENCODING="ascii")
    assert (ran.returncode, ran.stdout.strip(), ran.stderr) == (0, "A='é'", "")


@pytest.mark.parametrize("verb", ["export --for-flow flow.json --show", "exec --for-flow flow.json -- env"])
def test_keys_that_only_a_run_can_tell_are_told_where_the_others_are_handed_over(verb: str) -> None:
    ran = typed(f"$B {verb}")
    assert (ran.returncode, "é" in ran.stdout, len(ran.stderr.splitlines())) == (0, True, 1)
    assert "is computed: only a run tells which key it is" in ran.stderr


def test_the_schema_is_json_or_yaml_and_no_table() -> None:
    written = typed("$B schema -o yaml").stdout
    assert ("title: flow.config.json" in written, "&id" in written) == (True, False)
    assert json.loads(typed("$B schema").stdout)["title"] == "flow.config.json"
    ran = typed("$B schema -o table")
    assert (ran.returncode, ran.stderr) == (2, "a schema is no table: -o json or -o yaml\n")
