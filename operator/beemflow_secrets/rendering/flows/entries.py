"""What flows in a ConfigMap ask for, as entries of a spec. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from beemflow_secrets.model.patterns import Patterns
from beemflow_secrets.model.secret import MOST_ENTRIES
from beemflow_secrets.model.sources import NamedByFlow, RemoteRef
from beemflow_secrets.providers.errors import Invalid
from beemflow_secrets.rendering.dotenv import variable
from beemflow_secrets.rendering.flows.files import parse
from beemflow_secrets.rendering.flows.references import references
from beemflow_secrets.rendering.naming import shown
from beemflow_secrets.rendering.template.faults import TemplateError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beemflow_secrets.model.sources import DataFrom, Flows
    from beemflow_secrets.rendering.shape import Documents


def asked_by(source: DataFrom, documents: Documents) -> dict[str, bool]:
    """Return the keys that flows ask for, in the order of their names, and whether each may be missing.

    One may that is optional wherever it is asked for. Raises Invalid, TemplateError for a text that is no template;
    both name ConfigMap and key.
    """
    flows = _flows(source)
    name, excluded = flows.config_map_ref.name, Patterns(flows.exclude)
    asked = _asked(name, documents["ConfigMap", name])
    wanted = {key: optional for key, optional in sorted(asked.items()) if not excluded.match(key)}
    if len(wanted) > MOST_ENTRIES:
        raise Invalid(f"ConfigMap {name}: its flows ask for {len(wanted)} secrets, and a Secret takes {MOST_ENTRIES}")
    return wanted


def named_by(source: DataFrom, asked: Mapping[str, bool], rewritten: Mapping[str, str]) -> list[NamedByFlow]:
    """Return an entry for each key that flows ask for, called as BeemFlow's own variable would be.

    `rewritten` is what a rewrite made of the keys. Raises Invalid that names the ConfigMap.
    """
    name = _flows(source).config_map_ref.name
    entries: dict[str, NamedByFlow] = {}
    for key, optional in asked.items():
        new = rewritten[key]
        try:
            remote = RemoteRef(key=key, optional=optional)
        except ValidationError:
            raise Invalid(f"ConfigMap {name}: its flows ask for {key!r}, which can be no key of a store") from None
        try:
            secret_key = variable(new)
            entry = NamedByFlow(secret_key=secret_key, remote_ref=remote, source_ref=source.source_ref)
        except ValidationError:
            raise Invalid(
                f"ConfigMap {name}: {key!r} becomes {shown(new)}, which cannot be a key of a Secret"
            ) from None
        except ValueError as error:
            became = "" if new == key else f", which {key!r} becomes"
            raise Invalid(f"ConfigMap {name}: {error}{became}") from None
        if secret_key in entries:
            other = entries[secret_key].remote_ref.key
            raise Invalid(f"ConfigMap {name}: {other} and {key} would both be the key {secret_key}")
        entries[secret_key] = entry
    return list(entries.values())


def _flows(source: DataFrom) -> Flows:
    if source.flows is None:
        raise AssertionError  # pragma: no cover - the caller asks of flows alone
    return source.flows


def _asked(name: str, files: Mapping[str, bytes]) -> dict[str, bool]:
    """Return {key: whether it is optional everywhere}."""
    asked: dict[str, bool] = {}
    for file, raw in files.items():
        where = f"ConfigMap {name}, key {file}"
        try:
            found = [one for document in parse(raw, file) for one in references(document)]
        except TemplateError as error:
            raise TemplateError(f"{where}: {error.message}") from None
        except Invalid as error:
            raise Invalid(f"{where}: {error.message}") from None
        for one in found:
            asked[one.key] = one.optional and asked.get(one.key, True)
    return asked
