"""ExternalSecret, ClusterExternalSecret and PushSecret: BeemFlowSecret, BeemFlowClusterSecret, BeemFlowPushSecret."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.migrate.fields import compact
from beemflow_secrets.migrate.selections import together
from beemflow_secrets.migrate.target import push_template, target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beemflow_secrets.migrate.fields import Fields
    from beemflow_secrets.migrate.sources import Sources

_SUSPENDED = (
    "lacks what is told above, so it is written with suspend: true, and nothing is synced until you take that out"
)
_AT_ONCE = "has no counterpart here: a namespace's labels are followed at once"


def secret(written: Fields, sources: Sources, metadata: Mapping[str, object]) -> dict[str, object]:
    """Return the spec of a BeemFlowSecret."""
    reference, store = sources.store(written, "secretStoreRef")
    data = [sources.entry(part, store) for part in written.parts("data")]
    found = [sources.whole(part, store) for part in written.parts("dataFrom")]
    data_from = [one for one in found if one is not None]
    aim, lacking = target(written.part("target"), metadata)
    policy = written.text("refreshPolicy")
    if reference is None:  # each entry names its own, and one has to stand here
        reference = next((named for one in [*data, *data_from] if (named := _named(one)) is not None), None)
    suspend = lacking or sources.lacking
    if suspend:
        written.lose("suspend", _SUSPENDED)
    return compact(
        secretStoreRef=reference,
        refreshPolicy=None if policy == "Periodic" else policy,
        refreshInterval=_interval(written),
        suspend=suspend,
        target=aim,
        data=data,
        dataFrom=data_from,
        # Of equal keys the last one stands there, and is an error here if nothing is said.
        conflictPolicy="Last" if len(data_from) > 1 else None,
    )


def _interval(written: Fields) -> object:
    interval = written.take("refreshInterval")
    return "0s" if interval == 0 else interval


def _named(entry: Mapping[str, object]) -> dict[str, object] | None:
    match entry.get("sourceRef"):
        case {"storeRef": {"name": name, **others}}:
            return {"name": name, **{str(field): value for field, value in others.items()}}
    return None


def cluster_secret(written: Fields, sources: Sources) -> dict[str, object]:
    """Return the spec of a BeemFlowClusterSecret."""
    metadata = written.part("externalSecretMetadata")
    held = compact(labels=metadata.texts("labels"), annotations=metadata.texts("annotations"))
    selectors = [(written, "namespaceSelector")] if "namespaceSelector" in written else []
    for at, one in enumerate(written.items("namespaceSelectors")):
        selectors.append((written.holding(f"namespaceSelectors[{at}]", one), f"namespaceSelectors[{at}]"))
    written.default("refreshTime", why=_AT_ONCE)
    return compact(
        secretName=written.text("externalSecretName"),
        secretMetadata=held,
        secretSpec=secret(written.part("externalSecretSpec"), sources, held),
        namespaces=together(written.items("namespaces"), [], selectors),
    )


def push_secret(written: Fields, sources: Sources) -> dict[str, object]:
    """Return the spec of a BeemFlowPushSecret."""
    references, first = [], None
    for at, one in enumerate(written.items("secretStoreRefs")):
        name = f"secretStoreRefs[{at}]"
        reference, store = sources.store(written.holding(name, one), name)
        if reference is not None:
            references.append(reference)
            first = first or store
    update, deletion = written.text("updatePolicy"), written.text("deletionPolicy")
    selector = written.part("selector")
    source = selector.part("secret").text("name") if "secret" in selector else None
    data = []
    for part in written.parts("data"):
        part.default("conversionStrategy", "None")
        match = part.part("match")
        remote = match.part("remoteRef")
        aim = compact(remoteKey=sources.key(remote, "remoteKey", first), property=remote.text("property"))
        data.append({"match": compact(secretKey=match.text("secretKey"), remoteRef=aim)})
    return compact(
        refreshInterval=_interval(written),
        secretStoreRefs=references,
        updatePolicy=None if update == "Replace" else update,
        deletionPolicy=None if deletion == "None" else deletion,
        selector={"secret": {"name": source}} if source is not None else None,
        data=data,
        template=push_template(written.part("template")),
    )
