"""Files of the operator, in cluster stores: below the allowed root, followed, and never a reason to delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.fixtures import entry, spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.api import Api, Namespace
    from tests.support.operator import Operator

STORES = "/apis/secrets.beemflow.io/v1/beemflowclustersecretstores"


@pytest.fixture
def file_store(api: Api, ns: Namespace) -> Iterator[Callable[[str, Path], str]]:
    """Make a cluster store that is called after the test's namespace."""
    made: list[str] = []

    def add(suffix: str, path: Path) -> str:
        name = f"{ns.name}-{suffix}"
        body = {
            "apiVersion": "secrets.beemflow.io/v1",
            "kind": "BeemFlowClusterSecretStore",
            "metadata": {"name": name},
            "spec": {"driver": "file", "file": {"path": str(path)}, "retry": {"attempts": 1}},
        }
        api.create(STORES, body)
        made.append(name)
        return name

    yield add
    for name in made:
        api.delete(f"{STORES}/{name}")


def of(store: str, *entries: Any) -> Any:
    reference = {"name": store, "kind": "BeemFlowClusterSecretStore"}
    return {**spec(*entries, refreshInterval="1s"), "secretStoreRef": reference}


def test_a_file_is_read_below_the_root_and_followed(
    ns: Namespace,
    file_store: Callable[[str, Path], str],
    start_operator: Callable[..., Operator],
    canary: str,
    tmp_path: Path,
) -> None:
    root, outside = tmp_path / "allowed", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "secrets.yaml").write_text(f"slack/bot: {{token: {canary}}}\n")
    (outside / "secrets.yaml").write_text(f"a: {canary}\n")
    (root / "away.yaml").symlink_to(outside / "secrets.yaml")
    start_operator("--file-allowed-root", str(root))

    ns.add("slack", of(file_store("in", root / "secrets.yaml"), entry("token", "slack/bot#token")))
    ns.add("away", of(file_store("away", root / "away.yaml"), entry("token", "a")))
    ns.wait_data("slack", {"token": canary})
    refused = ns.ready("away", "False", reason="AccessDenied")
    assert "--file-allowed-root" in str(refused["status"]["conditions"])

    (root / "new").write_text("slack/bot: {token: rotated}\n")
    (root / "new").replace(root / "secrets.yaml")
    ns.wait_data("slack", {"token": "rotated"})

    # Gone is away: nothing is deleted for it.
    (root / "secrets.yaml").unlink()
    ns.ready("slack", "False", reason="BackendUnavailable")
    assert ns.data("slack") == {"token": "rotated"}
