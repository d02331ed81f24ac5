"""All manifests, turned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import ValidationError

from beemflow_secrets.migrate import secrets
from beemflow_secrets.migrate.fields import Broken, Fields, Loss
from beemflow_secrets.migrate.keys import StoreName
from beemflow_secrets.migrate.metadata import metadata
from beemflow_secrets.migrate.sources import Sources
from beemflow_secrets.migrate.stores import store
from beemflow_secrets.migrate.stores.references import Scope
from beemflow_secrets.model.clustersecret import ClusterSecretSpec
from beemflow_secrets.model.explain import mistakes
from beemflow_secrets.model.names import API_VERSION, CLUSTER_SECRET, CLUSTER_STORE, PUSH, SECRET, STORE
from beemflow_secrets.model.push import PushSpec
from beemflow_secrets.model.secret import SecretSpec
from beemflow_secrets.model.store import StoreSpec, check_scope

if TYPE_CHECKING:
    from beemflow_secrets.migrate.manifests import Manifest
    from beemflow_secrets.model.base import Model

KINDS = {
    "SecretStore": STORE,
    "ClusterSecretStore": CLUSTER_STORE,
    "ExternalSecret": SECRET,
    "ClusterExternalSecret": CLUSTER_SECRET,
    "PushSecret": PUSH,
}
_MODELS: dict[str, type[Model]] = {
    "SecretStore": StoreSpec,
    "ClusterSecretStore": StoreSpec,
    "ExternalSecret": SecretSpec,
    "ClusterExternalSecret": ClusterSecretSpec,
    "PushSecret": PushSpec,
}
_COMMENTED = "is written as a comment: mend it and take the # away"
_NOT_TURNED = "is passed over: only External Secrets Operator's stores, ExternalSecrets and PushSecrets are turned"
_STORE_UNKNOWN = "is in none of the files: keys that are read from it are taken as they are written"


@dataclass(slots=True)
class Document:
    """One manifest of ours; `whole` False: it lacks something, and the API server would refuse it."""

    content: dict[str, object]
    whole: bool = True


@dataclass(slots=True)
class Outcome:
    """What was made, and what does not go over."""

    documents: list[Document] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)


def turned(manifests: Sequence[Manifest]) -> Outcome:
    """Turn manifests. Raises Broken for one whose fields are of another type than theirs."""
    outcome = Outcome()
    providers = {
        StoreName(one.kind, one.namespace if KINDS[one.kind].namespaced else None, one.name): _provider(one)
        for one in manifests
        if one.is_turned and one.kind in {"SecretStore", "ClusterSecretStore"}
    }
    asked: set[StoreName] = set()
    for one in manifests:
        if not one.is_turned:
            outcome.losses.append(Loss(str(one), "", _NOT_TURNED))
        elif (stamp := _stamp(one)) is not None:
            outcome.losses.append(Loss(str(one), "", f"is passed over: ClusterExternalSecret {stamp} stamps it"))
        else:
            try:
                _turn(one, providers, asked, outcome)
            except Broken as error:
                raise Broken(f"{one.where}: {error}") from None
    for kind, namespace, name in sorted(asked - providers.keys(), key=str):
        outcome.losses.append(Loss(f"{kind} {f'{namespace}/' if namespace else ''}{name}", "", _STORE_UNKNOWN))
    return outcome


def _turn(
    one: Manifest, providers: Mapping[StoreName, Mapping[str, object]], asked: set[StoreName], outcome: Outcome
) -> None:
    root = Fields(one.written, str(one), "", outcome.losses)
    for name in ("apiVersion", "kind", "status"):
        root.take(name)
    cluster = not KINDS[one.kind].namespaced
    found = metadata(root.part("metadata"), cluster=cluster)
    sources = Sources(providers, None if cluster else one.namespace)
    written = root.part("spec")
    match one.kind:
        case "ExternalSecret":
            spec = secrets.secret(written, sources, found)
        case "ClusterExternalSecret":
            spec = secrets.cluster_secret(written, sources)
        case "PushSecret":
            spec = secrets.push_secret(written, sources)
        case _:
            spec = store.spec(written, Scope(cluster, one.namespace))
    asked |= sources.asked
    root.finish()
    if not spec:
        outcome.losses.append(Loss(str(one), "", "is not written: nothing of it has a counterpart here"))
        return
    content: dict[str, object] = {
        "apiVersion": API_VERSION,
        "kind": KINDS[one.kind].name,
        "metadata": found,
        "spec": spec,
    }
    outcome.documents.append(Document(content, whole=not _faults(one, spec, outcome.losses)))


def _faults(one: Manifest, spec: Mapping[str, object], told: list[Loss]) -> bool:
    """Tell what the API server would refuse, and what a store's condition would say; return whether it is refused."""
    faults: list[str] = []
    try:
        read = _MODELS[one.kind].model_validate(spec)
    except ValidationError as error:
        faults = [mistake.told("spec") for mistake in mistakes(error)]
    else:
        if isinstance(read, StoreSpec):
            cluster = not KINDS[one.kind].namespaced
            why = check_scope(read, cluster=cluster, ambient=cluster)
            if why is not None and cluster:
                faults.append(why)
            elif why is not None:
                told.append(Loss(str(one), "", why))
    told += [Loss(str(one), "", f"{fault}: {_COMMENTED}") for fault in faults]
    return bool(faults)


def _provider(one: Manifest) -> Mapping[str, object]:
    spec = one.written.get("spec")
    provider = spec.get("provider") if isinstance(spec, Mapping) else None
    return provider if isinstance(provider, Mapping) else {}


def _stamp(one: Manifest) -> str | None:
    """Return the ClusterExternalSecret that made an object, None for one that a person made."""
    held = one.written.get("metadata")
    owners = held.get("ownerReferences") if isinstance(held, Mapping) else None
    for owner in owners if isinstance(owners, list) else []:
        if isinstance(owner, Mapping) and owner.get("kind") == "ClusterExternalSecret":
            return str(owner.get("name"))
    return None
