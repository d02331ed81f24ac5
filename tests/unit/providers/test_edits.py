"""Edits: one secret of a file changes, and all that stands beside it stays, letter by letter."""

from __future__ import annotations

from typing import Any

import pytest

from beemflow_secrets.providers import datafile
from beemflow_secrets.providers.edits import edited
from beemflow_secrets.providers.errors import Invalid

YAML = """\
# made by ops
first: 1.10   # a price
nested:       # of many
  user: bot
  pass: "x"

# about the key
pem: |
  -----BEGIN
  #inside
  -----END
"quoted key": 'text'   # after
list:
- a
- b
last: yes
"""

DOTENV = """\
# made by ops
export FIRST="a b"   # told
SECOND='it'
EMPTY=
TWICE=1
TWICE=2
# the end
"""


@pytest.mark.parametrize(
    ("name", "text", "key", "new", "after"),
    [
        ("s.json", '{"a": 1.10, "b": "x"}', "b", "y", '{"a":1.10,"b":"y"}'),
        ("s.json", '{\n  "a": 1.10,\n  "b": [1, {"c": null}]\n}\n', "d", {"e": "f"},
         '{\n  "a": 1.10,\n  "b": [\n    1,\n    {\n      "c": null\n    }\n  ],\n  "d": {\n    "e": "f"\n  }\n}\n'),
        ("s.json", '{\n  "a": 1,\n  "b": 2\n}', "a", None, '{\n  "b": 2\n}'),
        ("s.json", '{"a": 1}', "a", None, "{}"),
        ("s.json", "{}\n", "a", "x", '{\n  "a": "x"\n}\n'),
        ("s.yaml", YAML, "first", "2", YAML.replace("first: 1.10", 'first: "2"')),
        ("s.yaml", YAML, "nested", {"user": "b"},
         YAML.replace('       # of many\n  user: bot\n  pass: "x"', ' {"user":"b"}')),
        ("s.yaml", YAML, "pem", "a\nb\n", YAML.replace("|\n  -----BEGIN\n  #inside\n  -----END", '"a\\nb\\n"')),
        ("s.yaml", YAML, "quoted key", "ü", YAML.replace("'text'", '"ü"')),
        ("s.yaml", YAML, "list", "x", YAML.replace("\n- a\n- b", ' "x"')),
        ("s.yaml", YAML, "new/key: #1", "x", YAML + '"new/key: #1": "x"\n'),
        ("s.yaml", YAML, "first", None, YAML.replace("first: 1.10   # a price\n", "")),
        ("s.yaml", YAML, "nested", None, YAML.replace('nested:       # of many\n  user: bot\n  pass: "x"\n', "")),
        ("s.yaml", YAML, "list", None, YAML.replace("list:\n- a\n- b\n", "")),
        ("s.yaml", YAML, "last", None, YAML.replace("last: yes\n", "")),
        ("s.yaml", YAML.rstrip(), "new", "x", YAML + '"new": "x"\n'),
        ("s.yaml", "# nothing yet\n", "new", "x", '# nothing yet\n"new": "x"\n'),
        ("s.yaml", "a: 1\n", "a", None, "# no secrets\n"),
        ("s.yaml", "  a: 1\n", "b", "x", '  a: 1\n  "b": "x"\n'),
        (".env", DOTENV, "FIRST", "it's $HOME \\ #no\n2",
         DOTENV.replace('"a b"   # told', "'it\\'s $HOME \\\\ #no\n2'")),
        (".env", DOTENV, "SECOND", "", DOTENV.replace("'it'", "''")),
        (".env", DOTENV, "TWICE", "3", DOTENV.replace("TWICE=1\nTWICE=2", "TWICE='3'")),
        (".env", DOTENV, "NEW", "x", DOTENV + "NEW='x'\n"),
        (".env", DOTENV.rstrip(), "NEW", "x", DOTENV + "NEW='x'\n"),
        (".env", DOTENV, "TWICE", None, DOTENV.replace("TWICE=1\nTWICE=2\n", "")),
        (".env", "A=1\n", "A", None, "# no secrets\n"),
        (".env", "# no secrets\n", "A", "x", "# no secrets\nA='x'\n"),
    ],
)  # fmt: skip
def test_all_else_stays(name: str, text: str, key: str, new: Any, after: str) -> None:
    assert edited(name, text.encode(), key, new).decode() == after


@pytest.mark.parametrize(
    ("name", "text", "key", "new"),
    [
        ("s.yaml", "{a: 1, b: 2}\n", "c", "x"),  # in braces, where a line does not belong
        ("s.yaml", "a: &x 1\nb: *x\n", "a", None),  # others refer to it
        ("s.yaml", "a: 1\n...\n", "b", "x"),
        ("s.yaml", "a: 1\na: 2\n", "a", "x"),
        ("s.yaml", "a: 1\n", "b", "\x7f"),
        (".env", "A=1\n", "no variable", "x"),
        (".env", "A=1\n", "B", {"a": "map"}),
        (".env", "A=1\n", "#B", "x"),
    ],
)
def test_what_would_not_hold_just_what_it_should_is_refused(name: str, text: str, key: str, new: Any) -> None:
    with pytest.raises(Invalid, match="leaves no place") as caught:
        edited(name, text.encode(), key, new)
    assert (caught.value.key, caught.value.__context__) == (key, None)


@pytest.mark.parametrize("name", ["s.json", "s.yaml", ".env"])
@pytest.mark.parametrize(
    "value", ["Grüße, 世界 🗝\r\n\ttab 'q' \"q\" \\ $X {{ y }} \n", "", " ", "null", "5", "- a", "!x"]
)
def test_each_form_takes_any_text(name: str, value: str) -> None:
    start = {"s.json": b'{"A": "1"}', "s.yaml": b"A: '1'\n", ".env": b"A=1\n"}[name]
    for key in ("A", "B"):
        start = edited(name, start, key, value)
    assert datafile.parse(name, start) == {"A": value, "B": value}
