"""The values that people install the chart with, by what for, and what the chart makes of them."""

from __future__ import annotations

from typing import Any

import yaml

from e2e.chart import objects, render

Object = dict[str, Any]
Values = dict[str, Any]

SCOPED = {
    "scopedNamespaces": ["team-a", "team-b"],
    "scopedRBAC": True,
    "scopedNamespaceRoles": {"team-a": ["bots", "ops"]},
}

EVERYTHING: Values = {
    "nameOverride": "secrets",
    "fullnameOverride": "the-secrets",
    "commonLabels": {"team": "platform"},
    "replicaCount": 2,
    "leaderElect": True,
    "image": {"repository": "registry.example.com/secrets", "digest": f"sha256:{'0' * 64}", "pullPolicy": "Always"},
    "imagePullSecrets": [{"name": "registry"}],
    "serviceAccount": {"name": "reader", "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/reader"}},
    "log": {"level": "debug", "format": "text"},
    "httpAddress": "[::]:9090",
    "concurrency": 7,
    "allowedEndpoints": ["https://vault.example.com:8200", "https://other.example.com"],
    "envAllowedPrefixes": ["APP_", "OTHER_"],
    "fileAllowedRoots": ["/etc/secrets", "/var/run/other"],
    "storeAmbientCredentials": True,
    "clusterStoreAmbientCredentials": False,
    "audit": {"sinks": ["stdout", "file:/audit/log.jsonl", "https://audit.example.com/in"], "required": True},
    "notify": {"webhook": "https://hooks.example.com/in", "keyFile": "/audit/key"},
    "extraEnv": [
        {"name": "HTTPS_PROXY", "value": "http://proxy.example.com:3128"},
        {"name": "APP_TOKEN", "valueFrom": {"secretKeyRef": {"name": "app", "key": "token"}}},
    ],
    "extraArgs": ["--log-level=warning"],
    "extraVolumes": [{"name": "audit", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "audit", "mountPath": "/audit"}],
    "podAnnotations": {"example.com/scrape": "no"},
    "podLabels": {"azure.workload.identity/use": "true"},
    "podSecurityContext": {"runAsUser": 1000, "fsGroup": 1000},
    "resources": {"limits": {"cpu": "1"}},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "infra", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
    ],
    "priorityClassName": "system-cluster-critical",
    "podDisruptionBudget": {"enabled": True, "maxUnavailable": "50%"},
    "networkPolicy": {
        "enabled": True,
        "apiServer": {"cidrs": ["10.0.0.1/32"], "ports": [443]},
        "egress": [{"to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}], "ports": [{"port": 8200, "protocol": "TCP"}]}],
    },
    "prometheusRule": {"enabled": True, "additionalLabels": {"release": "prometheus"}},
    "grafanaDashboard": {"enabled": True, "annotations": {"grafana_folder": "BeemFlow"}},
    "serviceMonitor": {"enabled": True, "namespace": "monitoring", "additionalLabels": {"release": "prometheus"}},
}
"""Every option in use, but those of SCOPED."""

IDENTITIES: dict[str, Values] = {
    "AWS": {
        "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/secrets"}}
    },
    "Azure": {
        "serviceAccount": {
            "annotations": {"azure.workload.identity/client-id": "00000000-0000-0000-0000-000000000001"}
        },
        "podLabels": {"azure.workload.identity/use": "true"},
    },
    "Google Cloud": {
        "serviceAccount": {"annotations": {"iam.gke.io/gcp-service-account": "secrets@project.iam.gserviceaccount.com"}}
    },
}
"""The operator with an identity of a cloud, as values.yaml names the annotations."""

SETS: dict[str, Values] = {
    "as it comes": {},
    "two replicas": {"replicaCount": 2, "podDisruptionBudget": {"enabled": True}},
    "scoped": SCOPED,
    "two replicas, scoped": SCOPED | {"replicaCount": 2},
    "scoped, with a ClusterRole": {"scopedNamespaces": ["team-a"]},
    "everything": EVERYTHING,
    "closed": {
        "networkPolicy": {"enabled": True},
        "podDisruptionBudget": {"enabled": True},
        "rbac": {"tokenRequest": False},
    },
    "kinds by kubectl": {"crds": {"install": False}},
    "rights of one's own": {
        "rbac": {"create": False, "aggregate": False},
        "serviceAccount": {"create": False, "name": "theirs"},
        "rolesAnnotationPolicy": {"enabled": False},
    },
    **{f"an identity of {cloud}": values for cloud, values in IDENTITIES.items()},
}


def made(values: Values, **release: str) -> list[Object]:
    """Return the chart's objects; `release` has its `name` and `namespace`."""
    return [one for one in yaml.load_all(objects(render(values, **release)), yaml.CSafeLoader) if one]


def of_kind(found: list[Object], kind: str) -> list[Object]:
    """Return the objects of a kind."""
    return [one for one in found if one["kind"] == kind]
