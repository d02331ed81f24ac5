"""`render`: from files to native Secrets without a cluster, typed as a person types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import b64decode, b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

Ran = subprocess.CompletedProcess[str]
Object = dict[str, Any]

CANARY = "canary-5e1d"
FORMS = (CANARY, b64encode(CANARY.encode()).decode().rstrip("="))

API = "secrets.beemflow.io/v1"
TOKEN = {"secretKey": "token", "remoteRef": {"key": "slack/bot", "property": "token"}}


def secret(*data: Object, name: str = "slack", uid: str | None = None, **spec: Any) -> Object:
    metadata = {"name": name, "namespace": "flows"} | ({"uid": uid} if uid else {})
    spec = {"secretStoreRef": {"name": "prod"}, "data": list(data), **spec}
    return {"apiVersion": API, "kind": "BeemFlowSecret", "metadata": metadata, "spec": spec}


def cluster_store(name: str = "shared", **spec: Any) -> Object:
    spec = {"driver": "file", "file": {"path": str(Path("values.json").absolute())}, **spec}
    return {"apiVersion": API, "kind": "BeemFlowClusterSecretStore", "metadata": {"name": name}, "spec": spec}


SHARED: Object = {"secretStoreRef": {"name": "shared", "kind": "BeemFlowClusterSecretStore"}}


def write(*objects: Object, name: str = "all.yaml") -> None:
    Path(name).write_text(yaml.safe_dump_all(objects))


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("values.json").write_text(json.dumps({"slack/bot": {"token": CANARY, "user": "bot"}, "plain": CANARY}))


def typed(*arguments: str, reveal: bool = False, stdin: str = "", **environment: str) -> Ran:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-m", "beemflow_secrets", "render", *arguments, *(["--show"] * reveal)],
        env={"PATH": os.environ["PATH"], "COLUMNS": "200", **environment},
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    for form in FORMS:
        assert form not in ran.stderr
        assert reveal or form not in ran.stdout
    assert "Traceback" not in ran.stderr
    return ran


def made(ran: Ran) -> list[Object]:
    assert (ran.returncode, ran.stderr) == (0, "")
    return list(yaml.safe_load_all(ran.stdout))


def data(ran: Ran) -> dict[str, str]:
    """Return what the only Secret holds, as text."""
    (only,) = made(ran)
    return {key: b64decode(text).decode() for key, text in only["data"].items()}


def test_keys_are_called_and_chosen_as_the_operator_would() -> None:
    Path("values.json").write_text(json.dumps({"one": {"slack/bot": CANARY, "a": "1"}, "two": {"slack-a": "2"}}))
    upper = {"transform": {"template": "{{ value | upper }}"}}
    one = {"extract": {"key": "one"}, "rewrite": [{"regexp": {"source": "slack/(.*)", "target": "$1"}}, upper]}
    two = {"extract": {"key": "two"}, "rewrite": [{"regexp": {"source": "^slack-", "target": ""}}, upper]}
    write(cluster_store(), secret(**SHARED, dataFrom=[one, two], conflictPolicy="Last"))
    (made,) = yaml.safe_load_all(typed("all.yaml", reveal=True).stdout)
    data = {key: b64decode(text).decode() for key, text in made["data"].items()}
    assert data == {"BOT": CANARY, "A": "2"}
    write(cluster_store(), secret(**SHARED, dataFrom=[one, two]))
    refused = typed("all.yaml")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "one gives the key A too" in refused.stderr


def test_a_secret_is_printed_as_it_would_be_written_and_masked() -> None:
    template = {
        "type": "example.com/slack",
        "metadata": {"labels": {"team": "flows"}, "annotations": {"note": "{{ secrets.token | sha256 }}"}},
        "mergePolicy": "Merge",
        "data": {"config.ini": "token={{ secrets.token }}"},
    }
    write(secret(TOKEN, target={"name": "bot", "template": template, "immutable": True}))
    (masked,) = made(typed("all.yaml", "--values", "values.json"))
    assert masked["data"] == {"token": "***", "config.ini": "***"}
    ran = typed("all.yaml", "--values", "values.json", reveal=True)
    (shown,) = made(ran)
    assert data(ran) == {"token": CANARY, "config.ini": f"token={CANARY}"}
    note = {"note": sha256(CANARY.encode()).hexdigest()}
    assert shown["metadata"]["annotations"].items() - masked["metadata"]["annotations"].items() == note.items()
    masked["metadata"]["annotations"] |= note
    assert {**shown, "data": {}} == {**masked, "data": {}}
    assert (shown["apiVersion"], shown["kind"], shown["type"], shown["immutable"]) == (
        *("v1", "Secret", "example.com/slack"),
        True,
    )
    assert (shown["metadata"]["name"], shown["metadata"]["namespace"]) == ("bot", "flows")
    assert shown["metadata"]["labels"] == {"team": "flows", "app.kubernetes.io/managed-by": "beemflow-secrets"}
    assert shown["metadata"]["annotations"].keys() == {"note", "secrets.beemflow.io/owner-name"}


def test_what_a_template_prints_is_masked_wherever_it_stands() -> None:
    pairs = "{{ secrets.token }}: v\nx-{{ secrets.token }}: w"
    layout = [{"key": "bot"}, {"key": "more", "templateAs": "KeysAndValues"}]
    origins = [{"configMap": {"name": "layout", "items": layout}, "target": target} for target in ("Data", "Labels")]
    template = {
        "metadata": {
            "labels": {"team": "flows", "is": "{{ secrets.token }}"},
            "annotations": {"static": "on: 1e5", "note": "is {{ secrets.token }}"},
        },
        "templateFrom": [{"literal": pairs}, {"literal": pairs, "target": "Annotations"}, *origins],
        "data": {"config.ini": "token={{ secrets.token }}"},
    }
    write(
        secret(TOKEN, target={"template": template}),
        {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "layout", "namespace": "flows"}}
        | {"data": {"bot": "{{ secrets.token }}", "more": "a-{{ secrets.token }}: v"}},
    )
    (masked,) = made(typed("all.yaml", "--values", "values.json"))
    marks = masked["metadata"]
    assert masked["data"] == dict.fromkeys(("***", "***2", "bot", "***3", "config.ini"), "***")
    assert marks["labels"] == {
        "bot": "***",
        "***": "***",
        "team": "flows",
        "is": "***",
        "app.kubernetes.io/managed-by": "beemflow-secrets",
    }
    assert marks["annotations"] == {
        "***": "***",
        "***2": "***",
        "static": "on: 1e5",
        "note": "***",
        "secrets.beemflow.io/owner-name": "slack",
    }
    (shown,) = made(typed("all.yaml", "--values", "values.json", reveal=True))
    assert set(shown["data"]) == {CANARY, f"x-{CANARY}", "bot", f"a-{CANARY}", "config.ini"}
    assert shown["metadata"]["annotations"]["note"] == f"is {CANARY}"


def test_the_same_files_give_the_same_text_and_no_owner_that_nobody_knows() -> None:
    write(secret(TOKEN))
    first = typed("all.yaml", "--values", "values.json").stdout
    assert typed("all.yaml", "--values", "values.json").stdout == first
    assert "ownerReferences" not in first
    write(secret(TOKEN, uid="1234"))
    (known,) = made(typed("all.yaml", "--values", "values.json"))
    assert known["metadata"]["ownerReferences"][0]["uid"] == "1234"
    assert known["metadata"]["labels"]["secrets.beemflow.io/owner"] == "1234"


def test_a_merge_prints_its_own_keys_alone_and_none_prints_nothing() -> None:
    write(
        secret(TOKEN, name="merged", target={"name": "app", "creationPolicy": "Merge"}),
        secret(TOKEN, name="read", target={"creationPolicy": "None"}),
    )
    (only,) = made(typed("all.yaml", "--values", "values.json"))
    assert only == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "app", "namespace": "flows"},
        "data": {"token": "***"},
    }


def test_files_may_be_several_folders_lists_json_and_standard_input() -> None:
    Path("tree/deep").mkdir(parents=True)
    Path("tree/deep/one.json").write_text(json.dumps(secret(TOKEN, name="one")))
    Path("tree/list.yml").write_text(yaml.safe_dump({"kind": "List", "items": [secret(TOKEN, name="two")]}))
    Path("tree/values.yaml").write_text("replicas: 3\n")  # somebody else's
    Path("tree/README.md").write_text("{{ no yaml")
    text = yaml.safe_dump({**secret(TOKEN), "metadata": {"name": "three"}})
    found = made(typed("tree", "-", "--values", "values.json", "-n", "here", stdin=text))
    assert [(item["metadata"]["namespace"], item["metadata"]["name"]) for item in found] == [
        ("flows", "one"),
        ("flows", "two"),
        ("here", "three"),
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [("v.json", '{"plain": "CANARY"}'), ("v.yaml", "plain: CANARY\n"), ("prod.env", "plain='CANARY'\n")],
)
def test_values_may_be_json_yaml_or_dotenv_and_have_no_versions(name: str, text: str) -> None:
    Path(name).write_text(text.replace("CANARY", CANARY))
    write(secret({"secretKey": "a", "remoteRef": {"key": "plain", "version": "7"}}))
    assert data(typed("all.yaml", "--values", name, reveal=True)) == {"a": CANARY}


def test_what_the_files_name_is_taken_from_the_files() -> None:
    flows = {"configMapRef": {"name": "my-flows"}}
    names = [{"configMap": {"name": "layout", "items": [{"key": "app.ini"}]}}]
    names += [{"secret": {"name": "layout", "items": [{"key": "more.ini"}]}}]
    template = {"templateFrom": names, "mergePolicy": "Merge"}
    write(
        secret(**SHARED, dataFrom=[{"flows": flows}], target={"template": template}),
        cluster_store(),
        {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "my-flows", "namespace": "flows"}}
        | {"data": {"hello.yaml": 'name: hello\nsteps: [{id: a, with: {x: "{{ secrets[\\"slack/bot#token\\"] }}"}}]'}},
        {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "layout", "namespace": "flows"}}
        | {"data": {"app.ini": "t={{ secrets.SLACK_BOT_TOKEN }}"}},
        {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "layout", "namespace": "flows"}}
        | {"stringData": {"more.ini": "{{ secrets.SLACK_BOT_TOKEN | upper }}"}},
    )
    assert data(typed("all.yaml", reveal=True)) == {
        "SLACK_BOT_TOKEN": CANARY,
        "app.ini": f"t={CANARY}",
        "more.ini": CANARY.upper(),
    }


def test_a_store_that_is_not_in_the_files_is_the_configurations() -> None:
    section = {"driver": "file", "file": {"path": "values.json"}}
    Path("flow.config.json").write_text(json.dumps({"secrets": section}))
    write(secret(TOKEN))
    assert data(typed("all.yaml", "--config", "flow.config.json", reveal=True)) == {"token": CANARY}
    assert data(typed("all.yaml", reveal=True, BEEMFLOW_SECRETS_CONFIG="flow.config.json")) == {"token": CANARY}
    # One that stands in the files is meant as it stands there.
    Path("others.json").write_text(json.dumps({"slack/bot": {"token": "other"}}))
    write(secret(TOKEN, **SHARED), cluster_store(file={"path": str(Path("others.json").absolute())}))
    assert data(typed("all.yaml", "--config", "flow.config.json", reveal=True)) == {"token": "other"}


def test_policies_and_namespaces_hold_as_they_would_in_the_cluster() -> None:
    policy = {"flowPatterns": ["flows/slack"], "requiredRoles": ["bots"]}
    store = cluster_store(accessPolicies=[policy], namespaces={"selector": {"matchLabels": {"team": "flows"}}})
    namespace: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "flows"}}
    marks = {"labels": {"team": "flows"}, "annotations": {"secrets.beemflow.io/roles": "bots"}}
    write(secret(TOKEN, **SHARED), store)
    unknown = typed("all.yaml")
    assert unknown.returncode == 3
    assert "does not serve namespace flows" in unknown.stderr
    write(secret(TOKEN, **SHARED), store, namespace | {"metadata": {"name": "flows", "labels": marks["labels"]}})
    roleless = typed("all.yaml")
    assert roleless.returncode == 3
    assert "AccessDenied" not in roleless.stderr
    assert "slack/bot" in roleless.stderr
    assert data(typed("all.yaml", "--role", "bots", reveal=True)) == {"token": CANARY}
    write(secret(TOKEN, **SHARED), store, namespace | {"metadata": {"name": "flows", **marks}})
    assert data(typed("all.yaml", reveal=True)) == {"token": CANARY}
    assert typed("all.yaml", "--flow", "flows/other").returncode == 3


def test_nothing_is_printed_where_one_fails_and_each_failure_is_a_line() -> None:
    write(
        secret(TOKEN, name="good"),
        secret({"secretKey": "a", "remoteRef": {"key": "absent"}}, name="one"),
        secret({"secretKey": "a", "remoteRef": {"key": "slack/bot", "property": "no"}}, name="two"),
    )
    ran = typed("all.yaml", "--values", "values.json")
    assert (ran.returncode, ran.stdout) == (3, "")
    one, two = ran.stderr.splitlines()
    assert one.startswith("all.yaml: BeemFlowSecret flows/one: store prod: key absent: ")
    assert two.startswith("all.yaml: BeemFlowSecret flows/two: store prod: key slack/bot: ")


LOGIN = {"driver": "vault", "vault": {"address": "https://v", "path": "secret"}}
LOGIN["vault"]["token"] = {"secretKeyRef": {"name": "vault-login", "key": "token"}}  # type: ignore[index]
PROD = {"apiVersion": API, "kind": "BeemFlowSecretStore", "metadata": {"name": "prod", "namespace": "flows"}}
BROKEN_BASE64 = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "data": {"a": f"{CANARY}!"}}


@pytest.mark.parametrize(
    ("objects", "arguments", "code", "told"),
    [
        (
            [secret(TOKEN)],
            (),
            2,
            "all.yaml: BeemFlowSecret flows/slack: BeemFlowSecretStore flows/prod does not exist; ",
        ),
        ([secret(TOKEN)], (), 2, "--config FILE is for stores that do not, --values FILE for all of them"),
        (
            [secret(TOKEN), {**PROD, "spec": LOGIN}],
            (),
            2,
            "Secret flows/vault-login with the credential does not exist",
        ),
        ([secret(TOKEN), {**PROD, "spec": {"driver": "env"}}], (), 2, "BeemFlowSecretStore flows/prod is not ready: "),
        ([secret(TOKEN, refreshInterval="soon")], (), 2, "refreshInterval"),
        ([secret(TOKEN, target={"template": {"data": {"a": "{{ secrets.no }}"}}})], (), 2, "template key a"),
        ([secret({"secretKey": "a", "remoteRef": {"key": "../x"}})], (), 2, "BeemFlowSecret flows/slack"),
        ([secret(TOKEN), secret(TOKEN)], (), 2, "all.yaml: BeemFlowSecret slack stands in all.yaml too"),
        ([{**secret(TOKEN), "metadata": {}}], (), 2, "all.yaml: a BeemFlowSecret has no metadata.name"),
        ([secret(TOKEN), BROKEN_BASE64], (), 2, "all.yaml: Secret x: data.a is not base64"),
        ([PROD], (), 2, "all.yaml: there is no BeemFlowSecret in it"),
        ([secret(TOKEN)], ("absent.yaml",), 2, "absent.yaml: No such file"),
        ([secret(TOKEN)], ("--values", "absent.json"), 2, "absent.json: No such file"),
        ([secret(TOKEN)], ("--values", "list.json"), 2, "list.json: the file cannot be read"),
        ([secret(TOKEN)], ("--config", "absent.json"), 2, "absent.json: there is no such file"),
        ([secret(TOKEN)], ("--config", "gone.json"), 1, "store prod: key slack/bot: "),
    ],
)
def test_what_cannot_be_rendered_is_one_line_that_names_it(
    objects: list[Object], arguments: tuple[str, ...], code: int, told: str
) -> None:
    write(*objects)
    Path("list.json").write_text("[1]")
    gone = {"driver": "file", "file": {"path": "gone"}, "retry": {"attempts": 1}}
    Path("gone.json").write_text(json.dumps({"secrets": gone}))
    values = ("--values", "values.json") if "template" in str(objects) or "../x" in str(objects) else ()
    ran = typed("all.yaml", *arguments, *values)
    assert (ran.returncode, ran.stdout) == (code, "")
    assert told in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_a_file_that_is_no_yaml_is_told_without_a_word_of_it() -> None:
    Path("all.yaml").write_text(f"kind: [{CANARY}")
    ran = typed("all.yaml")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("all.yaml: it is not YAML (line ")


def test_what_is_looked_for_is_found_among_the_values_given() -> None:
    rewrite = [{"regexp": {"source": "^slack/", "target": ""}}]
    write(secret(dataFrom=[{"find": {"path": "slack"}, "rewrite": rewrite}]))
    assert data(typed("all.yaml", "--values", "values.json", reveal=True)) == {
        "bot": f'{{"token":"{CANARY}","user":"bot"}}'
    }
    write(secret(dataFrom=[{"find": {"path": "slick"}}]))
    ran = typed("all.yaml", "--values", "values.json")
    assert "nothing is found by path slick" in ran.stderr
