"""What is no manifest, or half of one, or of another kind."""

from __future__ import annotations

import json
from typing import Any

import pytest

from beemflow_secrets.migrate.fields import Broken
from beemflow_secrets.migrate.manifests import read
from beemflow_secrets.migrate.turning import turned
from tests.unit.migrate.esofields import KINDS, changes, full, manifest
from tests.unit.migrate.turning import migrated

CANARY = "canary-8d1f"
HEAD = "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: one, namespace: flows}\n"
AT = r"all\.yaml: document 1: ExternalSecret flows/one: "


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("kind: ExternalSecret\n", r"all\.yaml: document 1: ExternalSecret: apiVersion: is missing"),
        ("apiVersion: external-secrets.io/v1\n", r"all\.yaml: document 1: kind: is missing"),
        ("a: 1\n---\n- 1\n", r"all\.yaml: document 1: kind: is missing"),
        (HEAD, f"{AT}spec: is missing"),
        (
            HEAD.replace("{name: one, namespace: flows}", "{}") + "spec: {}\n",
            r"document 1: ExternalSecret: metadata\.name",
        ),
        (HEAD + "spec: {data: [{secretKey: a}]}\n", rf"{AT}spec\.data\[0\]\.remoteRef\.key: is missing"),
        (HEAD + "spec: {data: [{remoteRef: {key: a}}]}\n", rf"{AT}spec\.data\[0\]\.secretKey: is missing"),
        (HEAD + "spec: {data: {a: b}}\n", rf"{AT}spec\.data: must be a list \(got an object\)"),
        (HEAD + "spec: {target: {immutable: yes}}\n", rf"{AT}spec\.target\.immutable: must be true or false"),
        (HEAD + "spec: {data: [a]}\n", rf"{AT}spec\.data\[0\]: must be an object \(got a string\)"),
        (
            HEAD + "spec: {data: [{secretKey: a, remoteRef: {key: 7}}]}\n",
            rf"{AT}spec\.data\[0\]\.remoteRef\.key: must be a string",
        ),
        (HEAD + "spec: {data: [{secretKey: a,\n", r"all\.yaml: it is not YAML"),
        ("", r"all\.yaml: holds no manifest"),
        (
            "kind: ConfigMap\napiVersion: v1\n---\n" + HEAD.replace("/v1", "/v1beta1") + "spec: {}\n",
            r"all\.yaml: document 2: ExternalSecret flows/one: is .*/v1beta1, and .*/v1 is turned: upgrade",
        ),
    ],
)
def test_half_a_manifest_is_an_error_with_file_document_and_field(text: str, told: str) -> None:
    with pytest.raises(Broken, match=told):
        turned(read(text, "all.yaml"))


def test_other_kinds_are_passed_over_with_a_line() -> None:
    documents, told = migrated(
        """
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: a, namespace: b}
        ---
        apiVersion: generators.external-secrets.io/v1alpha1
        kind: Password
        metadata: {name: p}
        ---
        apiVersion: external-secrets.io/v1alpha1
        kind: ClusterPushSecret
        metadata: {name: p}
        """
    )
    assert documents == []
    assert [line.partition(": is passed over")[0] for line in told] == [
        "ConfigMap b/a",
        "Password p",
        "ClusterPushSecret p",
    ]


def test_a_loss_is_one_line_whatever_a_name_holds() -> None:
    _, told = migrated(HEAD + 'spec: {data: [], "a\\nb": 1}\n')
    assert told[0] == r"ExternalSecret flows/one: spec.a\nb: has no counterpart here"


def test_what_kubectl_prints_of_several_is_read() -> None:
    item = {"metadata": {"name": "one"}, "spec": {"provider": {"gcpsm": {"projectID": "p"}}}}
    listed = {"apiVersion": "external-secrets.io/v1", "kind": "SecretStoreList", "items": [item]}
    (found,) = read(json.dumps(listed), "all.json")
    assert (found.kind, found.name, found.where) == ("SecretStore", "one", "all.json: document 1: items[0]")


@pytest.mark.parametrize("kind", KINDS)
def test_no_value_of_a_field_is_told(kind: str) -> None:
    for spec in full(kind):
        for path, changed in changes(spec, other=CANARY):
            if path.endswith(".name"):  # of a store, which is told where it is in no file
                continue
            told = _told(kind, changed)
            assert CANARY not in told, path


def _told(kind: str, spec: dict[str, Any]) -> str:
    try:
        return "\n".join(map(str, turned(read(json.dumps(manifest(kind, spec)), "all.yaml")).losses))
    except Broken as error:
        return str(error)
