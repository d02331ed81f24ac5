"""Which secrets flows ask for: a corpus of files, and properties that hold for all."""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beemflow_secrets.providers.errors import Invalid
from beemflow_secrets.rendering.flows.files import parse
from beemflow_secrets.rendering.flows.references import Reference, references, uses_of
from beemflow_secrets.rendering.template.budget import aside
from beemflow_secrets.rendering.template.engine import render
from beemflow_secrets.rendering.template.faults import TemplateError, Unread
from beemflow_secrets.rendering.template.values import Secret, Secrets
from tests.unit.rendering.flows.corpus import FILES, Case

if TYPE_CHECKING:
    from collections.abc import Iterable


@pytest.mark.parametrize("case", FILES.values(), ids=FILES.keys())
def test_a_file(case: Case) -> None:
    (document,) = parse(case.text.encode(), "flow.json" if case.text.lstrip()[0] in "{[" else "flow.yaml")
    found = references(document)
    told = [(f"{one.key}{'?' if one.optional else ''}", one.step, one.path) for one in found]
    assert sorted(told, key=str) == sorted(case.found, key=str)
    assert [one.key for one in found.computed] == list(case.computed)
    flow = document.get("name") if isinstance(document, dict) and isinstance(document.get("name"), str) else None
    assert {one.flow for one in (*found, *found.computed)} <= {flow}


def test_the_size_of_the_corpus(capsys: pytest.CaptureFixture[str]) -> None:
    expected = sum(len(case.found) + len(case.computed) for case in FILES.values())
    with capsys.disabled():
        print(f"\ncorpus of flows: {len(FILES)} files, {expected} references expected")
    assert len(FILES) >= 75
    assert expected >= 130


def test_a_reference_says_all_of_where_it_is() -> None:
    (one,) = references({"name": "f", "steps": [{"id": "s", "with": {"t": "{{ secrets.A | default 'x' }}"}}]})
    assert one == Reference(key="A", optional=True, flow="f", step="s", path="steps[0].with.t")


@pytest.mark.parametrize("text", ["{{ secrets.A", "{% if secrets.A %}", "{{ secrets. }}", "{{ secrets.A | }}"])
def test_a_text_that_is_no_template_is_told_with_its_place(text: str) -> None:
    with pytest.raises(Invalid, match=r"^flow f, step s, steps\[0\]\.with: .*it is no template"):
        references({"name": "f", "steps": [{"id": "s", "with": text}]})


def test_depth_is_an_error_and_no_crash() -> None:
    document: Any = "{{ secrets.A }}"
    for _ in range(5000):
        document = [document]
    with pytest.raises(Invalid, match="nested too deep"):
        references(document)
    with pytest.raises(Invalid, match="nested too deep"):
        references("{{ " + "(" * 2000 + "secrets.A" + ")" * 2000 + " }}")
    with pytest.raises(Invalid, match="nested too deep"):
        references("{{ " + "1 + " * 5000 + "secrets.A }}")


def test_a_key_that_is_a_number_without_end_is_an_error_and_no_crash() -> None:
    with pytest.raises(Invalid, match="a number that is too long"):
        references("{{ secrets[0x" + "f" * 5000 + "] }}")


def large_flow(steps: int) -> dict[str, Any]:
    """A flow as large as they come: each step asks for secrets and outputs of its own."""
    return {
        "name": "large",
        "on": "cli.manual",
        "steps": [
            {
                "id": f"step{number}",
                "use": "http.fetch",
                "if": "{{ outputs.step0.ok and vars.n > 3 }}",
                "with": {
                    "url": f"https://api.example.com/{number}?q={{{{ vars.query | urlencode }}}}",
                    "headers": {"Authorization": f"Bearer {{{{ secrets.TOKEN_{number} | default 'none' }}}}"},
                    "body": {"list": ["{{ event.text }}", number, f"{{{{ outputs.step{number - 1}.body }}}}"]},
                },
            }
            for number in range(steps)
        ],
    }


def test_five_thousand_steps_take_less_than_two_seconds_of_cpu() -> None:
    flow = large_flow(5000)
    text = json.dumps(flow, indent=1).encode()
    began = time.process_time()
    found = references(flow)
    spent = time.process_time() - began
    assert len(found) == 5000
    assert spent < 2.0
    assert references(parse(text, "flow.json")[0]) == found


def test_a_file_of_20_mib_is_refused_at_once() -> None:
    began = time.process_time()
    with pytest.raises(Invalid, match="it is 20 MiB large, and may be 8"):
        parse(b"a: b\n" + b"# " * 10 * 1024 * 1024, "flow.yaml")
    assert time.process_time() - began < 0.5


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    ("raw", "name", "fault"),
    [
        (BOMB.encode(), "f.yaml", "its aliases unfold to too much"),
        (b"a: &a [*a]\n", "f.yaml", "nested deeper than 100 levels"),
        (b"a: [", "f.yaml", "it is not YAML"),
        (b"text: {{ secrets.A }}\n", "f.yaml", "templates stand in quotes"),
        (b"a: !!python/object:os.system x\n", "f.yaml", "a tag"),
        (b'{"a": }', "f.json", "it is not JSON (line 1, column 7)"),
        (b"[" * 100_000, "f.json", "it is nested too deep"),
        (b"\xff\xfe", "f.yaml", "it is no text"),
    ],
)  # fmt: skip
def test_what_is_no_flow_is_told(raw: bytes, name: str, fault: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse(raw, name)
    assert fault in str(caught.value)


def test_several_documents_and_none() -> None:
    assert parse(b"a: 1\n---\nb: 2\n", "f.yaml") == [{"a": 1}, {"b": 2}]
    assert parse(b"# nothing\n", "f.yaml") == []
    assert parse(b"\xef\xbb\xbfa: 1\n", "f.yaml") == [{"a": 1}]


# References hold all that a render asks for, whatever the template does with it.

KEYS = ("A", "B", "C")
ATOMS = st.sampled_from(["'t'", "1", "true", "x", "vars.k", "secrets", "s"]) | st.builds(
    lambda key, form: form.format(key), st.sampled_from(KEYS), st.sampled_from(["secrets.{}", "secrets['{}']", "s.{}"])
)
EXPRESSIONS = st.recursive(
    ATOMS,
    lambda inner: st.builds(
        lambda form, a, b: form.format(a=a, b=b),
        st.sampled_from(
            [
                "({a} ~ {b})", "({a} == {b})", "({a} if {b} else {a})", "({a} and {b})", "({a} or {b})",
                "[{a}, {b}]", "({a} | default({b}))", "({a} | fallback({b}))", "({a} | string | upper)",
                "({a} is defined)", "(not {a})", "({a} | replace({b}, 'z'))", "secrets[{a}]", "s[{b}]",
                "[{a}, {b}][0]", "{{'k': {a}}}.k", "({a} in {b})",
            ]
        ),
        inner,
        inner,
    ),
    max_leaves=6,
)  # fmt: skip
STATEMENTS = st.recursive(
    EXPRESSIONS.map(lambda e: f"{{{{ {e} }}}}"),
    lambda inner: st.builds(
        lambda form, e, a, b: form.replace("E", e).replace("<", a).replace(">", b),
        st.sampled_from(
            [
                "{% if E %}<{% else %}>{% endif %}", "{% for x in [E] %}<{% endfor %}>", "{% set s = secrets %}<>",
                "{% set x = E %}<>", "{% set s = E %}<>", "{% with s = secrets %}<{% endwith %}>",
                "{% for s in [E] %}<{% endfor %}>", "{% macro m(s) %}<{% endmacro %}{{ m(E) }}>",
                "{% macro m(x=E) %}<{% endmacro %}{{ m() }}>", "{% set x %}<{% endset %}>",
                "{% raw %}{{ secrets.C }}{% endraw %}<>",
                "{% for secrets in [E] %}<{% endfor %}>", "{% if E %}{% set s = secrets %}{% endif %}<>",
                "{# {{ secrets.C }} #}<>", "{% filter upper %}<{% endfilter %}>",
            ]
        ),
        EXPRESSIONS,
        inner,
        inner,
    ),
    max_leaves=5,
)  # fmt: skip


@given(STATEMENTS, st.sets(st.sampled_from(KEYS)))
def test_references_hold_all_that_a_render_asks_for(text: str, held: Iterable[str]) -> None:
    uses = uses_of(text)
    keys = {use.key for use in uses if use.key is not None}
    computes = any(use.key is None for use in uses)
    answers = {key: Secret(f"value of {key}") for key in held}
    asked = _Asked(answers)
    with contextlib.suppress(TemplateError, Unread):
        render(text, {"secrets": asked, "x": "X", "vars": {"k": "A"}}, aside())
    assert asked.keys <= keys or computes


@given(EXPRESSIONS)
def test_a_key_without_which_nothing_renders_is_not_optional(expression: str) -> None:
    text = f"{{{{ {expression} }}}}"
    uses = uses_of(text)
    optional = {use.key for use in uses if use.key is not None} - {use.key for use in uses if not use.optional}
    if any(use.key is None for use in uses):
        return
    for key in optional:
        others = {other: Secret("v") for other in KEYS if other != key}
        fault = ""
        try:
            render(text, {"secrets": Secrets(others, whole=True), "x": "X", "vars": {"k": "A"}}, aside())
        except TemplateError as error:
            fault = error.message
        assert fault != f"secrets.{key} is undefined"


class _Asked(Secrets):
    """Remembers which keys were asked for."""

    def __init__(self, answers: dict[str, Secret]) -> None:
        super().__init__(answers, whole=True)
        self.keys: set[str] = set()

    def get(self, key: str) -> Secret | None:
        self.keys.add(key)
        return super().get(key)
