"""Drivers of other packages, found by their entry points; the package under added_driver/ stands for one."""

from __future__ import annotations

import builtins
import importlib
import json
import pickle
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets import Denied, Invalid, NotFound, SecretsConfig, Unavailable, open_secrets
from beemflow_secrets.model.store import StoreSpec
from beemflow_secrets.providers.registry import added_drivers, open_driver
from beemflow_secrets.providers.surroundings import Surroundings

if TYPE_CHECKING:
    from beemflow_secrets.model.store import CredentialRef

CANARY = "canary-90aa"


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Install the package, as pip does it: its modules and its .dist-info are on the path."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "added_driver"))
    found: list[object] = importlib.import_module("beemflow_drivers_of_test").calls
    found.clear()
    return found


async def test_a_provider_of_six_methods_is_complete(calls: list[object]) -> None:
    options = {"secrets": {"a": "1", "b": '{"x": "2"}', "team/c": "3"}}
    async with open_secrets({"driver": "six", "options": options}) as secrets:
        assert await secrets.get_secret("a") == "1"
        assert await secrets.get_secrets(["a", "b#x", "team/c"]) == {"a": "1", "b#x": "2", "team/c": "3"}
        value = await secrets.get_secret_with_metadata("a")
        assert (value.version, value.metadata) == ("1", {"provider": "six", "owner": "ops"})
        assert await secrets.list_secrets("team/") == ["team/c"]
        with pytest.raises(NotFound) as caught:
            await secrets.get_secrets(["a", "none", "nor this"])
        assert caught.value.keys == ("none", "nor this")
        await secrets.health_check()
    assert calls == ["closed"]
    async with open_secrets({"driver": "six", "prefix": "team/", "options": options}) as secrets:
        assert await secrets.get_secret("c") == "3"
    async with open_secrets({"driver": "six"}) as secrets:
        with pytest.raises(Denied):
            await secrets.health_check()


async def test_many_at_once_and_key_by_key_where_that_fails(calls: list[object]) -> None:
    async with open_secrets({"driver": "batch", "options": {"secrets": {"a": "1", "b": "2"}}}) as secrets:
        assert await secrets.get_secrets(["a", "b"]) == {"a": "1", "b": "2"}
    assert calls == [["a", "b"], "closed"]
    calls.clear()
    async with open_secrets({"driver": "batch", "options": {"secrets": {"a": "1", "b": "2", "refuse": ""}}}) as secrets:
        assert await secrets.get_secrets(["a", "b"]) == {"a": "1", "b": "2"}
    assert calls == [["a", "b"], ["a"], ["b"], "closed"]


async def test_one_that_writes(calls: list[object]) -> None:
    async with open_secrets({"driver": "writes", "prefix": "team/", "options": {"secrets": {"a": "1"}}}) as secrets:
        written = await secrets.set_secret("b", "2")
        assert (secrets.writes, written.value, written.version) == (True, "2", "1")
        assert await secrets.list_secrets() == ["b"]
        await secrets.delete_secret("b")
        assert await secrets.list_secrets() == []
    async with open_secrets({"driver": "six", "options": {"secrets": {"a": "1"}}}) as secrets:
        assert not secrets.writes
        with pytest.raises(Invalid, match="read only"):
            await secrets.set_secret("a", "2")
    assert calls == ["closed", "closed"]


async def test_what_an_sdk_says_stays_in_the_cause_whatever_is_asked(
    calls: list[object], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    log = tmp_path / "audit"
    section = {
        "driver": "careless",
        "retry": {"attempts": 1},
        "options": {"secrets": {"a": CANARY}},
        "audit": {"sinks": [{"type": "file", "path": str(log)}]},
    }
    async with open_secrets(section) as secrets:
        for ask in (
            secrets.health_check,
            secrets.list_secrets,
            lambda: secrets.set_secret("b", CANARY),
            lambda: secrets.set_secret("kept", CANARY),
            lambda: secrets.delete_secret("a"),
        ):
            with pytest.raises(Unavailable, match=r"the driver failed unexpectedly \(RuntimeError\)") as caught:
                await ask()
            assert CANARY not in f"{caught.value!r}{caught.value}"
        assert await secrets.get_secret("a") == CANARY
    assert calls == []
    printed = capsys.readouterr()
    assert CANARY not in printed.out + printed.err + log.read_text()
    actions = [json.loads(line)["action"] for line in log.read_text().splitlines()]
    assert actions == ["list", "write", "write", "delete", "read"]


async def test_the_same_of_one_that_is_a_driver(calls: list[object]) -> None:
    async with open_secrets({"driver": "careless-driver", "retry": {"attempts": 1}, "prefix": CANARY}) as secrets:
        for ask in (secrets.health_check, secrets.list_secrets, lambda: secrets.get_secret("a")):
            with pytest.raises(Unavailable, match=r"the driver failed unexpectedly \(RuntimeError\)") as caught:
                await ask()
            assert CANARY not in f"{caught.value!r}{caught.value}"


async def test_one_that_is_a_driver_is_given_what_ours_are_given(calls: list[object]) -> None:
    async with open_secrets({"driver": "full", "timeout": "7s"}) as secrets:
        assert await secrets.get_secret("a") == "7 None"
    assert calls == []


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"driver": "six", "options": {"secret": CANARY}}, "options: takes `secrets`, an object"),
        ({"driver": "plain", "options": {"a": CANARY}}, "this driver takes no options"),
        (
            {"driver": "raises", "options": {"password": CANARY}},
            "raises of beemflow-drivers-of-test cannot be made (Ke",
        ),
        ({"driver": "no-driver"}, "driver no-driver of beemflow-drivers-of-test cannot be made (TypeError)"),
        ({"driver": "missing"}, "missing of beemflow-drivers-of-test cannot be loaded: its module has no such class"),
        ({"driver": "needs-sdk"}, "cannot be loaded: there is no module an_sdk_that_is_not_installed"),
        (
            {"driver": "sux"},
            "'careless-driver', 'full', 'missing', 'needs-sdk', 'no-driver', 'plain', 'raises', 'six' or 'writes'",
        ),
        ({"driver": "sux"}, "did you mean six?"),
        ({"driver": "six", "options": CANARY}, "secrets.options: must be an object (got a string)"),
        ({"driver": "six", "file": {"path": "a"}}, "secrets.file: the block file belongs to driver file"),
    ],
)
async def test_what_is_wrong_with_one(calls: list[object], section: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid) as caught:
        async with open_secrets(section):
            raise AssertionError
    assert message in caught.value.message
    assert CANARY not in repr(caught.value)


async def test_one_without_a_constructor(calls: list[object]) -> None:
    async with open_secrets({"driver": "plain"}) as secrets:
        assert await secrets.get_secret("a") == "1"


def test_none_takes_the_place_of_one_of_ours(calls: list[object]) -> None:
    assert "env" not in added_drivers()
    assert "six" in added_drivers()


def test_a_resource_knows_none_of_them(calls: list[object]) -> None:
    with pytest.raises(ValueError, match=r"should be '1password'"):
        StoreSpec.model_validate({"driver": "six"})


def test_options_never_print(calls: list[object]) -> None:
    config = SecretsConfig(driver="six", options={"secrets": {"a": CANARY}})
    shown = f"{config!r} {config.options} {config.model_dump()} {pickle.dumps(config)!r} {config.model_dump_json()}"
    assert CANARY not in shown
    assert "***" in shown


VAULT = {"address": "https://v", "path": "secret"}
KEY_VAULT = {"vault_url": "https://company.vault.azure.net"}
USING_SDKS = tuple(f"beemflow_secrets.providers.{name}" for name in ("aws", "vault"))


@pytest.mark.parametrize(
    ("extra", "sdk", "what", "section"),
    [
        ("vault", "hvac", "driver vault", {"driver": "vault", "vault": {**VAULT, "token": CANARY}}),
        ("aws", "botocore", "driver aws-sm", {"driver": "aws-sm", "region": "eu-west-1"}),
        ("aws", "botocore", "vault.authMethod aws", {"driver": "vault", "vault": {**VAULT, "auth_method": "aws"}}),
    ],
)
async def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, extra: str, sdk: str, what: str, section: dict[str, Any]
) -> None:
    real = builtins.__import__

    def without(name: str, *given: Any, **named: Any) -> Any:
        if name.partition(".")[0] == sdk:
            raise ModuleNotFoundError(f"No module named '{sdk}'", name=sdk)
        return real(name, *given, **named)

    for loaded in [name for name in sys.modules if name.startswith((sdk, *USING_SDKS))]:
        package, _, name = loaded.rpartition(".")
        if hasattr(sys.modules.get(package), name):  # put back with it: else the package would have another
            monkeypatch.setattr(sys.modules[package], name, getattr(sys.modules[package], name))
    for loaded in [name for name in sys.modules if name.startswith((sdk, *USING_SDKS))]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(Invalid) as caught:
        async with open_secrets(section):
            raise AssertionError
    assert caught.value.message == f"{what} needs: pip install 'beemflow-secrets[{extra}]'"


@pytest.mark.parametrize(
    ("what", "section"),
    [
        ("the machine's managed identity", {"driver": "vault", "vault": {**VAULT, "auth_method": "azure"}}),
        ("the machine's managed identity", {"driver": "azure-kv", "azure": {**KEY_VAULT, "auth_method": "msi"}}),
        ("the login of the Azure CLI", {"driver": "azure-kv", "azure": {**KEY_VAULT, "auth_method": "cli"}}),
    ],
)
async def test_a_login_whose_extra_is_missing_names_it(
    monkeypatch: pytest.MonkeyPatch, what: str, section: dict[str, Any]
) -> None:
    monkeypatch.setattr("beemflow_secrets.providers.entra.ambient.find_spec", lambda _: None)
    with pytest.raises(Invalid) as caught:
        async with open_secrets(section):
            raise AssertionError
    assert caught.value.message == f"{what} needs: pip install 'beemflow-secrets[azure]'"


async def test_our_own_module_that_is_missing_is_no_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(_: CredentialRef) -> str:
        return ""

    monkeypatch.setitem(sys.modules, "beemflow_secrets.providers.env", None)
    with pytest.raises(ModuleNotFoundError):
        await open_driver(StoreSpec(), Surroundings(credential=nothing))
