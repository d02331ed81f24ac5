"""`render` and `validate`: flows, held against an open store."""

from __future__ import annotations

from datetime import UTC, datetime
from traceback import format_exception
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets import (
    Denied,
    Invalid,
    NotFound,
    SecretsError,
    SecretValue,
    Unavailable,
    open_secrets,
    references,
    render,
    validate,
)
from beemflow_secrets.library.secrets import Secrets
from beemflow_secrets.providers.base import FetchingProvider
from beemflow_secrets.providers.finding import found
from beemflow_secrets.rendering.template import aside

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from beemflow_secrets.providers.value import Found, Ref, Search

CANARY = "canary-5e21"

AT = datetime(2026, 11, 25, tzinfo=UTC)
HELD: dict[str, SecretValue | SecretsError] = {
    "TOKEN": SecretValue(CANARY, "7", AT, AT),
    "slack/bot": SecretValue({"user": "bot", "token": CANARY}),
    "a-b.c": SecretValue("dashed"),
    "binary": SecretValue(b"\xff"),
    "braces": SecretValue("{{ secrets.TOKEN }}"),
    "denied": Denied("no right"),
    "away": Unavailable("no answer"),
}


class Backend(FetchingProvider):
    """Answers from a dict, and remembers what it was asked."""

    def __init__(self, answers: Mapping[str, SecretValue | SecretsError] | None = None) -> None:
        self.answers = HELD if answers is None else answers
        self.asked: list[list[str]] = []

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        asked = list(refs)
        self.asked.append(sorted(ref.key for ref in asked))
        return {ref: self.answers.get(ref.key, NotFound("no such key", key=ref.key)) for ref in asked}

    async def find(self, search: Search) -> Found:
        return found(search, ((key, {}) for key in self.answers))

    async def health_check(self) -> None:
        pass

    async def close(self) -> None:
        pass


def store(backend: Backend | None = None) -> Secrets:
    return Secrets(backend or Backend(), "test")


async def test_a_tree_keeps_its_form_and_what_is_no_text_stays_as_it_is() -> None:
    tree: dict[str, Any] = {
        "name": "hello",
        "steps": [{"id": "a", "with": {"text": "Bearer {{ secrets.TOKEN }}", "n": 3, "on": True, "none": None}}],
        "tuple": ("{{ vars.x }}", 1.5),
        "{{ secrets.TOKEN }}": "names of maps stay",
    }
    done = await render(store(), tree, {"vars": {"x": "y"}})
    assert done == {
        "name": "hello",
        "steps": [{"id": "a", "with": {"text": f"Bearer {CANARY}", "n": 3, "on": True, "none": None}}],
        "tuple": ("y", 1.5),
        "{{ secrets.TOKEN }}": "names of maps stay",
    }
    assert tree["steps"][0]["with"]["text"] == "Bearer {{ secrets.TOKEN }}"


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("{{ secrets.TOKEN }}\n", f"{CANARY}\n"),
        ('{{ secrets["slack/bot#token"] }}', CANARY),
        ('{{ (secrets["slack/bot"] | fromjson).user }}', "bot"),
        ('{{ secrets["a-b.c"] }}', "dashed"),
        ("{{ secrets.braces }}", "{{ secrets.TOKEN }}"),
        ("{{ secrets.TOKEN.version }} {{ secrets.TOKEN.expires_at }}", "7 2026-11-25T00:00:00Z"),
        ("{{ secrets[vars.key] }}", CANARY),
        ("{{ secrets[vars.other] | default 'x' }}", "x"),
        ("{{ secrets.nope | fallback secrets.TOKEN }}", CANARY),
        ("{% for key in vars.keys %}{{ secrets[key] | length }} {% endfor %}", "11 6 "),
        ("{{ secrets.TOKEN if false else 'no' }}", "no"),
        ("{{ secrets.binary | base64encode }}", "/w=="),
        ("{{ vars.secrets.TOKEN }}", "somebody else's"),
        ("no template: $env:TOKEN", "no template: $env:TOKEN"),
    ],
)
async def test_a_text(text: str, printed: str) -> None:
    context = {
        "vars": {"key": "TOKEN", "other": "nope", "keys": ["TOKEN", "a-b.c"], "secrets": {"TOKEN": "somebody else's"}}
    }
    assert await render(store(), text, context) == printed


@pytest.mark.parametrize(
    "text",
    [
        "{{ secrets[secrets.TOKEN] }}",
        "{{ secrets[secrets.TOKEN] | default 'x' }}",
        "{{ secrets['a/' ~ secrets.TOKEN | upper] }}",
        "{{ secrets[(secrets['slack/bot'] | fromjson).token] }}",
        "{{ secrets.TOKEN in secrets }}",
        "{{ 'a' < 'b' < secrets.TOKEN not in secrets }}",
        "{{ [secrets] | map(attribute=secrets.TOKEN) | list }}",
        "{{ [secrets] | selectattr(secrets.TOKEN) | list }}",
        "{{ [secrets][0][secrets.TOKEN] }}",
        "{% set s = secrets %}{{ s[s.TOKEN] }}",
        "{% set a = secrets.TOKEN %}{% set b = a %}{{ secrets[b] }}",
        "{% set a %}{{ secrets.TOKEN }}{% endset %}{{ secrets[a] }}",
        "{% set n = namespace() %}{% set n.a = secrets.TOKEN %}{{ secrets[n.a] }}",
        "{% set a = 'x' %}{% for i in [1] %}{% set a = secrets.TOKEN %}{{ secrets[a] }}{% endfor %}",
        "{% for a in [secrets.TOKEN] %}{{ secrets[a] }}{% endfor %}",
        "{% for a in [secrets.TOKEN, 'b'] %}{{ secrets[loop.previtem] if loop.last }}{% endfor %}",
        "{% with a = secrets.TOKEN %}{{ secrets[a] }}{% endwith %}",
        "{% macro m(a) %}{{ secrets[a] }}{% endmacro %}{{ m(secrets.TOKEN) }}",
        "{% macro m(a) %}{{ secrets[a] }}{% endmacro %}{{ m(a=secrets.TOKEN) }}",
        "{% macro m(a=secrets.TOKEN) %}{{ secrets[a] }}{% endmacro %}{{ m() }}",
        "{% macro m() %}{{ secrets.TOKEN }}{% endmacro %}{{ secrets[m()] }}",
        "{% macro m() %}{{ secrets[caller()] }}{% endmacro %}{% call m() %}{{ secrets.TOKEN }}{% endcall %}",
        "{% macro m() %}{{ caller(secrets.TOKEN) }}{% endmacro %}{% call(a) m() %}{{ secrets[a] }}{% endcall %}",
    ],
)
async def test_no_key_is_made_of_a_value_for_whoever_keeps_logs_would_see_it(text: str) -> None:
    backend = Backend()
    with pytest.raises(Invalid) as caught:
        await render(store(backend), text)
    assert CANARY not in "".join(format_exception(caught.value)) + repr(caught.value)
    assert CANARY not in str(backend.asked).lower()


async def test_all_keys_are_read_together_and_only_those_that_are_asked_for() -> None:
    backend = Backend()
    texts = [
        "{{ secrets.TOKEN }}",
        '{{ secrets["slack/bot#user"] }}{{ secrets["slack/bot#token"] }}',
        "{{ secrets.TOKEN }}",
    ]
    await render(store(backend), texts)
    assert backend.asked == [["TOKEN", "slack/bot"]]
    backend.asked.clear()
    assert await render(store(backend), ["plain", 3]) == ["plain", 3]
    assert backend.asked == []


async def test_a_default_acts_on_missing_only() -> None:
    with pytest.raises(Denied):
        await render(store(), "{{ secrets.denied | default 'x' }}")
    with pytest.raises(Unavailable):
        await render(store(), "{{ secrets.away | fallback secrets.TOKEN }}")
    assert await render(store(), "{{ 'x' if true else secrets.away }}") == "x"


FLOW = {"name": "hello", "steps": [{"id": "greet", "with": {"a b": ["{{ secrets.nope }}"]}}]}


async def test_an_error_names_flow_step_and_path() -> None:
    with pytest.raises(Invalid) as caught:
        await render(store(), FLOW)
    assert str(caught.value) == "flow hello, step greet, steps[0].with.a b[0]: secrets.nope is undefined"
    with pytest.raises(Invalid, match=r"^flow hello, step greet, steps.0..if: it is no template: unexpected end"):
        await render(store(), {"name": "hello", "steps": [{"id": "greet", "if": "{{ secrets.x"}]})
    with pytest.raises(Invalid, match=r"^secrets.nope is undefined$"):
        await render(store(), "{{ secrets.nope }}")
    with pytest.raises(Invalid, match="the result is binary"):
        await render(store(), "{{ secrets.binary }}")


async def test_an_object_that_is_no_data_is_refused_where_it_is_used() -> None:
    context = {"now": AT, "x": "y"}
    assert await render(store(), "{{ x }}", context) == "y"
    with pytest.raises(Invalid, match="what it prints is no value"):
        await render(store(), "{{ now }}", context)


async def test_what_takes_long_is_rendered_in_a_process_with_keys_that_only_it_asks_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(aside, "LONGEST", 60.0)  # this machine may be busy
    text = "{% for a in range(20000) %}{{ a % 10 }}{% endfor %}{{ secrets[vars.key] }}"
    printed = await render(store(), text, {"vars": {"key": "TOKEN"}, "now": AT})
    assert printed == "0123456789" * 2000 + CANARY


async def test_a_flow_whose_secrets_are_there_is_valid() -> None:
    texts = [
        "{{ secrets.TOKEN }}",
        '{{ secrets["slack/bot#user"] }}',
        "{{ secrets.nope | default 'x' }}",
        "{{ secrets[a] }}",
    ]
    await validate(store(), {"name": "x", "steps": [{"with": texts}]})


async def test_all_that_is_missing_is_told_at_once() -> None:
    flow = ["{{ secrets.a }}", "{{ secrets.b | default 'x' }}", '{{ secrets["slack/bot#c"] }}', "{{ secrets.TOKEN }}"]
    with pytest.raises(NotFound) as caught:
        await validate(store(), flow)
    assert caught.value.keys == ("a", "slack/bot#c")
    assert str(caught.value) == "not found: a, slack/bot#c"


async def test_what_is_denied_is_told_and_no_default_helps() -> None:
    with pytest.raises(Denied) as caught:
        await validate(store(), "{{ secrets.denied | default 'x' }}")
    assert caught.value.keys == ("denied",)
    with pytest.raises(NotFound) as both:
        await validate(store(), ["{{ secrets.denied }}", "$env:NOPE"])
    assert both.value.keys == ("NOPE", "denied")
    assert str(both.value) == "not found: NOPE; denied: denied"


async def test_a_backend_that_is_away_is_no_answer() -> None:
    with pytest.raises(Unavailable):
        await validate(store(), "{{ secrets.away | default 'x' }}{{ secrets.nope }}")


async def test_a_policy_judges_who_asks(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOKEN", CANARY)
    config = {"driver": "env", "access_policies": [{"flow_patterns": ["good"]}]}
    async with open_secrets(config, flow="good") as secrets:
        await validate(secrets, "{{ secrets.TOKEN }}")
        assert await render(secrets, "{{ secrets.TOKEN }}") == CANARY
    async with open_secrets(config, flow="bad") as secrets:
        with pytest.raises(Denied):
            await validate(secrets, "{{ secrets.TOKEN }}")
        with pytest.raises(Denied):
            await render(secrets, "{{ secrets.TOKEN }}")


async def test_any_provider_will_do() -> None:
    await validate(Backend(), references_of("TOKEN"))
    assert await render(Backend(), references_of("TOKEN")) == CANARY
    assert [found.key for found in references(references_of("TOKEN"))] == ["TOKEN"]


def references_of(key: str) -> str:
    return "{{ secrets." + key + " }}"
