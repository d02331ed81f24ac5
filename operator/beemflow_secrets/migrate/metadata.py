"""Name, labels and annotations of what is turned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.migrate.fields import Loss, compact
from beemflow_secrets.migrate.gotemplate.write import literal_text
from beemflow_secrets.model.names import GROUP, MANAGED_BY_LABEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beemflow_secrets.migrate.fields import Fields

# What the API server, kubectl and ESO itself write: no person asked for it.
_SERVERS = (
    "creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation", "managedFields",
    "resourceVersion", "selfLink", "uid",
)  # fmt: skip
_NOTES = ("kubectl.kubernetes.io/last-applied-configuration", "external-secrets.io/force-sync", "force-sync")
OPERATORS = "is not written to the Secret: the operator writes its own there"
_OWN_FINALIZERS = "external-secrets.io"


def metadata(written: Fields, *, cluster: bool) -> dict[str, object]:
    """Return the metadata of what is made."""
    for name in _SERVERS:
        written.take(name)
    finalizers = [one for one in written.items("finalizers") if _OWN_FINALIZERS not in str(one)]
    if finalizers:
        written.lose("finalizers")
    written.default("ownerReferences", [], why="do not go over: nobody owns what is made")
    annotations = {name: text for name, text in written.texts("annotations").items() if name not in _NOTES}
    return compact(
        name=written.text("name"),
        namespace=None if cluster else written.text("namespace"),
        labels=written.texts("labels"),
        annotations=annotations,
    )


def copied(found: Mapping[str, object], of: Fields) -> dict[str, object]:
    """Return labels and annotations as a template's metadata, as ESO copies them. `of` is told what stays behind."""
    made: dict[str, object] = {}
    for part in ("labels", "annotations"):
        held = found.get(part)
        if isinstance(held, dict):
            made[part] = {name: literal_text(text) for name, text in held.items() if not is_operators(name)}
            of.told += [Loss(of.of, f"metadata.{part}.{name}", OPERATORS) for name in held if is_operators(name)]
    return compact(metadata=compact(**made))


def is_operators(name: str) -> bool:
    """Whether a label or annotation of a Secret is the operator's own to write."""
    return name == MANAGED_BY_LABEL or name.startswith(f"{GROUP}/")
