"""The Secret that is written: an ExternalSecret's `target`, and templates wherever they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.migrate.fields import compact
from beemflow_secrets.migrate.gotemplate.turn import NotTurned, turn
from beemflow_secrets.migrate.gotemplate.write import literal_text
from beemflow_secrets.migrate.metadata import OPERATORS, copied, is_operators
from beemflow_secrets.migrate.unturned import UNTURNED, tell_cautions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beemflow_secrets.migrate.fields import Fields

_ELSEWHERE = (
    "holds Go templates, which are read as this operator's own here: turn them in the object (docs/moving-from-eso.md)"
)
_PUSHED = "has no counterpart here: values are pushed, which have no type and no labels"
_KEYS_ALONE = "is not written with this creationPolicy: keys alone are"
_WHOLE = ("Owner", "Orphan")


def target(written: Fields, metadata: Mapping[str, object]) -> tuple[dict[str, object], bool]:
    """Return the target, and whether something that belongs in the Secret is left out.

    `metadata` is that of the ExternalSecret: without a template ESO writes its labels and annotations to the Secret.
    """
    lacking = written.default("manifest", why="has no counterpart here: Secrets alone are written")
    creation = written.text("creationPolicy") or "Owner"
    if creation == "CreateOrMerge":
        written.lose("creationPolicy", "is Merge here: the Secret must exist, and nothing is made where it does not")
        creation = "Merge"
    deletion = written.text("deletionPolicy") or "Retain"
    if deletion == "Delete" and creation not in _WHOLE:
        written.lose("deletionPolicy", "is Retain here: with this creationPolicy no Secret is deleted")
        deletion = "Retain"
    immutable = written.flag("immutable")
    if immutable and creation not in _WHOLE:
        written.lose("immutable", "is not set with this creationPolicy")
        immutable = False
    if "template" in written:
        part = written.part("template")
        if creation not in _WHOLE:
            part.default("type", "Opaque", why=_KEYS_ALONE)
            part.default("metadata", {}, why=_KEYS_ALONE)
        made, left_out = template(part)
        lacking |= left_out
    else:
        made = copied(metadata, written) if creation in _WHOLE else {}
    found = compact(
        name=written.text("name"),
        creationPolicy=None if creation == "Owner" else creation,
        deletionPolicy=None if deletion == "Retain" else deletion,
        immutable=immutable,
        template=made,
    )
    return found, lacking


def template(written: Fields) -> tuple[dict[str, object], bool]:
    """Return a template, and whether something of it is left out."""
    written.default("engineVersion", "v2")
    metadata = written.part("metadata")
    sources = [_source(part) for part in written.parts("templateFrom")]
    kind = written.text("type")
    merge = written.text("mergePolicy")
    found = compact(
        type=None if kind == "Opaque" else kind,
        mergePolicy=None if merge == "Replace" else merge,
        metadata=compact(labels=_marks(metadata.part("labels")), annotations=_marks(metadata.part("annotations"))),
        data=_map(written.part("data")),
        templateFrom=[source for source in sources if source is not None],
    )
    return found, None in sources


def push_template(written: Fields) -> dict[str, object]:
    """Return the template of what is pushed: values alone, of no Secret."""
    written.default("type", "Opaque", why=_PUSHED)
    written.default("metadata", {}, why=_PUSHED)
    return template(written)[0]


def _source(written: Fields) -> dict[str, object] | None:
    aim = written.text("target") or "Data"
    if aim not in {"Data", "Labels", "Annotations"}:
        written.lose("target", "has no counterpart here: it is Data, Labels or Annotations")
        return None
    written.default("valuesDecodingStrategy", "None")
    found: dict[str, object] = {}
    for name in ("configMap", "secret"):
        if name in written:
            part = written.part(name)
            items = [compact(key=item.text("key"), templateAs=_not_values(item)) for item in part.parts("items")]
            found[name] = compact(name=part.text("name"), items=items)
            written.lose(name, _ELSEWHERE)
    if "literal" in written:
        found["literal"] = _turned(written, "literal")
    return {**found, **compact(target=None if aim == "Data" else aim)}


def _not_values(item: Fields) -> str | None:
    scope = item.text("templateAs")
    return None if scope == "Values" else scope


def _marks(part: Fields) -> dict[str, object]:
    """Return labels or annotations, without those that the operator writes itself."""
    for key in filter(is_operators, part.names):
        part.lose(key, OPERATORS)
    return _map(part)


def _map(part: Fields) -> dict[str, object]:
    return {key: _turned(part, key) for key in part.names}


def _turned(holder: Fields, name: str) -> str:
    """Return a template in this operator's language; one that cannot be turned is told, and an error in its place."""
    text = holder.text(name) or ""
    if "{{" not in text:
        return literal_text(text)
    try:
        made = turn(text)
    except NotTurned as error:
        holder.lose(name, f"{error}: {UNTURNED} stands in its place, and the Secret stays as it is until you write it")
        return UNTURNED
    tell_cautions(holder, name, made.cautions)
    return made.text
