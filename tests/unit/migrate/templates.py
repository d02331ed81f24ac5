"""Go templates, and what Go prints of them: `python -m tests.unit.migrate.templates` asks Go (1.23, its proxy) anew."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
CORPUS = HERE / "corpus.json"

DATA = {
    "token": "xoxb-1",
    "user": "bot",
    "empty": "",
    "lines": "one\ntwo\n\nthree",
    "spaced": "  padded \n",
    "query": "a b/c&d=e+f%20~ü",
    "odd": 'it\'s {{ not }} a {% template %} \\ "quoted"',
    "json": '{"host": "db", "port": 5432, "on": true, "deep": {"a": ["x", "y"]}}',
    "b64": "c2VjcmV0",
    "a-b": "dashed",
    "tls.crt": "dotted",
    "_under": "scored",
}

TURNED = [
    "",
    "plain",
    "{% raw %} {# stays #} { {% {",
    "token={{ .token }}",
    "{{.token}}{{.user}}",
    "{{ $.token }}",
    "{ {{- .token -}} }",
    '{{ `{` }}{{ .user }}{{ "%" }}',
    "a\n  {{- .token }}\n  {{ .user -}}  \n b",
    "{{/* a comment */}}x{{- /* another */ -}}  y",
    '{{ index . "a-b" }} {{ index . "tls.crt" }} {{ index $ "_under" }}',
    "{{ ._under }}",
    '{{ "a\\tb\\x41\\u00e9\\"" }}{{ `raw \\n` }}',
    "{{ 42 }} {{ -1 }} {{ true }}",
    "{{ .token | b64enc }} {{ .b64 | b64dec }} {{ b64enc .user | b64enc }}",
    "{{ .user | upper | lower | upper }}",
    '[{{ .spaced | trim }}] [{{ trimAll " \\n" .spaced }}] [{{ trimAll "bt" .user }}]',
    '{{ trimPrefix "xoxb-" .token }} {{ trimSuffix "-1" .token }}',
    '{{ .token | trimPrefix "no" }} {{ .token | trimSuffix "no" }}',
    '{{ replace "b" "d" .user }} {{ .lines | replace "\\n" "," }}',
    "{{ .user | quote }} {{ quote .odd }} {{ .lines | quote }}",
    "{{ .user | squote }}",
    "{{ .user | toJson }} {{ .lines | toRawJson }}",
    "{{ .query | urlquery }}",
    "{{ .token | sha1sum }} {{ .token | sha256sum }} {{ .token | sha512sum }}",
    '{{ .empty | default "x" }} {{ .user | default "x" }} {{ default .token .empty }}',
    '{{ coalesce .empty .user "z" }} {{ coalesce .empty .empty "z" }}',
    '{{ eq .user "bot" | ternary "yes" "no" }} {{ ternary "yes" "no" (eq .user "x") }}',
    '{{ printf "%s:%s@%v-%d%%" .user .token .user 7 }}',
    '{{ printf "%s" .user | b64enc }}',
    "{{ print .user .token }}{{ println .user 3 true }}",
    "key:{{ .lines | indent 2 }}|{{ .lines | nindent 4 }}",
    "{{ repeat 3 .user }} {{ .user | repeat 0 }}",
    '{{ join "," (list .user .token "z") }}',
    "{{ index (list .user .token) 1 }}",
    '{{ contains "ox" .token }} {{ hasPrefix "xo" .token }} {{ hasSuffix "-1" .token }} {{ hasPrefix "a" .token }}',
    '{{ $c := .json | fromJson }}{{ hasKey $c "host" }} {{ hasKey $c "nope" }} {{ get $c "host" }}{{ get $c "nope" }}',
    "{{ toString .user }}{{ toString 3 }}{{ toString true }}",
    "{{ if .empty }}a{{ else }}b{{ end }}{{ if .user }}c{{ end }}",
    '{{ if eq .user "x" }}1{{ else if eq .user "y" "bot" }}2{{ else }}3{{ end }}',
    "{{ if and .user .token }}both{{ end }}{{ if or .empty .user }}one{{ end }}{{ if not .empty }}none{{ end }}",
    "{{ .token | substr 0 3 }}{{ substr 2 4 .token }}{{ .user | trunc 2 }}{{ trunc 10 .user }}",
    '{{ dict "b" .user "a" (printf "%s:%s" .user .token | b64enc) | toJson }}',
    "{{ and .user .token }} {{ or .empty .user }} {{ and .empty .user }} {{ empty .empty }}",
    '{{ ne .user "x" }} {{ lt 1 2 }} {{ gt 1 2 }} {{ le 2 2 }} {{ ge .user "a" }}',
    "{{ with .user }}<{{ . }}|{{ . | upper }}|{{ $.token }}>{{ end }}{{ with .empty }}x{{ else }}{{ .user }}{{ end }}",
    "{{ with $x := .user }}{{ $x }}{{ . }}{{ end }}",
    "{{ $x := .user }}{{ $x }}{{ if true }}{{ $x := .token }}{{ $x }}{{ end }}{{ $x }}",
    '{{ $x := "a" }}{{ if .user }}{{ $x = "b" }}{{ end }}{{ $x }}',
    "{{ if $x := .user }}{{ $x | upper }}{{ end }}",
    "{{ $secrets := .user }}{{ $loop := .token }}{{ $secrets }}{{ $loop }}",
    "{{ range $k, $v := . }}{{ $k }}={{ $v | b64enc }}\n{{ end }}",
    "{{ range . }}{{ . | quote }},{{ end }}",
    "{{- range $i, $x := list .user .token -}} {{ $i }}{{ $x }} {{- end -}}",
    '{{ range list .user "x" }}[{{ . }}]{{ range list "p" "q" }}{{ . }}{{ $.user }}{{ end }}{{ else }}none{{ end }}',
    '{{ range $k, $v := . }}{{ if hasPrefix "t" $k }}{{ $k }}: {{ $v }}\n{{ end }}{{ end }}',
    "{{ $c := .json | fromJson }}{{ $c.host }}:{{ $c.port }} {{ $c.on }} {{ index $c.deep.a 1 }}",
    '{{ $c := .json | fromJson }}{{ if $c.on }}on{{ end }}{{ $c.host | default "x" | quote }}',
    "{{ (.json | fromJson).deep.a | toJson }} {{ (fromJson .json).host | upper }}",
    '{{ if eq (.json | fromJson).host "db" }}yes{{ end }}',
]  # fmt: skip
"""What prints the same here."""

NOT_TURNED = [
    '{{ hasKey . "user" }}',
    "{{ range $v := . }}{{ $v | len }}{{ end }}",
    "{{ .token | }}",
    "{{ range $i, $x := (.json | fromJson).deep.a }}{{ $i }}={{ $x }} {{ end }}",
    "{{ range (.json | fromJson).deep.a }}<{{ . }}>{{ end }}",
    "{{ htpasswd .user .token }}",
    "{{ randAlphaNum 5 }}",
    '{{ now | date "2006" }}',
    '{{ define "x" }}y{{ end }}',
    '{{ template "x" }}',
    "{{ range $k, $v := . }}{{ break }}{{ end }}",
    "{{ . }}",
    "{{ len .query }}",
    "{{ title .user }}",
    '{{ $x := "" }}{{ range $k, $v := . }}{{ $x = $k }}{{ end }}{{ $x }}',
    '{{ printf "%5s" .user }}',
    "{{ .user.name }}",
]  # fmt: skip
"""What has no counterpart here, or one that would print otherwise."""

BROKEN = [
    "{{ .token",
    "{{ if .token }}",
    "{{ end }}",
    "{{ nope .token }}",
    "{{ (.token }}",
    "{{ .missing }}",
]
"""What Go refuses: no value is made of it here either."""

_KEYS = [".token", ".user", ".empty", ".lines", ".spaced", ".odd", ".query", '(index . "a-b")']
_PIPES = [
    "upper", "lower", "trim", "b64enc", "sha256sum", "squote", 'default "d"', 'replace "o" "0"', 'trimPrefix "x"',
    'trimSuffix "t"', "indent 2", "nindent 1", "repeat 2", 'printf "<%s>"', "urlquery", 'trimAll "b"',
]  # fmt: skip
_TESTS = ["{0}", "not {0}", 'eq {0} "bot"', 'contains "o" {0}', 'hasSuffix "t" {0}', "and {0} {1}", "or {0} {1}"]


def drawn(seed: int, count: int) -> list[str]:
    """Return templates of the part of Go's language that is turned, drawn from a seed."""
    chance = random.Random(seed)

    def value() -> str:
        return " | ".join([chance.choice(_KEYS), *chance.sample(_PIPES, chance.randint(0, 3))])

    def action(inside: str) -> str:
        return f"{chance.choice(['{{ ', '{{- '])}{inside}{chance.choice([' }}', ' -}}'])}"

    def block(depth: int) -> str:
        made = []
        for _ in range(chance.randint(1, 3)):
            made.append(chance.choice([" ", "\n  ", "x", "{ ", "%}", "# "]))
            match chance.randint(0, 4 if depth else 1):
                case 0 | 1:
                    made.append(action(value()))
                case 2:
                    asked = chance.choice(_TESTS).format(*(f"({value()})" for _ in range(2)))
                    made += [action(f"if {asked}"), block(depth - 1), action("else"), block(depth - 1), action("end")]
                case 3:
                    made += [action(f"with {value()}"), action(". | upper"), action("else"), "none", action("end")]
                case _:
                    made += [action("range $k, $v := $"), action("$k"), "=", action("$v | b64enc"), action("end")]
        return "".join(made)

    return [block(2) for _ in range(count)]


def main() -> None:
    """Write the corpus."""
    asked = [{"template": text, "data": DATA} for text in [*TURNED, *NOT_TURNED, *BROKEN, *drawn(1, 150)]]
    answered = subprocess.run(
        ["go", "run", "."], cwd=HERE / "golang", input=json.dumps(asked).encode(), stdout=subprocess.PIPE, check=True
    )
    found = [{"template": one["template"], "output": one["output"]} for one in json.loads(answered.stdout)]
    CORPUS.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
