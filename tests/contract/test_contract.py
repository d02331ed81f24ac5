"""The contract suite, on every driver and its real server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from beemflow_secrets.testing import ProviderContract
from beemflow_secrets.testing.fakes.google import GoogleCloud
from beemflow_secrets.testing.fakes.vaultlogins import AwsMethod, VaultLogins
from tests.contract.harness_azure import AzureHarness
from tests.contract.harness_gcp import GcpHarness
from tests.contract.harness_onepassword import OnePasswordHarness
from tests.contract.harnesses import (
    AwsHarness,
    EnvHarness,
    FolderHarness,
    JsonFileHarness,
    Kv1Harness,
    Kv2Harness,
    OtherClusterHarness,
    ThisClusterHarness,
    VaultAwsHarness,
)
from tests.support.openbao import OpenBao

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from beemflow_secrets.testing import Harness
    from beemflow_secrets.testing.fakes.azure import FakeAzure
    from beemflow_secrets.testing.fakes.onepassword import OnePassword
    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Api
    from tests.support.aws import Aws


class TestEnv(ProviderContract):
    @pytest.fixture
    async def harness(self) -> AsyncIterator[Harness]:
        async with EnvHarness() as made:
            yield made


class TestJsonFile(ProviderContract):
    @pytest.fixture
    async def harness(self, tmp_path: Path) -> AsyncIterator[Harness]:
        async with JsonFileHarness(tmp_path) as made:
            yield made


class TestFolder(ProviderContract):
    @pytest.fixture
    async def harness(self, tmp_path: Path) -> AsyncIterator[Harness]:
        async with FolderHarness(tmp_path) as made:
            yield made


@pytest.fixture(scope="module")
def lasting_bao() -> Iterator[OpenBao]:
    """A server that can be stopped, and comes back with all that it held."""
    with OpenBao(keep=True) as server:
        yield server


class TestVaultKv2(ProviderContract):
    @pytest.fixture
    async def harness(self, lasting_bao: OpenBao) -> AsyncIterator[Harness]:
        async with Kv2Harness(lasting_bao) as made:
            yield made


class TestVaultKv1(ProviderContract):
    @pytest.fixture
    async def harness(self, lasting_bao: OpenBao) -> AsyncIterator[Harness]:
        async with Kv1Harness(lasting_bao) as made:
            yield made


class TestVaultByAws(ProviderContract):
    @pytest.fixture
    async def harness(self, lasting_bao: OpenBao, aws: Aws) -> AsyncIterator[Harness]:
        method = AwsMethod(aws.address)
        with VaultLogins(lasting_bao.address, lasting_bao.root_token, {"aws": method}) as logins:
            async with VaultAwsHarness(lasting_bao, logins, method, aws) as made:
                yield made


class TestAws(ProviderContract):
    @pytest.fixture
    async def harness(self, aws: Aws) -> AsyncIterator[Harness]:
        async with AwsHarness(aws) as made:
            yield made


class TestAzure(ProviderContract):
    @pytest.fixture
    async def harness(self, azure: FakeAzure) -> AsyncIterator[Harness]:
        async with AzureHarness(azure) as made:
            yield made


class TestOnePassword(ProviderContract):
    @pytest.fixture
    async def harness(self, connect: OnePassword) -> AsyncIterator[Harness]:
        async with OnePasswordHarness(connect) as made:
            yield made


class TestGcp(ProviderContract):
    @pytest.fixture
    async def harness(self) -> AsyncIterator[Harness]:
        with GoogleCloud() as cloud:
            async with GcpHarness(cloud) as made:
                yield made


class TestThisCluster(ProviderContract):
    @pytest.fixture
    async def harness(self, control_plane: ControlPlane, api: Api) -> AsyncIterator[Harness]:
        async with ThisClusterHarness(control_plane, api) as made:
            yield made


class TestOtherCluster(ProviderContract):
    @pytest.fixture
    async def harness(self, control_plane: ControlPlane, api: Api) -> AsyncIterator[Harness]:
        async with OtherClusterHarness(control_plane, api) as made:
            yield made
