"""Nothing that fails tells a value, whatever a stranger writes: templates, flows, paths and rewrites made by chance.

`pytest --timeout 0 --hypothesis-profile fuzz tests/unit/rendering/test_leaks.py` tries 20,000 of each.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from beemflow_secrets import Invalid, NotFound, SecretsError, SecretValue, references, render
from beemflow_secrets.library.secrets import Secrets as Store
from beemflow_secrets.model.finding import Find
from beemflow_secrets.model.sources import DataEntry, DataFrom, Rewrite
from beemflow_secrets.model.template import Template
from beemflow_secrets.providers.base import FetchingProvider
from beemflow_secrets.providers.finding import found
from beemflow_secrets.rendering.compose import Composed, Found, Unusable, compose
from beemflow_secrets.rendering.flows.files import parse
from beemflow_secrets.rendering.rewrite import Rewriting, steps_of
from beemflow_secrets.rendering.shape import Part, shaped
from beemflow_secrets.rendering.template import aside
from beemflow_secrets.rendering.template.aside import Aside
from beemflow_secrets.rendering.template.budget import MIB, Budget
from beemflow_secrets.rendering.template.faults import TemplateError
from beemflow_secrets.rendering.template.job import Job
from beemflow_secrets.rendering.template.values import Secrets, secret
from beemflow_secrets.rendering.template.work import run_packed
from tests.unit.rendering.canaries import HIDDEN, shown_in, told_by
from tests.unit.rendering.strangers import Stranger

if TYPE_CHECKING:
    from collections.abc import Iterable

    from beemflow_secrets.providers.value import Found as Listed
    from beemflow_secrets.providers.value import Ref, Search
    from beemflow_secrets.rendering.shape import Target

SEEDS = st.integers(0, 2**64)
KEYS = (*HIDDEN, *HIDDEN, "nope")
CONTEXT = {"vars": {"a": "text", "b": ["nope", 1]}, "x": "X", "a": [{"a": 1, "b": "c"}], "b": [[1, 2], ["a"]]}


@pytest.fixture(autouse=True)
def _no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would be given to another process is done here, within what a process may not take much longer for."""

    async def answer(packed: bytes, *, most: int) -> bytes:
        return run_packed(packed, Budget(10_000, 8 * MIB), (Job, Rewriting))

    monkeypatch.setattr(aside, "_answer", answer)


def failure(text: str) -> SecretsError | None:
    """Return why a resource with this template fails, in one way or another: None if it does not."""
    composed = Composed(dict(HIDDEN), [])
    held = Secrets({key: secret(raw, "3", None, None) for key, raw in HIDDEN.items()}, whole=True)
    try:
        (raw,) = asyncio.run(Aside().render(Job([("template key a", text)], held, CONTEXT)))
        targets: tuple[Target, ...] = ("data", "labels", "annotations")
        for target in targets:
            shaped(Template(), composed, [(Part("templateFrom[0].literal", target, None, text), raw)])
            shaped(Template(), composed, [(Part("the label", target, "label", text), raw)])
    except SecretsError as error:
        return error
    return None


class Backend(FetchingProvider):
    """Holds the canaries, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: set[str] = set()

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        return {ref: self._answer(ref.key) for ref in refs}

    def _answer(self, key: str) -> SecretValue | SecretsError:
        self.asked.add(key)
        return SecretValue(HIDDEN[key]) if key in HIDDEN else NotFound(f"no such key {key}", key=key)

    async def find(self, search: Search) -> Listed:
        return found(search, ((key, {}) for key in HIDDEN))

    async def health_check(self) -> None: ...

    async def close(self) -> None: ...


def failure_of_flow(text: str, backend: Backend) -> SecretsError | None:
    """Return why a flow with this text fails, None if it does not."""
    flow = {"name": "f", "steps": [{"id": "s", "with": {"a": text}}]}
    try:
        asyncio.run(render(Store(backend, "test"), flow, CONTEXT))
    except SecretsError as error:
        return error
    return None


def test_what_is_to_be_rendered_is_not_shown_by_its_repr() -> None:
    held = {key: secret(raw, None, None, None) for key, raw in HIDDEN.items()}
    job = Job([("label a", "{{ secrets.text }}")], Secrets(held, whole=True), {"text": HIDDEN["text"]})
    assert "label a" in repr(job)
    assert shown_in(repr(job) + repr(held)) is None


@given(SEEDS)
def test_no_message_of_a_template_tells_a_value(seed: int) -> None:
    for text in Stranger(seed, KEYS).templates():
        error = failure(text)
        if error is not None:
            assert shown_in(told_by(error)) is None, text


@given(SEEDS)
def test_no_message_of_a_flow_and_no_key_that_it_asks_for_tells_a_value(seed: int) -> None:
    text = Stranger(seed, KEYS).template()
    backend = Backend()
    error = failure_of_flow(text, backend)
    if error is not None:
        assert shown_in(told_by(error)) is None, text
    assert not [key for key in backend.asked if shown_in(key)], text


@given(SEEDS)
def test_references_hold_all_that_a_flow_asks_for(seed: int) -> None:
    text = Stranger(seed, KEYS).template()
    backend = Backend()
    failure_of_flow(text, backend)
    try:
        found = references(text)
    except TemplateError:
        assert not backend.asked, text
    else:
        assert found.computed or backend.asked <= {one.key for one in found}, text


PATHS = st.lists(st.sampled_from(["a", "b", "c d", "list", "0", "1", ".", "\\", "#", "[0]", "*", "é"])).map("".join)
STRATEGIES = ("None", "Base64", "Base64URL", "Auto")


@given(PATHS, st.sampled_from([*HIDDEN]), st.sampled_from(STRATEGIES))
def test_no_message_of_a_path_tells_a_value(path: str, name: str, strategy: str) -> None:
    raw = HIDDEN[name]
    fields = {"a": raw, "list": [raw.decode(errors="replace"), None], "b": {"c d": raw}}
    remote = {"key": "k", "property": path or None, "decodingStrategy": strategy}
    try:
        entry = DataEntry.model_validate({"secretKey": "s", "remoteRef": remote})
        extract = DataFrom.model_validate({"extract": remote})
    except ValidationError:
        return
    for value in (SecretValue(raw), SecretValue(fields)):
        for source in (entry, extract):
            told = ""
            try:
                compose([Found(source, "prod", value)])
            except Unusable as unusable:
                told = told_by(unusable) + told_by(unusable.error)
            assert shown_in(told) is None


WRITTEN = [raw.decode(errors="replace")[:300] for raw in HIDDEN.values()]
SIGNS = [
    "a",
    "b",
    ": ",
    "\n",
    "\n  ",
    "- ",
    "{",
    "}",
    "[",
    "]",
    ", ",
    '"',
    "'",
    "&x ",
    "*x",
    "<<: ",
    "!",
    "!!binary ",
    "|\n",
    "? ",
    "#",
]
FILES = st.lists(st.sampled_from([*SIGNS, *SIGNS, *WRITTEN, "\t", "%", "---\n", "{{ secrets.A }}", "\x00"])).map(
    "".join
)


@given(FILES | st.text(), st.sampled_from(["flow.yaml", "flow.json"]))
def test_no_message_about_a_file_tells_what_stands_in_it(text: str, name: str) -> None:
    told = ""
    try:
        for document in parse(text.encode(errors="replace"), name):
            with suppress(Invalid):
                references(document)
    except Invalid as error:
        told = told_by(error)
    assert shown_in(told) is None


@given(SEEDS, st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), min_size=1, max_size=3))
def test_whatever_is_written_to_rewrite_by_is_refused_or_makes_names(seed: int, written: list[str]) -> None:
    rewrite = Rewrite.model_validate({"transform": {"template": Stranger(seed, ["a"]).template()}})
    with suppress(Invalid):
        made = asyncio.run(Aside().render(Rewriting(steps_of([rewrite]), written)))
        assert len(made) == len(written)


@given(st.text(max_size=40), st.text(max_size=40))
def test_whatever_is_written_to_find_by_is_refused_or_looks_at_names(expression: str, name: str) -> None:
    try:
        find = Find.model_validate({"name": {"regexp": expression}})
    except ValidationError:
        return
    assert find.among([(name, {})]) in ([name], [])
