"""Jinja2's language, and BeemFlow's blank syntax beside it."""

from __future__ import annotations

from traceback import format_exception

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from beemflow_secrets.rendering.template.budget import aside, here
from beemflow_secrets.rendering.template.engine import render
from beemflow_secrets.rendering.template.faults import TemplateError
from beemflow_secrets.rendering.template.values import Secret, has_syntax
from tests.unit.rendering.template.rendering import CANARY, refusal, rendered


@given(st.text().filter(lambda text: not has_syntax(text)))
def test_a_text_without_syntax_is_itself(text: str) -> None:
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        return
    assert render(text, {}, here()) == raw


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_a_value_is_never_rendered_again_and_no_byte_of_it_changes(value: str) -> None:
    assert rendered("{{ value }}", value=value) == value


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("{{ secrets.token }}", CANARY),
        ('{{ secrets["slack/bot"] }}', "of the bot"),
        ("{{ secrets['ca.crt'] }}", "-----BEGIN CERTIFICATE-----\n"),
        ("{{ secrets.braces }}", "{{ secrets.token }}{% for x in y %}"),
        ("a\n{{ secrets.token }}\n", f"a\n{CANARY}\n"),
        ("a\r\n{{ secrets.empty }}\r\nb\r", "a\r\n\r\nb\r"),
        ("{{ 'a\r\nb' }}", "a\r\nb"),
        ("{{ secrets.token.version }} {{ secrets.token.created_at }}", "3 2026-11-25T03:04:05Z"),
        ("{{ secrets.token.expires_at | default 'never' }}", "never"),
        ("{# secrets.nope #}{% raw %}{{ secrets.nope }}{% endraw %}", "{{ secrets.nope }}"),
    ],
)
def test_secrets(text: str, printed: str) -> None:
    assert rendered(text) == printed


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("{{ secrets.nope | default 'x' }}", "x"),
        ("{{ secrets.nope | default('x') }}", "x"),
        ("{{ secrets.nope | d }}", ""),
        ("{{ secrets.empty | default 'x' }}", ""),
        ("{{ secrets.empty | default('x', true) }}", "x"),
        ("{{ secrets.empty | default 'x' true }}", "x"),
        ("{{ nothing | default 'x' }}", "x"),
        ("{{ nothing.at.all | default 3 }}", "3"),
        ("{{ secrets.nope | fallback secrets.token }}", CANARY),
        ("{{ secrets.nope | fallback(secrets.token) }}", CANARY),
        ("{{ secrets.nope | fallback secrets.nor | default 'x' }}", "x"),
        ('{{ secrets.nope | fallback secrets["slack/bot"] | upper }}', "OF THE BOT"),
        ("{{ 'a' | hash 'sha256' }}", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
        ("{{ 'a-b-a' | replace 'a' 'c' }}", "c-b-c"),
        ("{{ 'a-b-a' | replace 'a' 'c' 1 }}", "c-b-a"),
        ("{{ 'x' if 'ab' | length == 2 else 'y' }}", "x"),
        ("{{ 'ab' | length - 1 }}", "1"),
        ("{{ 'ab' | first in 'abc' and not 'b' | upper == 'b' }}", "true"),
        ("{% for x in [2, 1] | sort if x > 1 %}{{ x }}{% endfor %}", "2"),
        ("{{ 'ab' | default 'c' is string }}", "true"),
    ],
)
def test_the_blank_syntax_and_what_is_missing(text: str, printed: str) -> None:
    assert rendered(text) == printed


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("{{ secrets.nope }}", "secrets.nope is undefined"),
        ('{{ secrets["a/b"] }}', 'secrets["a/b"] is undefined'),
        ("{{ nothing }}", "nothing is undefined"),
        ("{{ [secrets.nope] }}", "secrets.nope is undefined"),
        ("{{ {'a': secrets.nope}['b'] }}", "secrets.nope is undefined"),
        ("{% set unused = secrets.nope %}", "secrets.nope is undefined"),
        ("{% set unused = secrets.token.nope %}", "secrets.token.nope is undefined"),
        ("{{ secrets.token.expires_at }}", "secrets.token.expires_at is undefined"),
        ("{% if secrets.nope %}{% endif %}", "secrets.nope is undefined"),
        ("{{ secrets.nope == 1 }}", "secrets.nope is undefined"),
        ("{{ secrets.nope | upper }}", "secrets.nope is undefined"),
        ("{{ secrets.token | replace(nothing, '') }}", "nothing is undefined"),
        ("{% for x in secrets.nope %}{% endfor %}", "secrets.nope is undefined"),
        ("{{ secrets.nope | fallback secrets.nor }}", "secrets.nope is undefined, and secrets.nor is undefined"),
        ("{{ (secrets.json | fromjson).nothing }}", "(secrets.json | fromjson).nothing is undefined"),
        ("{{ [] | first }}", "an item of an empty list is undefined"),
        ("a\n{{ 'b' }}\n{{ secrets.nope }}", "line 3: secrets.nope is undefined"),
    ],
)
def test_what_is_undefined_is_an_error_that_names_it_wherever_it_stands(text: str, name: str) -> None:
    assert refusal(text) == name


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("{% if 1 > 2 %}a{% elif 2 > 1 %}b{% else %}c{% endif %}", "b"),
        ("{% for x in [1, 2] %}{{ loop.index }}{{ x }}{{ ',' if not loop.last }}{% else %}none{% endfor %}", "11,22"),
        ("{% for x in [] %}{% else %}none{% endfor %}", "none"),
        ("{% for a, b in {'x': 1} | items %}{{ a }}={{ b }}{% endfor %}", "x=1"),
        ("{% for x in 'ab' %}{{ loop.cycle('odd', 'even') }} {% endfor %}", "odd even "),
        ("{% set a = 1 %}{% for x in [1] %}{% set a = 2 %}{% endfor %}{{ a }}", "1"),
        ("{% set n = namespace(a=1) %}{% for x in [1] %}{% set n.a = 2 %}{% endfor %}{{ n.a }}", "2"),
        ("{% set text | upper %}abc{% endset %}{{ text }}", "ABC"),
        ("{% filter upper | replace('B', '-') %}abc{% endfilter %}", "A-C"),
        ("{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}", "3"),
        ("{% macro m(a, b='x') %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}{{ m(1, b=2) }}", "1x12"),
        ("{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}in{% endcall %}", "<in>"),
        ("a  {%- if true -%}  b  {%- endif -%}  c", "abc"),
        ("{{ [1, 2, 3][1:] }}{{ 'abc'[::-1] }}{{ [1, 2][-1] }}", "[2,3]cba2"),
        (
            "{{ 7 // 2 }} {{ 7 % 4 }} {{ 2 ** 8 }} {{ 7 / 2 }} {{ 'a' ~ 1 ~ true }} {{ -(1) + +2 }}",
            "3 3 256 3.5 a1true 1",
        ),
        ("{{ 'a' * 3 }}{{ [1] + [2] }}{{ '%s-%d' % ('x', 3) }}", "aaa[1,2]x-3"),
        ("{{ 1 < 2 < 3 }} {{ 1 < 2 < 2 }} {{ 'a' in ['a'] }} {{ 'b' not in 'abc' }}", "true false true false"),
        (
            "{{ 3 is odd }} {{ 4 is divisibleby 2 }} {{ 'a' is defined }} {{ nothing is undefined }}",
            "true true true true",
        ),
        ("{{ secrets.nope is defined }} {{ 'token' in secrets }} {{ 'nope' in secrets }}", "false true false"),
        ("{% for key in secrets %}{{ key }} {% endfor %}", "token slack/bot ca.crt braces empty json binary "),
        ("{{ secrets | length }}", "7"),
        ("{{ {'a': 1, 'b': [true, none, 1.5, 'é']} }}", '{"a":1,"b":[true,null,1.5,"é"]}'),
        ("{{ range(3) }}{{ range(1, 6, 2) | join('-') }}{{ dict(a=1) }}", '[0,1,2]1-3-5{"a":1}'),
    ],
)
def test_statements_and_expressions(text: str, printed: str) -> None:
    assert rendered(text) == printed


# What does not print as JSON here and as Python there.
SAME_AS_JINJA2 = [
    "{{ 'Ab cd' | upper }}{{ 'Ab cd' | lower }}{{ 'ab CD-ef' | title }}{{ 'ab CD' | capitalize }}",
    "{{ '  a ' | trim }}{{ 'xxaxx' | trim('x') }}{{ 'a' | center(5) }}|",
    "{{ 'a\nb\n\nc' | indent }}|{{ 'a\nb\n\nc' | indent(2, true, true) }}|{{ 'a\nb' | indent('> ') }}",
    "{{ 'the quick brown fox' | truncate(12) }}{{ 'the quick brown fox' | truncate(12, true, '!', 0) }}",
    "{{ 'the quick brown fox' | wordwrap(9) }}{{ 'one two, three' | wordcount }}",
    "{{ [3, 1, 2] | sort | join(',') }}{{ ['b', 'A'] | sort | join }}{{ ['b', 'A'] | sort(true, true) | join }}",
    "{{ [1, 2, 2, 1] | unique | join }}{{ ['a', 'A'] | unique | join }}",
    "{{ [1, 2] | sum }}{{ [1, 2] | min }}{{ [1, 2] | max }}{{ [1, 2] | first }}{{ [1, 2] | last }}{{ 'abc' | length }}",
    "{{ [{'a': 1}, {'a': 2}] | map(attribute='a') | join }}{{ ['a', 'b'] | map('upper') | join }}",
    "{{ [{'a': 1}, {'a': 2}] | sum('a') }}{{ [{'a': 1}, {'a': 2}] | join(',', 'a') }}",
    "{{ [1, 2, 3] | select('odd') | join }}{{ [1, 2, 3] | reject('odd') | join }}{{ [0, 1, ''] | select | join }}",
    "{{ [{'a': 1, 'b': 'x'}, {'a': 2, 'b': 'y'}] | selectattr('a', 'eq', 2) | map(attribute='b') | join }}",
    "{{ [{'a': 1, 'b': 'x'}, {'a': 2, 'b': 'y'}] | rejectattr('a', 'gt', 1) | map(attribute='b') | join }}",
    "{% for name, all in [{'a': 2}, {'a': 1}, {'a': 2}] | groupby('a') %}{{ name }}:{{ all | length }} {% endfor %}",
    "{% for row in [1, 2, 3, 4, 5] | batch(2, 0) %}{{ row | join }};{% endfor %}",
    "{% for row in [1, 2, 3, 4, 5] | slice(3, 0) %}{{ row | join }};{% endfor %}",
    "{% for row in range(10) | slice(3) %}{{ row | join }};{% endfor %}",
    "{% for k, v in {'b': 1, 'A': 2} | dictsort %}{{ k }}{{ v }}{% endfor %}",
    "{% for k, v in {'b': 1, 'A': 2} | dictsort(by='value', reverse=true) %}{{ k }}{{ v }}{% endfor %}",
    "{{ 'abc' | reverse }}{{ 'abc' | list | join('.') }}{{ {'a': 1} | list | join }}{{ 5 | string | length }}",
    "{{ '42' | int + 1 }}{{ 'x' | int(7) }}{{ '0x1f' | int(0, 16) }}{{ '1.5' | float }}{{ '3.9' | int }}{{ -3 | abs }}",
    "{{ 2.567 | round(1) }}{{ 2.567 | round(1, 'floor') }}{{ 2.1 | round(0, 'ceil') }}",
    "{{ '%s is %d' | format('a', 3) }}{{ '%(a)s' | format(a='b') }}{{ '%5.1f' | format(2.25) }}",
    "{{ 'a b/c?é' | urlencode }}{{ {'a': 'b c', 'd': '&/'} | urlencode }}",
    "{{ 'a-b' | replace('-', '+') }}{{ 'aaa' | replace('a', 'b', 2) }}",
    ("{% for x in 'abc' %}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.length }}"
    "{% endfor %}"),
]  # fmt: skip


@pytest.mark.parametrize("text", SAME_AS_JINJA2)
def test_it_prints_what_jinja2_prints(text: str) -> None:
    jinja2 = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
    theirs = jinja2.from_string(text).render().replace("True", "true").replace("False", "false")
    assert rendered(text) == theirs


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{{ secrets.token", "unexpected end of template"),
        ("{% if true %}", "Unexpected end of template"),
        ("{% nope %}", "Encountered unknown tag 'nope'"),
        (f"{{{{ 'a' + }}}} {CANARY}", "it is no template"),
        (f"{{{{ secrets.token '{CANARY}' }}}}", "expected token 'end of print statement'"),
        ("{{ " + "(" * 500 + "1" + ")" * 500 + " }}", "nested too deep"),
        ("{{ " + "1+" * 5000 + "1 }}", "nested too deep"),
        ("{{ " + "9" * 5000 + " }}", "a number that is too long"),
        ("{{ 0x" + "f" * 5000 + " }}", "a number that is too long"),
        ("{{ (0b" + "1" * 15000 + ")._a }}", "a number that is too long"),
        ("{{ ('f' * 5000) | int(0, 16) }}", "a number is too large"),
        ("{{ {('f' * 5000) | int(0, 16): 1} }}", "a number is too large"),
        ("{{ -(('f' * 5000) | int(0, 16)) ~ '' }}", "a number is too large"),
        ("{{ [('9' * 4300) | int, ('9' * 4300) | int] | sum }}", "a number is too large"),
        ("{{ secrets.token | nope }}", "there is no filter nope"),
        ("{% if false %}{{ 'a' | nope }}{% endif %}", "there is no filter nope"),
        ("{{ 1 is nope }}", "there is no test nope"),
        ("{{ secrets.token | base64decode }}", "base64decode: the value is not base64"),
        ("{{ secrets.token | fromjson }}", "fromjson: the value is not JSON"),
        ("{{ secrets.token | round }}", "the filter round cannot take this"),
        ("{{ secrets.token | upper(1, 2, 3) }}", "the filter upper cannot take this"),
        ("{{ secrets.token + 1 }}", "+ cannot be done with these values"),
        ("{{ secrets.token < 1 }}", "values of these kinds cannot be compared"),
        ("{{ 1 / 0 }}", "/ cannot be done with these values"),
        ("{{ 1 is divisibleby 0 }}", "the test divisibleby cannot take this"),
        ("{{ (-8) ** 0.5 }}", "the root of a number below 0"),
        ("{{ secrets }}", "`secrets` is not one value"),
        ("{{ secrets.token | hash 'md4' }}", "hash takes sha1"),
        ("{{ 'a' | fallback }}", "fallback names what stands in"),
        ("{% for a, b in [[1, 2, 3]] %}{% endfor %}", "2 names for another number of values"),
        ("{% for a in 3 %}{% endfor %}", "has no items"),
        ("{{ 'a'[1:2:0] }}", "the step of a part is 0"),
        ("{{ '\\ud800' }}", "half a character"),
        ("{% macro m() %}{% endmacro %}{{ m }}", "is no value"),
        ("{% macro m() %}{% endmacro %}{{ m(1) }}", "does not take"),
    ],
)  # fmt: skip
def test_mistakes_are_told_without_a_value(text: str, fault: str) -> None:
    assert fault in refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "{{ [1] | map(secrets.token) | list }}",
        "{{ [1] | select(secrets.token) | list }}",
        "{{ [{}] | map(attribute=secrets.token) | list }}",
        "{{ [{}] | groupby(secrets.token) }}",
        "{{ [{}] | sort(attribute=secrets.token) }}",
        "{{ {secrets.token ~ ' !': 1} | dotenv }}",
        "{{ [{'a': 1}] | selectattr('a', secrets.token) }}",
        "{{ [1] | reject(secrets.token) }}",
        "{{ [{}] | sum(secrets.token) }}",
        "{{ [{}] | unique(attribute=secrets.token) }}",
        "{{ [{}] | join(',', secrets.token) }}",
        "{{ secrets[secrets.token] }}",
        "{{ {}[secrets.token] | default(secrets[secrets.token]) }}",
        "{{ ('%(' ~ secrets.token ~ ')s') % {'a': 1} }}",
        "{{ ('%(' ~ secrets.token ~ ')s') | format(a=1) }}",
        "{{ '%d' % secrets.token }}",
        "{{ ('{' ~ secrets.token) | fromjson }}",
        "{{ 'a' | hash(secrets.token) }}",
        "{{ 5 | round(1, secrets.token) }}",
        "{{ {} | dictsort(by=secrets.token) }}",
        "{{ secrets.token | filterPEM(secrets.token) }}",
        "{{ secrets.token | base64decode }}",
    ],
)
def test_a_name_that_is_made_of_a_value_is_not_told(text: str) -> None:
    with pytest.raises(TemplateError) as caught:
        rendered(text, budget=aside())
    assert CANARY not in "".join(format_exception(caught.value))


def test_how_many_items_a_value_has_is_not_told() -> None:
    held = {"pin": Secret("48213")}
    with pytest.raises(TemplateError, match=r"^2 names for another number of values$"):
        rendered("{% set a, b = range(secrets.pin | int) %}", budget=aside(), held=held)
