"""Other names for keys: what steps make of them, what they cost, and what may not come of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beemflow_secrets.model.sources import DataFrom, Rewrite
from beemflow_secrets.providers.errors import Invalid
from beemflow_secrets.rendering.naming import keys_of
from beemflow_secrets.rendering.rewrite import LONGEST_NAME, Rewriting, steps_of
from beemflow_secrets.rendering.template.aside import Aside
from beemflow_secrets.rendering.template.budget import aside, here
from beemflow_secrets.rendering.template.faults import TemplateError, TooMuch
from beemflow_secrets.rendering.template.work import pack, run_packed, take

Step = tuple[str, str] | str
"""Source and target, or a template."""

NAMES = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=60)


def rewriting(*steps: Step, names: list[str]) -> Rewriting:
    spelled: list[dict[str, Any]] = [
        {"transform": {"template": step}}
        if isinstance(step, str)
        else {"regexp": {"source": step[0], "target": step[1]}}
        for step in steps
    ]
    return Rewriting(steps_of([Rewrite.model_validate(step) for step in spelled]), names)


def rewritten(name: str, *steps: Step) -> str:
    done: list[bytes] = []
    rewriting(*steps, names=[name]).run(here(), done)
    return done[0].decode()


@pytest.mark.parametrize(
    ("name", "source", "target", "made"),
    [
        ("slack/bot", "slack/(.*)", "$1", "bot"),
        ("slack/bot", "(?P<team>.*)/(.*)", "${2}_${team}", "bot_slack"),
        ("slack/bot", "(?P<team>.*)/(.*)", "$2-$team", "bot-slack"),
        ("a/b/c", "/", "_", "a_b_c"),
        ("a/b/c", "^a/", "", "b/c"),
        ("other", "slack/(.*)", "$1", "other"),
        ("abc", "b", "$0$0", "abbc"),
        ("abc", "(b)", "$1x", "ac"),  # the group `1x`, as Go has it
        ("abc", "(b)", "${1}x", "abxc"),
        ("abc", "b", "$1", "ac"),
        ("abc", "b", "${nope}", "ac"),
        ("abc", "(b)|(x)", "[$2]", "a[]c"),
        ("abc", "b", "$$1", "a$1c"),
        ("abc", "b", "$", "a$c"),
        ("abc", "b", "${", "a${c"),
        ("abc", "b", "${}", "a${}c"),
        ("abc", "(b)", "${1", "a${1c"),
        ("abc", "(b)", "$-1", "a$-1c"),
        ("abc", "(b)", "$01", "ac"),  # no number begins with 0
        ("abc", "(b)", "\\1", "a\\1c"),
        ("baaac", "a*", "x", "xbxcx"),  # an empty match right behind another is none
        ("abc", "(?:)", "-", "-a-b-c-"),
        ("", "^$", "x", "x"),
        ("a.b", r"\.", "-", "a-b"),
        ("béa日", "[^a-z]", "_", "b_a_"),
        ("Slack", "(?i)^s", "S-", "S-lack"),
        ("aXb", "x|X", "$0$0", "aXXb"),
        ("a日éb", r"\B", "-", "a日-éb"),  # RE2 finds \B between the bytes of a character too
        ("abc", "b", "$²${²}", "a$²${²}c"),  # no name in Go, though Python takes it for one
    ],
)
def test_each_match_is_replaced_as_go_replaces_it(name: str, source: str, target: str, made: str) -> None:
    assert rewritten(name, (source, target)) == made


@pytest.mark.parametrize("source", [r"a\C", r"\\\C", r"\Qa\E\C"])
def test_an_expression_that_means_bytes_is_none(source: str) -> None:
    with pytest.raises(ValueError, match=r"is not an RE2 expression: invalid escape sequence: \\C"):
        rewritten("a", (source, ""))


def test_a_capital_c_behind_a_backslash_of_its_own_is_a_letter() -> None:
    assert rewritten("a\\C", (r"\\C", "x")) == rewritten("a\\C", (r"\Q\C\E", "x")) == "ax"


@pytest.mark.parametrize(
    ("template", "made"),
    [
        ("{{ value | upper }}", "SLACK/BOT"),
        ("{{ value | replace('/', '-') }}", "slack-bot"),
        ("{% if value == 'slack/bot' %}x{% else %}y{% endif %}", "x"),
        ("plain", "plain"),
        ("{{ 'gA==' | base64decode }}", "\ufffd"),
    ],
)
def test_a_template_makes_the_name_of_value(template: str, made: str) -> None:
    assert rewritten("slack/bot", template) == made


def test_steps_follow_one_another() -> None:
    assert rewritten("slack/bot", ("^slack/", "x-"), "{{ value | upper }}", ("X", "Y"), "{{ value }}!") == "Y-BOT!"


def test_what_a_name_holds_is_never_taken_for_a_template_or_an_expression() -> None:
    name = "{{ secrets.a }}${1}\\1.*"
    assert rewritten(name, ("x", "$0"), "{{ value }}", ("(q)", "$1")) == name
    assert rewritten("a", ("a", "{{ 1 + 1 }}"), "{{ value }}") == "{{ 1 + 1 }}"


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        ("{{ secrets.token }}", "secrets.token is undefined"),
        ("{{ key }}", "key is undefined"),
        ("{{ value | nope }}", "nope"),
        ("{{ value", "template"),
        ("{{ value.__class__ }}", "value.__class__"),
        ("{% include 'x' %}", "include"),
    ],
)
def test_a_template_that_cannot_be_is_told_with_step_and_name(template: str, fault: str) -> None:
    with pytest.raises(TemplateError) as caught:
        rewritten("slack/bot", ("x", "y"), template)
    assert caught.value.message.startswith("rewrite[1].transform of 'slack/bot': ")
    assert fault in caught.value.message


@pytest.mark.parametrize(
    "steps",
    [
        [("(.*)", "$1$1")] * 20,
        [("(?:)", "x" * 1024)] * 2,
        [("(?s).", "$0" * 500)] * 3,
        ["{{ value * 3000 }}"],
        ["{{ value }}{{ value }}"] * 20,
    ],
)
def test_a_name_that_grows_without_end_is_told_and_made_no_further(steps: list[Step]) -> None:
    with pytest.raises(Invalid, match=r"^rewrite\[\d+\]\.\w+ of 'abc': it makes a name of more than 8192 bytes$"):
        rewritten("abc", *steps)


async def test_many_names_are_rewritten_in_a_process_of_their_own_as_they_would_be_here() -> None:
    steps: list[Step] = [("slack/(.*)", "$1"), "{{ value | upper }}"]
    names = [f"slack/bot {number} é" for number in range(5000)]
    work = rewriting(*steps, names=names)
    with pytest.raises(TooMuch):
        work.run(here(), [])
    made = [raw.decode() for raw in await Aside().render(work)]
    assert made == [f"BOT {number} É" for number in range(5000)]


async def test_what_fails_there_is_told_as_it_would_be_here() -> None:
    names = [f"n{number}" for number in range(5000)]
    with pytest.raises(TemplateError) as template:
        await Aside().render(rewriting("{{ value }}{% if value == 'n4999' %}{{ nope }}{% endif %}", names=names))
    assert template.value.message == "rewrite[0].transform of 'n4999': nope is undefined"
    with pytest.raises(Invalid) as invalid:
        await Aside().render(rewriting("{{ value }}", ("^n4999$", "x" * 1024), ("x", "yy" * 500), names=names))
    assert type(invalid.value) is Invalid
    assert invalid.value.message == "rewrite[2].regexp of 'n4999': it makes a name of more than 8192 bytes"


@pytest.mark.parametrize(
    "step",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        ("(a|b|c|d)*" * 90, "$0"),
    ],
)
async def test_what_costs_too_much_ends_and_says_so(step: Step) -> None:
    names = [f"{number}" + "abc" * 600 for number in range(3000)]
    with pytest.raises(TooMuch, match=r"^rewrite of '.*'( or one behind it)?: it takes too much time or memory$"):
        await Aside().render(rewriting(step, names=names))


def test_the_process_is_told_of_the_names_that_are_left_and_nothing_else() -> None:
    work = rewriting(("a", "b"), names=["1a", "2a", "3a"])
    done = [b"1b"]
    packed = pack(work, len(done))
    assert json.loads(packed) == ["rewriting", [[["rewrite[0].regexp", "a", "b"]], ["2a", "3a"]]]
    take(work, run_packed(packed, aside(), [Rewriting]), done)
    assert done == [b"1b", b"2b", b"3b"]


def test_half_a_character_is_rewritten_too() -> None:
    assert rewritten("a\ud800", ("a", "b"), "{{ value }}") == "b?"


@given(NAMES)
def test_the_identity_changes_no_name(name: str) -> None:
    steps: list[Step] = [("(?s)^.*$", "$0"), ("(.)", "$1"), ("(?:)", ""), ("(?P<all>(?s:.+))", "${all}"), "{{ value }}"]
    for step in steps:
        assert rewritten(name, step) == name


@given(st.lists(NAMES, max_size=8, unique=True))
def test_the_identity_gives_the_same_keys_or_the_same_refusal(names: list[str]) -> None:
    def keys(rewrite: dict[str, str] | None) -> dict[str, str] | str:
        try:
            return keys_of(names, rewrite)
        except Invalid as error:
            return error.message

    assert keys({name: rewritten(name, ("(.*)", "$1")) for name in names}) == keys(None)


@given(st.text(max_size=40), st.text(max_size=40), NAMES)
def test_whatever_is_written_is_refused_or_makes_a_name(source: str, target: str, name: str) -> None:
    try:
        (step,) = steps_of([Rewrite.model_validate({"regexp": {"source": source, "target": target}})])
    except ValueError:
        return
    done: list[bytes] = []
    try:
        Rewriting([step], [name]).run(aside(), done)
    except Invalid:
        return
    assert len(done[0]) <= LONGEST_NAME


# --- from names to keys


def test_what_a_key_cannot_hold_becomes_underscores_after_the_rewrite() -> None:
    assert keys_of(["slack/bot token"], {"slack/bot token": "bot token"}) == {"slack/bot token": "bot_token"}
    assert keys_of(["a/b"]) == {"a/b": "a_b"}


@pytest.mark.parametrize("new", ["", ".", "..", "..x", "k" * 254])
def test_a_result_that_a_secret_cannot_hold_is_told_with_key_and_result(new: str) -> None:
    with pytest.raises(Invalid) as caught:
        keys_of(["ok", "slack/bot"], {"ok": "ok", "slack/bot": new})
    assert caught.value.message == f"'slack/bot' becomes {new!r}, which cannot be a key of a Secret"


def test_two_names_that_become_one_are_both_told() -> None:
    with pytest.raises(Invalid, match=r"^'a/x' and 'b/x' both become the key x$"):
        keys_of(["a/x", "b/x"], {"a/x": "x", "b/x": "x"})


def test_steps_are_known_by_their_place_in_the_spec() -> None:
    source = DataFrom.model_validate(
        {
            "extract": {"key": "a"},
            "rewrite": [{"transform": {"template": "x"}}, {"regexp": {"source": "a", "target": "b"}}],
        }
    )
    assert [tuple(step) for step in steps_of(source.rewrite)] == [
        ("rewrite[0].transform", "x", None),
        ("rewrite[1].regexp", "a", "b"),
    ]
