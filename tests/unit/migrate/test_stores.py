"""Stores of External Secrets Operator, as its documentation shows them, become stores of ours."""

from __future__ import annotations

from typing import Any

import pytest

from beemflow_secrets.migrate.fields import Broken
from beemflow_secrets.model.store import StoreSpec
from tests.unit.migrate.turning import COMMENTED, cluster, migrated, one

STORE, CLUSTER = "SecretStore", "ClusterSecretStore"


def secret(name: str, key: str, **namespace: str) -> dict[str, Any]:
    return {"secretKeyRef": {"name": name, "key": key, **namespace}}


def vault(auth: str, *lines: str) -> str:
    settings = ["server: https://vault:8200", "path: secret", f"auth: {auth}", *lines]
    return "provider:\n  vault:\n" + "".join(f"    {line}\n" for line in settings)


BASE = {"address": "https://vault:8200", "path": "secret", "kvVersion": 2}

LOGINS: list[tuple[str, dict[str, Any]]] = [
    ("{tokenSecretRef: {name: t, key: k}}", {"token": secret("t", "k")}),
    (
        "{appRole: {path: approle, roleId: abc, secretRef: {name: s, key: id}}}",
        {"authMethod": "approle", "mountPath": "approle", "roleId": "abc", "secretId": secret("s", "id")},
    ),
    (
        "{appRole: {path: a, roleRef: {name: s, key: role}, secretRef: {name: s, key: id}}}",
        {
            "authMethod": "approle",
            "mountPath": "a",
            "roleIdRef": secret("s", "role"),
            "secretId": secret("s", "id"),
        },
    ),
    (
        "{kubernetes: {mountPath: k8s, role: demo, serviceAccountRef: {name: reader, audiences: [vault]}}}",
        {
            "authMethod": "kubernetes",
            "mountPath": "k8s",
            "role": "demo",
            "serviceAccountRef": {"name": "reader", "audiences": ["vault"]},
        },
    ),
    (
        "{kubernetes: {mountPath: k8s, role: demo, secretRef: {name: s}}}",
        {"authMethod": "jwt", "mountPath": "k8s", "role": "demo", "jwt": secret("s", "token")},
    ),
    (
        "{jwt: {path: jwt, role: r, kubernetesServiceAccountToken: {serviceAccountRef: {name: reader}}}}",
        {
            "authMethod": "jwt",
            "mountPath": "jwt",
            "role": "r",
            "serviceAccountRef": {"name": "reader", "audiences": ["vault"]},
        },
    ),
    (
        (
            "{jwt: {role: r, kubernetesServiceAccountToken: "
            "{serviceAccountRef: {name: a, audiences: [x]}, audiences: [y]}}}"
        ),
        {"authMethod": "jwt", "role": "r", "serviceAccountRef": {"name": "a", "audiences": ["x", "y"]}},
    ),
    (
        "{userPass: {path: up, username: bot, secretRef: {name: s, key: p}}}",
        {"authMethod": "userpass", "mountPath": "up", "username": "bot", "password": secret("s", "p")},
    ),
    (  # the server is asked the same
        "{ldap: {username: bot, secretRef: {name: s, key: p}}}",
        {"authMethod": "userpass", "mountPath": "ldap", "username": "bot", "password": secret("s", "p")},
    ),
    (
        (
            "{iam: {path: aws, region: eu-west-1, vaultRole: r, role: 'arn:aws:iam::123456789012:role/x', "
            "vaultAwsIamServerID: id, secretRef: {accessKeyIDSecretRef: {name: s, key: a}, "
            "secretAccessKeySecretRef: {name: s, key: b}}}}"
        ),
        {
            "authMethod": "aws",
            "mountPath": "aws",
            "role": "r",
            "awsLogin": {
                "region": "eu-west-1",
                "serverId": "id",
                "roleArn": "arn:aws:iam::123456789012:role/x",
                "accessKeyId": secret("s", "a"),
                "secretAccessKey": secret("s", "b"),
            },
        },
    ),
]


@pytest.mark.parametrize(("auth", "block"), LOGINS)
def test_every_login_to_vault_goes_over(auth: str, block: dict[str, Any]) -> None:
    made, told = one(STORE, vault(auth))
    assert (made, told) == ({"driver": "vault", "vault": BASE | block}, [])
    StoreSpec.model_validate(made)


def test_a_certificate_logs_in_to_vault_and_is_that_of_the_connection() -> None:
    made, told = one(STORE, vault("{cert: {vaultRole: web, clientCert: {name: c}, secretRef: {name: c}}}"))
    assert made["vault"] == BASE | {"authMethod": "cert", "role": "web"}
    assert made["tls"] == {"clientCertificate": {"certificate": secret("c", "tls.crt"), "key": secret("c", "tls.key")}}
    assert told == []


def test_what_vault_has_beside_its_login_goes_over() -> None:
    lines = [
        "version: v1",
        "namespace: team-a",
        "caProvider: {type: ConfigMap, name: roots, key: ca.crt}",
        "tls: {certSecretRef: {name: c}, keySecretRef: {name: c}}",
    ]
    made, told = one(STORE, vault("{namespace: team-a, tokenSecretRef: {name: t, key: k}}", *lines))
    assert made["vault"] == BASE | {"kvVersion": 1, "namespace": "team-a", "token": secret("t", "k")}
    assert made["tls"]["caRef"] == {"kind": "ConfigMap", "name": "roots", "key": "ca.crt"}
    assert made["tls"]["clientCertificate"]["key"] == secret("c", "tls.key")
    assert told == []


def test_a_store_without_a_path_says_where_to_write_it() -> None:
    made, told = one(STORE, vault("{tokenSecretRef: {name: t, key: k}}").replace("    path: secret\n", ""))
    assert made["vault"]["path"] == "REPLACE-ME"
    assert told[0].startswith("spec.provider.vault.path: must be named here")


def test_a_cluster_store_names_the_namespace_of_each_object_that_it_refers_to() -> None:
    login = "{tokenSecretRef: {name: t, key: k, namespace: vault}}"
    made, told = cluster(CLUSTER, vault(login) + "conditions: [{namespaces: [a]}, {namespaceRegexes: ['^team-']}]\n")
    assert made["vault"]["token"] == secret("t", "k", namespace="vault")
    assert made["namespaces"] == {"names": ["a"], "regexes": [".*(?:^team-).*"]}
    assert told == []
    _, told = cluster(CLUSTER, vault("{tokenSecretRef: {name: t, key: k}}"))
    assert told[0].startswith(
        "spec.provider.vault.auth.tokenSecretRef.namespace: is looked up in the namespace of each"
    )
    assert told[1] == f"spec.vault.token.secretKeyRef.namespace: is required in a cluster store: {COMMENTED}"


def test_selectors_become_one_where_one_says_the_same() -> None:
    conditions = """
    conditions:
      - namespaceSelector: {matchLabels: {team: a}}
      - namespaceSelector: {matchExpressions: [{key: team, operator: In, values: [b, c]}]}
      - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: lone}}
      - namespaceSelector: {matchLabels: {stage: prod}}
    """
    text = vault("{tokenSecretRef: {name: t, key: k, namespace: v}}") + conditions.replace("\n    ", "\n")
    made, told = cluster(CLUSTER, text)
    assert made["namespaces"] == {
        "names": ["lone"],
        "selector": {"matchExpressions": [{"key": "team", "operator": "In", "values": ["a", "b", "c"]}]},
    }
    assert [line.partition(": ")[0] for line in told] == ["spec.conditions[3].namespaceSelector"]


@pytest.mark.parametrize(
    ("provider", "spec"),
    [
        (
            (
                "aws: {service: SecretsManager, region: eu-west-1, prefix: app/, auth: {secretRef: "
                "{accessKeyIDSecretRef: "
                "{name: s, key: a}, secretAccessKeySecretRef: {name: s, key: b}}}, "
                "role: 'arn:aws:iam::123456789012:role/x', externalID: e-1}"
            ),
            {
                "driver": "aws-sm",
                "region": "eu-west-1",
                "prefix": "app/",
                "aws": {
                    "accessKeyId": secret("s", "a"),
                    "secretAccessKey": secret("s", "b"),
                    "roleArn": "arn:aws:iam::123456789012:role/x",
                    "externalId": "e-1",
                },
            },
        ),
        (
            (
                "azurekv: {tenantId: t, vaultUrl: 'https://x.vault.azure.net', authSecretRef: "
                "{clientSecret: {name: s, key: b}}, environmentType: PublicCloud}"
            ),
            {
                "driver": "azure-kv",
                "azure": {
                    "vaultUrl": "https://x.vault.azure.net",
                    "authMethod": "service_principal",
                    "tenantId": "t",
                    "clientSecret": secret("s", "b"),
                },
            },
        ),
        (
            (
                "gcpsm: {projectID: p, location: europe-west1, auth: {secretRef: {secretAccessKeySecretRef: "
                "{name: s, key: k}}}}"
            ),
            {
                "driver": "gcp-sm",
                "gcp": {"projectId": "p", "location": "europe-west1", "serviceAccountKey": secret("s", "k")},
            },
        ),
        (
            (
                "kubernetes: {remoteNamespace: shared, server: {url: kubernetes.default, caProvider: "
                "{type: ConfigMap, name: kube-root-ca.crt, key: ca.crt}}, auth: {serviceAccount: {name: reader}}}"
            ),
            {"driver": "kubernetes", "kubernetes": {"namespace": "shared", "serviceAccountRef": {"name": "reader"}}},
        ),
        (
            (
                "kubernetes: {remoteNamespace: shared, server: {url: 'https://other:6443', caProvider: "
                "{type: Secret, name: ca, key: ca.crt}}, "
                "auth: {token: {bearerToken: {name: s, key: t}}}}"
            ),
            {
                "driver": "kubernetes",
                "kubernetes": {"namespace": "shared", "server": "https://other:6443", "token": secret("s", "t")},
                "tls": {"caRef": {"kind": "Secret", "name": "ca", "key": "ca.crt"}},
            },
        ),
        (
            (
                "onepassword: {connectHost: 'https://connect', vaults: {ops: 1}, auth: {secretRef: "
                "{connectTokenSecretRef: {name: s, key: t}}}}"
            ),
            {
                "driver": "1password",
                "onepassword": {"connectHost": "https://connect", "connectToken": secret("s", "t"), "vault": "ops"},
            },
        ),
    ],
)
def test_every_backend_that_has_a_driver_goes_over(provider: str, spec: dict[str, Any]) -> None:
    made, told = one(STORE, f"provider:\n  {provider}")
    assert made == spec
    lost = [line for line in told if not line.startswith("spec.azure: ")]  # the documentation's has no client
    assert lost == []


def test_vaults_of_1password_that_are_searched_in_order_become_a_chain() -> None:
    made, _ = one(
        STORE,
        """
        provider:
          onepassword:
            connectHost: https://connect
            vaults: {second vault: 2, first: 1}
            auth: {secretRef: {connectTokenSecretRef: {name: s, key: t}}}
        """,
    )
    assert made["multi"]["strategy"] == "priority"
    assert [(one["name"], one["onepassword"]["vault"]) for one in made["multi"]["providers"]] == [
        ("first", "first"),
        ("vault-2", "second vault"),
    ]


def test_retries_and_the_probe_go_over() -> None:
    extra = "retrySettings: {maxRetries: 5, retryInterval: 10s}\nrefreshInterval: 60\n"
    made, told = one(STORE, vault("{tokenSecretRef: {name: t, key: k}}") + extra)
    assert made["retry"] == {"attempts": 6, "baseDelay": "10s", "maxDelay": "10s"}
    assert (made["healthCheck"], told) == ({"interval": "60s"}, [])


def test_a_number_that_is_a_text_is_an_error() -> None:
    with pytest.raises(Broken, match=r"spec\.retrySettings\.maxRetries: must be a whole number \(got a string\)"):
        one(STORE, vault("{tokenSecretRef: {name: t, key: k}}") + 'retrySettings: {maxRetries: "5"}\n')


def test_a_backend_without_a_driver_is_told_and_nothing_is_made_of_it() -> None:
    made, told = one(STORE, "provider: {doppler: {auth: {secretRef: {dopplerToken: {name: s}}}}}")
    assert made == {}
    assert told == [
        "spec.provider.doppler: has no driver here",
        "is not written: nothing of it has a counterpart here",
    ]


def test_parameter_store_has_no_driver() -> None:
    made, told = one(STORE, "provider: {aws: {service: ParameterStore, region: eu-west-1}}")
    assert (made, told[0]) == (
        {},
        "spec.provider.aws.service: has no driver here, which has SecretsManager alone",
    )


def test_an_identity_that_is_the_operators_own_is_told_of_a_namespaced_store() -> None:
    spec = "provider: {aws: {service: SecretsManager, region: eu-west-1}}"
    made, told = one(STORE, spec)
    assert made == {"driver": "aws-sm", "region": "eu-west-1"}
    assert len(told) == 1
    assert "spec.aws" in told[0]
    assert cluster(CLUSTER, spec)[1] == []


def test_irsa_needs_the_role_that_its_annotation_names() -> None:
    made, told = one(
        STORE, "provider: {aws: {service: SecretsManager, region: r, auth: {jwt: {serviceAccountRef: {name: sa}}}}}"
    )
    assert made["aws"] == {
        "serviceAccountRef": {"name": "sa"},
        "roleArn": "arn:aws:iam::000000000000:role/REPLACE-ME",
    }
    assert told[0].startswith("spec.provider.aws.auth.jwt.serviceAccountRef: needs aws.roleArn here")


def test_a_workload_identity_of_google_names_its_pool() -> None:
    made, _ = one(
        STORE,
        """
        provider:
          gcpsm:
            projectID: p
            auth:
              workloadIdentity: {clusterLocation: eu, clusterName: c, serviceAccountRef: {name: sa}}
        """,
    )
    assert made["gcp"]["workloadIdentity"] == {
        "serviceAccountRef": {"name": "sa", "audiences": ["p.svc.id.goog"]},
        "audience": "identitynamespace:p.svc.id.goog:"
        "https://container.googleapis.com/v1/projects/p/locations/eu/clusters/c",
    }


def test_two_stores_of_one_file_do_not_meet() -> None:
    text = """
        apiVersion: v1
        kind: List
        items:
          - apiVersion: external-secrets.io/v1
            kind: SecretStore
            metadata: {name: a, namespace: x}
            spec: {provider: {gcpsm: {projectID: p}}}
          - apiVersion: external-secrets.io/v1
            kind: ClusterSecretStore
            metadata: {name: a}
            spec: {provider: {gcpsm: {projectID: q}}}
    """
    documents, _ = migrated(text)
    assert [(made["kind"], made["metadata"], made["spec"]["gcp"]["projectId"]) for made in documents] == [
        ("BeemFlowSecretStore", {"name": "a", "namespace": "x"}, "p"),
        ("BeemFlowClusterSecretStore", {"name": "a"}, "q"),
    ]
