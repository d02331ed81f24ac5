"""What a search found once is known again by the names that backends have, which may not be as the path is written."""

from __future__ import annotations

import asyncio
import threading
from contextlib import nullcontext
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.controllers.objects import Key
from beemflow_secrets.controllers.secret.finding import Finding
from beemflow_secrets.controllers.secret.provenance import Provenance
from beemflow_secrets.model.reasons import Reason
from beemflow_secrets.model.secret import SecretSpec
from beemflow_secrets.model.sources import NamedByFind
from beemflow_secrets.providers.value import Ref

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from beemflow_secrets.model.sources import DataFrom


class Listing:
    """A store whose listing shows these secrets, without tags."""

    tenancy = SimpleNamespace(covers=lambda _: True, serves=lambda *_: True)

    def __init__(self, shown: dict[str, dict[str, str]]) -> None:
        self._shown = shown

    async def find(self, _: object) -> object:
        async def found(_: object) -> dict[str, dict[str, str]]:
            return self._shown

        opened = SimpleNamespace(use=lambda: nullcontext(SimpleNamespace(find=found)), links=())
        return SimpleNamespace(opened=opened, spec=None)


def filled(
    known: Provenance | None = None, shown: dict[str, dict[str, str]] | None = None, **told: Any
) -> Sequence[object]:
    spec = SecretSpec.model_validate(
        {
            "secretStoreRef": {"name": "prod"},
            "dataFrom": [{"find": {"path": "slack/"}}],
            "target": {"deletionPolicy": "Delete"},
        }
    )

    async def rename(_: DataFrom, names: Collection[str]) -> dict[str, str]:
        return {name: name for name in names}

    finding = Finding(cast("Any", Listing(shown or {})), "team", rename, wish=Ref, told=told, former=known)
    return list(asyncio.run(finding.fill(spec)).sources())


def entry(name: str) -> dict[str, str]:
    return {"secretKey": name.replace("/", "_"), "remoteKey": name, "provider": "prod"}


@pytest.mark.parametrize("name", ["slack/bot", "slack--bot", "slack-bot", "SLACK_BOT"])
def test_what_was_found_once_is_asked_for_by_its_name_as_the_backend_spells_it(name: str) -> None:
    (source,) = filled(entries=[entry("slacker"), entry(name)])
    assert isinstance(source, NamedByFind)
    assert source.former
    assert source.remote.key == name


def test_what_was_found_once_is_asked_for_beside_what_is_found_now() -> None:
    found = filled(shown={"slack/new": {}, "slack/bot": {}}, entries=[entry("slack/bot"), entry("slack/old")])
    assert [(one.remote.key, one.former) for one in found if isinstance(one, NamedByFind)] == [
        ("slack/new", False),
        ("slack/bot", False),
        ("slack/old", True),
    ]


def test_a_listing_is_looked_through_beside_the_loop_whatever_its_expression_takes() -> None:
    threads = []

    class Shown(dict[str, dict[str, str]]):
        def items(self) -> Any:
            threads.append(threading.current_thread())
            return super().items()

    assert len(filled(shown=Shown({"slack/bot": {}}))) == 1
    assert threads
    assert threading.main_thread() not in threads


def test_a_search_none_of_whose_keys_is_known_is_not_gone() -> None:
    with pytest.raises(Failed, match="nothing is found by path slack/") as caught:
        filled(entries=[entry("github")], entriesOmitted=1)
    assert caught.value.reason is Reason.KEY_NOT_FOUND
    (source,) = filled(entries=[entry("github")])
    assert not isinstance(source, NamedByFind)


def test_what_the_status_does_not_name_is_asked_for_as_the_process_knows_it_or_nothing_is_gone() -> None:
    told: dict[str, Any] = {"entries": [entry("slack/bot")], "entriesOmitted": 1}
    store = Key("BeemFlowSecretStore", "team", "prod")
    known = Provenance(found={(store, "slack/more"): "more", (store._replace(name="other"), "slack/else"): "else"})
    asked = [source.remote.key for source in filled(known, **told) if isinstance(source, NamedByFind)]
    assert asked == ["slack/more"]
    with pytest.raises(Failed, match="nothing is found by path slack/") as caught:
        filled(**told)  # a process that has not read them
    assert caught.value.reason is Reason.KEY_NOT_FOUND
