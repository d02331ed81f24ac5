"""Manifests in, what is made of them and what is told out."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

import yaml

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
