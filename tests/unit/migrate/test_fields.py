"""No field of External Secrets Operator's is dropped in silence: it shows in what is made, or it is told."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.migrate.manifests import read
from beemflow_secrets.migrate.turning import turned
from tests.unit.migrate.esofields import KINDS, changes, full, manifest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.migrate.esofields import Object

SAME = re.compile(r".*\.(useAzureSDK|data\[0\]\.remoteRef\.conversionStrategy)")
"""What changes nothing: which library asks, and how the keys are called of an entry that has one name."""

SPECS = [(kind, spec) for kind in KINDS for spec in full(kind)]


def made(kind: str, spec: Object) -> tuple[list[Object], list[str]]:
    """Return what is made of a spec, and the paths that are told."""
    outcome = turned(read(json.dumps(manifest(kind, spec)), "all.yaml"))
    return [one.content for one in outcome.documents], [loss.path for loss in outcome.losses if loss.path]


def below(path: str, told: list[str]) -> bool:
    return any(re.match(rf"{re.escape(one)}(?![A-Za-z])", path) for one in told)


@pytest.mark.parametrize("kind", KINDS)
def test_a_field_shows_in_what_is_made_or_is_told(kind: str) -> None:
    seen = 0
    for spec in full(kind):
        documents, told = made(kind, spec)
        for path, changed in changes(spec):
            seen += 1
            others, other_told = made(kind, changed)
            assert others != documents or below(path, told + other_told) or SAME.fullmatch(path), path
    assert seen > 50


def with_new_field(spec: Any, path: str = "spec") -> Iterator[tuple[str, Any]]:
    """Return the spec with a field that nobody knows, in each of its objects."""
    match spec:
        case {"key": "text"} | {"first": 1}:  # a map, or a reference, that other tests have
            pass
        case dict():
            yield f"{path}.brandNew", {**spec, "brandNew": "text"}
            for name, value in spec.items():
                for place, changed in with_new_field(value, f"{path}.{name}"):
                    yield place, {**spec, name: changed}
        case [item]:
            for place, changed in with_new_field(item, f"{path}[0]"):
                yield place, [changed]


@pytest.mark.parametrize("kind", KINDS)
def test_a_field_that_nobody_knows_is_told_wherever_it_stands(kind: str) -> None:
    for spec in full(kind):
        documents, _ = made(kind, spec)
        for path, changed in with_new_field(spec):
            others, told = made(kind, changed)
            assert below(path, told) or others != documents, path
