"""Specs that people write, right and wrong, with what each is answered.

The models are held against them here, the CRDs on a real API server: both must say the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from beemflow_secrets.testing.certs import CertificateAuthority

Spec = dict[str, Any]

# Stands where a value could be taken for a secret: no answer of ours may ever hold it.
CANARY = "canary-3f9a1c"

CA = CertificateAuthority().pem
PIN = f"sha256/{'A' * 43}="
ROLE = "arn:aws:iam::123456789012:role/reader"

KEPT = "deletionPolicy Delete needs creationPolicy Owner or Orphan"
NOT_WHOLE = "immutable needs creationPolicy Owner or Orphan"
TWICE = "must write no key twice, unless to properties that differ"
UNREAD = "rolloutRestart needs a Secret, and creationPolicy None writes none"
NOTHING: dict[str, Any] = {"creationPolicy": "None"}
ELSEWHERE: dict[str, Any] = {"kind": "Deployment", "name": "a", "namespace": "other"}
NAME_SOME = "names, regexes or selector must name something"
NOTHING_TO_READ = "data or dataFrom must name something to read"


@dataclass(frozen=True)
class Wrong:
    """`model` stands in the answer of the models, `server` in that of the API server; None: it takes the spec."""

    name: str
    kind: str
    spec: Spec
    model: str
    server: str | None = ""

    def __str__(self) -> str:
        return self.name


def token(name: str = "login", **namespace: str) -> Spec:
    return {"secretKeyRef": {"name": name, "key": "token", **namespace}}


def vault(**fields: Any) -> Spec:
    """A Vault store; a field of the block that is None is left out."""
    block = {"address": "https://vault.example.com:8200", "path": "secret/beemflow", "token": token(), **fields}
    return {"driver": "vault", "vault": {name: value for name, value in block.items() if value is not None}}


def pinned(*pins: str, **fields: Any) -> Spec:
    return vault(**fields) | {"tls": {"pinnedCertificates": list(pins)}}


def secured(**tls: Any) -> Spec:
    return vault() | {"tls": tls}


def ca_ref(**fields: Any) -> Spec:
    return {"kind": "ConfigMap", "name": "trust", "key": "ca.crt", **fields}


def client(**fields: Any) -> Spec:
    shown = {"certificate": token("tls"), "key": token("tls"), **fields}
    return {name: part for name, part in shown.items() if part is not None}


def files(path: Any) -> Spec:
    return {"driver": "file", "file": {"path": path}}


def approle(**fields: Any) -> Spec:
    return vault(**{"authMethod": "approle", "token": None, "roleId": "role", "secretId": token(), **fields})


def kubernetes_login(**fields: Any) -> Spec:
    return vault(**{"authMethod": "kubernetes", "token": None, **fields})


def aws(**fields: Any) -> Spec:
    """An AWS store; a field of the block that is None is left out."""
    block = {"accessKeyId": token(), "secretAccessKey": token(), **fields}
    given = {name: value for name, value in block.items() if value is not None}
    return {"driver": "aws-sm", "region": "eu-west-1", "aws": given}


def aws_role(**fields: Any) -> Spec:
    """An AWS store that logs in as a ServiceAccount."""
    role = {"roleArn": "arn:aws:iam::123456789012:role/reader", "serviceAccountRef": account()}
    return aws(**{"accessKeyId": None, "secretAccessKey": None, **role, **fields})


def azure(**fields: Any) -> Spec:
    """An Azure store; a field of the block that is None is left out."""
    block = {"vaultUrl": "https://v.vault.azure.net", "tenantId": "t-1", "clientId": "c-1", "clientSecret": token()}
    given = {name: value for name, value in {**block, **fields}.items() if value is not None}
    return {"driver": "azure-kv", "azure": given}


def azure_by(method: str, **fields: Any) -> Spec:
    return azure(**{"authMethod": method, "tenantId": None, "clientId": None, "clientSecret": None, **fields})


def azure_account(**fields: Any) -> Spec:
    """An Azure store that logs in as a ServiceAccount."""
    who = {"tenantId": "t-1", "clientId": "c-1", "serviceAccountRef": account()}
    return azure_by("workload_identity", **{**who, **fields})


def gcp(**fields: Any) -> Spec:
    """A Google store; a field of the block that is None is left out."""
    block = {"projectId": "my-project-123", "serviceAccountKey": token(), **fields}
    return {"driver": "gcp-sm", "gcp": {name: value for name, value in block.items() if value is not None}}


def federated(**fields: Any) -> Spec:
    """A Google store that logs in as a ServiceAccount."""
    pool = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/cluster"
    return gcp(serviceAccountKey=None, workloadIdentity={"serviceAccountRef": account(), "audience": pool, **fields})


def by(method: str, **fields: Any) -> Spec:
    return vault(**{"authMethod": method, "token": None, **fields})


def by_aws(**fields: Any) -> Spec:
    return by("aws", awsLogin=fields)


def by_azure(**fields: Any) -> Spec:
    """A Vault store that logs in by a token of Entra ID; a field of the block that is None is left out."""
    given = {"tenantId": "company.onmicrosoft.com", "clientId": "3f0b8e4c-7d6a", **fields}
    return by("azure", azureLogin={name: value for name, value in given.items() if value is not None})


def kubernetes(**fields: Any) -> Spec:
    return {"driver": "kubernetes", "kubernetes": fields}


def onepassword(**fields: Any) -> Spec:
    """A 1Password store; a field of the block that is None is left out."""
    block = {"connectHost": "https://connect.example.com", "connectToken": token(), "vault": "flows", **fields}
    return {"driver": "1password", "onepassword": {name: value for name, value in block.items() if value is not None}}


def account(**fields: Any) -> Spec:
    return {"name": "reader", **fields}


def chain(*links: Spec, strategy: str = "failover", **fields: Any) -> Spec:
    return {"driver": "multi", "multi": {"strategy": strategy, "providers": list(links) or [vault(), {}], **fields}}


def secret(*data: Spec, **fields: Any) -> Spec:
    return {"secretStoreRef": {"name": "prod"}, "data": list(data) or [entry("slack/bot")], **fields}


def restarting(*workloads: str) -> Spec:
    """A resource that restarts workloads, each `KIND/NAME`."""
    named = [dict(zip(("kind", "name"), one.split("/"), strict=True)) for one in workloads]
    return secret(rolloutRestart=named)


def stamped(spec: Spec | None = None, **fields: Any) -> Spec:
    return {"secretSpec": spec or secret(), "namespaces": {"names": ["a"]}, **fields}


def push(*data: Spec, **fields: Any) -> Spec:
    spec = {"secretStoreRefs": [{"name": "prod"}], "selector": {"secret": {"name": "slack"}}}
    return {**spec, "data": list(data) or [match("slack/bot")], **fields}


def match(key: Any, secret_key: str | None = "token", **fields: Any) -> Spec:
    what = {} if secret_key is None else {"secretKey": secret_key}
    return {"match": {**what, "remoteRef": {"remoteKey": key, **fields}}}


def entry(key: str, secret_key: str = "token", **fields: Any) -> Spec:
    return {"secretKey": secret_key, "remoteRef": {"key": key, **fields}}


def extracting(key: str = "slack", **fields: Any) -> Spec:
    return {"secretStoreRef": {"name": "prod"}, "dataFrom": [{"extract": {"key": key, **fields}}]}


def policies(*those: Spec) -> Spec:
    return {"accessPolicies": list(those)}


def serving(**namespaces: Any) -> Spec:
    return {"namespaces": namespaces}


def templated(**template: Any) -> Spec:
    return secret(target={"template": template})


def finding(**fields: Any) -> Spec:
    return {"secretStoreRef": {"name": "prod"}, "dataFrom": [{"find": fields}]}


def rewritten(*steps: Spec, **fields: Any) -> Spec:
    return {**extracting(), "dataFrom": [{"extract": {"key": "slack"}, "rewrite": list(steps)}], **fields}


def of_flows(**fields: Any) -> Spec:
    return {"secretStoreRef": {"name": "prod"}, "dataFrom": [{"flows": fields}]}


def source(kind: str, *items: Spec, **fields: Any) -> Spec:
    """A source of templates; one item that is all default, where none is given."""
    return {kind: {"name": "templates", "items": list(items) or [{"key": "config.ini"}]}, **fields}


STORE, CLUSTER, SECRET = "BeemFlowSecretStore", "BeemFlowClusterSecretStore", "BeemFlowSecret"
STAMP, PUSH = "BeemFlowClusterSecret", "BeemFlowPushSecret"

RIGHT: list[tuple[str, Spec]] = [
    (CLUSTER, {}),
    (CLUSTER, {"driver": "env", "prefix": "FALLBACK_", "timeout": "1ms", "healthCheck": {"interval": "1s"}}),
    (STORE, vault() | {"batchSize": 1000, "healthCheck": {"criticalKeys": ["slack/bot", r"c\#"]}}),
    (STORE, {}),  # the schema takes it: that env is not lent here is for the condition to say
    (CLUSTER, files("/etc/beemflow/secrets.yaml")),
    (STORE, files("/etc/beemflow")),  # as env
    (STORE, vault()),
    (STORE, vault(kvVersion=1, namespace="team/a", authMethod="token")),
    (STORE, vault(address="https://[fd00::1]:8200/vault/")),
    (STORE, vault(address="http://localhost:8200")),
    (STORE, vault(address="http://127.0.0.1")),
    (STORE, vault(address="http://[::1]:8200/v")),
    (STORE, vault(address="http://vault") | {"tls": {"allowPlaintext": True, "minVersion": "1.2"}}),
    (STORE, vault() | {"retry": {"attempts": 1, "baseDelay": 0, "maxDelay": "1h30m"}}),
    (STORE, vault() | {"requestBudget": {"perSecond": 0.1}}),
    (
        STORE,
        vault() | {"cache": {"enabled": True, "ttl": "1h", "maxSize": 1, "strategy": "ttl", "staleIfError": "24h"}},
    ),
    (
        STORE,
        vault() | {"cache": {"enabled": True, "strategy": "write-through"}},
    ),
    (STORE, vault() | {"cache": {"staleIfError": 0, "maxSize": 1000000}}),
    (STORE, chain({**vault(), "requestBudget": {"perSecond": 5, "burst": 1}}) | {"requestBudget": {"perSecond": 1e4}}),
    (STORE, vault() | {"tls": {"pinnedCertificates": [PIN, PIN.replace("/", "//", 1), f"sha256//{'/' * 43}="]}}),
    (STORE, secured(caRef=ca_ref(), clientCertificate=client())),
    (STORE, secured(caRef=ca_ref(kind="Secret"))),
    (CLUSTER, {"tls": {"caRef": ca_ref(namespace="trust")}}),
    (STORE, approle()),
    (STORE, approle(roleId=None, roleIdRef=token(), mountPath="team/approle")),
    (CLUSTER, vault(token=token(namespace="vault"))),
    (STORE, kubernetes_login(serviceAccountRef=account(audiences=["vault"]), role="a", mountPath="k8s/one")),
    (CLUSTER, kubernetes_login(serviceAccountRef=account(namespace="x"))),
    (CLUSTER, kubernetes_login()),
    (STORE, aws()),
    (STORE, aws(sessionToken=token(), roleArn="arn:aws-cn:iam::123456789012:role/a/b+c=,.@-", externalId="a:/b")),
    (STORE, aws(region="us-gov-west-1", endpoint="http://localhost:5000", stsEndpoint="http://127.0.0.1:5000")),
    (STORE, aws_role() | {"prefix": "beemflow/prod/"}),
    (STORE, aws_role(serviceAccountRef=account(audiences=["sts.amazonaws.com"]), endpoint="https://vpce.example")),
    (CLUSTER, aws_role(serviceAccountRef=account(namespace="x"), stsEndpoint="https://sts.example")),
    (CLUSTER, {"driver": "aws-sm"}),
    (CLUSTER, {"driver": "aws-sm", "region": "us-west-2", "aws": {}}),
    (CLUSTER, {"driver": "aws-sm", "aws": {"profile": "prod admin", "roleArn": "arn:aws:iam::123456789012:role/x"}}),
    (CLUSTER, chain({"driver": "aws-sm", "region": "us-west-2"}, {"prefix": "FALLBACK_"})),
    (STORE, aws(endpoint="http://v", stsEndpoint="http://v") | {"tls": {"allowPlaintext": True}}),
    (STORE, azure(vaultUrl="https://beemflow-secrets.vault.azure.net/", tenantId="contoso.onmicrosoft.com")),
    (STORE, azure(authMethod="service_principal", authority="https://login.microsoftonline.us/")),
    (STORE, azure(vaultUrl="http://localhost:8443", authority="http://127.0.0.1:1") | {"prefix": "beemflow/prod/"}),
    (STORE, azure(vaultUrl="http://v", authority="http://a") | {"tls": {"allowPlaintext": True}}),
    (STORE, azure(authority="http://localhost") | {"tls": {"pinnedCertificates": [PIN]}}),
    (STORE, azure_account()),
    (STORE, azure_account(serviceAccountRef=account(audiences=["api://AzureADTokenExchange"]), authority="https://a")),
    (CLUSTER, azure_account(serviceAccountRef=account(namespace="x"))),
    (CLUSTER, azure_by("workload_identity")),
    (CLUSTER, azure_by("workload_identity", tenantId="t-1", clientId="c-1", authority="https://a")),
    (CLUSTER, azure_by("msi")),
    (CLUSTER, azure_by("msi", clientId="00000000-0000-0000-0000-000000000000")),
    (CLUSTER, azure_by("cli", tenantId="t-1")),
    (CLUSTER, chain(azure_by("msi"), {"prefix": "FALLBACK_"})),
    (STORE, aws(stsEndpoint="http://localhost") | {"tls": {"pinnedCertificates": [PIN]}}),
    (STORE, gcp()),
    (STORE, gcp(projectId=None)),  # the key has one
    (STORE, gcp(projectId="example.com:my-project", location="europe-west3", endpoint="https://psc.example")),
    (STORE, gcp(projectId="123456789012", endpoint="http://127.0.0.1:5000")),
    (STORE, gcp(endpoint="http://v") | {"tls": {"allowPlaintext": True}}),
    (STORE, federated()),
    (STORE, federated(serviceAccountRef=account(audiences=["my-project-123.svc.id.goog"]))),
    (CLUSTER, federated(serviceAccountRef=account(namespace="x"))),
    (CLUSTER, gcp(serviceAccountKey=None, serviceAccountKeyFile="/etc/google/key.json")),
    (CLUSTER, {"driver": "gcp-sm"}),
    (CLUSTER, {"driver": "gcp-sm", "gcp": {}}),
    (CLUSTER, chain({"driver": "gcp-sm", "gcp": {"location": "us-east1"}}, {"prefix": "FALLBACK_"})),
    (STORE, by("jwt", jwt=token(), role="r", mountPath="oidc")),
    (STORE, by("jwt", serviceAccountRef=account())),
    (STORE, by("userpass", username="ann@example.com", password=token())),
    (STORE, by("cert", role="web") | {"tls": {"clientCertificate": client()}}),
    (STORE, chain(by("cert")) | {"tls": {"clientCertificate": client()}}),
    (STORE, chain(by("cert") | {"tls": {"clientCertificate": client()}})),
    (STORE, by_aws(accessKeyId=token(), secretAccessKey=token(), sessionToken=token(), serverId="vault.example.com")),
    (STORE, by_aws(serviceAccountRef=account(), roleArn=ROLE, region="eu-west-1") | {"timeout": "1s"}),
    (STORE, by("aws", awsLogin={"accessKeyId": token(), "secretAccessKey": token()}, role="web", mountPath="a/b")),
    (CLUSTER, by_aws(serviceAccountRef=account(namespace="x", audiences=["a"]), roleArn=ROLE)),
    (CLUSTER, by("aws")),
    (STORE, by_azure(clientSecret=token(), resource="api://vault")),
    (STORE, by_azure(serviceAccountRef=account(audiences=["api://AzureADTokenExchange"]))),
    (CLUSTER, by_azure(serviceAccountRef=account(namespace="x"))),
    (CLUSTER, by("azure", role="web", mountPath="azure/eu")),
    (CLUSTER, by_azure(tenantId=None)),
    (CLUSTER, by_aws(roleArn=ROLE)),
    (STORE, kubernetes(serviceAccountRef=account())),
    (STORE, kubernetes(token=token(), namespace="team-a")),
    (STORE, kubernetes(token=token(), server="https://cluster:6443/k8s/c-1")),
    (STORE, kubernetes(token=token(), server="http://localhost:8001")),
    (STORE, kubernetes(serviceAccountRef=account(audiences=["other"]), server="https://cluster")),
    (STORE, onepassword()),
    (STORE, onepassword(connectHost="http://localhost:8080", vault='Team\'s "flows" ü')),
    (STORE, onepassword(connectHost="http://connect:8080") | {"tls": {"allowPlaintext": True}}),
    (CLUSTER, onepassword(connectToken=token(namespace="x"))),
    (STORE, chain(onepassword(), vault())),
    (CLUSTER, kubernetes()),
    (CLUSTER, kubernetes(serviceAccountRef=account(namespace="x", audiences=["a", "https://b"]))),
    (CLUSTER, chain(vault(token=token(namespace="x")), {"prefix": "FALLBACK_"})),
    (STORE, chain(vault(), {**vault(), "name": "spare", "timeout": "1s", "retry": {"attempts": 1}})),
    (STORE, chain(*[{**vault(), "name": f"v{number}"} for number in range(8)], failoverAfter=0)),
    (STORE, chain(vault(), strategy="merge", conflictPolicy="Error")),
    (STORE, chain(vault(), kubernetes(token=token()), strategy="priority", failoverAfter="5m")),
    (STORE, chain(vault(address="http://v"), vault() | {"name": "b"}) | {"tls": {"allowPlaintext": True}}),
    (STORE, chain(vault(address="http://v") | {"tls": {"allowPlaintext": True}}, vault() | {"name": "b"})),
    (SECRET, secret()),
    (SECRET, secret(refreshInterval=0, suspend=True)),
    (SECRET, secret(refreshInterval="0")),
    (SECRET, secret(refreshInterval="1.5h250ms3µs")),
    (SECRET, secret(refreshInterval="87600h")),
    (SECRET, secret(secretStoreRef={"name": "prod", "kind": "BeemFlowClusterSecretStore"})),
    (SECRET, secret(entry("a b+ü/..c#d.0", version="3", decodingStrategy="Auto", optional=True))),
    (SECRET, secret(entry(r"a\#b"), entry(r"a\#b#c", ".hidden"), entry(r"a\#b", "t-_.2", property="c#d"))),
    (SECRET, secret(target={"name": "slack.v1", "creationPolicy": "Owner"})),
    (SECRET, secret(target={"creationPolicy": "Orphan"})),
    (SECRET, secret(target={"creationPolicy": "None"})),
    (SECRET, secret(refreshPolicy="Periodic", staleness={"maxAge": "24h"}, expiry={"warnBefore": "168h"})),
    (SECRET, secret(refreshPolicy="OnChange", staleness={"maxAge": "1s"}, expiry={"warnBefore": 0})),
    (SECRET, secret(refreshPolicy="CreatedOnce", expiry={})),
    (SECRET, secret(target={"immutable": True})),
    (SECRET, secret(target={"name": "theirs", "creationPolicy": "Merge", "deletionPolicy": "Merge"})),
    *((SECRET, secret(target={"deletionPolicy": policy})) for policy in ("Retain", "Delete", "Merge")),
    (SECRET, secret(target={"creationPolicy": "Orphan", "deletionPolicy": "Delete"})),
    (SECRET, secret(target={"creationPolicy": "None", "deletionPolicy": "Merge"})),
    (SECRET, secret(target={"creationPolicy": "Orphan", "immutable": True})),
    (SECRET, secret(target={"creationPolicy": "None", "immutable": False})),
    (SECRET, secret(rolloutRestart=[])),
    (SECRET, secret(rolloutRestart=[], target={"creationPolicy": "None"})),
    (SECRET, restarting("Deployment/slack", "StatefulSet/slack", "DaemonSet/slack.v1")),
    (SECRET, restarting("Deployment/slack") | {"target": {"name": "theirs", "creationPolicy": "Merge"}}),
    (SECRET, restarting(*(f"Deployment/d{number}" for number in range(20)))),
    (SECRET, extracting("slack#deep.er", version="3", decodingStrategy="Base64")),
    (SECRET, {**secret(), **extracting()}),
    (SECRET, secret({**entry("a"), "sourceRef": {"storeRef": {"name": "other", "kind": CLUSTER}}})),
    (STORE, vault() | policies()),
    (STORE, vault() | policies({}, {"requiredRoles": []})),
    (
        CLUSTER,
        policies(
            {"flowPatterns": ["finance/*", "accounting/*"], "secretPatterns": ["stripe/*", "*"]},
            {"allowedActions": ["read", "list", "write", "delete"], "requiredRoles": ["finance-admin", "two words"]},
        ),
    ),
    (CLUSTER, serving(names=["flows"])),
    (CLUSTER, serving(regexes=["flows-.*", "^(a|b)$"], selector={"matchLabels": {"team": "flows"}})),
    (CLUSTER, serving(selector={"matchExpressions": [{"key": "a/b", "operator": "NotIn", "values": ["x", ""]}]})),
    (CLUSTER, serving(selector={"matchExpressions": [{"key": "a", "operator": "Exists"}]})),
    (CLUSTER, serving(selector={})),
    (SECRET, templated(type="kubernetes.io/tls", metadata={"labels": {"a": "", "x.y/b_C": "1.2_-3"}})),
    (SECRET, finding(path="slack/", name={"regexp": "^a[^/]*$"}, tags={"team": "flows", "a/b c": ""})),
    (SECRET, finding(path="ein pfad/..c")),
    (SECRET, finding(name={"regexp": ".*"})),
    (SECRET, rewritten({"regexp": {"source": "slack/(?P<n>.*)", "target": "${n}-$1-$$"}}, conflictPolicy="Last")),
    (SECRET, rewritten({"regexp": {"source": "-", "target": ""}}, {"transform": {"template": "{{ value | upper }}"}})),
    (SECRET, rewritten(*[{"regexp": {"source": "x" * 1024, "target": "x" * 1024}}] * 20, conflictPolicy="First")),
    (SECRET, rewritten({"transform": {"template": "x" * 4096}}, conflictPolicy="Error")),
    (SECRET, rewritten()),
    (SECRET, of_flows(configMapRef={"name": "my-flows"})),
    (SECRET, of_flows(configMapRef={"name": "my-flows"}, exclude=["AWS_*", "HOME"])),
    (SECRET, {**of_flows(configMapRef={"name": "my-flows"}, exclude=[]), "data": [entry("slack/bot")]}),
    (SECRET, templated(data={"config.ini": "token={{ secrets.token }}\n", "a": ""}, mergePolicy="Merge")),
    (SECRET, templated(metadata={"labels": {"a": "{{ secrets.team | lower }}", "b": "x-{% if true %}y{% endif %}"}})),
    (SECRET, templated(templateFrom=[source("configMap"), source("secret", target="Labels"), {"literal": "a: b"}])),
    (SECRET, templated(metadata={"annotations": {"reloader.stakater.com/match": "any text\n"}})),
    (STAMP, stamped()),
    (STAMP, stamped(namespaces={"names": ["a"], "regexes": ["team-.*"], "selector": {"matchLabels": {"a": "b"}}})),
    (STAMP, stamped(namespaces={"selector": {}})),
    (
        STAMP,
        stamped(secretName="slack.bot", secretMetadata={"labels": {"a": "b"}, "annotations": {"c/d": "any\ntext"}}),
    ),
    (STAMP, stamped(secret(refreshInterval="15m", target={"name": "other", "creationPolicy": "Orphan"}))),
    (PUSH, push()),
    (PUSH, push(match("slack/bot", None))),
    (PUSH, push(match("slack/bot", property="token"), match("slack/bot#user", "user"), match("slack", "user"))),
    (PUSH, push(*[match("slack", property=f"field{number}") for number in range(80)])),
    (PUSH, push(updatePolicy="IfNotExists", deletionPolicy="Delete", refreshInterval="15m")),
    (PUSH, push(updatePolicy="Replace", deletionPolicy="None", refreshInterval=0)),
    (
        PUSH,
        push(secretStoreRefs=[{"name": "prod"}, {"name": "prod", "kind": CLUSTER}, {"name": "spare", "kind": STORE}]),
    ),
    (PUSH, push(template={"mergePolicy": "Merge", "data": {"token": "x-{{ secrets.token }}"}})),
    (PUSH, push(template={"templateFrom": [{"configMap": {"name": "texts", "items": [{"key": "token"}]}}]})),
]

_LONG = "x" * 3000


def _expressed(operator: str, **fields: Any) -> Spec:
    return serving(selector={"matchExpressions": [{"key": "a", "operator": operator, **fields}]})


WRONG: list[Wrong] = [
    # fields and types
    Wrong("a spec that is text", STORE, CANARY, "spec: must be an object (got a string)", "must be of type object"),  # type: ignore[arg-type]
    Wrong("unknown driver", STORE, {"driver": "vualt"}, "spec.driver: must be '1password'", "spec.driver"),
    Wrong("unknown field", STORE, vault(adress="x"), "spec.vault.adress: is not a known field", "vault.adress"),
    Wrong("a number where text goes", STORE, {"prefix": 7}, "spec.prefix: must be a valid string", "spec.prefix"),
    Wrong("text where a number goes", STORE, {"retry": {"attempts": "4"}}, "(got a string)", "spec.retry.attempts"),
    Wrong("too many attempts", STORE, {"retry": {"attempts": 21}}, "less than or equal to 20", "spec.retry.attempts"),
    Wrong(
        "no rate", STORE, {"requestBudget": {"burst": 5}}, "spec.requestBudget.perSecond: is req", "perSecond: Required"
    ),
    Wrong(
        "a rate of nothing", STORE, {"requestBudget": {"perSecond": 0}}, "must be more than 0", "must be more than 0"
    ),
    Wrong("negative rate", STORE, {"requestBudget": {"perSecond": -0.5}}, "must be more than 0", "must be more than 0"),
    Wrong("text for a rate", STORE, {"requestBudget": {"perSecond": "1"}}, "(got a string)", "requestBudget.perSecond"),
    Wrong("absurd rate", STORE, {"requestBudget": {"perSecond": 10001}}, "spec.requestBudget.perSecond", "perSecond"),
    Wrong("no burst", STORE, {"requestBudget": {"perSecond": 1, "burst": 0}}, "spec.requestBudget.burst", "burst"),
    Wrong("a cache of nothing", STORE, {"cache": {"maxSize": 0}}, "spec.cache.maxSize", "spec.cache.maxSize"),
    Wrong("a cache too large", STORE, {"cache": {"maxSize": 1000001}}, "spec.cache.maxSize", "spec.cache.maxSize"),
    Wrong("nothing is kept", STORE, {"cache": {"ttl": 0}}, "spec.cache.ttl: must be a duration", "from 1ms to 87600h"),
    Wrong("unknown strategy", STORE, {"cache": {"strategy": "lfu"}}, "spec.cache.strategy: must be", "cache.strategy"),
    Wrong("a cache of a link", STORE, chain({**vault(), "cache": {}}), "providers[0].cache: is not a known", "cache"),
    Wrong("unquoted version", STORE, vault() | {"tls": {"minVersion": 1.3}}, "spec.tls.minVersion", "minVersion"),
    Wrong("old TLS", STORE, vault() | {"tls": {"minVersion": "1.1"}}, "spec.tls.minVersion: must be", "minVersion"),
    Wrong("no driver block", STORE, {"driver": "vault"}, "spec: driver vault needs the block vault", "needs the block"),
    Wrong("foreign block", STORE, vault() | {"driver": "env"}, "spec.vault: the block vault belongs", "belongs to"),
    Wrong("block, no driver", STORE, {"vault": vault()["vault"]}, "spec.vault: the block vault", "belongs to driver"),
    Wrong("no file", STORE, {"driver": "file"}, "spec: driver file needs the block file", "needs the block file"),
    Wrong("file without path", STORE, {"driver": "file", "file": {}}, "spec.file.path: is required", "file.path"),
    Wrong("file beside env", CLUSTER, {"file": {"path": "/a"}}, "spec.file: the block file belongs", "belongs to"),
    Wrong("empty path", CLUSTER, files(""), "spec.file.path: String should have", "spec.file.path"),
    Wrong("control character in path", CLUSTER, files("/a\nb"), "spec.file.path: must hold no control", "no control"),
    # durations
    Wrong("a number of seconds", STORE, {"timeout": 30}, "spec.timeout: must be a duration with its", "with its unit"),
    Wrong("negative", SECRET, secret(refreshInterval="-1h"), "spec.refreshInterval: must be", "with its unit"),
    Wrong("negative number", SECRET, secret(refreshInterval=-1), "with its unit", "with its unit"),
    Wrong("no duration", SECRET, secret(refreshInterval=CANARY), "such as 90s", "such as 90s"),
    Wrong("absurd", SECRET, secret(refreshInterval="87601h"), "from 0s to 87600h", "from 0s to 87600h"),
    Wrong("absurd sum", SECRET, secret(refreshInterval="87600h1s"), "from 0s to 87600h", "from 0s to 87600h"),
    Wrong("past Go", SECRET, secret(refreshInterval="9999999999h"), "from 0s to 87600h", "spec.refreshInterval"),
    Wrong("no timeout", STORE, {"timeout": 0}, "from 1ms to 87600h", "from 1ms to 87600h"),
    Wrong("no time between probes", STORE, {"healthCheck": {"interval": "10ms"}}, "from 1s to", "from 1s to 87600h"),
    Wrong("a batch of none", STORE, {"batchSize": 0}, "spec.batchSize", "spec.batchSize"),
    Wrong("a batch too large", STORE, {"batchSize": 1001}, "spec.batchSize", "spec.batchSize"),
    Wrong(
        "a critical property",
        STORE,
        {"healthCheck": {"criticalKeys": ["slack#token"]}},
        "spec.healthCheck.criticalKeys[0]: must name a secret without a property",
        "must name a secret without a property",
    ),
    Wrong(
        "a critical folder",
        STORE,
        {"healthCheck": {"criticalKeys": ["slack/"]}},
        "spec.healthCheck.criticalKeys[0]: must neither begin nor end with '/'",
        "must neither begin nor end with '/'",
    ),
    # policies
    Wrong(
        "unknown action",
        STORE,
        vault() | policies({"allowedActions": ["raed"]}),
        "spec.accessPolicies[0].allowedActions[0]: must be 'read', 'list', 'write' or 'delete' (got a string)"
        "; did you mean read?",
        'Unsupported value: "raed"',
    ),
    *(
        Wrong(
            f"empty {name}",
            STORE,
            vault() | policies({}, {name: []}),
            f"spec.accessPolicies[1].{name}: List should have at least 1 item",
            f"spec.accessPolicies[1].{name}",
        )
        for name in ("flowPatterns", "secretPatterns", "allowedActions")
    ),
    Wrong(
        "a pattern without a letter",
        STORE,
        vault() | policies({"secretPatterns": [""]}),
        "spec.accessPolicies[0].secretPatterns[0]: String should have at least 1 character",
        "spec.accessPolicies[0].secretPatterns[0]",
    ),
    *(
        Wrong(
            f"role {role!r}",
            STORE,
            vault() | policies({"requiredRoles": ["a", role]}),
            "spec.accessPolicies[0].requiredRoles[1]: must be one role",
            "must be one role",
        )
        for role in ("", "a,b", " a", "a ")
    ),
    Wrong(
        "a rule as others have them",
        STORE,
        vault() | policies({"roles": ["a"]}),
        "spec.accessPolicies[0].roles: is not a known field",
        'unknown field "spec.accessPolicies[0].roles"',
    ),
    Wrong(
        "one policy that is no list",
        STORE,
        vault() | {"accessPolicies": {"flowPatterns": ["*"]}},
        "spec.accessPolicies: must be a valid list (got an object)",
        "spec.accessPolicies",
    ),
    Wrong(
        "an audit in a resource",
        STORE,
        vault() | {"audit": {"sinks": [{"type": "stdout"}]}},
        "spec.audit: is not a known field",
        'unknown field "spec.audit"',
    ),
    # addresses
    Wrong("plaintext", STORE, vault(address="http://vault"), "spec.vault.address: http:// sends", "spec.vault.address"),
    Wrong("nearly loopback", STORE, vault(address="http://localhost.evil.com"), "http:// sends", "http:// sends"),
    Wrong("nearly loopback by number", STORE, vault(address="http://127.0.0.1.evil.com"), "http:// se", "http:// se"),
    Wrong("nearly loopback, no address", STORE, vault(address="http://127.0.0.999"), "http:// se", "http:// se"),
    Wrong("userinfo", STORE, vault(address=f"https://a:{CANARY}@vault"), "no user name or password", "no user name"),
    Wrong("userinfo after a port", STORE, vault(address="http://localhost:80@evil.com"), "no user name", "no user nam"),
    Wrong("scheme", STORE, vault(address="ftp://vault"), "must be http:// or https://", "must be http:// or https://"),
    Wrong("no scheme", STORE, vault(address="vault:8200"), "must be http:// or https://", "must be http:// or https"),
    Wrong("query", STORE, vault(address=f"https://v/?t={CANARY}"), "must be http:// or", "must be http:// or https://"),
    Wrong(
        "backslash", STORE, vault(address="https://v\\evil.com"), "must be http:// or", "must be http:// or https://"
    ),
    Wrong("line break", STORE, vault(address="https://vault\n"), "must be http:// or https://", "must be http:// or"),
    Wrong("port that is none", STORE, vault(address="https://vault:65536"), "port up to 65535", None),
    Wrong("long address", STORE, vault(address=f"https://{_LONG}"), "at most 2048", "may not be more than 2048"),
    # a place in the backend
    Wrong(
        "dots in path", STORE, vault(path="secret/../sys"), "spec.vault.path: must have no segment", "no segment '.'"
    ),
    Wrong(
        "slash after path", STORE, vault(path="secret/"), "spec.vault.path: must neither begin", "must neither begin"
    ),
    Wrong("dots in prefix", STORE, {"prefix": "a/.."}, "spec.prefix: must have no segment", "must have no segment"),
    Wrong("slash before prefix", STORE, {"prefix": "/a"}, "spec.prefix: must not begin", "must not begin with '/'"),
    Wrong("header in namespace", STORE, vault(namespace="a\r\nX: b"), "spec.vault.namespace: ", "spec.vault.namespace"),
    Wrong("KV3", STORE, vault(kvVersion=3), "spec.vault.kvVersion: must be 1 or 2", "spec.vault.kvVersion"),
    # logins
    Wrong(
        "plain token", STORE, vault(token=CANARY), "spec.vault.token: must be an object (got a s", "spec.vault.token"
    ),
    Wrong(
        "no token", STORE, vault(token=None), "spec.vault: authMethod token, which is", "which is the default, needs"
    ),
    Wrong("no role", STORE, approle(roleId=None), "needs one of roleId and roleIdRef", "needs one of roleId"),
    Wrong("two roles", STORE, approle(roleIdRef=token()), "needs one of roleId and roleIdRef", "needs one of roleId"),
    Wrong("no secret id", STORE, approle(secretId=None), "authMethod approle needs secretId", "needs secretId"),
    Wrong("token beside approle", STORE, approle(token=token()), "token belongs to authMethod token", "token belongs"),
    Wrong(
        "role beside token", STORE, vault(roleId="r"), "belong to authMethod approle", "belong to authMethod approle"
    ),
    Wrong("mount beside token", STORE, vault(mountPath="r"), "mountPath belongs to", "mountPath belongs to"),
    Wrong("no such method", STORE, vault(authMethod="oidc"), "spec.vault.authMethod: must be", "authMethod"),
    Wrong("empty Secret name", STORE, vault(token=token("")), "secretKeyRef.name", "secretKeyRef.name"),
    Wrong(
        "account beside token", STORE, vault(serviceAccountRef=account()), "belongs to authMethod k", "belongs to auth"
    ),
    Wrong(
        "secret id beside account", STORE, kubernetes_login(secretId=token()), "belong to authMethod ap", "belong to"
    ),
    Wrong("no JWT", STORE, by("jwt"), "authMethod jwt needs one of jwt and service", "jwt needs one of jwt and"),
    Wrong("two JWTs", STORE, by("jwt", jwt=token(), serviceAccountRef=account()), "needs one of jwt", "one of jwt and"),
    Wrong("plain JWT", STORE, by("jwt", jwt=CANARY), "spec.vault.jwt: must be an object", "spec.vault.jwt"),
    Wrong("no user", STORE, by("userpass", password=token()), "needs username and password", "needs username and pas"),
    Wrong("no password", STORE, by("userpass", username="u"), "needs username and password", "needs username and pass"),
    Wrong("plain password", STORE, by("userpass", username="u", password=CANARY), "password: must be", "ault.password"),
    Wrong(
        "path for a user", STORE, by("userpass", username="a/b", password=token()), "username: must", "must hold no '/'"
    ),
    Wrong(
        "dots for a user", STORE, by("userpass", username="..", password=token()), "username: must", "must hold no '/'"
    ),
    Wrong(
        "role beside password",
        STORE,
        by("userpass", username="u", password=token(), role="r"),
        "role belongs to authMethod kubernetes, jwt, cert, aws or azure",
        "role belongs to authMethod kubernetes, jwt, cert, aws or azure",
    ),
    Wrong(
        "user beside JWT",
        STORE,
        by("jwt", jwt=token(), username="u"),
        "username and password belong to authMethod userpass",
        "username and password belong to authMethod userpass",
    ),
    Wrong(
        "JWT beside kubernetes",
        CLUSTER,
        kubernetes_login(jwt=token(namespace="x")),
        "jwt belongs to authMethod jwt",
        "jwt belongs",
    ),
    Wrong(
        "certificate that is not there",
        STORE,
        by("cert"),
        "spec.tls: vault.authMethod cert needs tls.clientCertificate",
        "vault.authMethod cert needs tls.clientCertificate",
    ),
    Wrong(
        "certificate that a link does not have",
        STORE,
        chain(by("cert") | {"tls": {}}) | {"tls": {"clientCertificate": client()}},
        "spec.multi.providers: vault.authMethod cert needs",
        "vault.authMethod cert needs tls.clientCertificate",
    ),
    Wrong("AWS beside token", STORE, vault(awsLogin={}), "awsLogin belongs to authMethod aws", "awsLogin belongs to"),
    Wrong(
        "half a key for a login", STORE, by_aws(accessKeyId=token()), "spec.vault.awsLogin: accessKeyId a", "belong tog"
    ),
    Wrong(
        "plain key for a login", STORE, by_aws(secretAccessKey=CANARY), "awsLogin.secretAccessKey: must be", "awsLogin"
    ),
    Wrong(
        "account without role for a login",
        STORE,
        by_aws(serviceAccountRef=account()),
        "spec.vault.awsLogin: serviceAccountRef needs roleArn",
        "serviceAccountRef needs roleArn",
    ),
    Wrong(
        "login, two ways", STORE, by_aws(**aws(**aws_role()["aws"])["aws"]), "awsLogin: takes one of", "takes one of"
    ),
    Wrong("header in a server id", STORE, by_aws(serverId="a\r\nX: b"), "spec.vault.awsLogin.serverId: ", "serverId"),
    Wrong("no region for a login", STORE, by_aws(region="eu west"), "spec.vault.awsLogin.region", "awsLogin.region"),
    Wrong(
        "Azure beside AWS", CLUSTER, by("aws", azureLogin={}), "azureLogin belongs to authMethod az", "azureLogin belo"
    ),
    Wrong(
        "plain client secret", STORE, by_azure(clientSecret=CANARY), "azureLogin.clientSecret: must be", "azureLogin"
    ),
    Wrong(
        "client secret and account",
        STORE,
        by_azure(clientSecret=token(), serviceAccountRef=account()),
        "spec.vault.azureLogin: takes one of clientSecret and",
        "takes one of clientSecret and",
    ),
    Wrong(
        "no client", STORE, by_azure(clientSecret=token(), clientId=None), "needs tenantId and", "needs tenantId and"
    ),
    Wrong(
        "no tenant", STORE, by_azure(serviceAccountRef=account(), tenantId=None), "needs tenantId a", "needs tenantId"
    ),
    Wrong(
        "tenant of a machine", CLUSTER, by_azure(), "tenantId belongs to clientSecret", "tenantId belongs to clientS"
    ),
    Wrong(
        "blank in a resource", STORE, by_azure(clientSecret=token(), resource="a b"), "azureLogin.resource", "resource"
    ),
    Wrong("profile for a login", STORE, by_aws(profile="x"), "awsLogin.profile: is not a known", "profile"),
    Wrong("no audience", STORE, kubernetes(serviceAccountRef=account(audiences=[])), "at least 1", "audiences"),
    Wrong("blank audience", STORE, kubernetes(serviceAccountRef=account(audiences=["a b"])), "audiences[0]", "aud"),
    # 1Password
    Wrong(
        "1password, no block", STORE, {"driver": "1password"}, "needs the block onepassword", "the block onepassword"
    ),
    Wrong(
        "onepassword is no driver",
        STORE,
        onepassword() | {"driver": "onepassword"},
        "spec.driver: must be '1password'",
        "spec.driver",
    ),
    Wrong(
        "block onepassword beside vault",
        STORE,
        {**onepassword(), **vault()},
        "spec.onepassword: the block onepassword belongs to driver 1password",
        "belongs to driver 1password",
    ),
    *(
        Wrong(f"1password without {name}", STORE, onepassword(**{name: None}), f"spec.onepassword.{name}: is req", name)
        for name in ("connectHost", "connectToken", "vault")
    ),
    Wrong("plain Connect token", STORE, onepassword(connectToken=CANARY), "connectToken: must be an obj", "connectTok"),
    Wrong("Connect by http", STORE, onepassword(connectHost="http://c"), "set tls.allowPlaintext", "allowPlaintext"),
    Wrong("Connect with a user", STORE, onepassword(connectHost="https://a:b@c"), "must carry no user", "no user name"),
    Wrong("no vault's name", STORE, onepassword(vault=""), "spec.onepassword.vault: String", "spec.onepassword.vault"),
    Wrong("a vault in two lines", STORE, onepassword(vault="a\nb"), "must hold no control", "must hold no control"),
    # clusters
    Wrong("block aws alone", STORE, {"aws": {}}, "spec.aws: the block aws belongs to driver aws-sm", "belongs to dri"),
    Wrong("aws by its short name", STORE, aws() | {"driver": "aws"}, "spec.driver: must be '1password'", "spec.driver"),
    Wrong("half a key", STORE, aws(secretAccessKey=None), "spec.aws: accessKeyId and secret", "accessKeyId and secret"),
    Wrong("plain access key", STORE, aws(accessKeyId=CANARY), "spec.aws.accessKeyId: must be an obj", "accessKeyId"),
    Wrong(
        "session token alone", STORE, aws_role(sessionToken=token()), "sessionToken belongs to", "sessionToken belongs"
    ),
    Wrong(
        "keys and account", STORE, aws(**aws_role()["aws"]), "takes one of accessKeyId and", "takes one of accessKey"
    ),
    Wrong("keys and profile", STORE, aws(profile="x"), "profile takes no accessKeyId", "profile takes no accessKeyId"),
    Wrong(
        "account, no role", STORE, aws_role(roleArn=None), "serviceAccountRef needs ro", "serviceAccountRef needs ro"
    ),
    Wrong(
        "external id, account", STORE, aws_role(externalId="ab"), "externalId belongs to ro", "externalId belongs to"
    ),
    Wrong("external id, no role", STORE, aws(externalId="ab"), "externalId belongs to ro", "externalId belongs to ro"),
    Wrong("short external id", STORE, aws_role(externalId="a"), "spec.aws.externalId", "spec.aws.externalId"),
    Wrong("no region", STORE, {**aws(), "region": None}, "aws-sm needs region", "aws-sm needs region"),
    Wrong("azure by its short name", STORE, azure() | {"driver": "azure"}, "did you mean azure-kv?", "spec.driver"),
    Wrong(
        "azure without its block", STORE, {"driver": "azure-kv"}, "azure-kv needs the block az", "azure-kv needs the"
    ),
    Wrong(
        "block azure alone", CLUSTER, {"azure": azure_by("msi")["azure"]}, "spec.azure: the block azure", "belongs to"
    ),
    Wrong("no vault", STORE, azure(vaultUrl=None), "spec.azure.vaultUrl: is required", "vaultUrl"),
    Wrong("vault by its name", STORE, azure(vaultUrl="company"), "spec.azure.vaultUrl: must be http", "vaultUrl"),
    Wrong(
        "plain client secret", STORE, azure(clientSecret=CANARY), "spec.azure.clientSecret: must be an", "clientSecret"
    ),
    Wrong(
        "no client secret",
        STORE,
        azure(clientSecret=None),
        "which is the default, needs tenantId",
        "needs tenantId, cl",
    ),
    Wrong(
        "no tenant",
        STORE,
        azure(tenantId=None, authMethod="service_principal"),
        "needs tenantId, cl",
        "needs tenantId, cl",
    ),
    Wrong("no client", STORE, azure(clientId=None), "needs tenantId, clientId and", "needs tenantId, clientId and"),
    Wrong("tenant that is none", STORE, azure(tenantId="a/b"), "spec.azure.tenantId", "spec.azure.tenantId"),
    Wrong("tenant that leads up", STORE, azure(tenantId=".."), "spec.azure.tenantId", "spec.azure.tenantId"),
    Wrong("client that is none", STORE, azure(clientId="a b"), "spec.azure.clientId", "spec.azure.clientId"),
    Wrong("method that is none", STORE, azure_by("password"), "spec.azure.authMethod: must be 'msi'", "authMethod"),
    Wrong(
        "secret of a machine",
        CLUSTER,
        azure_by("msi", clientSecret=token(namespace="x")),
        "clientSecret belongs to",
        "clientSecret belongs",
    ),
    Wrong("tenant of a machine", CLUSTER, azure_by("msi", tenantId="t"), "tenantId belongs to", "tenantId belongs to"),
    Wrong("client of the CLI", CLUSTER, azure_by("cli", clientId="c"), "clientId belongs to", "clientId belongs to"),
    Wrong(
        "authority of a machine",
        CLUSTER,
        azure_by("msi", authority="https://a"),
        "authority belongs to",
        "authority bel",
    ),
    Wrong(
        "account with a secret",
        STORE,
        azure(serviceAccountRef=account()),
        "serviceAccountRef belongs to",
        "serviceAccountRef bel",
    ),
    Wrong(
        "account, no tenant",
        STORE,
        azure_account(tenantId=None),
        "serviceAccountRef needs t",
        "serviceAccountRef needs",
    ),
    Wrong(
        "account, no client",
        STORE,
        azure_account(clientId=None),
        "serviceAccountRef needs t",
        "serviceAccountRef needs",
    ),
    Wrong(
        "vault, plaintext", STORE, azure(vaultUrl="http://v"), "spec.azure.vaultUrl: http:// sends", "azure.vaultUrl"
    ),
    Wrong(
        "authority, plaintext",
        STORE,
        azure(authority="http://a"),
        "spec.azure.authority: http:// se",
        "azure.authority",
    ),
    Wrong(
        "azure, pins without TLS",
        STORE,
        azure(vaultUrl="http://localhost") | {"tls": {"pinnedCertificates": [PIN]}},
        "need an https:// address",
        "need an https:// address",
    ),
    Wrong("region that is none", STORE, aws(region="eu west"), "spec.aws.region", "spec.aws.region"),
    Wrong("region that is none, here", STORE, aws() | {"region": "EU"}, "spec.region", "spec.region"),
    Wrong("no ARN", STORE, aws(roleArn="reader"), "must be the ARN of a role", "must be the ARN of a role"),
    Wrong(
        "ARN of a user", STORE, aws(roleArn="arn:aws:iam::123456789012:user/x"), "the ARN of a role", "ARN of a role"
    ),
    Wrong("aws, plaintext", STORE, aws(endpoint="http://a"), "spec.aws.endpoint: http:// sends", "spec.aws.endpoint"),
    Wrong("sts, plaintext", STORE, aws(stsEndpoint="http://a"), "spec.aws.stsEndpoint: http:// s", "aws.stsEndpoint"),
    Wrong(
        "sts of a link, plaintext",
        STORE,
        chain(aws(stsEndpoint="http://a")),
        "http:// sends cred",
        "http:// sends cred",
    ),
    Wrong(
        "aws, pins without TLS",
        STORE,
        aws(endpoint="http://localhost") | {"tls": {"pinnedCertificates": [PIN]}},
        "need an https:// address",
        "need an https:// address",
    ),
    Wrong("block gcp alone", STORE, {"gcp": {}}, "spec.gcp: the block gcp belongs to driver gcp-sm", "belongs to dri"),
    Wrong(
        "plain key", STORE, gcp(serviceAccountKey=CANARY), "spec.gcp.serviceAccountKey: must be an obj", "AccountKey"
    ),
    Wrong(
        "key and file", STORE, gcp(serviceAccountKeyFile="/key"), "takes one of serviceAccountKey,", "takes one of serv"
    ),
    Wrong(
        "key and federation",
        STORE,
        gcp(workloadIdentity=federated()["gcp"]["workloadIdentity"]),
        "takes one of serviceAccountKey,",
        "takes one of serv",
    ),
    Wrong(
        "federation, no project",
        STORE,
        {"driver": "gcp-sm", "gcp": {"workloadIdentity": federated()["gcp"]["workloadIdentity"]}},
        "workloadIdentity needs projectId",
        "workloadIdentity needs projectId",
    ),
    Wrong("federation, no pool", STORE, federated(audience=""), "gcp.workloadIdentity.audience", "Identity.audience"),
    Wrong(
        "federation as nobody",
        STORE,
        gcp(serviceAccountKey=None, workloadIdentity={"audience": "a"}),
        "spec.gcp.workloadIdentity.serviceAccountRef: is required",
        "serviceAccountRef: Required",
    ),
    Wrong("project that is none", STORE, gcp(projectId="My Project"), "spec.gcp.projectId", "spec.gcp.projectId"),
    Wrong("location that is none", STORE, gcp(location="a/b"), "spec.gcp.location", "spec.gcp.location"),
    Wrong("key file", CLUSTER, gcp(serviceAccountKey=None, serviceAccountKeyFile="a\nb"), "no control", "no control"),
    Wrong("gcp, plaintext", STORE, gcp(endpoint="http://a"), "spec.gcp.endpoint: http:// sends", "spec.gcp.endpoint"),
    Wrong("no block kubernetes", STORE, {"driver": "kubernetes"}, "needs the block kubernetes", "needs the block"),
    Wrong("block kubernetes alone", STORE, {"kubernetes": {}}, "the block kubernetes belongs", "belongs to driver"),
    Wrong("namespace of a cluster", STORE, kubernetes(namespace="A"), "spec.kubernetes.namespace", "spec.kubernetes.n"),
    Wrong(
        "two logins",
        STORE,
        kubernetes(token=token(), serviceAccountRef=account()),
        "one of token and serviceAccountRef",
        "one of token and serviceAccountRef",
    ),
    Wrong("bundle, no server", STORE, kubernetes(token=token(), caBundle="x"), "caBundle", "caBundle belongs to"),
    Wrong("no login", CLUSTER, kubernetes(server="https://c"), "server needs token or", "server needs token or"),
    Wrong(
        "own audience elsewhere",
        STORE,
        kubernetes(server="https://c", serviceAccountRef=account()),
        "spec.kubernetes.serviceAccountRef.audiences: must be named",
        "spec.kubernetes.serviceAccountRef.audiences",
    ),
    Wrong(
        "plaintext cluster", STORE, kubernetes(server="http://c", token=token()), "kubernetes.server: http", "http:// s"
    ),
    # chains
    Wrong("no block multi", STORE, {"driver": "multi"}, "spec: driver multi needs the block multi", "needs the block"),
    Wrong("block multi alone", STORE, {"multi": chain()["multi"]}, "the block multi belongs", "belongs to driver"),
    Wrong(
        "a chain in a chain",
        STORE,
        chain({}, {"driver": "multi"}),
        "spec.multi.providers[1].driver: must not be multi: a chain holds no chain",
        'spec.multi.providers[1].driver: Unsupported value: "multi"',
    ),
    Wrong("no links", STORE, chain() | {"multi": {"strategy": "merge", "providers": []}}, "at least 1", "providers"),
    Wrong("nine links", STORE, chain(*[{"name": f"l{n}"} for n in range(9)]), "at most 8", "at most 8"),
    Wrong("no strategy", STORE, {"driver": "multi", "multi": {"providers": [{}]}}, "strategy: is required", "strategy"),
    Wrong("no such strategy", STORE, chain(strategy="fallback"), "multi.strategy: must be", "multi.strategy"),
    Wrong("two of a name", STORE, chain({"name": "a"}, {"name": "a"}), "different names", "different names"),
    Wrong("two of a driver", STORE, chain(vault(), vault()), "spec.multi.providers: must have l", "different names"),
    Wrong("named as a driver", STORE, chain({}, vault() | {"name": "env"}), "different names", "different names"),
    Wrong("bad name", STORE, chain({"name": "a b"}), "spec.multi.providers[0].name", "spec.multi.providers[0].name"),
    Wrong(
        "link without block",
        STORE,
        chain({}, {"driver": "vault"}),
        "spec.multi.providers[1]: driver vault needs the block vault",
        "driver vault needs the block vault",
    ),
    Wrong("foreign block in a link", STORE, chain({"vault": vault()["vault"]}), "[0].vault: the block", "belongs to"),
    Wrong("misspelt driver", STORE, chain({"driver": "vualt"}), "did you mean vault?", "providers[0].driver"),
    Wrong("misspelt in a link", STORE, chain(vault(adress="x")), "did you mean address?", "vault.adress"),
    Wrong("conflicts of failover", STORE, chain(conflictPolicy="First"), "conflictPolicy belongs", "conflictPolicy be"),
    Wrong("merge waits", STORE, chain(strategy="merge", failoverAfter="1s"), "failoverAfter belongs", "failoverAfter"),
    Wrong("no such policy", STORE, chain(strategy="merge", conflictPolicy="first"), "mean First?", "conflictPolicy"),
    Wrong("plaintext link", STORE, chain(vault(address="http://v")), "spec.multi.providers: http:// s", "http:// se"),
    Wrong(
        "plaintext where the link's tls stands",
        STORE,
        chain(vault(address="http://v") | {"tls": {}}) | {"tls": {"allowPlaintext": True}},
        "http:// sends",
        "http:// sends",
    ),
    # certificates
    Wrong("no PEM", STORE, vault() | {"tls": {"caBundle": CANARY}}, "spec.tls.caBundle: holds no PEM block", None),
    Wrong(
        "no pin", STORE, pinned(f"sha256/{CANARY}="), "pinnedCertificates[0]: must be sha256/ and", "must be sha256/"
    ),
    Wrong("both", STORE, secured(caRef=ca_ref(), caBundle=CA), "spec.tls: takes one of caBundle", "takes one of caBun"),
    Wrong("kind", STORE, secured(caRef=ca_ref(kind="configmap")), "caRef.kind: must be 'ConfigMap' or", "caRef.kind"),
    Wrong(
        "trust, no key", STORE, secured(caRef={"kind": "Secret", "name": "a"}), "caRef.key: is required", "caRef.key"
    ),
    Wrong("no key", STORE, secured(clientCertificate=client(key=None)), "Certificate.key: is required", "icate.key"),
    Wrong(
        "plain key", STORE, secured(clientCertificate=client(key=CANARY)), "key: must be an object", "Certificate.key"
    ),
    Wrong(
        "certificate without TLS",
        STORE,
        vault(address="http://localhost:8200") | {"tls": {"clientCertificate": client()}},
        "spec.tls: pinnedCertificates and clientCertificate need an https",
        "pinnedCertificates and clientCertificate need an https",
    ),
    Wrong("hex pin", STORE, pinned("ab" * 32), "pinnedCertificates[0]: String should have", "pinnedCertificates[0]"),
    Wrong("SHA-1 pin", STORE, pinned(f"sha1/{'A' * 43}="), "must be sha256/ and the base64", "must be sha256/"),
    Wrong("no pins", STORE, vault() | {"tls": {"pinnedCertificates": []}}, "tls.pinnedCertificates: ", "pinnedCert"),
    Wrong(
        "pins without TLS",
        STORE,
        pinned(PIN, address="http://localhost:8200"),
        "spec.tls: pinnedCertificates and client",
        "pinnedCertificates and clientCertificate need",
    ),
    Wrong(
        "pins without TLS to a cluster",
        STORE,
        kubernetes(server="http://[::1]", token=token()) | {"tls": {"pinnedCertificates": [PIN]}},
        "spec.tls: pinnedCertificates and client",
        "pinnedCertificates and clientCertificate need",
    ),
    # what to read
    Wrong("refreshPolicy", SECRET, secret(refreshPolicy="Never"), "spec.refreshPolicy: must be", "spec.refreshPolicy"),
    Wrong("no maxAge", SECRET, secret(staleness={}), "staleness.maxAge: is required", "spec.staleness.maxAge"),
    Wrong("maxAge 0", SECRET, secret(staleness={"maxAge": 0}), "from 1s to 87600h", "from 1s to 87600h"),
    Wrong("maxAge too short", SECRET, secret(staleness={"maxAge": "999ms"}), "from 1s to", "from 1s to"),
    Wrong(
        "warnBefore", SECRET, secret(expiry={"warnBefore": "-1h"}), "spec.expiry.warnBefore: must be", "with its unit"
    ),
    Wrong("no store", SECRET, {"data": [entry("a")]}, "spec.secretStoreRef: is required", "spec.secretStoreRef"),
    Wrong("foreign kind", SECRET, secret(secretStoreRef={"name": "a", "kind": "SecretStore"}), "StoreRef.kind", "kind"),
    Wrong("no data", SECRET, {"secretStoreRef": {"name": "a"}}, NOTHING_TO_READ, NOTHING_TO_READ),
    Wrong("empty data", SECRET, secret() | {"data": []}, NOTHING_TO_READ, NOTHING_TO_READ),
    Wrong("too much data", SECRET, secret(*[entry("a", f"k{i}") for i in range(1001)]), "at most 1000", "1000"),
    Wrong("twins", SECRET, secret(entry("a"), entry("b")), "has secretKey token 2 times", "Duplicate value"),
    Wrong("secretKey", SECRET, secret(entry("a", "a/b")), "spec.data[0].secretKey: ", "spec.data[0].secretKey"),
    Wrong("secretKey ..", SECRET, secret(entry("a", "..a")), "nor begin with '..'", "nor begin with '..'"),
    Wrong("secretKey .", SECRET, secret(entry("a", ".")), "must neither be '.'", "must neither be '.'"),
    Wrong("no key", SECRET, secret({"secretKey": "a", "remoteRef": {}}), "remoteRef.key: is required", "remoteRef.key"),
    Wrong("empty key", SECRET, secret(entry("")), "spec.data[0].remoteRef.key", "spec.data[0].remoteRef.key"),
    Wrong("empty key before #", SECRET, secret(entry("#a")), "spec.data[0].remoteRef.key: is empty", None),
    Wrong("dot segments", SECRET, secret(entry("a/../b")), "must have no segment", "must have no segment"),
    Wrong("dot segment before #", SECRET, secret(entry("a/..#b")), "must have no segment", "must have no segment"),
    Wrong("dot segment, two #", SECRET, secret(entry("a#b/../c#d")), "has a segment '.' or '..'", None),
    Wrong("slash at the end", SECRET, secret(entry("a/")), "must neither begin nor end", "must neither begin nor end"),
    Wrong("slash before #", SECRET, secret(entry("a/#b")), "begins or ends with '/'", None),
    Wrong("control character", SECRET, secret(entry("a\tb")), "must hold no control character", "no control character"),
    Wrong("nothing after #", SECRET, secret(entry("a#")), "must name a property behind", "must name a property"),
    Wrong("property twice", SECRET, secret(entry("a#b", property="c")), "is named twice", "is named twice"),
    Wrong("version as number", SECRET, secret(entry("a", version=3)), "remoteRef.version: must be a valid", "version"),
    Wrong(
        "strategy", SECRET, secret(entry("a", decodingStrategy="base64")), "did you mean Base64?", "decodingStrategy"
    ),
    Wrong("extract twice", SECRET, extracting("a#b", property="c"), "is named twice", "is named twice"),
    Wrong("optional extract", SECRET, extracting(optional=True), "optional: is not a known field", "optional"),
    Wrong("find nothing", SECRET, finding(), "find: path, name or tags must say", "path, name or tags must say"),
    Wrong("find by no tags", SECRET, finding(tags={}), "find: path, name or tags must say", "path, name or tags must"),
    Wrong("find by a text", SECRET, finding(name="a.*"), "dataFrom[0].find.name: ", "dataFrom[0].find.name"),
    Wrong("find by no RE2", SECRET, finding(name={"regexp": "(?=a)"}), "find.name.regexp: is not an RE2 express", None),
    Wrong("find everywhere", SECRET, finding(path="/"), "must neither begin with", "must neither begin with"),
    Wrong("find upwards", SECRET, finding(path="a/../b"), "must have no segment", "must have no segment"),
    Wrong("find in nothing", SECRET, finding(path="a//b"), "must neither begin with", "must neither begin with"),
    Wrong("find by a number", SECRET, finding(tags={"a": 1}), "find.tags.a: ", "find.tags.a"),
    Wrong("find a version", SECRET, finding(path="a", version="1"), "version: is not a known field", "version"),
    Wrong("source without store", SECRET, secret({**entry("a"), "sourceRef": {}}), "storeRef: is required", "storeRef"),
    # whom a store serves
    Wrong("serves nobody", CLUSTER, serving(), "must name something", "must name something"),
    Wrong("serves no name", CLUSTER, serving(names=[], regexes=[]), "must name something", "must name something"),
    Wrong("no RE2", CLUSTER, serving(regexes=["(?=a)"]), "spec.namespaces.regexes[0]: is not an RE2", None),
    Wrong("in nothing", CLUSTER, _expressed("In"), "In and NotIn need values", "need values"),
    Wrong("exists somehow", CLUSTER, _expressed("Exists", values=["a"]), "take none", "take none"),
    Wrong("like", CLUSTER, _expressed("Like"), "operator: must be", "operator"),
    Wrong("misspelt", SECRET, secret(entry("a", propery=CANARY)), "propery: is not a known", "propery"),
    # what to write
    Wrong("target name", SECRET, secret(target={"name": "Slack_Bot"}), "spec.target.name: ", "spec.target.name"),
    Wrong("deletes nothing", SECRET, secret(target={"creationPolicy": "None", "deletionPolicy": "Delete"}), KEPT, KEPT),
    Wrong("deletes it all", SECRET, secret(target={"deletionPolicy": "delete"}), "did you mean Delete?", "deletionPol"),
    Wrong("sealed nothing", SECRET, secret(target={"creationPolicy": "None", "immutable": True}), NOT_WHOLE, NOT_WHOLE),
    Wrong("restart of a pod", SECRET, restarting("Pod/a"), "rolloutRestart[0].kind: must be", "rolloutRestart[0].kind"),
    Wrong("restart", SECRET, restarting("deployment/a"), "did you mean Deployment?", "rolloutRestart[0].kind"),
    Wrong("restart of none", SECRET, restarting("Deployment/"), "rolloutRestart[0].name", "rolloutRestart[0].name"),
    Wrong("restart of A", SECRET, restarting("Deployment/A"), "rolloutRestart[0].name", "rolloutRestart[0].name"),
    Wrong("restart elsewhere", SECRET, secret(rolloutRestart=[ELSEWHERE]), "rolloutRestart[0].namespace", "namespace"),
    Wrong("twice", SECRET, restarting(*["Deployment/a"] * 2), "names a workload twice", "Duplicate value"),
    Wrong("21 restarts", SECRET, restarting(*(f"Deployment/d{n}" for n in range(21))), "at most 20", "at most 20"),
    Wrong("for nothing", SECRET, restarting("Deployment/a") | {"target": NOTHING}, UNREAD, UNREAD),
    Wrong("no policy", SECRET, secret(target={"creationPolicy": "merge"}), "did you mean Merge?", "creationPolicy"),
    Wrong(
        "deletes others'", SECRET, secret(target={"creationPolicy": "Merge", "deletionPolicy": "Delete"}), KEPT, KEPT
    ),
    Wrong("seals others'", SECRET, secret(target={"creationPolicy": "Merge", "immutable": True}), NOT_WHOLE, NOT_WHOLE),
    Wrong("service account", SECRET, templated(type="kubernetes.io/service-account-token"), "must be none", "none of"),
    Wrong("bootstrap", SECRET, templated(type="bootstrap.kubernetes.io/token"), "must be none of", "must be none of"),
    Wrong(
        "our label", SECRET, templated(metadata={"labels": {"secrets.beemflow.io/owner": "x"}}), "to the op", "to the"
    ),
    Wrong(
        "our mark", SECRET, templated(metadata={"labels": {"app.kubernetes.io/managed-by": "x"}}), "to the", "to the"
    ),
    Wrong(
        "our annotation",
        SECRET,
        templated(metadata={"annotations": {"secrets.beemflow.io/content-version": "x"}}),
        "annotations: must leave",
        "annotations: Invalid value",
    ),
    Wrong("label name", SECRET, templated(metadata={"labels": {"a b": "x"}}), "must have names of", "must have names"),
    Wrong(
        "long label name", SECRET, templated(metadata={"labels": {"a" * 64: ""}}), "must have names", "must have name"
    ),
    Wrong("rewritten how", SECRET, rewritten({}), "rewrite[0]: takes exactly one of", "takes exactly one of"),
    Wrong(
        "rewritten twice",
        SECRET,
        rewritten({"regexp": {"source": "a", "target": "b"}, "transform": {"template": "c"}}),
        "dataFrom[0].rewrite[0]: takes exactly one of regexp and transform",
        "takes exactly one of",
    ),
    Wrong("merged", SECRET, rewritten({"merge": {}}), "rewrite[0].merge: is not a known field", "merge"),
    Wrong(
        "no RE2 to rewrite",
        SECRET,
        rewritten({"regexp": {"source": "a(?=b)", "target": ""}}),
        "dataFrom[0].rewrite[0].regexp.source: is not an RE2 expression: invalid perl operator",
        None,
    ),
    Wrong(
        "large RE2",
        SECRET,
        rewritten({"regexp": {"source": r"(\pL{50}){20}", "target": ""}}),
        "dataFrom[0].rewrite[0].regexp.source: is not an RE2 expression: pattern too large",
        None,
    ),
    Wrong("no source", SECRET, rewritten({"regexp": {"target": "a"}}), "regexp.source: is required", "source"),
    Wrong("no target", SECRET, rewritten({"regexp": {"source": "a"}}), "regexp.target: is required", "target"),
    Wrong("to nothing", SECRET, rewritten({"transform": {"template": ""}}), "transform.template: ", "template"),
    Wrong("long", SECRET, rewritten({"transform": {"template": "x" * 4097}}), "transform.template: ", "template"),
    Wrong("21 steps", SECRET, rewritten(*[{"transform": {"template": "x"}}] * 21), "dataFrom[0].rewrite: ", "rewrite"),
    Wrong("whose key", SECRET, secret(conflictPolicy="Mine"), "conflictPolicy: must be", "conflictPolicy"),
    Wrong("flows of nothing", SECRET, of_flows(), "flows.configMapRef: is required", "flows.configMapRef"),
    Wrong("no pattern", SECRET, of_flows(configMapRef={"name": "a"}, exclude=[""]), "exclude[0]: ", "exclude[0]"),
    Wrong(
        "nothing from where",
        SECRET,
        {**secret(), "dataFrom": [{}]},
        "dataFrom[0]: takes exactly one of extract, find and flows",
        "takes exactly one of",
    ),
    Wrong(
        "two from one",
        SECRET,
        {**secret(), "dataFrom": [{"extract": {"key": "a"}, "flows": {"configMapRef": {"name": "a"}}}]},
        "takes exactly one of extract, find and flows",
        "takes exactly one of",
    ),
    Wrong("half a template", SECRET, templated(metadata={"labels": {"a": "{ x }"}}), "metadata.labels.a: ", "labels.a"),
    Wrong(
        "template key", SECRET, templated(data={"a/b": "x"}), "must have keys of letters", "must have keys of letters"
    ),
    Wrong("template of dots", SECRET, templated(data={"..a": "x"}), "that begins with '..'", "that begins with '..'"),
    Wrong("long template key", SECRET, templated(data={"a" * 254: "x"}), "keys of up to 253", "keys of up to 253"),
    Wrong("template of a number", SECRET, templated(data={"a": 1}), "template.data.a: must be", "template.data.a"),
    Wrong("mergePolicy", SECRET, templated(mergePolicy="merge"), "did you mean Merge?", "template.mergePolicy"),
    Wrong("engine", SECRET, templated(engineVersion="v2"), "engineVersion: is not a known", "engineVersion"),
    Wrong("no source", SECRET, templated(templateFrom=[{}]), "takes exactly one of configMap", "takes exactly one of"),
    Wrong(
        "two sources",
        SECRET,
        templated(templateFrom=[{**source("configMap"), **source("secret")}]),
        "templateFrom[0]: takes exactly one of",
        "takes exactly one of",
    ),
    Wrong(
        "no items",
        SECRET,
        templated(templateFrom=[{"configMap": {"name": "a", "items": []}}]),
        "configMap.items: ",
        "configMap.items",
    ),
    Wrong(
        "templateAs",
        SECRET,
        templated(templateFrom=[source("secret", {"key": "a", "templateAs": "Keys"})]),
        "items[0].templateAs: must be",
        "items[0].templateAs",
    ),
    Wrong(
        "template target",
        SECRET,
        templated(templateFrom=[source("secret", target="labels")]),
        "did you mean Labels?",
        "templateFrom[0].target",
    ),
    Wrong("label value", SECRET, templated(metadata={"labels": {"a": "x y"}}), "metadata.labels.a: ", "labels.a"),
    Wrong("annotation", SECRET, templated(metadata={"annotations": {"a": 1}}), "annotations.a: must", "annotations.a"),
    Wrong(
        "stamp of nothing", STAMP, {"namespaces": {"names": ["a"]}}, "spec.secretSpec: is required", "spec.secretSpec"
    ),
    Wrong("stamp nowhere", STAMP, {"secretSpec": secret()}, "spec.namespaces: is required", "spec.namespaces"),
    Wrong("stamp on nobody", STAMP, stamped(namespaces={}), f"spec.namespaces: {NAME_SOME}", NAME_SOME),
    Wrong(
        "stamp of an empty spec",
        STAMP,
        stamped({"secretStoreRef": {"name": "prod"}}),
        f"spec.secretSpec: {NOTHING_TO_READ}",
        NOTHING_TO_READ,
    ),
    Wrong(
        "stamp of a misspelling",
        STAMP,
        stamped(secret(refreshIntervall="1h")),
        "spec.secretSpec.refreshIntervall: is not a known field",
        "refreshIntervall",
    ),
    Wrong("stamp under no name", STAMP, stamped(secretName="A b"), "spec.secretName: ", "spec.secretName"),
    Wrong(
        "stamp with marks of ours",
        STAMP,
        stamped(secretMetadata={"annotations": {"secrets.beemflow.io/suspend": "true"}}),
        "spec.secretMetadata.annotations: must leave secrets.beemflow.io/",
        "must leave secrets.beemflow.io/",
    ),
    Wrong("stamp by a label", STAMP, stamped(namespaces={"names": ["A b"]}), "namespaces.names[0]: ", "names[0]"),
    Wrong(
        "stamp by no expression",
        STAMP,
        stamped(namespaces={"regexes": ["("]}),
        "spec.namespaces.regexes[0]: is not an RE2 expression",
        None,
    ),
    Wrong("push of nothing", PUSH, {}, "spec.data: is required", "spec.data: Required value"),
    Wrong("push of no entry", PUSH, push() | {"data": []}, "spec.data: ", "spec.data"),
    Wrong("push to nowhere", PUSH, push(secretStoreRefs=[]), "spec.secretStoreRefs: ", "spec.secretStoreRefs"),
    Wrong(
        "push twice to a store",
        PUSH,
        push(secretStoreRefs=[{"name": "prod"}, {"name": "prod", "kind": STORE}]),
        "spec.secretStoreRefs: must name no store twice",
        "must name no store twice",
    ),
    Wrong("push twice to a key", PUSH, push(match("a"), match("a", "user")), f"spec.data: {TWICE}", TWICE),
    Wrong("push twice to a property", PUSH, push(*[match("a", property="b")] * 2), f"spec.data: {TWICE}", TWICE),
    Wrong("push to all and a part", PUSH, push(match("a"), match("a", property="b")), f"spec.data: {TWICE}", TWICE),
    Wrong("push twice behind the #", PUSH, push(match("a#b"), match("a", property="b")), f"spec.data: {TWICE}", None),
    Wrong("push to all and behind the #", PUSH, push(match("a"), match("a#b")), f"spec.data: {TWICE}", None),
    Wrong(
        "push to a property named twice",
        PUSH,
        push(match("a#b", property="b")),
        "spec.data[0].match.remoteRef: the property is named twice",
        "the property is named twice",
    ),
    Wrong("push to a malformed key", PUSH, push(match("/a")), "remoteKey: must neither begin", "must neither begin"),
    Wrong("push to no property", PUSH, push(match("a#")), "remoteKey: must name a property", "must name a property"),
    Wrong("push by a misspelling", PUSH, push(updatePolicy=CANARY), "spec.updatePolicy: must be", "spec.updatePolicy"),
    Wrong(
        "push, and then forget", PUSH, push(deletionPolicy="Retain"), "deletionPolicy: must be", "spec.deletionPolicy"
    ),
    Wrong(
        "push of a labelled Secret",
        PUSH,
        push(selector={"secret": {"name": "a", "selector": {}}}),
        "spec.selector.secret.selector: is not a known field",
        "selector",
    ),
    Wrong(
        "push of a type", PUSH, push(template={"type": "Opaque"}), "spec.template.type: is not a known field", "type"
    ),
    Wrong("push of too much", PUSH, push(*[match(f"k{n}") for n in range(81)]), "spec.data: ", "spec.data"),
]

# The kind decides here, so the API server answers and `check_scope` does; the models do not know their kind.
WRONG_SCOPE: list[Wrong] = [
    Wrong("namespaces", STORE, vault() | serving(names=["a"]), "serves its own namespace", "serves its own namespace"),
    Wrong(
        "namespace in a namespaced store", STORE, vault(token=token(namespace="x")), "must be left out", "must be left"
    ),
    Wrong("no namespace in a cluster store", CLUSTER, vault(), "secretKeyRef.namespace: is required", "ef.namespace"),
    Wrong("not all name it", CLUSTER, approle(roleId=None, roleIdRef=token(namespace="x")), "secretId.s", "secretId.s"),
    Wrong(
        "account of elsewhere",
        STORE,
        kubernetes(serviceAccountRef=account(namespace="x")),
        "spec.kubernetes.serviceAccountRef.namespace: must be left out",
        "must be left out",
    ),
    Wrong("keys of elsewhere", STORE, aws(accessKeyId=token(namespace="x")), "spec.aws.accessKeyId.s", "must be left"),
    Wrong(
        "secret of elsewhere",
        STORE,
        azure(clientSecret=token(namespace="x")),
        "azure.clientSecret.secretKeyRef.namespace: must be left",
        "must be left",
    ),
    Wrong("secret of nowhere", CLUSTER, azure(), "spec.azure.clientSecret.secretKeyRef.namespace: is req", "namespace"),
    Wrong(
        "account of nowhere, azure", CLUSTER, azure_account(), "azure.serviceAccountRef.namespace: is r", "namespace"
    ),
    Wrong("keys of nowhere", CLUSTER, aws(), "spec.aws.accessKeyId.secretKeyRef.namespace: is req", "namespace"),
    Wrong(
        "keys for a login of elsewhere",
        STORE,
        by_aws(accessKeyId=token(namespace="x"), secretAccessKey=token()),
        "spec.vault.awsLogin.accessKeyId.secretKeyRef.namespace: must be left out",
        "must be left out",
    ),
    Wrong(
        "account for a login of nowhere",
        CLUSTER,
        by_aws(serviceAccountRef=account(), roleArn=ROLE),
        "spec.vault.awsLogin.serviceAccountRef.namespace: is required",
        "serviceAccountRef.namespace",
    ),
    Wrong(
        "client secret of elsewhere",
        STORE,
        by_azure(clientSecret=token(namespace="x")),
        "spec.vault.azureLogin.clientSecret.secretKeyRef.namespace: must be left out",
        "must be left out",
    ),
    Wrong("account of nowhere, aws", CLUSTER, aws_role(), "spec.aws.serviceAccountRef.namespace: is r", "namespace"),
    Wrong(
        "key of elsewhere", STORE, gcp(serviceAccountKey=token(namespace="x")), "spec.gcp.serviceAcc", "must be left"
    ),
    Wrong("key of nowhere", CLUSTER, gcp(), "spec.gcp.serviceAccountKey.secretKeyRef.namespace: is req", "namespace"),
    Wrong(
        "account of nowhere, gcp", CLUSTER, federated(), "gcp.workloadIdentity.serviceAccountRef.namesp", "namespace"
    ),
    Wrong(
        "account of elsewhere, gcp",
        STORE,
        federated(serviceAccountRef=account(namespace="x")),
        "spec.gcp.workloadIdentity.serviceAccountRef.namespace: must be left out",
        "must be left out",
    ),
    Wrong(
        "account of nowhere",
        CLUSTER,
        kubernetes_login(serviceAccountRef=account()),
        "spec.vault.serviceAccountRef.namespace: is required",
        "serviceAccountRef.namespace",
    ),
    Wrong(
        "trust of elsewhere",
        STORE,
        secured(caRef=ca_ref(namespace="x")),
        "spec.tls.caRef.namespace: must be left out",
        "must be left out",
    ),
    Wrong(
        "trust of nowhere",
        CLUSTER,
        {"tls": {"caRef": ca_ref()}},
        "spec.tls.caRef.namespace: is required",
        "caRef.namespace",
    ),
    Wrong(
        "trust of elsewhere in a link",
        STORE,
        chain(vault(), secured(caRef=ca_ref(namespace="x")) | {"name": "b"}),
        "spec.multi.providers[1].tls.caRef.namespace: must be left out",
        "must be left out",
    ),
    Wrong(
        "certificate of nowhere",
        CLUSTER,
        {"tls": {"clientCertificate": client()}},
        "spec.tls.clientCertificate.certificate.secretKeyRef.namespace: is required",
        "namespace",
    ),
    Wrong(
        "namespace in a link",
        STORE,
        chain(vault(), vault(token=token(namespace="x")) | {"name": "b"}),
        "spec.multi.providers[1].vault.token.secretKeyRef.namespace: must be left out",
        "must be left out",
    ),
    Wrong("no namespace in a link", CLUSTER, chain(), "providers[0].vault.token.sec", "providers[0].vault.token.sec"),
    Wrong("env as a link", STORE, chain(), "spec.multi.providers[1].driver: env reads the operator's own", None),
    Wrong(
        "the operator's eyes in a link",
        STORE,
        chain(vault(), kubernetes()),
        "spec.multi.providers[1].kubernetes: needs token",
        None,
    ),
    Wrong("the operator's eyes", STORE, kubernetes(), "no identity is lent", None),
    Wrong("the operator's Google", STORE, {"driver": "gcp-sm"}, "spec.gcp: needs serviceAccountKey or", None),
    Wrong(
        "the operator's key file",
        STORE,
        gcp(serviceAccountKey=None, serviceAccountKeyFile="/key"),
        "spec.gcp: needs serviceAccountKey or",
        None,
    ),
    Wrong("the operator's name", STORE, kubernetes_login(), "no identity is lent", None),
    Wrong("the operator's keys", STORE, by("aws"), "spec.vault: awsLogin needs accessKeyId or serviceAcc", None),
    Wrong("the operator's keys for a role", STORE, by_aws(roleArn=ROLE), "no identity is lent", None),
    Wrong("the operator's machine", STORE, by("azure"), "spec.vault: azureLogin needs clientSecret or servic", None),
    Wrong("one of the machine's identities", STORE, by_azure(tenantId=None), "no identity is lent", None),
    Wrong("the operator's keys in a link", STORE, chain(by_aws()), "providers[0].vault: awsLogin needs acc", None),
    Wrong("env in a namespaced store", STORE, {}, "spec.driver: env reads the operator's own environment", None),
    Wrong("file in a namespaced store", STORE, files("/a"), "spec.driver: file reads the operator's own files", None),
]
