from __future__ import annotations

import json
import logging
import pickle
from pathlib import Path
from typing import Any

import orjson
import pytest

from beemflow_secrets import Invalid, SecretsConfig
from beemflow_secrets.model.credentials import PlainCredential
from beemflow_secrets.model.form import RESOURCES_ONLY
from beemflow_secrets.model.section import OWN_DRIVERS
from beemflow_secrets.providers.registry import DRIVERS

ROOT = Path(__file__).parents[3]
CANARY = "canary-1f60"

BOMB = "a: &a [x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 20)}]\n" for old, new in zip("abcdef", "bcdefg", strict=True)
)

VAULT: dict[str, Any] = {
    "driver": "vault",
    "prefix": "team/",
    "timeout": "5s",
    "retry": {"attempts": 2, "base_delay": "50ms", "max_delay": 0},
    "tls": {"min_version": "1.2", "allow_plaintext": True},
    "health_check": {"interval": "2m"},
    "vault": {"address": "http://vault:8200", "auth_method": "token", "path": "secret/a", "token": "${VAULT_TOKEN}"},
}


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BEEMFLOW_SECRETS_CONFIG", raising=False)
    monkeypatch.setenv("VAULT_TOKEN", CANARY)


def fault(given: object) -> str:
    with pytest.raises(Invalid) as caught:
        SecretsConfig.of(given)  # type: ignore[arg-type]
    told = f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
    assert CANARY not in told
    return caught.value.message


def written(name: str, text: str) -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def manifest(text: str) -> str:
    body = "\n".join(f"    {line}" for line in text.splitlines())
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  flow.config.json: |\n{body}\n"


def check(config: SecretsConfig) -> None:
    assert (config.driver, config.prefix, config.timeout) == ("vault", "team/", 5.0)
    assert (config.retry.attempts, config.retry.base_delay, config.retry.max_delay) == (2, 0.05, 0.0)
    assert (config.tls.min_version, config.health_check.interval) == ("1.2", 120.0)
    assert config.vault is not None
    assert isinstance(config.vault.token, PlainCredential)
    assert config.vault.token.text == CANARY


# Where it comes from.


def test_every_form_gives_the_same() -> None:
    whole = {"storage": {"driver": "x"}, "secrets": VAULT, "flowsDir": "flows"}
    fields = "".join(f"  {name}: {json.dumps(item)}\n" for name, item in VAULT.items())
    yaml = f"storage: {{driver: x}}\nsecrets:\n{fields}"
    check(SecretsConfig(**VAULT))
    check(SecretsConfig.from_dict(VAULT))
    check(SecretsConfig.from_dict(whole))
    check(SecretsConfig.from_file(written("flow.config.json", json.dumps(whole))))
    check(SecretsConfig.from_file(written("flow.config.yaml", yaml)))
    check(SecretsConfig.from_file(Path(written("any", yaml))))
    check(SecretsConfig.from_file(written("map.yaml", manifest(json.dumps(whole, indent=1)))))
    check(SecretsConfig.from_file(written("maps.yaml", f"kind: Pod\n---\n{manifest(json.dumps(whole))}---\n")))
    check(SecretsConfig.from_config_map(manifest(json.dumps(whole))))
    check(SecretsConfig.from_config_map({"kind": "ConfigMap", "data": {"flow.config.json": json.dumps(whole)}}))
    check(SecretsConfig.from_dict({"kind": "ConfigMap", "data": {"flow.config.json": yaml}}))


@pytest.mark.parametrize(
    "text", ["", "{}", "# nothing\n", '{"storage": {}, "telemetry": 1}', '{"secrets": {}}', "event: {driver: memory}"]
)
def test_no_section_is_the_environment(text: str) -> None:
    assert SecretsConfig.from_file(written("flow.config.json", text)) == SecretsConfig(driver="env")


@pytest.mark.parametrize("given", [{}, {"secrets": {}}, {"storage": {}, "mcpServers": {}}, {"driver": "env"}])
def test_a_dict_is_the_section_or_the_document(given: dict[str, Any]) -> None:
    assert SecretsConfig.from_dict(given).driver == "env"


def test_nothing_given(monkeypatch: pytest.MonkeyPatch) -> None:
    assert SecretsConfig.discover().driver == "env"
    written("flow.config.json", json.dumps({"secrets": {"prefix": "HERE_"}}))
    assert SecretsConfig.discover().prefix == "HERE_"
    monkeypatch.setenv("BEEMFLOW_SECRETS_CONFIG", "")
    assert SecretsConfig.discover().prefix == "HERE_"
    monkeypatch.setenv("BEEMFLOW_SECRETS_CONFIG", written("other.yaml", "secrets: {prefix: THERE_}"))
    assert SecretsConfig.of(None).prefix == "THERE_"
    monkeypatch.setenv("BEEMFLOW_SECRETS_CONFIG", "gone.json")
    assert fault(None) == "gone.json: there is no such file"


def test_a_config_is_taken_as_it_is() -> None:
    config = SecretsConfig(prefix="A_")
    assert SecretsConfig.of(config) is config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f'{{"secrets": {{"token": "{CANARY}",}}}}', "it is not JSON (line 1, column "),
        ('{"a": ' + "[" * 200_000, "nested too deep"),
        (f"secrets: [{CANARY}", "it is not YAML (line"),
        (f"secrets: !{CANARY}", "a tag (`!…`) is none of YAML's own (line 1)"),
        (BOMB, "unfold to too much"),
        (f'["{CANARY}"]', "it is no object with the section `secrets`"),
        (f"driver: vault\nvault: {{token: {CANARY}}}", "`driver` stands outside the section `secrets`; put it there"),
        ("kind: ConfigMap\ndata: {other.json: a}", "the ConfigMap holds no text flow.config.json"),
        ("a: 1\n---\nb: 1", "of its documents none is a ConfigMap that holds flow.config.json; one must be"),
        (f"{manifest('{}')}---\n{manifest('{}')}", "of its documents 2 is a ConfigMap"),
        ("a: \x00", "it is not YAML"),
    ],
)  # fmt: skip
def test_a_file_that_is_none(text: str, message: str) -> None:
    assert message in fault(written("flow.config.json", text))
    assert fault("flow.config.json").startswith("flow.config.json: ")


def test_a_file_that_cannot_be_read() -> None:
    assert fault("gone") == "gone: there is no such file"
    Path("folder").mkdir()
    assert fault("folder") == "folder: it is a folder"
    Path("latin").write_bytes(b"secrets: \xe9")
    assert fault("latin") == "latin: the file is no text (not UTF-8)"
    Path("huge").write_bytes(b" " * (8 * 1024 * 1024 + 1))
    assert fault("huge") == "huge: the file is larger than 8 MiB"


@pytest.mark.parametrize("section", [None, [], CANARY, 3])
def test_a_section_that_is_no_object(section: object) -> None:
    assert fault({"secrets": section}).startswith("secrets: must be an object (got ")


def test_a_config_map_must_be_one() -> None:
    with pytest.raises(Invalid, match="no ConfigMap"):
        SecretsConfig.from_config_map("kind: Secret")


# Variables.


def test_variables_are_expanded_in_every_string_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A", "one-${B}")
    monkeypatch.setenv("B", "$env:A")
    monkeypatch.setenv("EMPTY", "")
    config = SecretsConfig(prefix="${A}/${EMPTY}$env:B.$env:9$ {A} $A ${")
    assert config.prefix == "one-${B}/$env:A.$env:9$ {A} $A ${"


def test_one_that_is_not_set_is_told_with_its_field() -> None:
    section = {
        **VAULT,
        "vault": {**VAULT["vault"], "address": "https://$env:NO_HOST", "token": f"{CANARY}${{NO_TOKEN}}"},
    }
    assert fault(section) == (
        "secrets.vault.address: the environment variable NO_HOST is not set; "
        "secrets.vault.token: the environment variable NO_TOKEN is not set"
    )


@pytest.mark.parametrize("text", [f"${{{CANARY}-}}", "${}", "${A:-b}", "${ A }"])
def test_what_names_no_variable_is_not_shown(text: str) -> None:
    assert fault({"prefix": text}) == (
        "secrets.prefix: ${…} takes the name of an environment variable, as ${VAULT_TOKEN}"
    )


# Mistakes.


def test_ten_mistakes_are_told_at_once() -> None:
    told = fault(
        {
            "driver": "vualt",
            "prefix": "${NO_SUCH}",
            "timeout": 30.5,
            "retry": {"attempts": "4", "max_dely": "1s", "baseDelay": "1s"},
            "tls": {"ca_ref": {}, "min_version": 1.3},
            "access_polices": [],
            "vault": {"auth_metod": CANARY, "path": "a", "address": "https://v", "token": {"secretKeyRef": CANARY}},
            "namespaces": {"names": ["a"]},
        }
    ).split("; secrets.")
    assert told == [
        "secrets.prefix: the environment variable NO_SUCH is not set",
        f"tls.ca_ref: belongs to resources alone: {RESOURCES_ONLY['ca_ref']}",
        f"namespaces: belongs to resources alone: {RESOURCES_ONLY['namespaces']}",
        f"driver: must be {drivers()} (got a string); did you mean vault?",
        "vault.token: must be a string: in a file the credential itself stands there (got an object)",
        "vault.auth_metod: is not a known field (it holds a string); did you mean auth_method?",
        "timeout: must be a duration with its unit, such as 90s or 1h30m, from 1ms to 87600h (got a number)",
        "retry.attempts: must be a valid integer (got a string)",
        "retry.max_dely: is not a known field (it holds a string); did you mean max_delay?",
        "retry.baseDelay: is not a known field (it holds a string); did you mean base_delay?",
        "tls.min_version: must be '1.2' or '1.3' (got a number)",
        "access_polices: is not a known field (it holds a list); did you mean access_policies?",
    ]


def drivers() -> str:
    *some, last = (f"'{name}'" for name in sorted(OWN_DRIVERS))
    return f"{', '.join(some)} or {last}"


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"driver": "vault"}, "secrets: driver vault needs the block vault"),
        ({**VAULT, "driver": "env"}, "secrets.vault: the block vault belongs to driver vault"),
        ({**VAULT, "tls": {}}, "use https://, or set tls.allow_plaintext"),
        ({"driver": "vault", "vault": {"address": "https://v", "path": "a", "auth_method": "approle"}},
         "secrets.vault: auth_method approle needs role_id; secrets.vault: auth_method approle needs secret_id"),
        ({**VAULT, "vault": {**VAULT["vault"], "role_id": "r"}},
         "secrets.vault: role_id and secret_id belong to auth_method approle"),
        ({**VAULT, "vault": {**VAULT["vault"], "role": "r"}}, "vault: role belongs to auth_method kubernetes"),
        ({"driver": "kubernetes", "kubernetes": {"server": "https://c"}}, "kubernetes: server needs token: "),
        ({**VAULT, "vault": {**VAULT["vault"], "token": ""}}, "secrets.vault.token: is empty (got a string)"),
        ({**VAULT, "vault": {**VAULT["vault"], "role_id_ref": {}}}, "secrets.vault.role_id_ref: belongs to res"),
        ({**VAULT, "vault": {**VAULT["vault"], "serviceAccountRef": {}}}, "secrets.vault.serviceAccountRef: belongs"),
        ({"options": {"a": CANARY}}, "secrets.options: options belong to a driver that an installed package adds"),
        ({"cache": {"max_size": 0}}, "secrets.cache.max_size: must be greater than or equal to 1 (got a number)"),
        ({"retry": {"base_delay": "x"}}, "secrets.retry.base_delay: must be a duration with"),
        ({"driver": "multi", "multi": {"strategy": "merge", "providers": [{"driver": "multi"}]}},
         "secrets.multi.providers[0].driver: must not be multi: a chain holds no chain"),
        ({"driver": "multi", "multi": {"strategy": "failover", "conflict_policy": "First", "providers": [{}]}},
         "secrets.multi.conflict_policy: conflict_policy belongs to strategy merge"),
        ({"driver": "multi", "multi": {"strategy": "merge", "providers": [{"driver": "file"}, {"options": {"a": 1}}]}},
         "secrets.multi.providers[0]: driver file needs the block file; secrets.multi.providers[1].options: options"),
        ({"driver": "gcp-sm", "gcp": {"service_account_key": "a", "service_account_key_file": "b"}},
         "secrets.gcp: takes one of service_account_key and service_account_key_file"),
        ({"driver": "gcp-sm", "gcp": {"workload_identity": {"audience": "a"}}},
         "secrets.gcp.workload_identity: belongs to resources alone: it refers to a ServiceAccount"),
        ({"drvier": "env"}, "secrets.drvier: is not a known field (it holds a string); did you mean driver?"),
        ({"secrets": {1: 2}}, "secrets.1: is not a known field (it holds a number)"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_the_files_spelling(section: dict[str, Any], message: str) -> None:
    assert message in fault(section)


@pytest.mark.parametrize("driver", ["azure", "no-such"])
def test_a_driver_of_later_is_unknown_as_any(driver: str) -> None:
    assert fault({"driver": driver}).startswith(f"secrets.driver: must be {drivers()} (got a string)")


def test_the_model_and_the_registry_know_the_same_drivers() -> None:
    assert {*DRIVERS, "multi"} == OWN_DRIVERS


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.json")), ids=lambda path: path.name)
def test_the_examples_load(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OP_CONNECT_HOST", "OP_CONNECT_TOKEN"):
        monkeypatch.setenv(name, "https://connect.example.com")
    SecretsConfig.from_file(path)


# It never prints.


def test_no_form_of_a_configuration_shows_a_credential(caplog: pytest.LogCaptureFixture) -> None:
    config = SecretsConfig.from_dict(VAULT)
    logging.getLogger("x").warning("opened %s %r", config, config)
    assert config.vault is not None
    shown = [
        repr(config), str(config), f"{config}", f"{config.vault.token}", repr(config.vault.token), caplog.text,
        json.dumps(config, default=str), orjson.dumps(config, default=str).decode(), config.model_dump_json(),
        repr(config.model_dump()), repr(pickle.dumps(config)), repr(pickle.loads(pickle.dumps(config))),
    ]  # fmt: skip
    for text in shown:
        assert CANARY not in text
    assert all("***" in text for text in shown)
    assert config.vault.token == SecretsConfig.from_dict(VAULT).vault.token  # type: ignore[union-attr]
