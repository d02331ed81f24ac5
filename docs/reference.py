"""docs/reference/: tables of fields, metrics and values of the chart. `make crds` writes them anew from the code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from beemflow_secrets.library.schema import file_schema
from beemflow_secrets.model import names
from beemflow_secrets.model.crd import definitions
from beemflow_secrets.model.duration import PATTERN as DURATION
from beemflow_secrets.telemetry.metrics import registry
from docs import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    Schema = dict[str, Any]

FOLDER = Path(__file__).parent / "reference"
_DURATION = "A duration is written with its units, as `1h30m`, `90s` or `250ms`; without any, `0` is one.\n"
MADE = "<!-- Made from the code by `make crds`. -->\n"


def pages() -> dict[str, str]:
    """Return the text of each page by its file's name."""
    return {
        "resources.md": MADE + "\n".join(_resources()),
        "configuration.md": MADE + "\n".join(_configuration()),
        "metrics.md": MADE + "\n".join(_metrics()),
        "values.md": MADE + "\n".join(values.table()),
    }


def write() -> None:
    """Write all pages."""
    for name, text in pages().items():
        (FOLDER / name).write_text(text)


def _resources() -> Iterator[str]:
    yield "# Resources\n"
    yield f"Group `{names.GROUP}`, version `{names.VERSION}`. `kubectl explain` says the same.\n"
    yield _DURATION
    tables = _Tables()
    for definition in definitions():
        spec = definition["spec"]
        kind, [version] = spec["names"], spec["versions"]
        schema = version["schema"]["openAPIV3Schema"]
        yield f"## {kind['kind']}\n"
        yield f"{schema['description']} {spec['scope']}, short name `{', '.join(kind['shortNames'])}`.\n"
        for part in ("spec", "status"):
            yield f"### {part} of {kind['kind']}\n"
            yield from tables.lines(schema["properties"][part], f" of {kind['kind']}")


def _configuration() -> Iterator[str]:
    section = file_schema()["properties"]["secrets"]
    yield "# The configuration file\n"
    yield (
        "The section `secrets` of `flow.config.json`, or of a file that BEEMFLOW_SECRETS_CONFIG or `--config` names: "
        "JSON, YAML, or a ConfigMap that holds it. `${NAME}` and `$env:NAME` are replaced in every string; "
        "`beemflow-secrets schema` prints the schema.\n"
    )
    yield _DURATION
    yield from _Tables().lines(section)


def _metrics() -> Iterator[str]:
    yield "# Metrics\n"
    yield "At `/metrics`. `provider` is a driver's name; no label holds a key, and series go with their resource.\n"
    yield "| metric | type | labels | what it counts |"
    yield "|---|---|---|---|"
    for family in registry.collect():
        collector = registry._names_to_collectors[family.name]  # noqa: SLF001 - a family that is empty has no labels
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = ", ".join(f"`{label}`" for label in getattr(collector, "_labelnames", ()))
        yield f"| `{name}` | {family.type} | {labels or 'none'} | {family.documentation} |"
    yield ""


class _Tables:
    """The tables of a page. Fields that stand in one already are referred to."""

    def __init__(self) -> None:
        self._seen: dict[bytes, str] = {}

    def lines(self, schema: Schema, of: str = "") -> Iterator[str]:
        """Yield a table of all fields; `of` says whose they are, for the tables after it."""
        yield "| field | type | meaning |"
        yield "|---|---|---|"
        yield from self._rows(schema, "", of)
        yield "\n\\* required\n"

    def _rows(self, schema: Schema, above: str, of: str) -> Iterator[str]:
        for name, field in schema.get("properties", {}).items():
            path = f"{above}{name}"
            text = " ".join(str(field.get("description", "")).split()).replace("|", "\\|")
            known = {mark: self._known(inner, f"`{path}{mark}`{of}") for mark, inner in _inside(field).items()}
            said = "".join(f" Fields as of {where}." for where in known.values() if where is not None)
            yield f"| `{path}`{' *' if name in schema.get('required', ()) else ''} | {_type(field)} | {text}{said} |"
            for mark, inner in _inside(field).items():
                if known[mark] is None:
                    yield from self._rows(inner, f"{path}{mark}.", of)

    def _known(self, schema: Schema, here: str) -> str | None:
        """Return where the same fields stand already."""
        fields = orjson.dumps(schema.get("properties"), option=orjson.OPT_SORT_KEYS)
        return None if (first := self._seen.setdefault(fields, here)) == here else first


def _inside(field: Schema) -> dict[str, Schema]:
    """Return the schemas that have fields of their own, by what is written between."""
    found = {"": field, "[]": field.get("items"), ".*": field.get("additionalProperties")}
    return {mark: inner for mark, inner in found.items() if isinstance(inner, dict) and inner.get("properties")}


def _type(field: Schema) -> str:
    if field.get("pattern") == DURATION:
        return "duration"
    if "anyOf" in field:
        return _type(field["anyOf"][0])  # the others are the same, written as a reference to the environment
    if "enum" in field:
        return ", ".join(f"`{one}`" for one in field["enum"])
    if "items" in field:
        return f"list of {_type(field['items'])}"
    if isinstance(values := field.get("additionalProperties"), dict):
        return f"map to {_type(values)}"
    return _TYPES.get(field.get("type", ""), "text or number")


_TYPES = {"string": "text", "object": "object", "integer": "integer", "number": "number", "boolean": "boolean"}


if __name__ == "__main__":
    write()
