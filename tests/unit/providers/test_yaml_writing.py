"""YAML that is written: whoever reads it, YAML 1.2 or kubectl too, reads text as text."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from beemflow_secrets.cli.console import Output, show
from beemflow_secrets.providers.yamlwriting import dumps

# YAML 1.2.2, 10.3.2, "Core schema: tag resolution".
CORE = (
    "null|Null|NULL|~",
    "true|True|TRUE|false|False|FALSE",
    "[-+]?[0-9]+",
    "0o[0-7]+",
    "0x[0-9a-fA-F]+",
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?",
    r"[-+]?(\.inf|\.Inf|\.INF)",
    r"\.nan|\.NaN|\.NAN",
)
KUBECTL = ("y", "N", "-_1", "1_2e3", "1_0.5e3", "0_o17", "0X1F", "-0B1", "0O7", "089")
"""What its reader makes of these was seen: booleans, and numbers."""

TEXT = st.text(alphabet=st.characters(codec="utf-8"))


def is_quoted(text: str) -> bool:
    return all(dumps({text: text}, blocks=blocks) == f"'{text}': '{text}'\n" for blocks in (False, True))


@given(st.one_of([st.from_regex(f"({form})", fullmatch=True).filter(str.isascii) for form in CORE]))
def test_text_that_is_no_text_to_yaml_1_2_is_quoted(text: str) -> None:
    assert is_quoted(text)


@pytest.mark.parametrize("text", ["1e5", "12e3", "1234e56", "0o17", *KUBECTL, "yes", "2026-01-02", "1:20", "=", "<<"])
def test_text_that_is_no_text_to_kubectl_or_to_yaml_1_1_is_quoted(text: str) -> None:
    assert is_quoted(text)


@pytest.mark.parametrize("text", ["e5", "1e5x", "0o18x", "yn", "v1.2", "1.2.3", "xoxb-1"])
def test_other_text_stands_as_a_person_writes_it(text: str) -> None:
    assert dumps([text], blocks=True) == f"- {text}\n"


@given(st.dictionaries(TEXT, TEXT), st.booleans())
def test_all_text_is_read_as_it_was(data: dict[str, str], blocks: bool) -> None:  # noqa: FBT001 - given
    assert yaml.safe_load(dumps(data, blocks=blocks)) == data


def test_texts_of_several_lines_are_blocks_where_they_are_asked_for() -> None:
    assert dumps({"a": "[bot]\nb=1\n"}, blocks=True) == "a: |\n  [bot]\n  b=1\n"


def test_a_verb_prints_such_text_in_quotes(capsys: pytest.CaptureFixture[str]) -> None:
    show(Output.YAML, [{"name": "1e5"}], (), ())
    assert capsys.readouterr().out == "- name: '1e5'\n"
