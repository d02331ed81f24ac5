"""ExternalSecrets, ClusterExternalSecrets and PushSecrets, as their documentation shows them, become ours."""

from __future__ import annotations

from typing import Any

import pytest

from beemflow_secrets.migrate.unturned import UNTURNED
from beemflow_secrets.model.push import PushSpec
from beemflow_secrets.model.secret import SecretSpec
from tests.unit.migrate.turning import cluster, migrated, one

SECRET, PUSH, MANY = "ExternalSecret", "PushSecret", "ClusterExternalSecret"

DATA = "data: [{secretKey: token, remoteRef: {key: slack/bot, property: token}}]"
ENTRY: dict[str, Any] = {"secretKey": "token", "remoteRef": {"key": "slack/bot", "property": "token"}}
UNKNOWN = "SecretStore flows/prod: is in none of the files: keys that are read from it are taken as they are written"


def known(told: list[str]) -> list[str]:
    """Return what is told but that the store is in no file."""
    return [line for line in told if "is in none of the files" not in line]


def test_an_external_secret_as_the_api_server_prints_it_goes_over_without_a_loss() -> None:
    text = """
        apiVersion: external-secrets.io/v1
        kind: ExternalSecret
        metadata:
          name: slack
          namespace: flows
          uid: 0f
          resourceVersion: "7"
          generation: 2
          creationTimestamp: "2026-01-01T00:00:00Z"
          managedFields: [{manager: kubectl}]
          finalizers: [externalsecrets.external-secrets.io/externalsecret-cleanup]
          annotations:
            kubectl.kubernetes.io/last-applied-configuration: "{}"
            force-sync: "1"
            team: flows
        spec:
          refreshInterval: 1h0m0s
          refreshPolicy: Periodic
          secretStoreRef: {name: prod, kind: SecretStore}
          target: {name: slack, creationPolicy: Owner, deletionPolicy: Retain}
          data:
            - secretKey: token
              remoteRef:
                {key: slack/bot, property: token, version: "3", conversionStrategy: Default, decodingStrategy: None,
                 metadataPolicy: None, nullBytePolicy: Ignore}
          dataFrom:
            - extract: {key: slack/all, decodingStrategy: Auto}
              sourceRef: {storeRef: {name: other, kind: ClusterSecretStore}}
        status: {conditions: []}
    """
    documents, told = migrated(text)
    assert documents == [
        {
            "apiVersion": "secrets.beemflow.io/v1",
            "kind": "BeemFlowSecret",
            "metadata": {"name": "slack", "namespace": "flows", "annotations": {"team": "flows"}},
            "spec": {
                "secretStoreRef": {"name": "prod"},
                "refreshInterval": "1h0m0s",
                # Without a template it copies its own labels and annotations.
                "target": {"name": "slack", "template": {"metadata": {"annotations": {"team": "flows"}}}},
                "data": [{"secretKey": "token", "remoteRef": {**ENTRY["remoteRef"], "version": "3"}}],
                "dataFrom": [
                    {
                        "extract": {"key": "slack/all", "decodingStrategy": "Auto"},
                        "sourceRef": {"storeRef": {"name": "other", "kind": "BeemFlowClusterSecretStore"}},
                    }
                ],
            },
        }
    ]
    assert known(told) == []
    SecretSpec.model_validate(documents[0]["spec"])


def test_what_helm_says_of_itself_is_not_copied_to_the_secret() -> None:
    labels = "{app.kubernetes.io/managed-by: Helm, team: flows}"
    made, told = one(SECRET, f"secretStoreRef: {{name: p}}\n{DATA}", metadata=f"{{name: one, labels: {labels}}}")
    assert made["target"]["template"] == {"metadata": {"labels": {"team": "flows"}}}
    assert known(told) == [
        "metadata.labels.app.kubernetes.io/managed-by: is not written to the Secret: the operator writes its own there"
    ]


def test_a_template_is_turned_wherever_it_stands() -> None:
    made, told = one(
        SECRET,
        f"""
        secretStoreRef: {{name: prod}}
        target:
          template:
            type: kubernetes.io/dockerconfigjson
            engineVersion: v2
            mergePolicy: Merge
            metadata:
              labels: {{user: "{{{{ .user }}}}"}}
              annotations: {{plain: "{{% no %}}"}}
            data:
              config: |
                {{{{- with .token }}}}
                token={{{{ . | b64enc }}}}
                {{{{- end }}}}
            templateFrom: [{{literal: "{{{{ .user }}}}: x", target: Data}}]
        {DATA}
        """,
    )
    assert made["target"]["template"] == {
        "type": "kubernetes.io/dockerconfigjson",
        "mergePolicy": "Merge",
        "metadata": {
            "labels": {"user": "{{ secrets.user }}"},
            "annotations": {"plain": "{{ '{' }}% no %}"},
        },
        "data": {
            "config": "{% set it = secrets.token %}{% if it %}\ntoken={{ it | base64encode }}{% endif %}\n",
        },
        "templateFrom": [{"literal": "{{ secrets.user }}: x"}],
    }
    assert known(told) == []


def test_a_template_that_cannot_be_turned_is_an_error_until_a_person_writes_it() -> None:
    text = (
        f"target: {{template: {{data: {{h: '{{{{ htpasswd .user .token }}}}'}}}}}}\nsecretStoreRef: {{name: p}}\n{DATA}"
    )
    made, told = one(SECRET, text)
    assert made["target"]["template"]["data"] == {"h": UNTURNED}
    assert known(told) == [
        (
            f"spec.target.template.data.h: the function htpasswd has no counterpart here: {UNTURNED} stands in its "
            "place, and the Secret stays as it is until you write it"
        )
    ]


def test_templates_in_a_config_map_are_told() -> None:
    source = "templateFrom: [{configMap: {name: t, items: [{key: k, templateAs: KeysAndValues}]}}]"
    made, told = one(SECRET, f"secretStoreRef: {{name: p}}\ntarget: {{template: {{{source}}}}}\n{DATA}")
    assert made["target"]["template"]["templateFrom"] == [
        {"configMap": {"name": "t", "items": [{"key": "k", "templateAs": "KeysAndValues"}]}}
    ]
    assert known(told)[0].startswith("spec.target.template.templateFrom[0].configMap: holds Go templates")


@pytest.mark.parametrize(
    ("target", "made", "told"),
    [
        (
            "{creationPolicy: Orphan, deletionPolicy: Delete}",
            {"creationPolicy": "Orphan", "deletionPolicy": "Delete"},
            [],
        ),
        ("{creationPolicy: Merge, deletionPolicy: Merge}", {"creationPolicy": "Merge", "deletionPolicy": "Merge"}, []),
        ("{creationPolicy: Merge, deletionPolicy: Delete}", {"creationPolicy": "Merge"}, ["deletionPolicy"]),
        ("{creationPolicy: CreateOrMerge}", {"creationPolicy": "Merge"}, ["creationPolicy"]),
        (
            "{creationPolicy: Merge, template: {type: a/b, metadata: {labels: {a: b}}}}",
            {"creationPolicy": "Merge"},
            ["template.type", "template.metadata"],
        ),
        (
            "{template: {metadata: {labels: {app.kubernetes.io/managed-by: Helm, a: b}, finalizers: []}}}",
            {"template": {"metadata": {"labels": {"a": "b"}}}},
            ["template.metadata.labels.app.kubernetes.io/managed-by"],
        ),
        ("{immutable: true}", {"immutable": True}, []),
        ("{immutable: true, creationPolicy: None}", {"creationPolicy": "None"}, ["immutable"]),
    ],
)
def test_a_target_goes_over_as_far_as_it_is_right_here(target: str, made: dict[str, object], told: list[str]) -> None:
    found, lost = one(SECRET, f"secretStoreRef: {{name: p}}\ntarget: {target}\n{DATA}")
    assert found["target"] == made
    assert [line.partition(": ")[0].removeprefix("spec.target.") for line in known(lost)] == told
    SecretSpec.model_validate(found)


@pytest.mark.parametrize(
    "lost",
    [
        "dataFrom: [{sourceRef: {generatorRef: {apiVersion: g/v1, kind: Password, name: p}}}]",
        "dataFrom: [{extract: {key: a, metadataPolicy: Fetch}}]",
        "dataFrom: [{extract: {key: a, conversionStrategy: Unicode}}]",
        "target: {manifest: {apiVersion: v1, kind: ConfigMap}}",
    ],
)
def test_what_would_leave_the_secret_without_a_key_keeps_it_as_it_is(lost: str) -> None:
    made, told = one(SECRET, f"secretStoreRef: {{name: p}}\n{lost}\n{DATA}")
    assert made["suspend"] is True
    assert any(line.startswith("spec.suspend: lacks what is told above") for line in told)
    assert len(known(told)) > 1


def test_a_find_and_its_rewrites_have_the_same_names() -> None:
    made, told = one(
        SECRET,
        """
        secretStoreRef: {name: p}
        dataFrom:
          - find: {path: slack/, name: {regexp: "^a"}, tags: {team: flows}}
            rewrite:
              - regexp: {source: "slack/(?P<x>.*)", target: "$x-$1-${1}-$$x"}
              - transform: {template: "{{ .value | upper | trimPrefix \\"A\\" }}"}
        """,
    )
    (entry,) = made["dataFrom"]
    assert entry["find"] == {"path": "slack/", "name": {"regexp": "^a"}, "tags": {"team": "flows"}}
    assert entry["rewrite"] == [
        {"regexp": {"source": "slack/(?P<x>.*)", "target": "${x}-$1-${1}-$$x"}},
        {"transform": {"template": "{{ (value | upper)[1:] if (value | upper)[:1] == 'A' else (value | upper) }}"}},
    ]
    assert known(told) == []
    SecretSpec.model_validate(made)


def test_a_secret_whose_entries_name_their_stores_gets_one_of_them_as_its_own() -> None:
    source = "sourceRef: {storeRef: {name: other, kind: ClusterSecretStore}}"
    made, _ = one(SECRET, f"data: [{{secretKey: a, remoteRef: {{key: b}}, {source}}}]")
    assert made["secretStoreRef"] == {"name": "other", "kind": "BeemFlowClusterSecretStore"}


def test_a_refresh_interval_of_zero_stays_one() -> None:
    for zero in ("0", "0s", '"0"'):
        made, _ = one(SECRET, f"secretStoreRef: {{name: p}}\nrefreshInterval: {zero}\n{DATA}")
        assert made["refreshInterval"] in {"0", "0s"}


STORES = """
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {{name: prod, namespace: flows}}
spec: {{provider: {provider}}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {{name: one, namespace: flows}}
spec:
  secretStoreRef: {{name: prod}}
  data: [{{secretKey: a, remoteRef: {{key: "{key}"}}}}]
"""
VAULT = "{vault: {server: https://v, path: secret, auth: {tokenSecretRef: {name: t, key: k}}}}"
AZURE = "{azurekv: {vaultUrl: https://x.vault.azure.net, authType: ManagedIdentity}}"


@pytest.mark.parametrize(
    ("provider", "key", "here"),
    [
        (VAULT, "slack/bot", "slack/bot"),
        (VAULT, "secret/slack/bot", "slack/bot"),
        (VAULT, "secret/data/slack/bot", "slack/bot"),
        (VAULT, "/slack/bot", "slack/bot"),
        (VAULT.replace("path: secret", "path: secret, version: v1"), "secret/data/x", "data/x"),
        (AZURE, "secret/db", "db"),
        (AZURE, "db", "db"),
        ("{gcpsm: {projectID: p}}", "a#b", r"a\#b"),
    ],
)
def test_a_key_is_taken_below_its_store(provider: str, key: str, here: str) -> None:
    documents, _ = migrated(STORES.format(provider=provider, key=key))
    assert documents[1]["spec"]["data"][0]["remoteRef"]["key"] == here


def test_a_key_or_certificate_of_azure_is_none_of_the_secrets() -> None:
    documents, told = migrated(STORES.format(provider=AZURE, key="cert/web"))
    assert documents[1]["spec"]["suspend"] is True
    assert any("data[0].remoteRef.key: names a key or a certificate" in line for line in told)


def test_a_push_secret_goes_over() -> None:
    made, told = one(
        PUSH,
        """
        refreshInterval: 1h0m0s
        updatePolicy: IfNotExists
        deletionPolicy: Delete
        secretStoreRefs: [{name: prod, kind: SecretStore}, {name: shared, kind: ClusterSecretStore}]
        selector: {secret: {name: pokedex}}
        template: {engineVersion: v2, data: {best: "{{ .best | toString | upper }} is the best"}}
        data:
          - conversionStrategy: None
            match: {secretKey: best, remoteRef: {remoteKey: my/best, property: it}}
          - match: {remoteRef: {remoteKey: all}}
        """,
    )
    assert made == {
        "refreshInterval": "1h0m0s",
        "secretStoreRefs": [{"name": "prod"}, {"name": "shared", "kind": "BeemFlowClusterSecretStore"}],
        "updatePolicy": "IfNotExists",
        "deletionPolicy": "Delete",
        "selector": {"secret": {"name": "pokedex"}},
        "data": [
            {"match": {"secretKey": "best", "remoteRef": {"remoteKey": "my/best", "property": "it"}}},
            {"match": {"remoteRef": {"remoteKey": "all"}}},
        ],
        "template": {"data": {"best": "{{ secrets.best | upper }} is the best"}},
    }
    assert known(told) == []
    PushSpec.model_validate(made)


def test_what_a_push_has_no_counterpart_of_is_told() -> None:
    _, told = one(
        PUSH,
        """
        secretStoreRefs: [{labelSelector: {matchLabels: {a: b}}}, {name: prod}]
        selector: {secret: {selector: {matchLabels: {a: b}}}}
        data: [{match: {secretKey: a, remoteRef: {remoteKey: b}}, metadata: {tags: {a: b}}}]
        dataTo: [{storeRef: {name: prod}}]
        template: {type: kubernetes.io/tls, metadata: {labels: {a: b}}}
        """,
    )
    assert [line.partition(": ")[0] for line in known(told)][:6] == [
        "spec.template.type",
        "spec.template.metadata",
        "spec.dataTo",
        "spec.secretStoreRefs[0].labelSelector",
        "spec.selector.secret.selector",
        "spec.data[0].metadata",
    ]
    assert known(told)[-1].startswith("spec.selector: ")
    assert known(told)[-1].endswith("is written as a comment: mend it and take the # away")


def test_a_cluster_external_secret_goes_over() -> None:
    made, told = cluster(
        MANY,
        f"""
        externalSecretName: hello
        namespaceSelectors: [{{matchLabels: {{cool: label}}}}]
        namespaces: [extra]
        externalSecretMetadata: {{labels: {{a: b}}}}
        externalSecretSpec:
          secretStoreRef: {{name: shared, kind: ClusterSecretStore}}
          {DATA}
        """,
    )
    assert made == {
        "secretName": "hello",
        "secretMetadata": {"labels": {"a": "b"}},
        "secretSpec": {
            "secretStoreRef": {"name": "shared", "kind": "BeemFlowClusterSecretStore"},
            "target": {"template": {"metadata": {"labels": {"a": "b"}}}},
            "data": [ENTRY],
        },
        "namespaces": {"names": ["extra"], "selector": {"matchLabels": {"cool": "label"}}},
    }
    assert known(told) == []


def test_what_a_cluster_external_secret_has_stamped_is_passed_over() -> None:
    documents, told = migrated(
        """
        apiVersion: external-secrets.io/v1
        kind: ExternalSecret
        metadata:
          name: hello
          namespace: extra
          ownerReferences: [{apiVersion: external-secrets.io/v1, kind: ClusterExternalSecret, name: many, uid: 0f}]
        spec: {secretStoreRef: {name: shared}}
        """
    )
    assert (documents, told) == (
        [],
        ["ExternalSecret extra/hello: is passed over: ClusterExternalSecret many stamps it"],
    )
