"""How a backend is reached: spec and status of BeemFlowSecretStore and BeemFlowClusterSecretStore."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import Field

from beemflow_secrets.model.aws import AwsSpec
from beemflow_secrets.model.azure import AzureSpec
from beemflow_secrets.model.backend import BackendSpec, Retry, Timeout, block_of
from beemflow_secrets.model.base import Model
from beemflow_secrets.model.cache import Cache
from beemflow_secrets.model.cel import Rule
from beemflow_secrets.model.credentials import CredentialRef, SecretKeyRef, ServiceAccountRef
from beemflow_secrets.model.duration import Between
from beemflow_secrets.model.encryption import certificate_login, encryption
from beemflow_secrets.model.file import FileSpec
from beemflow_secrets.model.form import OrAdded, in_file
from beemflow_secrets.model.kubernetes import KubernetesSpec
from beemflow_secrets.model.meta import Conditions, ObservedGeneration, StatusModel
from beemflow_secrets.model.multi import MOST_LINKS, Multi
from beemflow_secrets.model.namespaces import Namespaces
from beemflow_secrets.model.onepassword import OnePasswordSpec
from beemflow_secrets.model.policy import MOST_POLICIES, AccessPolicy
from beemflow_secrets.model.sources import SecretKey
from beemflow_secrets.model.tls import CaRef, ClientCertificate, Tls
from beemflow_secrets.model.vault import VaultSpec

__all__ = [
    "LEAVE_NAMESPACE_OUT",
    "AccessPolicy",
    "AwsSpec",
    "AzureSpec",
    "Backend",
    "CaRef",
    "ClientCertificate",
    "CredentialRef",
    "FileSpec",
    "HealthCheck",
    "KubernetesSpec",
    "Multi",
    "OnePasswordSpec",
    "ProviderStatus",
    "Retry",
    "SecretKeyRef",
    "ServiceAccountRef",
    "StoreSpec",
    "StoreStatus",
    "Tls",
    "VaultSpec",
    "check_scope",
]

LEAVE_NAMESPACE_OUT = "must be left out: a namespaced store refers to objects of its own namespace"
LEAVE_NAMESPACES_OUT = "must be left out: a namespaced store serves its own namespace"


OwnDriver = Literal["1password", "aws-sm", "azure-kv", "env", "file", "gcp-sm", "kubernetes", "multi", "vault"]

MOST_CRITICAL_KEYS = 100

_KINDS = (
    "What kind of backend it is. vault: HashiCorp Vault or OpenBao. aws-sm: AWS Secrets Manager. azure-kv: Azure Key "
    "Vault. gcp-sm: Google Cloud Secret Manager. 1password: a vault of a 1Password Connect server."
)

_OF_THE_CHAIN = {"multi": None, "request_budget": None}

# What a driver reads as the operator, whoever asks.
_OPERATORS_OWN = {"env": "the operator's own environment", "file": "the operator's own files"}

# Of a namespaced store, and of a cluster store.
_NOT_LENT = (
    "no identity is lent to a namespaced store (a BeemFlowClusterSecretStore has it, or --store-ambient-credentials)",
    "--no-cluster-store-ambient-credentials lends no identity to a cluster store",
)


class HealthCheck(Model):
    """How the store is watched."""

    interval: Annotated[float, Between(shortest="1s")] = Field(
        default=60.0,
        description="How often the backend is asked how it is, from 1s. Default 1m.",
        json_schema_extra=in_file("Taken, so that a store can be copied; the backend is asked when you ask for it."),
    )
    critical_keys: list[SecretKey] = Field(
        default=[],
        max_length=MOST_CRITICAL_KEYS,
        description="Secrets without which the store is not ready, as slack/bot. They are read each interval. "
        "Default: none.",
        json_schema_extra=in_file("Secrets that are read when you ask how the store is, as slack/bot. Default: none."),
    )


class Backend(NamedTuple):
    """One backend of a store. `path` leads from the store's spec to it: empty, or `multi.providers[1].`."""

    path: str
    name: str
    spec: "StoreSpec"


class StoreSpec(BackendSpec):
    """One backend, or a chain of them, and how to reach it."""

    driver: Annotated[OwnDriver, OrAdded()] = Field(
        default="env",
        description=f"{_KINDS} kubernetes: native Secrets, of this cluster or of another one. "
        "multi: a chain of several. env: environment variables of the operator. file: files that the operator has. "
        "These two are for a BeemFlowClusterSecretStore only. Default env.",
        json_schema_extra=in_file(
            f"{_KINDS} kubernetes: native Secrets of a cluster. multi: a chain of several. env: environment variables "
            "of the process. file: a file, or a folder of files. Default env."
        ),
    )
    timeout: Timeout = Field(
        default=30.0,
        description="Bounds one attempt. A read with all its attempts ends within twice this. Default 30s.",
    )
    retry: Retry = Field(default=Retry(), description="When a failed attempt is made again.")
    tls: Tls = Field(default=Tls(), description="How the connection to the backend is secured.")
    access_policies: list[AccessPolicy] = Field(
        default=[],
        max_length=MOST_POLICIES,
        description="Who may do what with which secrets. With one or more, what none of them allows is denied. "
        "Default: none, and all is allowed.",
    )
    cache: Cache = Field(default=Cache(), description="What is kept of the backend's answers. Default: nothing.")
    health_check: HealthCheck = Field(default=HealthCheck(), description="How the store is watched.")
    multi: Multi | None = Field(
        default=None, description="For driver multi: the backends of the chain, and how they are asked."
    )
    namespaces: Namespaces | None = Field(
        default=None,
        description="For a BeemFlowClusterSecretStore: the namespaces that may read from it. Default: all.",
    )

    rules: ClassVar[tuple[Rule[Any], ...]] = (
        *BackendSpec.rules,
        *block_of("multi"),
        Rule(
            "!has(self.aws) || !(has(self.aws.accessKeyId) || has(self.aws.serviceAccountRef)) || has(self.region) || "
            "has(self.aws.region)",
            lambda store: store.aws is None or store.aws.ambient or bool(store.region or store.aws.region),
            "driver aws-sm needs region, here or in the block aws",
        ),
        *encryption("aws", "endpoint"),
        *encryption("aws", "sts_endpoint", secrets=False),
        *encryption("azure", "vault_url"),
        *encryption("azure", "authority", secrets=False),
        *encryption("gcp", "endpoint"),
        *encryption("vault", "address"),
        *encryption("kubernetes", "server"),
        *encryption("onepassword", "connect_host"),
        *certificate_login(),
    )

    @property
    def backends(self) -> list[Backend]:
        """The backends, each with a spec as if it were the store's only one: itself, or the links of a chain.

        What a link leaves out is the store's. Its prefix and budget are not in it: they belong to the chain.
        """
        if self.multi is None:
            return [Backend("", self.driver, self)]
        return [
            Backend(f"multi.providers[{index}].", link.called, self.model_copy(update={**_OF_THE_CHAIN, **link.given}))
            for index, link in enumerate(self.multi.providers)
        ]

    @property
    def securities(self) -> dict[str, Tls]:
        """How the connections are secured, by the path of the field: the store's, and those that links have."""
        links = self.multi.providers if self.multi is not None else []
        own = {f"multi.providers[{index}].tls": link.tls for index, link in enumerate(links)}
        return {"tls": self.tls, **{path: tls for path, tls in own.items() if tls is not None}}

    @property
    def credentials(self) -> dict[str, CredentialRef]:
        """The credentials that are referred to, by the path of the field."""
        blocks = {f"{path}{spec.block_name}": spec.block for path, _, spec in self.backends if spec.block}
        held = {path: tls.credentials for path, tls in self.securities.items()}
        held |= {path: block.credentials for path, block in blocks.items()}
        return {f"{path}.{field}": ref for path, refs in held.items() for field, ref in refs.items()}

    @property
    def service_accounts(self) -> dict[str, ServiceAccountRef]:
        """The ServiceAccounts that are referred to, by the path of the field."""
        return {
            f"{path}{spec.block_name}.{field}": ref
            for path, _, spec in self.backends
            if spec.block
            for field, ref in spec.block.service_accounts.items()
        }


class ProviderStatus(StatusModel):
    """How one backend of a store stands."""

    name: str = Field(max_length=253, description="The store's name, or the link's.")
    driver: str = Field(max_length=63, description="The kind of backend.")
    state: Literal["Healthy", "Degraded", "Down"] = Field(description="Healthy, Degraded or Down.")
    last_error: str | None = Field(default=None, max_length=1024, description="What went wrong last.")
    last_check: datetime | None = Field(
        default=None, description="When it was asked last. Written with a change of state, else every 10 minutes."
    )


class StoreStatus(StatusModel):
    """How a store stands."""

    observed_generation: ObservedGeneration = None
    conditions: Conditions = Field(default=[])
    providers: list[ProviderStatus] = Field(default=[], max_length=MOST_LINKS, description="How its backends stand.")
    capabilities: list[Literal["Read", "List", "Write"]] = Field(
        default=[], max_length=3, description="What its driver can do; what its login may do is not tried."
    )


def check_scope(spec: StoreSpec, *, cluster: bool, ambient: bool) -> str | None:
    """Say what a spec, right by itself, may not do in its kind of store; None when it may do it all.

    `ambient` says whether the operator's own identity is lent to this kind of store. To a namespaced one it is not,
    unless an administrator says so: it logs in with what its own namespace holds.
    """
    if not cluster and spec.namespaces is not None:
        return f"spec.namespaces: {LEAVE_NAMESPACES_OUT}"
    used = next((used for path, _, backend in spec.backends if (used := _ambient(backend, f"spec.{path}"))), None)
    if used and not ambient:
        return f"{used}, and {_NOT_LENT[cluster]}"
    namespaces = {f"{path}.secretKeyRef": ref.secret_key_ref.namespace for path, ref in spec.credentials.items()}
    namespaces |= {path: account.namespace for path, account in spec.service_accounts.items()}
    namespaces |= {f"{path}.caRef": tls.ca_ref.namespace for path, tls in spec.securities.items() if tls.ca_ref}
    for path, namespace in namespaces.items():
        if cluster and namespace is None:
            return f"spec.{path}.namespace: is required in a cluster store"
        if not cluster and namespace is not None:
            return f"spec.{path}.namespace: {LEAVE_NAMESPACE_OUT}"
    return None


def _ambient(spec: StoreSpec, path: str) -> str | None:
    """Say what of the operator's own a backend uses, and where; None when it brings all that it needs."""
    if own := _OPERATORS_OWN.get(spec.driver):
        return f"{path}driver: {spec.driver} reads {own}"
    lack = spec.block.lack if spec.block else None
    return f"{path}{spec.block_name}: {lack}" if lack else None
