"""Every field that External Secrets Operator's kinds have (v2.9), and manifests that hold them all.

A line is an object and its fields: `name`, a text; `name=a|b`, one of these, `name==a|b` where others hang on it;
`name:Object`; `name[]` a list; `name{}` a map of texts. Of the fields behind `|` an object holds one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Object = dict[str, Any]

_WRITTEN = """
Secret: name namespace key
Account: name audiences[] namespace
Authority: type=Secret|ConfigMap name key namespace
Selector: matchLabels{}
Store: name kind=SecretStore|ClusterSecretStore

StoreSpec: controller provider:Provider retrySettings:Retry refreshInterval=60|"5m" conditions[]:Condition
Retry: maxRetries=3|5 retryInterval="2s"|"5s"
Condition: namespaceSelector:Selector namespaces[] namespaceRegexes[]
Provider: | aws:Aws azurekv:Azure gcpsm:Gcp kubernetes:Kubernetes onepassword:OnePassword vault:Vault

Aws: service=SecretsManager|ParameterStore auth:AwsAuth role region additionalRoles[] externalID sessionTags[]:Tag \
 secretsManager:AwsWrites transitiveTagKeys[] sessionTagsPolicy=None|Simple customSessionTags{} prefix
AwsAuth: | secretRef:AwsKeys jwt:AwsJwt
AwsKeys: accessKeyIDSecretRef:Secret secretAccessKeySecretRef:Secret sessionTokenSecretRef:Secret
AwsJwt: serviceAccountRef:Account
AwsWrites: forceDeleteWithoutRecovery=true|false recoveryWindowInDays=7|30
Tag: key value

Azure: vaultUrl tenantId environmentType=PublicCloud|ChinaCloud useAzureSDK=true|false customCloudConfig:AzureCloud \
 authType==ServicePrincipal|ManagedIdentity|WorkloadIdentity authSecretRef:AzureAuth serviceAccountRef:Account \
 identityId
AzureAuth: clientId:Secret tenantId:Secret clientSecret:Secret clientCertificate:Secret
AzureCloud: activeDirectoryEndpoint keyVaultEndpoint keyVaultDNSSuffix resourceManagerEndpoint audience

Gcp: auth:GcpAuth projectID location secretVersionSelectionPolicy=LatestOrFail|LatestOrFetch
GcpAuth: | secretRef:GcpKey workloadIdentity:GcpIdentity workloadIdentityFederation:GcpFederation
GcpKey: secretAccessKeySecretRef:Secret
GcpIdentity: serviceAccountRef:Account clusterLocation clusterName clusterProjectID
GcpFederation: credConfig:ConfigMapKey serviceAccountRef:Account awsSecurityCredentials:GcpAws audience \
 externalTokenEndpoint
GcpAws: region awsCredentialsSecretRef:SecretName
ConfigMapKey: name namespace key
SecretName: name namespace

Kubernetes: server:KubernetesServer auth:KubernetesAuth authRef:Secret remoteNamespace
KubernetesServer: url caBundle caProvider:Authority
KubernetesAuth: | cert:KubernetesCert token:KubernetesToken serviceAccount:Account
KubernetesCert: clientCert:Secret clientKey:Secret
KubernetesToken: bearerToken:Secret

OnePassword: auth:OnePasswordAuth connectHost vaults:Vaults
OnePasswordAuth: secretRef:OnePasswordKey
OnePasswordKey: connectTokenSecretRef:Secret
Vaults: first=1|3 second=2|0

Vault: auth:VaultAuth server path version=v1|v2 namespace caBundle tls:VaultTls caProvider:Authority \
 readYourWrites=true|false forwardInconsistent=true|false headers{} checkAndSet:VaultCas
VaultTls: certSecretRef:Secret keySecretRef:Secret
VaultCas: required=true|false
VaultAuth: namespace | tokenSecretRef:Secret appRole:VaultAppRole kubernetes:VaultKubernetes ldap:VaultUser \
 jwt:VaultJwt cert:VaultCert iam:VaultIam userPass:VaultUser gcp:VaultGcp
VaultAppRole: path roleId roleRef:Secret secretRef:Secret
VaultKubernetes: mountPath serviceAccountRef:Account secretRef:Secret role
VaultUser: path username secretRef:Secret
VaultJwt: path role | secretRef:Secret kubernetesServiceAccountToken:VaultToken
VaultToken: serviceAccountRef:Account audiences[] expirationSeconds=600|900
VaultCert: path clientCert:Secret secretRef:Secret vaultRole
VaultIam: path region role vaultRole externalID vaultAwsIamServerID | secretRef:AwsKeys jwt:AwsJwt
VaultGcp: path role projectID location serviceAccountRef:Account | secretRef:GcpKey workloadIdentity:GcpIdentity

SecretSpec: secretStoreRef:Store refreshPolicy=Periodic|OnChange refreshInterval="1h"|"2h" target:Target data[]:Data \
 dataFrom[]:DataFrom syncWindows:Windows
Windows: kind=allow|deny windows[]:Window
Window: schedule duration
Target: name creationPolicy=Owner|Merge deletionPolicy=Retain|Delete template:Template immutable=true|false \
 manifest:Manifest
Manifest: apiVersion kind
Template: type engineVersion=v2|v1 metadata:TemplateMetadata mergePolicy=Replace|Merge data{} templateFrom[]:Source
TemplateMetadata: labels{} annotations{} finalizers[]
Source: target=Data|Labels valuesDecodingStrategy=None|Base64 | configMap:Keys secret:Keys literal
Keys: name items[]:Key
Key: key templateAs=Values|KeysAndValues
Data: secretKey remoteRef:Remote sourceRef:DataSource
DataSource: | storeRef:Store generatorRef:Generator
Remote: key property version metadataPolicy=None|Fetch conversionStrategy=Default|Unicode \
 decodingStrategy=None|Base64 nullBytePolicy=Ignore|Fail
DataFrom: rewrite[]:Rewrite sourceRef:DataSource | extract:Remote find:Find
Generator: apiVersion kind name
Find: path name:FindName tags{} conversionStrategy=Default|Unicode decodingStrategy=None|Base64 \
 nullBytePolicy=Ignore|Fail
FindName: regexp
Rewrite: | regexp:Regexp transform:Transform merge:Merge
Regexp: source target
Transform: template
Merge: into priority[] priorityPolicy=Strict|IgnoreNotFound conflictPolicy=Error|Ignore strategy=Extract|JSON

ClusterSecretSpec: externalSecretSpec:SecretSpec externalSecretName externalSecretMetadata:Metadata \
 namespaceSelector:Selector namespaceSelectors[]:Selector namespaces[] refreshTime="1h"|"2h"
Metadata: labels{} annotations{}

PushSpec: refreshInterval="1h"|"2h" secretStoreRefs[]:PushStore updatePolicy=Replace|IfNotExists \
 deletionPolicy=None|Delete selector:PushSelector data[]:PushData dataTo[]:PushTo template:Template
PushStore: name labelSelector:Selector kind=SecretStore|ClusterSecretStore
PushSelector: | secret:PushedSecret generatorRef:Generator
PushedSecret: name selector:Selector
PushData: match:PushMatch metadata{} conversionStrategy=None|ReverseUnicode
PushMatch: secretKey remoteRef:PushRemote
PushRemote: remoteKey property
PushTo: storeRef:PushStore remoteKey match:FindName rewrite[]:Rewrite metadata{} conversionStrategy=None|ReverseUnicode
"""

_OBJECTS = {
    name: fields.split() for name, _, fields in (line.partition(":") for line in _WRITTEN.splitlines() if line.strip())
}
KINDS = {
    "SecretStore": "StoreSpec",
    "ClusterSecretStore": "StoreSpec",
    "ExternalSecret": "SecretSpec",
    "ClusterExternalSecret": "ClusterSecretSpec",
    "PushSecret": "PushSpec",
}


def manifest(kind: str, spec: Object) -> Object:
    version = "v1alpha1" if kind == "PushSecret" else "v1"
    metadata = {"name": "one"} if kind.startswith("Cluster") else {"name": "one", "namespace": "flows"}
    return {"apiVersion": f"external-secrets.io/{version}", "kind": kind, "metadata": metadata, "spec": spec}


def full(kind: str) -> list[Object]:
    """Return specs of a kind that together hold every field."""
    return _variants(KINDS[kind])


def changes(spec: Any, path: str = "spec", *, other: str | None = None) -> Iterator[tuple[str, Any]]:
    """Return each field of a spec that holds a value, and the spec with another there: `other`, or a right one."""
    match spec:
        case dict():
            for name, value in spec.items():
                for place, changed in changes(value, f"{path}.{name}", other=other):
                    yield place, {**spec, name: changed}
        case list():
            for place, changed in changes(spec[0], f"{path}[0]", other=other):
                yield place, [changed]
        case _:
            yield path, other or _other(path, spec)


def _variants(name: str) -> list[Object]:
    fields = _OBJECTS[name]
    at = fields.index("|") if "|" in fields else len(fields)
    always = {_name(field): _values(field) for field in fields[:at]}
    base = {field: values[0] for field, values in always.items()}
    ones: list[Object] = [{_name(field): value} for field in fields[at + 1 :] for value in _values(field)] or [{}]
    others = [{field: value} for field, values in always.items() for value in values[1:]]
    return [*(base | one for one in ones), *(base | ones[0] | other for other in others)]


def _values(field: str) -> list[Any]:
    """Return values of a field: those of an object in all its forms, of a choice the first."""
    named, _, inner = field.partition(":")
    if inner:
        values: list[Any] = list(_variants(inner))
    elif "=" in field:
        values = _choices(field) if "==" in field else _choices(field)[:1]
    elif field.endswith("{}"):
        values = [{"key": "text"}]
    else:
        values = ["text"]
    return [[value] for value in values] if named.endswith("[]") else values


def _name(field: str) -> str:
    return field.partition(":")[0].partition("=")[0].removesuffix("[]").removesuffix("{}")


def _choices(field: str) -> list[Any]:
    found = []
    for choice in field.partition("=")[2].removeprefix("=").split("|"):
        try:
            found.append(json.loads(choice))
        except ValueError:
            found.append(choice)
    return found


_ALL_CHOICES = {
    (_name(field), json.dumps(_choices(field)[0])): _choices(field)[1]
    for fields in _OBJECTS.values()
    for field in fields
    if "=" in field
}


def _other(path: str, value: object) -> Any:
    return _ALL_CHOICES.get((path.rpartition(".")[2].partition("[")[0], json.dumps(value)), "other")
