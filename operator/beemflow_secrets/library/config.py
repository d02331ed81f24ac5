"""The configuration of the library and the command line: the section `secrets` of `flow.config.json`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from pydantic import ValidationError

from beemflow_secrets.library import document
from beemflow_secrets.library.expand import expand
from beemflow_secrets.model.explain import Mistake, json_type, mistakes
from beemflow_secrets.model.form import RESOURCES_ONLY, FileForm
from beemflow_secrets.model.section import OWN_DRIVERS, Section
from beemflow_secrets.providers import datafile, files
from beemflow_secrets.providers.errors import Invalid, SecretsError
from beemflow_secrets.providers.registry import added_drivers

VARIABLE = "BEEMFLOW_SECRETS_CONFIG"
"""The environment variable that names the file, where nothing is given."""

_Found = list[Mistake]


class SecretsConfig(Section):
    """One store, as a configuration file describes it. No credential of it prints.

    Made of the section's fields in the file's spelling, or by one of the constructors. All of them expand variables,
    and raise Invalid that tells every mistake with its path.
    """

    def __init__(self, **section: object) -> None:
        expanded, found = _expanded(section)
        expanded = _without_resources_only(expanded, (), found)
        form = FileForm(frozenset(added_drivers()) if set(_drivers_in(expanded)) - OWN_DRIVERS else frozenset())
        try:
            self.__pydantic_validator__.validate_python(
                expanded, self_instance=self, context=form, by_alias=False, by_name=True
            )
        except ValidationError as error:
            told = {mistake.place for mistake in found}
            found += [mistake for mistake in mistakes(error, in_file=True) if mistake.place not in told]
        if found:  # outside of `except`: the error of pydantic holds what was written
            raise Invalid("; ".join(mistake.told(document.SECTION) for mistake in found))

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """Read a file: JSON, YAML, or the manifest of a ConfigMap that holds `flow.config.json`."""
        try:
            text = datafile.text_of(files.read(Path(path), None).content)
            return cls._of_section(document.section_of(document.parse(text, Path(path).name)))
        except FileNotFoundError:
            fault = "there is no such file"
        except IsADirectoryError:
            fault = "it is a folder"
        except SecretsError as error:
            fault = error.message
        raise Invalid(f"{os.fspath(path)}: {fault}")

    @classmethod
    def from_dict(cls, given: Mapping[str, object]) -> Self:
        """Take the section, or the whole document with it; a ConfigMap manifest is one too."""
        return cls._of_section(document.section_in(given))

    @classmethod
    def from_config_map(cls, manifest: str | Mapping[str, object]) -> Self:
        """Take the manifest of a ConfigMap that holds `flow.config.json`, as YAML, JSON, or parsed."""
        parsed = document.parse(manifest) if isinstance(manifest, str) else manifest
        if not isinstance(parsed, Mapping) or parsed.get("kind") != "ConfigMap":
            raise Invalid("it is no ConfigMap")
        return cls._of_section(document.section_of(parsed))

    @classmethod
    def discover(cls) -> Self:
        """Take the file that BEEMFLOW_SECRETS_CONFIG names, else ./flow.config.json, else the environment."""
        if path := os.environ.get(VARIABLE):
            return cls.from_file(path)
        return cls.from_file(document.FILE) if Path(document.FILE).exists() else cls()

    @classmethod
    def of(cls, given: str | os.PathLike[str] | Mapping[str, object] | SecretsConfig | None) -> SecretsConfig:
        """Take whatever `open_secrets` takes."""
        match given:
            case SecretsConfig():
                return given
            case None:
                return cls.discover()
            case Mapping():
                return cls.from_dict(given)
            case _:
                return cls.from_file(given)

    @classmethod
    def _of_section(cls, section: object) -> Self:
        if not isinstance(section, Mapping):
            raise Invalid(f"{document.SECTION}: must be an object (got {json_type(section)})")
        return cls(**{str(name): item for name, item in section.items()})


def _expanded(section: Mapping[str, object]) -> tuple[object, _Found]:
    try:
        return expand(section, os.environ)
    except RecursionError:
        raise Invalid(f"{document.SECTION}: it is nested too deep") from None


def _drivers_in(section: object) -> Iterator[str]:
    """Yield the drivers that a section names, wherever it is right."""
    match section:
        case {"driver": str(driver), **others}:
            yield driver
            yield from _drivers_in(others)
        case {"multi": {"providers": list(links)}}:
            for link in links:
                yield from _drivers_in(link)


def _without_resources_only(written: object, place: tuple[int | str, ...], found: _Found) -> object:
    """Take out what belongs to resources, and say so. What a driver of another package is given is its own."""
    if isinstance(written, list):
        return [_without_resources_only(item, (*place, index), found) for index, item in enumerate(written)]
    if not isinstance(written, dict) or place[-1:] == ("options",):
        return written
    kept = {}
    for name, item in written.items():
        if (why := RESOURCES_ONLY.get(re.sub("(?<=[a-z])([A-Z])", r"_\1", str(name)).lower())) is not None:
            found.append(Mistake((*place, name), f"belongs to resources alone: {why}"))
        else:
            kept[name] = _without_resources_only(item, (*place, name), found)
    return kept
