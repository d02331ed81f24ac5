"""Manifests in, what is made of them and what is told out."""

from __future__ import annotations

import os
import re
from pathlib import Path
from textwrap import dedent
from typing import Any
from unittest import mock

import yaml

from beemflow_secrets.library import document
from beemflow_secrets.migrate import section
from beemflow_secrets.migrate.manifests import read
from beemflow_secrets.migrate.turning import turned

Object = dict[str, Any]

COMMENTED = "is written as a comment: mend it and take the # away"


def migrated(text: str) -> tuple[list[Object], list[str]]:
    """Return the manifests that are made of some, and the lines that are told."""
    outcome = turned(read(dedent(text), "all.yaml"))
    return [one.content for one in outcome.documents], [str(loss) for loss in outcome.losses]


def one(kind: str, spec: str, *, metadata: str = "{name: one, namespace: flows}") -> tuple[Object, list[str]]:
    """Return what is made of one object, given its spec as YAML: its spec, and the lines without the object's name."""
    version = "v1alpha1" if kind == "PushSecret" else "v1"
    head = f"apiVersion: external-secrets.io/{version}\nkind: {kind}\nmetadata: {metadata}\nspec:\n"
    body = "".join(f"  {line}\n" for line in dedent(spec).strip().splitlines())
    documents, told = migrated(head + body)
    made = documents[0]["spec"] if documents else {}
    called = yaml.safe_load(metadata)
    mark = f"{kind} {'/'.join(called[part] for part in ('namespace', 'name') if part in called)}: "
    return made, [line.removeprefix(mark) for line in told]


def cluster(kind: str, spec: str) -> tuple[Object, list[str]]:
    return one(kind, spec, metadata="{name: one}")


EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.json"))


def stored(file: Path, namespace: str) -> Object:
    """Return the manifest that is made of an example's configuration, all variables set."""
    text = file.read_text()
    names = re.findall(r"\$\{(\w+)\}", text)
    values = {name: "https://example.com" if name.endswith(("HOST", "ADDR", "URL")) else "eu-west-1" for name in names}
    with mock.patch.dict(os.environ, values):
        (made,) = section.turned(document.section_of(document.parse(text, file.name)), namespace).documents
    return made.content
