"""The schema of the file: it takes what the loader takes, and refuses what an editor should underline."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from beemflow_secrets.library.config import SecretsConfig
from beemflow_secrets.library.schema import file_schema
from beemflow_secrets.providers.errors import Invalid

EXAMPLES = Path(__file__).parents[3] / "examples"

VAULT = {"address": "https://vault.example.com", "path": "secret", "token": "${TOKEN}"}

RIGHT: list[dict[str, Any]] = [
    {},
    {"secrets": {}},
    {"secrets": {"driver": "env", "prefix": "BEEMFLOW_"}, "storage": {"anything": 1}},
    {"secrets": {"driver": "vault", "vault": VAULT}},
    {"secrets": {"driver": "vault", "vault": {**VAULT, "address": "${ADDRESS}", "auth_method": "${METHOD}"}}},
    {"secrets": {"driver": "vault", "vault": {**VAULT, "token": "$env:TOKEN"}, "timeout": "${TIMEOUT}"}},
    {"secrets": {"access_policies": [{"flow_patterns": ["${TOKEN}/*"], "allowed_actions": ["read"]}, {}]}},
    {"secrets": {"audit": {"sinks": [{"type": "file", "path": "a"}, {"type": "webhook", "url": "${ADDRESS}"}]}}},
    {"secrets": {"driver": "file", "file": {"path": "secrets.yaml"}, "retry": {"attempts": 2, "base_delay": "10ms"}}},
]
WRONG: list[dict[str, Any]] = [
    {"secrets": {"driver": "vualt"}},
    {"secrets": {"drvier": "env"}},
    {"secrets": {"timeout": "soon"}},
    {"secrets": {"timeout": -1}},
    {"secrets": {"retry": {"attempts": "4"}}},
    {"secrets": {"driver": "vault", "vault": {**VAULT, "authMethod": "token"}}},
    {"secrets": {"driver": "vault", "vault": {"path": "secret", "token": "t"}}},
    {"secrets": {"driver": "vault", "vault": {**VAULT, "token": {"secret_key_ref": {"name": "a", "key": "b"}}}}},
    {"secrets": {"driver": "vault", "vault": {**VAULT, "role_id_ref": "x"}}},
    {"secrets": {"namespaces": {"names": ["a"]}}},
    {"secrets": {"access_policies": [{"allowed_actions": ["raed"]}]}},
    {"secrets": {"access_policies": [{"secret_patterns": []}]}},
    {"secrets": {"access_policies": [{"flowPatterns": ["a"]}]}},
    {"secrets": {"audit": {"sinks": [{"type": "syslog"}]}}},
    {"secrets": {"audit": {"sinks": "stdout"}}},
    {"secrets": []},
]


@pytest.fixture(autouse=True)
def _variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TOKEN": "t", "ADDRESS": "https://v", "METHOD": "token", "TIMEOUT": "5s"}.items():
        monkeypatch.setenv(name, value)


def taken(document: object) -> bool:
    return bool(jsonschema.Draft202012Validator(file_schema()).is_valid(document))


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(file_schema())
    assert "x-kubernetes" not in json.dumps(file_schema())


OF_RESOURCES = re.compile(
    r"BeemFlow\w*(Secret|Store)|cluster store|operator|namespaced|annotation|\b[a-z]+[A-Z]|_ref\b"
)


def test_no_text_tells_of_resources() -> None:
    texts = re.findall(r'"description": "((?:[^"\\]|\\.)*)"', json.dumps(file_schema()))
    assert "The role's id, for auth_method approle." in texts
    assert [text for text in texts if OF_RESOURCES.search(text)] == []


@pytest.mark.parametrize("document", RIGHT, ids=json.dumps)
def test_what_loads_is_taken(document: dict[str, Any]) -> None:
    SecretsConfig.from_dict(document)
    assert taken(document)


@pytest.mark.parametrize("document", WRONG, ids=json.dumps)
def test_what_does_not_load_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        SecretsConfig.from_dict(document)
    assert not taken(document)


def test_every_example_is_taken() -> None:
    examples = list(EXAMPLES.glob("*.json"))
    assert examples
    for path in examples:
        assert taken(json.loads(path.read_text())), path.name
