"""What README.md and docs/ show in blocks is right, also where no other test runs it as it stands there."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from beemflow_secrets.cli.app import app
from beemflow_secrets.library.config import SecretsConfig
from beemflow_secrets.model.secret import SecretSpec
from beemflow_secrets.model.store import StoreSpec
from beemflow_secrets.telemetry.metrics import registry
from docs import values
from e2e.chart import render

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
TEXTS = {str(page.relative_to(ROOT)): page.read_text() for page in PAGES}

_BLOCK = re.compile(r"^```(\S*)\n(.*?)^```", flags=re.DOTALL | re.MULTILINE)
_OURS = re.compile(r"(?<![\w/-])(?<!install )(?:beemflow-secrets|kubectl beemflow) +([a-z]+)\b([^|;&\n`]*)")
_OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")
VERBS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # a group has them


def blocks(language: str) -> list[Any]:
    """Return all blocks of a language, named by page and line."""
    found = [(page, text, block) for page, text in TEXTS.items() for block in _BLOCK.finditer(text)]
    return [
        pytest.param(block[2], id=f"{page}:{text.count(chr(10), 0, block.start()) + 1}")
        for page, text, block in found
        if block[1] == language
    ]


def test_every_block_says_its_language() -> None:
    assert [page for page, text in TEXTS.items() for block in _BLOCK.finditer(text) if not block[1]] == []


# Fragments of YAML that other tests hold, by their first keys: resources (test_site.py), parts of pods (e2e/), a rule
# of a role (test_helm.py), flows and values (the tests of their pages).
HELD_ELSEWHERE = {"apiVersion", "containers", "apiGroups", "name", "SLACK_TOKEN", "slack/bot"}


@pytest.mark.parametrize("text", blocks("yaml"))
def test_a_part_of_a_spec_is_taken(text: str) -> None:
    for fragment in yaml.safe_load_all(text):
        if next(iter(fragment)) in HELD_ELSEWHERE:
            continue
        if "extraVolumes" in fragment:
            render(fragment)
        elif "driver" in fragment:
            StoreSpec.model_validate(fragment)
        else:
            part = fragment.get("spec", fragment)
            source = {} if "dataFrom" in part else {"data": [{"secretKey": "a", "remoteRef": {"key": "a"}}]}
            SecretSpec.model_validate({"secretStoreRef": {"name": "prod"}} | source | part)


@pytest.mark.parametrize("text", blocks("json"))
def test_a_configuration_loads(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in re.findall(r"\$\{(\w+)\}|\$env:(\w+)", text):
        monkeypatch.setenv("".join(name), "https://example.com")
    document = json.loads(text)
    if "secrets" in document and '"driver": "mine"' not in text:  # of a driver that its page's test installs
        SecretsConfig.from_dict(document)


@pytest.mark.parametrize("text", blocks("python"))
def test_a_program_is_one(text: str) -> None:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("open_secrets") and node.args:
            configuration = ast.literal_eval(node.args[0])
            if isinstance(configuration, dict):
                SecretsConfig.from_dict({"secrets": configuration})


@pytest.mark.parametrize("text", blocks("sh"))
def test_a_script_is_one(text: str) -> None:
    ran = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("page", TEXTS)
def test_commands_have_verbs_and_flags_that_are_there(page: str) -> None:
    for verb, rest in _OURS.findall(TEXTS[page]):
        assert verb in VERBS, f"no verb {verb}"
        known = {option for param in VERBS[verb].params for option in param.opts} | {"--help"}
        ours = rest.partition(" -- ")[0]
        assert set(_OPTION.findall(ours)) <= known, f"{verb}{rest}"


@pytest.mark.parametrize("page", TEXTS)
def test_targets_of_make_are_there(page: str) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    told = re.findall(r"(?:^|`)make ([a-z0-9-]+)", TEXTS[page], flags=re.MULTILINE)
    assert set(told) - {"help"} <= targets


@pytest.mark.parametrize("page", TEXTS)
def test_metrics_are_there(page: str) -> None:
    known = {sample for family in registry.collect() for sample in (family.name, f"{family.name}_total")}
    told = re.findall(r"\bbeemflow_secrets_\w+", TEXTS[page])
    assert {re.sub("_(bucket|count|sum)$", "", name) for name in told} <= known


def test_values_of_the_chart_are_there() -> None:
    known = {name for name, _, _ in values.rows()}
    wishes = TEXTS["docs/install.md"].partition("| wish | values |")[2].partition("\n\n")[0]
    told = set(re.findall(r"`([a-z]\w*(?:\.\w+)*)(?:: [^`]*)?`", wishes)) - {"value", "NO_PROXY"}
    assert len(told) > 20
    assert {name for name in told if not any(one == name or one.startswith(f"{name}.") for one in known)} == set()
