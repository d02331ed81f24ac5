"""From a text or a document to its section `secrets`. Pure: reading the file is config.py's."""

from __future__ import annotations

from collections.abc import Mapping

from beemflow_secrets.model.section import Section
from beemflow_secrets.providers import jsontext, yamltext
from beemflow_secrets.providers.errors import Invalid

FILE = "flow.config.json"
"""The file's name, and its key in a ConfigMap."""

SECTION = "secrets"

# BeemFlow's own: a document that has these alone is no section.
_OTHER_SECTIONS = frozenset(
    {"storage", "event", "blob", "registries", "http", "log", "flowsDir", "oauth", "mcp", "mcpServers"}
)


def parse(text: str, name: str = FILE) -> object:
    """Parse JSON or YAML. Of several YAML documents it is the ConfigMap that holds `flow.config.json`.

    What begins as JSON in a file called so is JSON: BeemFlow would not read a comma too many either.
    Raises Invalid that says where the mistake is and quotes nothing.
    """
    if not (name.endswith(".json") and text.lstrip().startswith(("{", "["))):
        return _parse_yaml(text)
    return jsontext.document(text)


def section_of(document: object) -> object:
    """Return the section of a whole document or ConfigMap manifest; an empty one where there is none.

    Raises Invalid for what is no configuration.
    """
    if document is None:
        return {}
    if not isinstance(document, Mapping):
        raise Invalid("it is no object with the section `secrets`")
    if document.get("kind") == "ConfigMap":
        return section_of(parse(_text_in(document)))
    if SECTION not in document and (outside := sorted(Section.model_fields.keys() & document.keys())):
        # Ignored, as other sections are, they would leave the environment in charge, silently.
        raise Invalid(f"`{outside[0]}` stands outside the section `secrets`; put it there")
    return document.get(SECTION, {})


def section_in(document: Mapping[str, object]) -> object:
    """Return the section of what may be the section itself, a whole document, or a ConfigMap manifest."""
    is_whole = SECTION in document or document.get("kind") == "ConfigMap" or document.keys() <= _OTHER_SECTIONS
    return section_of(document) if is_whole else document


def _parse_yaml(text: str) -> object:
    try:
        documents = [found for found in yamltext.load_all(text, spelled=False) if found is not None]
    except ValueError as error:
        raise Invalid(str(error)) from None
    if len(documents) > 1:
        documents = [found for found in documents if _holds_file(found)]
        if len(documents) != 1:
            raise Invalid(f"of its documents {len(documents) or 'none'} is a ConfigMap that holds {FILE}; one must be")
    return documents[0] if documents else None


def _holds_file(document: object) -> bool:
    if not isinstance(document, Mapping) or document.get("kind") != "ConfigMap":
        return False
    data = document.get("data")
    return isinstance(data, Mapping) and FILE in data


def _text_in(manifest: Mapping[str, object]) -> str:
    data = manifest.get("data")
    text = data.get(FILE) if isinstance(data, Mapping) else None
    if not isinstance(text, str):
        raise Invalid(f"the ConfigMap holds no text {FILE}")
    return text
