"""Chains out of a configuration, over real backends: one link of each driver, and what a dead one costs."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets import Denied, NotFound, SecretsError, open_secrets
from tests.support import faultproxy as faults
from tests.support.api import Api, Namespace

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.faultproxy import FaultProxy
    from tests.support.openbao import OpenBao


def chain(*links: dict[str, Any], strategy: str = "failover", **fields: Any) -> dict[str, Any]:
    return {"driver": "multi", "multi": {"strategy": strategy, "providers": list(links)}, **fields}


def vault(address: str, bao: OpenBao, folder: str, **fields: Any) -> dict[str, Any]:
    block = {"address": address, "path": f"secret/{folder}", "token": bao.root_token}
    return {"driver": "vault", "vault": block, **fields}


async def test_a_link_of_each_driver(
    bao: OpenBao,
    folder: str,
    control_plane: ControlPlane,
    namespace: str,
    canary: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bao.write_kv2("secret", f"{folder}/of-vault", {"value": f"vault-{canary}"})
    api = Api(control_plane)
    Namespace(api, namespace).add_secret("of-kubernetes", {"value": f"kubernetes-{canary}"})
    api.close()
    (tmp_path / "secrets.json").write_text(json.dumps({"of-file": f"file-{canary}"}))
    monkeypatch.setenv("CHAIN_OF_ENV", f"env-{canary}")
    cluster = {
        "namespace": namespace,
        "server": control_plane.url,
        "ca_bundle": control_plane.ca.read_text(),
        "token": control_plane.admin_token,
    }
    links = (
        vault(bao.address, bao, folder),
        {"driver": "kubernetes", "kubernetes": cluster},
        {"driver": "file", "file": {"path": str(tmp_path / "secrets.json")}},
        {"driver": "env", "prefix": "CHAIN_"},
    )
    drivers = ("vault", "kubernetes", "file", "env")
    async with open_secrets(chain(*links, strategy="priority")) as secrets:
        await secrets.health_check()
        found = await secrets.get_secrets([f"of-{driver}" for driver in drivers])
        assert found == {f"of-{driver}": f"{driver}-{canary}" for driver in drivers}
        for driver in drivers:
            value = await secrets.get_secret_with_metadata(f"of-{driver}")
            assert value.metadata["provider"] == driver
        # As each backend has the names.
        assert set(await secrets.list_secrets("of-")) == {"of-vault", "of-kubernetes", "of-file", "OF_ENV"}
        with pytest.raises(NotFound) as caught:
            await secrets.get_secrets(["of-vault", "of-nobody"])
        assert caught.value.keys == ("of-nobody",)


@pytest.mark.parametrize("fault", [faults.hang, faults.reset, faults.answer(503), faults.drip(0.2)])
async def test_a_dead_link_costs_one_timeout_for_many_keys(
    bao: OpenBao,
    proxy: FaultProxy,
    folder: str,
    canary: str,
    monkeypatch: pytest.MonkeyPatch,
    fault: faults.Fault,
    caplog: pytest.LogCaptureFixture,
) -> None:
    keys = [f"k{number}" for number in range(100)]
    for key in keys:
        monkeypatch.setenv(f"SPARE_{key.upper()}", canary)
    links = vault(proxy.address, bao, folder), {"driver": "env", "prefix": "SPARE_"}
    async with open_secrets(chain(*links, timeout="1s")) as secrets:
        proxy.set(fault)
        began = time.monotonic()
        assert await secrets.get_secrets(keys) == dict.fromkeys(keys, canary)
        assert time.monotonic() - began < 2.5
        asked, began = len(proxy.requests), time.monotonic()
        for _ in range(5):
            await asyncio.gather(*(secrets.get_secret(key) for key in keys))
        assert time.monotonic() - began < 1
        assert len(proxy.requests) - asked <= 1  # a probe at the most
        bao.write_kv2("secret", f"{folder}/k1", {"value": "of vault"})
        proxy.clear()
        while await secrets.get_secret("k1") != "of vault":
            assert time.monotonic() - began < 12
            await asyncio.sleep(0.05)
    assert canary not in caplog.text


async def test_denied_ends_the_search(bao: OpenBao, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARE_A", "spare")
    bao.policy(folder, {"secret/data/elsewhere": ["read"]})
    link = vault(bao.address, bao, folder)
    link["vault"]["token"] = bao.token([folder])
    for strategy in ("failover", "priority", "merge"):
        async with open_secrets(chain(link, {"prefix": "SPARE_"}, strategy=strategy)) as secrets:
            with pytest.raises(Denied, match="vault: "):
                await secrets.get_secret("a")


async def test_no_error_of_a_chain_gives_a_credential_away(bao: OpenBao, proxy: FaultProxy, folder: str) -> None:
    proxy.set(faults.garble)
    link = vault(proxy.address, bao, folder)
    async with open_secrets(chain(link, {**link, "name": "second"}, timeout="1s", retry={"attempts": 1})) as secrets:
        with pytest.raises(SecretsError, match=r"vault: .*; second: ") as caught:
            await secrets.get_secret("a")
    assert bao.root_token not in f"{caught.value!r} {caught.value.__cause__!r} {vars(caught.value)!r}"
