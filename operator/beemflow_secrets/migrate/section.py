"""The section `secrets` of a configuration file, as the manifest of a store."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, get_args

from pydantic import ValidationError

from beemflow_secrets.library.expand import expand
from beemflow_secrets.migrate.fields import Broken, Loss
from beemflow_secrets.migrate.turning import Document, Outcome
from beemflow_secrets.model.base import Model
from beemflow_secrets.model.credentials import CredentialRef
from beemflow_secrets.model.explain import explain
from beemflow_secrets.model.names import API_VERSION, CLUSTER_STORE, STORE
from beemflow_secrets.model.section import OWN_DRIVERS
from beemflow_secrets.model.store import StoreSpec, check_scope

if TYPE_CHECKING:
    from beemflow_secrets.model.explain import Place

NAME = "beemflow"
"""What the store is called: a file's has no name."""

CREDENTIALS = f"{NAME}-credentials"
"""The Secret that its credentials are looked for in."""

_AUDIT = "belongs to the operator's process: start it with --audit-sink and --audit-required"


def turned(section: object, namespace: str | None) -> Outcome:
    """Return the manifest of a store. Credentials are named, and not read: each is told, with the key to put it under.

    `namespace` is where the store lives, or, for a cluster store, the Secret that holds its credentials. Raises Broken
    for what is no configuration.
    """
    if not isinstance(section, Mapping):
        raise Broken("secrets: must be an object")
    outcome = Outcome()
    written = dict(section)
    if written.pop("audit", None) is not None:
        outcome.losses.append(Loss("secrets", "audit", _AUDIT))
    if foreign := next((driver for driver in _drivers(written) if driver not in OWN_DRIVERS), None):
        raise Broken(f"secrets: driver {foreign} is of a package that is installed, which resources do not have")
    secrets: list[tuple[Place, str]] = []
    spec = _turned(StoreSpec, written, (), secrets)
    found, unset = expand(spec, os.environ)
    if unset or not isinstance(found, dict):
        raise Broken("; ".join(mistake.told("secrets") for mistake in unset))
    read = _read(found)
    cluster = check_scope(read, cluster=False, ambient=False) is not None
    if cluster:
        home = namespace or "default"
        found = _at_home(found, home)
        outcome.losses.append(Loss("secrets", "", _why(read, home)))
    metadata: dict[str, object] = {"name": NAME}
    if namespace is not None and not cluster:
        metadata["namespace"] = namespace
    for place, key in secrets:
        outcome.losses.append(
            Loss("secrets", ".".join(map(str, place)), f"put it into Secret {CREDENTIALS}, key {key}")
        )
    kind = CLUSTER_STORE if cluster else STORE
    content = {"apiVersion": API_VERSION, "kind": kind.name, "metadata": metadata, "spec": found}
    outcome.documents.append(Document(content))
    return outcome


def _why(spec: StoreSpec, home: str) -> str:
    why = (check_scope(spec, cluster=False, ambient=False) or "").partition(", and ")[0]
    return f"becomes a {CLUSTER_STORE.name}, whose credentials stand in namespace {home} (-n names another): {why}"


def _read(spec: Mapping[str, object]) -> StoreSpec:
    fault = ""
    try:
        return StoreSpec.model_validate(spec)
    except ValidationError as error:
        fault = explain(error, "secrets")
    raise Broken(fault)  # outside of `except`: the error of pydantic holds what was written


def _turned(model: type[Model], written: object, place: Place, secrets: list[tuple[Place, str]]) -> object:
    """Return what is written under the names that resources have, with references in place of credentials."""
    if not isinstance(written, Mapping):
        return written
    made: dict[str, object] = {}
    for name, value in written.items():
        info = model.model_fields.get(str(name))
        if info is None:
            made[str(name)] = value  # the model will say that it knows no such field
            continue
        below = _model_in(info.annotation)
        here = (*place, str(name))
        if below is CredentialRef:
            key = "-".join(str(step) for step in here if step not in {"multi", "providers"})
            secrets.append((here, key))
            made[str(info.alias)] = {"secretKeyRef": {"name": CREDENTIALS, "key": key}}
        elif below is None:
            made[str(info.alias)] = value
        elif isinstance(value, list):
            made[str(info.alias)] = [_turned(below, item, (*here, at), secrets) for at, item in enumerate(value)]
        else:
            made[str(info.alias)] = _turned(below, value, here, secrets)
    return made


def _at_home(spec: object, namespace: str) -> Any:  # noqa: ANN401 - any JSON
    """Return the spec of a cluster store, whose references name a namespace."""
    match spec:
        case {"secretKeyRef": {**reference}}:
            return {"secretKeyRef": {**reference, "namespace": namespace}}
        case {**fields}:
            return {name: _at_home(value, namespace) for name, value in fields.items()}
        case [*items]:
            return [_at_home(item, namespace) for item in items]
    return spec


def _model_in(annotation: object) -> type[Model] | None:
    """Find the model in `Model`, `Model | None` and `list[Model]`."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part)) is not None), None)


def _drivers(section: Mapping[str, object]) -> Iterator[str]:
    driver, multi = section.get("driver"), section.get("multi")
    if isinstance(driver, str):
        yield driver
    links = multi.get("providers") if isinstance(multi, Mapping) else None
    for link in links if isinstance(links, list) else []:
        if isinstance(link, Mapping):
            yield from _drivers(link)
