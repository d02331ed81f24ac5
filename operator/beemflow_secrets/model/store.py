"""How a backend is reached: spec and status of BeemFlowSecretStore and BeemFlowClusterSecretStore."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from beemflow_secrets.model.address import LOOPBACK, is_plaintext
from beemflow_secrets.model.base import Model
from beemflow_secrets.model.cel import Matches, Rule, quoted
from beemflow_secrets.model.credentials import CredentialRef, SecretKeyRef, ServiceAccountRef
from beemflow_secrets.model.duration import Between, Duration
from beemflow_secrets.model.file import FileSpec
from beemflow_secrets.model.form import OrAdded
from beemflow_secrets.model.keys import CONTROL
from beemflow_secrets.model.kubernetes import KubernetesSpec
from beemflow_secrets.model.meta import Conditions, ObservedGeneration, StatusModel
from beemflow_secrets.model.namespaces import Namespaces
from beemflow_secrets.model.tls import CaRef, ClientCertificate, Tls
from beemflow_secrets.model.vault import VaultSpec

__all__ = [
    "LEAVE_NAMESPACE_OUT",
    "CaRef",
    "ClientCertificate",
    "CredentialRef",
    "FileSpec",
    "HealthCheck",
    "KubernetesSpec",
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


OwnDriver = Literal["env", "file", "kubernetes", "vault"]

# What a driver reads as the operator, whoever asks.
_OPERATORS_OWN = {"env": "the operator's own environment", "file": "the operator's own files"}


class Retry(Model):
    """When a failed attempt is made again: only where the backend was away or asked for patience."""

    attempts: int = Field(default=4, ge=1, le=20, description="All attempts; 1 means none after the first. Default 4.")
    base_delay: Duration = Field(
        default=0.2,
        description="The first pause takes up to this long, and each further one up to twice as long. Default 200ms.",
    )
    max_delay: Duration = Field(
        default=10.0, description="No pause takes longer, unless the backend asks for it. Default 10s."
    )


class HealthCheck(Model):
    """How the store is watched."""

    interval: Annotated[float, Between(shortest="1s")] = Field(
        default=60.0, description="How often the backend is asked how it is, from 1s. Default 1m."
    )


def _block(driver: str) -> "tuple[Rule[StoreSpec], Rule[StoreSpec]]":
    """Tie a block to the driver that it is called after."""
    return (
        Rule(
            f"!(has(self.driver) && self.driver == '{driver}') || has(self.{driver})",
            lambda store: store.driver != driver or getattr(store, driver) is not None,
            f"driver {driver} needs the block {driver}",
        ),
        Rule(
            f"!has(self.{driver}) || (has(self.driver) && self.driver == '{driver}')",
            lambda store: getattr(store, driver) is None or store.driver == driver,
            f"the block {driver} belongs to driver {driver}",
            path=(driver,),
        ),
    )


def _encrypted(driver: str, field: str) -> "Rule[StoreSpec]":
    """Demand https:// of an address in a driver's block, but for loopback and where plaintext is allowed."""
    block, address = f"self.{driver}", f"self.{driver}.{field}"

    def holds(store: "StoreSpec") -> bool:
        found: str | None = getattr(getattr(store, driver), field, None)
        return found is None or store.tls.allow_plaintext or not is_plaintext(found)

    return Rule(
        f"!has({block}) || !has({address}) || !{address}.startsWith('http://') || "
        "(has(self.tls) && has(self.tls.allowPlaintext) && self.tls.allowPlaintext) || "
        f"{address}.matches({quoted(LOOPBACK)})",
        holds,
        "http:// sends credentials and values unencrypted: use https://, or set tls.allowPlaintext",
        path=(driver, field),
    )


def _needs_tls(driver: str, field: str) -> "Rule[StoreSpec]":
    """Refuse what holds in a TLS handshake alone beside an address that has none."""
    block, address = f"self.{driver}", f"self.{driver}.{field}"

    def holds(store: "StoreSpec") -> bool:
        found: str | None = getattr(getattr(store, driver), field, None)
        return found is None or not found.startswith("http://") or store.tls.needs_handshake is None

    return Rule(
        f"!has({block}) || !has({address}) || !{address}.startsWith('http://') || !has(self.tls) || "
        "!(has(self.tls.pinnedCertificates) || has(self.tls.clientCertificate))",
        holds,
        "pinnedCertificates and clientCertificate need an https:// address",
        path=("tls",),
    )


class StoreSpec(Model):
    """One backend and how to reach it."""

    driver: Annotated[OwnDriver, OrAdded()] = Field(
        default="env",
        description="What kind of backend it is. vault: HashiCorp Vault or OpenBao. kubernetes: native Secrets, of "
        "this cluster or of another one. env: environment variables of the operator. file: files that the operator "
        "has. These two are for a BeemFlowClusterSecretStore only. Default env.",
    )
    prefix: Annotated[
        str,
        Field(max_length=1024),
        Matches(CONTROL, "must hold no control character", never=True),
        Matches("^/", "must not begin with '/'", never=True),
        Matches(r"(^|/)\.\.?(/|$)", "must have no segment '.' or '..'", never=True),
    ] = Field(default="", description="Put before every key that is read. Default: nothing.")
    timeout: Annotated[float, Between(shortest="1ms")] = Field(
        default=30.0,
        description="Bounds one attempt. A read with all its attempts ends within twice this. Default 30s.",
    )
    retry: Retry = Field(default=Retry(), description="When a failed attempt is made again.")
    tls: Tls = Field(default=Tls(), description="How the connection to the backend is secured.")
    health_check: HealthCheck = Field(default=HealthCheck(), description="How the store is watched.")
    vault: VaultSpec | None = Field(
        default=None, description="For driver vault: how the server is reached, and how to log in there."
    )
    file: FileSpec | None = Field(default=None, description="For driver file: where the secrets stand.")
    kubernetes: KubernetesSpec | None = Field(
        default=None, description="For driver kubernetes: where the Secrets are, and who reads them."
    )

    namespaces: Namespaces | None = Field(
        default=None,
        description="For a BeemFlowClusterSecretStore: the namespaces that may read from it. Default: all.",
    )

    rules: ClassVar[tuple["Rule[StoreSpec]", ...]] = (
        *_block("vault"),
        *_block("file"),
        *_block("kubernetes"),
        _encrypted("vault", "address"),
        _encrypted("kubernetes", "server"),
        _needs_tls("vault", "address"),
        _needs_tls("kubernetes", "server"),
    )

    @property
    def credentials(self) -> dict[str, CredentialRef]:
        """The credentials that are referred to, by the path of the field."""
        block = self.vault or self.kubernetes
        return {
            **{f"tls.{field}": ref for field, ref in self.tls.credentials.items()},
            **({f"{self.driver}.{field}": ref for field, ref in block.credentials.items()} if block else {}),
        }

    @property
    def service_account(self) -> ServiceAccountRef | None:
        """The ServiceAccount that is referred to."""
        block = self.vault or self.kubernetes
        return block.service_account_ref if block else None


class ProviderStatus(StatusModel):
    """How one backend of a store stands."""

    name: str = Field(max_length=253, description="The store's name.")
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
    providers: list[ProviderStatus] = Field(default=[], max_length=8, description="How its backend stands.")
    capabilities: list[Literal["Read", "List"]] = Field(default=[], max_length=2, description="What it can do.")


def check_scope(spec: StoreSpec, *, cluster: bool) -> str | None:
    """Say what a spec, right by itself, may not do in its kind of store; None when it may do it all.

    No identity is lent: a namespaced store logs in with what its own namespace holds, never as the operator.
    """
    if not cluster and (problem := _lent(spec)):
        return problem
    namespaces = {f"{path}.secretKeyRef": ref.secret_key_ref.namespace for path, ref in spec.credentials.items()}
    if spec.service_account is not None:
        namespaces[f"{spec.driver}.serviceAccountRef"] = spec.service_account.namespace
    if spec.tls.ca_ref is not None:
        namespaces["tls.caRef"] = spec.tls.ca_ref.namespace
    for path, namespace in namespaces.items():
        if cluster and namespace is None:
            return f"spec.{path}.namespace: is required in a cluster store"
        if not cluster and namespace is not None:
            return f"spec.{path}.namespace: {LEAVE_NAMESPACE_OUT}"
    return None


def _lent(spec: StoreSpec) -> str | None:
    """Say what a namespaced store may not do, since no identity is lent to it; None when it asks for none."""
    if own := _OPERATORS_OWN.get(spec.driver):
        return (
            f"spec.driver: {spec.driver} reads {own}, and no identity is lent to a namespaced store; "
            "use a BeemFlowClusterSecretStore"
        )
    if spec.namespaces is not None:
        return f"spec.namespaces: {LEAVE_NAMESPACES_OUT}"
    if spec.kubernetes and not (spec.kubernetes.token or spec.kubernetes.service_account_ref):
        return (
            "spec.kubernetes: needs token or serviceAccountRef: without them the operator itself would read, and no "
            "identity is lent to a namespaced store"
        )
    if spec.vault and spec.vault.auth_method == "kubernetes" and not spec.vault.service_account_ref:
        return (
            "spec.vault: authMethod kubernetes needs serviceAccountRef: without it the operator itself would log in, "
            "and no identity is lent to a namespaced store"
        )
    return None
