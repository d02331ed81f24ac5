"""What a store's configuration puts before its driver."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from beemflow_secrets.chain.factory import chain, link
from beemflow_secrets.model.store import StoreSpec
from beemflow_secrets.providers.value import Ref, SecretValue
from tests.unit.chain.scripted import Backend

if TYPE_CHECKING:
    from collections.abc import Iterable

    from beemflow_secrets.providers.errors import SecretsError

pytestmark = pytest.mark.looptime

KEYS = [f"k{number}" for number in range(10)]


class Batches(Backend):
    """Notes how many keys each call carries."""

    batch_limit = 5

    def __init__(self) -> None:
        super().__init__({key: SecretValue("v") for key in KEYS})
        self.sizes: list[int] = []

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        asked = list(refs)
        self.sizes.append(len(asked))
        return await super().fetch(asked)


@pytest.mark.parametrize(("batch_size", "sizes"), [(2, [2] * 5), (4, [4, 4, 2]), (1000, [5, 5])])
@pytest.mark.parametrize("of_chain", [False, True])
async def test_a_call_carries_no_more_than_batch_size_keys_nor_than_the_backend_takes(
    batch_size: int, sizes: list[int], *, of_chain: bool
) -> None:
    driver, spec = Batches(), StoreSpec(batch_size=batch_size)
    reader = link(driver, "one", spec).reader if of_chain else chain(driver, spec)
    await reader.fetch([Ref(key) for key in KEYS])
    assert sorted(driver.sizes, reverse=True) == sizes
    await reader.close()
