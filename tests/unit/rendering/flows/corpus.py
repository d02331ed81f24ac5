"""Flows and other files of BeemFlow, and the secrets that they ask for.

A reference is key, step, path; a `?` behind the key says that it is optional. What is computed stands apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Case(NamedTuple):
    """A file, what it asks for, and what it computes."""

    text: str
    found: list[tuple[str, str | None, str]]
    computed: Sequence[str] = ()


def one(text: str, *keys: str, computed: list[str] | None = None) -> Case:
    """Return a case of a single text in a single step."""
    quoted = text.replace("'", "''")
    return Case(
        f"name: one\nsteps:\n  - id: step\n    with:\n      text: '{quoted}'\n",
        [(key, "step", "steps[0].with.text") for key in keys],
        computed or (),
    )


FILES: dict[str, Case] = {
    "a flow with one secret": Case(
        """
name: hello
on: cli.manual
steps:
  - id: greet
    use: slack.chat.postMessage
    with:
      channel: "#general"
      token: "{{ secrets.SLACK_TOKEN }}"
""",
        [("SLACK_TOKEN", "greet", "steps[0].with.token")],
    ),
    "on is a word and no boolean": Case(
        """
name: f
on: [cli.manual, {event: webhook.x}]
cron: "0 0 9 * * *"
vars: {token: "{{ secrets.A }}"}
steps: []
""",
        [("A", None, "vars.token")],
    ),
    "nested, parallel and looped steps": Case(
        """
name: f
steps:
  - id: fan
    parallel: true
    steps:
      - id: left
        with: {a: "{{ secrets.A }}"}
      - with: {b: "{{ secrets.B }}"}
  - id: loop
    foreach: "{{ secrets.LIST }}"
    as: item
    do:
      - id: "each_{{ item_index }}"
        if: "{{ item.ok and secrets.C }}"
        use: core.echo
        with: {list: ["x", {deep: "{{ secrets.D }}"}]}
  - id: wait
    await_event: {source: s, match: {token: "{{ secrets.E }}"}, timeout: 1h}
  - id: pause
    wait: {until: "{{ secrets.F }}"}
    retry: {attempts: 3, delay_sec: "{{ secrets.G }}"}
catch:
  - id: failed
    with: {h: "{{ secrets.H }}"}
""",
        [
            ("A", "left", "steps[0].steps[0].with.a"),
            ("B", "fan", "steps[0].steps[1].with.b"),
            ("LIST", "loop", "steps[1].foreach"),
            ("C", "each_{{ item_index }}", "steps[1].do[0].if"),
            ("D", "each_{{ item_index }}", "steps[1].do[0].with.list[1].deep"),
            ("E", "wait", "steps[2].await_event.match.token"),
            ("F", "pause", "steps[3].wait.until"),
            ("G", "pause", "steps[3].retry.delay_sec"),
            ("H", "failed", "catch[0].with.h"),
        ],
    ),
    "steps of somebody else's in what a step passes on": Case(
        """
name: f
steps:
  - id: mine
    with: {steps: [{id: theirs, with: "{{ secrets.A }}"}]}
""",
        [("A", "mine", "steps[0].with.steps[0].with")],
    ),
    "a key twice in one text, and in two": Case(
        """
name: f
steps:
  - id: a
    with: {x: "{{ secrets.A }}{{ secrets.A }}", y: "{{ secrets.A }}"}
""",
        [("A", "a", "steps[0].with.x"), ("A", "a", "steps[0].with.y")],
    ),
    "optional in one place and not in another": Case(
        """
name: f
steps:
  - id: a
    with: {x: "{{ secrets.A | default 'x' }}", y: "{{ secrets.A }}", z: "{{ secrets.B | default('x') }}"}
""",
        [("A", "a", "steps[0].with.x"), ("A", "a", "steps[0].with.y"), ("B?", "a", "steps[0].with.z")],
    ),
    "keys with dots and blanks on the way": Case(
        """
name: f
vars: {"a.b": {"c d": "{{ secrets.A }}", 'e"f': "{{ secrets.B }}"}}
steps: []
""",
        [("A", None, 'vars["a.b"].c d'), ("B", None, 'vars["a.b"]["e\\"f"]')],
    ),
    "comments of YAML": Case("name: f\n# {{ secrets.A }}\nsteps: [] # $env:B\n", []),
    "a tool's manifest": Case(
        """
{"name": "http.call", "endpoint": "https://api.example.com", "headers":
 {"Authorization": "Bearer $env:OPENAI_API_KEY", "X": "$env:A-$env:B_2$env:_C"}, "kind": "tool"}
""",
        [
            ("OPENAI_API_KEY", None, "headers.Authorization"),
            ("A", None, "headers.X"),
            ("B_2", None, "headers.X"),
            ("_C", None, "headers.X"),
        ],
    ),
    "MCP servers": Case(
        """
{"mcpServers": {"airtable": {"command": "npx", "args": ["-y", "x", "$env:ARG"], "env": {"KEY": "$env:AIRTABLE"}}}}
""",
        [("ARG", None, "mcpServers.airtable.args[2]"), ("AIRTABLE", None, "mcpServers.airtable.env.KEY")],
    ),
    "a configuration": Case(
        """
{"storage": {"driver": "postgres", "dsn": "$env:DATABASE_URL"}, "oauth": {"clientSecret": "$env:OAUTH"},
 "secrets": {"driver": "env"}}
""",
        [("DATABASE_URL", None, "storage.dsn"), ("OAUTH", None, "oauth.clientSecret")],
    ),
    "a registry, which is a list": Case(
        """[{"type": "mcp_server", "name": "x", "env": {"T": "$env:T"}}]""", [("T", None, "[0].env.T")]
    ),
    "what is no name behind $env": Case("""{"a": "$env: $env:1 $ENV:A env:B", "b": "$env:"}""", []),
    "$env in comments and raw blocks of a template": Case(
        """{"a": "{# $env:A #}{% raw %}$env:B{% endraw %}{%- raw -%}$env:C{%- endraw -%}$env:D"}""", [("D", None, "a")]
    ),
    "an alias of YAML": Case(
        """
name: f
vars: {a: &a {token: "{{ secrets.A }}"}}
steps:
  - id: s
    with: *a
  - id: t
    with: {<<: *a, b: "{{ secrets.B }}"}
""",
        [
            ("A", None, "vars.a.token"),
            ("A", "s", "steps[0].with.token"),
            ("A", "t", "steps[1].with.token"),
            ("B", "t", "steps[1].with.b"),
        ],
    ),
    "texts over several lines": Case(
        """
name: f
steps:
  - id: s
    with:
      text: |
        first {{ secrets.A }}
        {% if secrets.B %}
          {{ secrets.C
             | upper }}
        {% endif %}
""",
        [(key, "s", "steps[0].with.text") for key in "BCA"],
    ),
    "numbers, nothing, true": Case("name: 3\nsteps:\n  - {id: 7, with: {a: null, b: true, c: 1.5}}\n", []),
    "no steps at all": Case("name: f\n", []),
    # texts
    "brackets": one("""{{ secrets["slack/bot"] }}{{ secrets['a-b.c'] }}""", "a-b.c", "slack/bot"),
    "a property": one("""{{ secrets["slack/bot#token"] }}""", "slack/bot#token"),
    "quotes and braces in a key": one(r"""{{ secrets["a\"b}}c"] }}""", 'a"b}}c'),
    "a number as a key": one("{{ secrets[1] }}", "1"),
    "parts of a secret": one("{{ secrets.A.version }}{{ secrets.B.created_at }}", "A", "B"),
    "behind filters": one("{{ secrets.A | upper | trim }}{{ secrets.B | replace(secrets.C, 'x') }}", "A", "B", "C"),
    "behind filters that are nobody's": one("{{ secrets.A | nope(secrets.B) }}", "A", "B"),
    "behind tests that are nobody's": one("{{ secrets.A is nope secrets.B }}", "A", "B"),
    "a default": one("{{ secrets.A | default 'x' }}{{ secrets.B | d('x') }}", "A?", "B?"),
    "a default behind filters": one("{{ secrets.A | upper | default 'x' }}", "A?"),
    "a default of the other's": one("{{ secrets.A | default(secrets.B) }}", "A?", "B"),
    "a fallback": one("{{ secrets.A | fallback secrets.B }}", "A?", "B"),
    "a fallback with a default": one("{{ secrets.A | fallback secrets.B | default 'x' }}", "A?", "B?"),
    "fallbacks in a circle": one("{{ secrets.A | fallback secrets.B | fallback secrets.A }}", "A", "B?"),
    "a default of a condition": one("{{ (secrets.A if x else secrets.B) | default 'x' }}", "A?", "B?"),
    "a default of something else": one("{{ secrets.A ~ (x | default 'y') }}", "A"),
    "a test that it is there": one("{% if secrets.A is defined %}{{ secrets.A }}{% endif %}", "A?"),
    "a test that it is there, for another": one("{% if secrets.A is defined %}{{ secrets.B }}{% endif %}", "A?", "B"),
    "a test that it is there, and used outside": one(
        "{% if secrets.A is defined %}{{ secrets.A }}{% endif %}{{ secrets.A }}", "A"
    ),
    "a test of two": one(
        "{% if secrets.A is defined and secrets.B is defined %}{{ secrets.A }}{{ secrets.B }}{% endif %}", "A?", "B?"
    ),
    "a test in a condition": one("{{ secrets.A if secrets.A is defined else 'x' }}", "A?"),
    "a test in an and": one("{{ secrets.A is defined and secrets.A == 'x' }}", "A?"),
    "a test that it is not there": one("{% if secrets.A is not defined %}{{ secrets.A }}{% endif %}", "A"),
    "conditions": one(
        "{% if secrets.A %}{{ secrets.B }}{% elif secrets.C %}{% else %}{{ secrets.D }}{% endif %}", *"ABCD"
    ),
    "a condition in an expression": one("{{ secrets.A if secrets.B else secrets.C }}", "A", "B", "C"),
    "a loop": one(
        "{% for x in secrets.A if secrets.B %}{{ secrets.C }}{% else %}{{ secrets.D }}{% endfor %}", *"ABCD"
    ),
    "lists, maps, slices": one("{{ [secrets.A, {'x': secrets.B}][secrets.C:secrets.D] }}", *"ABCD"),
    "operators": one("{{ secrets.A + secrets.B ~ secrets.C == secrets.D or not secrets.E }}", *"ABCDE"),
    "set": one("{% set x = secrets.A %}{{ x }}", "A"),
    "set of a block": one("{% set x %}{{ secrets.A }}{% endset %}", "A"),
    "another name for all": one("{% set s = secrets %}{{ s.A }}{{ s['B'] }}", "A", "B"),
    "another name for another name": one("{% set s = secrets %}{% set t = s %}{{ t.A }}", "A"),
    "another name in a condition": one("{% if x %}{% set s = secrets %}{% endif %}{{ s.A }}", "A"),
    "another name by with": one("{% with s = secrets %}{{ s.A }}{% endwith %}", "A"),
    "macros": one("{% macro m(x=secrets.A) %}{{ secrets.B }}{% endmacro %}{{ m(secrets.C) }}", "A", "B", "C"),
    "a block that is called": one("{% call m(secrets.A) %}{{ secrets.B }}{% endcall %}", "A", "B"),
    "a block that is filtered": one("{% filter replace(secrets.A, 'x') %}{{ secrets.B }}{% endfilter %}", "A", "B"),
    "what we do not run": one(
        "{% include secrets.A %}{% import secrets.B as b %}{% from secrets.C import c %}{{ x.y(secrets.D) }}"
        "{{ secrets.E.upper() }}{% do x(secrets.F) %}{% autoescape true %}{{ secrets.G }}{% endautoescape %}"
        "{% for a in b %}{% break %}{% endfor %}{{ secrets.H.__class__ }}{{ f(*secrets.I, **secrets.J) }}",
        *"ABCDEFGHIJ",
    ),
    "ways to name a key that are not ours": one("{{ secrets | attr('A') }}{{ secrets.get('B') }}", "A", "B"),
    "comments": one("{# {{ secrets.A }} #}", *()),
    "raw blocks": one("{% raw %}{{ secrets.A }}{% endraw %}{{ secrets.B }}", "B"),
    "text that only looks so": one("secrets.A and { secrets.B } and {{ 'secrets.C' }}", *()),
    "somebody else's secrets": one(
        "{{ vars.secrets.A }}{{ event.secrets['B'] }}{{ x[secrets] }}", computed=["secrets"]
    ),
    "secrets of a loop": one("{% for secrets in x %}{{ secrets.A }}{% endfor %}{{ secrets.B }}", "B"),
    "secrets that are set": one("{% set secrets = {} %}{{ secrets.A }}", *()),
    "secrets that are set to something of them": one("{% set secrets = secrets.A %}{{ secrets.B }}", "A"),
    "secrets of a macro": one("{% macro m(secrets) %}{{ secrets.A }}{% endmacro %}{{ m({}) }}", *()),
    "secrets by with": one("{% with secrets = {} %}{{ secrets.A }}{% endwith %}{{ secrets.B }}", "B"),
    "secrets that are imported": one("{% import 'x' as secrets %}{{ secrets.A }}", *()),
    "other names": one("{{ my_secrets.A }}{{ secretsX.B }}{{ outputs.a.secrets }}", *()),
    "a computed key": one("{{ secrets[vars.name] }}", computed=["secrets[vars.name]"]),
    "a computed key of parts": one("{{ secrets['A_' ~ vars.env] }}", computed=['secrets["A_" ~ vars.env]']),
    "a computed key of a secret": one("{{ secrets[secrets.A] }}", "A", computed=["secrets[secrets.A]"]),
    "a computed key of a loop": one("{% for x in y %}{{ secrets[x] }}{% endfor %}", computed=["secrets[x]"]),
    "all of them": one("{% for k in secrets %}{% endfor %}{{ secrets | dotenv }}", computed=["secrets"]),
    "all of them, handed on": one("{{ f(secrets) }}{{ [secrets][0].A }}", computed=["secrets"]),
    "both forms": one("{{ secrets.A }} $env:B", "A", "B"),
}  # fmt: skip
