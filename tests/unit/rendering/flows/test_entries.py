"""What flows in a ConfigMap ask for, as entries of a spec."""

from __future__ import annotations

from typing import Any

import pytest

from beemflow_secrets.model.sources import DataFrom, NamedByFlow
from beemflow_secrets.providers.errors import Invalid, NotFound
from beemflow_secrets.providers.value import SecretValue
from beemflow_secrets.rendering.compose import Found, Unusable, compose
from beemflow_secrets.rendering.flows.entries import asked_by, named_by
from beemflow_secrets.rendering.template.faults import TemplateError


def entries(source: DataFrom, held: dict[str, bytes], **rewritten: str) -> list[NamedByFlow]:
    wanted = asked_by(source, {("ConfigMap", "my-flows"): held})
    return named_by(source, wanted, {key: rewritten.get(key, key) for key in wanted})


def asked(*texts: str, exclude: list[str] | None = None, **files: str) -> list[tuple[str, str, bool]]:
    """Return keys of the Secret, keys of the store and whether they are optional."""
    flows: dict[str, Any] = {"configMapRef": {"name": "my-flows"}}
    if exclude is not None:
        flows["exclude"] = exclude
    held = {f"{place}.yaml": f"name: f\nvars: ['{text}']\n".encode() for place, text in enumerate(texts)}
    held |= {name.replace("_", "."): text.encode() for name, text in files.items()}
    source = DataFrom.model_validate({"flows": flows})
    return [(one.secret_key, one.remote.key, one.remote_ref.optional) for one in entries(source, held)]


def test_each_secret_is_called_as_beemflows_variable_would_be() -> None:
    texts = ('{{ secrets.TOKEN }}{{ secrets["slack/bot#user"] }}', '$env:A_1 {{ secrets["a-b.c"] }}{{ secrets.x }}')
    assert asked(*texts) == [
        ("A_1", "A_1", False),
        ("TOKEN", "TOKEN", False),
        ("A_B_C", "a-b.c", False),
        ("SLACK_BOT_USER", "slack/bot#user", False),
        ("x", "x", False),
    ]


def test_a_key_is_optional_when_all_its_uses_in_all_files_are() -> None:
    texts = ('{{ secrets.A | default "x" }}{{ secrets.B | default "x" }}', "{{ secrets.A }}", "{{ secrets.B | d }}")
    assert asked(*texts) == [("A", "A", False), ("B", "B", True)]


def test_what_a_process_has_by_itself_is_left_out_and_what_patterns_say() -> None:
    text = "$env:HOME $env:PATH $env:USER $env:AWS_REGION $env:TOKEN"
    assert [key for key, *_ in asked(text)] == ["AWS_REGION", "TOKEN"]
    assert [key for key, *_ in asked(text, exclude=["AWS_*", "T*"])] == ["HOME", "PATH", "USER"]
    assert len(asked(text, exclude=[])) == 5


def test_manifests_and_configuration_are_files_too() -> None:
    mcp = '{"mcpServers": {"x": {"env": {"K": "$env:K"}}}}'
    assert asked(mcp_json=mcp, flow_yaml="name: f\n---\nname: g\nvars: {a: $env:L}\n") == [
        ("K", "K", False),
        ("L", "L", False),
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{{ secrets.A", "ConfigMap my-flows, key 0.yaml: flow f, vars[0]: it is no template"),
        ('{{ secrets["a/b"] }}{{ secrets.A_B }}', "ConfigMap my-flows: A_B and a/b would both be the key A_B"),
        ('{{ secrets["1a"] }}', "ConfigMap my-flows: no variable can be called as the key 1a"),
        ('{{ secrets["a/"] }}', "asks for"),
        ('{{ secrets[""] }}', "asks for '', which can be no key"),
    ],
)
def test_what_cannot_be_is_told_with_its_place(text: str, fault: str) -> None:
    with pytest.raises(Invalid) as caught:
        asked(text)
    assert fault.replace("asks for", "ask for") in str(caught.value)


def test_a_rewritten_key_is_called_as_a_variable_too() -> None:
    source = DataFrom.model_validate({"flows": {"configMapRef": {"name": "my-flows"}}})
    held = {"a.yaml": b"name: f\nvars: ['$env:A', '$env:B']\n"}
    found = {one.remote.key: one.secret_key for one in entries(source, held, A="of/a", B="b")}
    assert found == {"A": "OF_A", "B": "b"}
    for new, fault in {
        "1x": r"^ConfigMap my-flows: no variable can be called as the key 1x, which 'A' becomes$",
        "": r"^ConfigMap my-flows: no variable can be called as the key , which 'A' becomes$",
        "B": r"^ConfigMap my-flows: A and B would both be the key B$",
        "x" * 254: r"^ConfigMap my-flows: 'A' becomes 'x{254}', which cannot be a key of a Secret$",
    }.items():
        with pytest.raises(Invalid, match=fault):
            entries(source, held, A=new)


def test_a_file_that_is_no_flow() -> None:
    with pytest.raises(Invalid, match=r"^ConfigMap my-flows, key x.yaml: it is not YAML"):
        asked(x_yaml="a: [")
    with pytest.raises(TemplateError):
        asked("{{ secrets.A")


def test_more_than_a_secret_takes() -> None:
    with pytest.raises(Invalid, match="ask for 1001 secrets, and a Secret takes 1000"):
        asked(" ".join(f"$env:A{number}" for number in range(1001)))


def test_they_become_keys_and_win_over_no_other() -> None:
    source = DataFrom.model_validate({"flows": {"configMapRef": {"name": "my-flows"}}})
    held = {"a.yaml": b"name: f\nvars: ['$env:A', \"{{ secrets.B | d('x') }}\"]\n"}
    first, second = entries(source, held)
    found = compose([Found(first, "prod", SecretValue("1")), Found(second, "prod", NotFound("no", key="B"))])
    assert (found.data, found.omitted) == ({"A": b"1"}, ("B",))
    extract = DataFrom.model_validate({"extract": {"key": "all"}})
    with pytest.raises(Unusable, match="all gives the key A too"):
        compose([Found(extract, "prod", SecretValue({"A": "0"})), Found(first, "prod", SecretValue("1"))])
