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
from beemflow_secrets.rendering.template.faults import TemplateError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beemflow_secrets.model.sources import DataFrom
    from beemflow_secrets.rendering.shape import Documents


def named_by(source: DataFrom, documents: Documents) -> list[NamedByFlow]:
    """Return an entry for each key that flows ask for, in the order of their names.

    Each is called as BeemFlow's own variable would be. One that is optional wherever it is asked for may be missing.
    Raises Invalid, TemplateError for a text that is no template; both name ConfigMap and key.
    """
    if source.flows is None:
        raise AssertionError  # pragma: no cover - the caller asks of flows alone
    name = source.flows.config_map_ref.name
    excluded = Patterns(source.flows.exclude)
    wanted = {
        key: optional for key, optional in _asked(name, documents["ConfigMap", name]).items() if not excluded.match(key)
    }
    if len(wanted) > MOST_ENTRIES:
        raise Invalid(f"ConfigMap {name}: its flows ask for {len(wanted)} secrets, and a Secret takes {MOST_ENTRIES}")
    entries: dict[str, NamedByFlow] = {}
    for key, optional in sorted(wanted.items()):
        try:
            secret_key = variable(key)
            remote = RemoteRef(key=key, optional=optional)
        except ValidationError:
            raise Invalid(f"ConfigMap {name}: its flows ask for {key!r}, which can be no key of a store") from None
        except ValueError as error:
            raise Invalid(f"ConfigMap {name}: {error}") from None
        if secret_key in entries:
            other = entries[secret_key].remote_ref.key
            raise Invalid(f"ConfigMap {name}: {other} and {key} would both be the key {secret_key}")
        entries[secret_key] = NamedByFlow(secret_key=secret_key, remote_ref=remote, source_ref=source.source_ref)
    return list(entries.values())


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
