"""Files of Kubernetes' objects, as `kubectl apply -f` takes them: several documents, lists, folders, standard input."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from beemflow_secrets.cli.console import Exit, fail
from beemflow_secrets.controllers.preview.given import Unfit, accepted, path_of
from beemflow_secrets.model import names
from beemflow_secrets.providers.errors import Invalid
from beemflow_secrets.rendering.flows.files import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    Object = dict[str, Any]

STDIN = Path("-")
ENDINGS = {".yaml", ".yml", ".json"}

FilesArgument = Annotated[
    list[Path], typer.Argument(metavar="FILE…", help="Manifests, YAML or JSON; folders of them; - is standard input.")
]


class Manifests(NamedTuple):
    """Objects by their paths at the API server, and the files in which they stand."""

    objects: dict[str, Object]
    files: dict[str, Path]

    @property
    def secrets(self) -> list[tuple[Path, Object]]:
        """The BeemFlowSecrets, in the order in which they were found."""
        found = self.objects.items()
        return [(self.files[path], item) for path, item in found if item["kind"] == names.SECRET.name]


def read_manifests(files: list[Path], namespace: str) -> Manifests:
    """Return what files hold of the kinds that a sync looks at; `namespace` is that of objects which name none.

    Ends the process for a file that cannot be read, and for an object that could not be applied.
    """
    found = Manifests({}, {})
    for file in _unfolded(files):
        try:
            for written in _objects(file):
                path = path_of(written, namespace)
                if path is None:
                    continue
                if (former := found.files.get(path)) is not None:
                    fail(f"{file}: {written['kind']} {written['metadata']['name']} stands in {former} too", Exit.USAGE)
                found.objects[path], found.files[path] = accepted(written, namespace), file
        except OSError as error:
            fail(f"{file}: {error.strerror}", Exit.USAGE)
        except Invalid as error:
            fail(f"{file}: {error.message}", Exit.USAGE)
        except Unfit as unfit:
            fail(f"{file}: {unfit}", Exit.USAGE)
    if not found.secrets:
        fail(f"{', '.join(map(str, files))}: there is no {names.SECRET.name} in it", Exit.USAGE)
    return found


def _unfolded(files: list[Path]) -> Iterator[Path]:
    for file in files:
        if file.is_dir():
            yield from sorted(path for path in file.rglob("*") if path.suffix in ENDINGS and path.is_file())
        else:
            yield file


def _objects(file: Path) -> Iterator[Object]:
    """Yield the objects of a file. What is no object is another program's, as a chart's values are."""
    raw = sys.stdin.buffer.read() if file == STDIN else file.read_bytes()
    for document in parse(raw, file.name):
        if isinstance(document, dict) and isinstance(items := document.get("items"), list):
            yield from (item for item in items if isinstance(item, dict))
        elif isinstance(document, dict):
            yield document
