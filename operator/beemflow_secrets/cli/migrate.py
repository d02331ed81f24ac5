"""`migrate`: External Secrets Operator's manifests, or a configuration file, as manifests of this operator."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from beemflow_secrets.cli.console import Exit, fail, tell
from beemflow_secrets.library import document
from beemflow_secrets.migrate import section
from beemflow_secrets.migrate.fields import Broken
from beemflow_secrets.migrate.manifests import read
from beemflow_secrets.migrate.turning import Outcome, turned
from beemflow_secrets.providers import yamlwriting
from beemflow_secrets.providers.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIG = "config"

FilesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE…",
        help="Manifests of External Secrets Operator, `-` for standard input; or `config` and one configuration file.",
        show_default=False,
    ),
]
NamespaceFlag = Annotated[
    str | None,
    typer.Option("--namespace", "-n", metavar="NAME", help="For `config`: where the store, or its credentials, live."),
]


def migrate(files: FilesArgument, *, namespace: NamespaceFlag = None) -> None:
    """Print External Secrets Operator's manifests, or a configuration file, as manifests of this operator.

    What does not go over is told on stderr, one line each, with object and field.
    """
    if files[0] == CONFIG:
        if len(files) != 2:  # noqa: PLR2004 - the word and the file
            fail("migrate config takes one file", Exit.USAGE)
        outcome = _of(lambda: _config(files[1], namespace))
    else:
        outcome = _of(lambda: turned([one for file in files for one in read(_text(file), file)]))
    sys.stdout.write("---\n".join(_dump(made.content, whole=made.whole) for made in outcome.documents))
    for loss in outcome.losses:
        tell(f"{loss}")


def _of(make: Callable[[], Outcome]) -> Outcome:
    try:
        return make()
    except (Broken, Invalid) as error:
        fail(str(error), Exit.USAGE)


def _config(file: str, namespace: str | None) -> Outcome:
    try:
        held = document.section_of(document.parse(_text(file), file))
        return section.turned(held, namespace)
    except Invalid as error:
        raise Broken(f"{file}: {error}") from None


def _text(file: str) -> str:
    try:
        if file == "-":
            return sys.stdin.buffer.read().decode()
        with open(file, "rb") as opened:  # noqa: PTH123 - a name as it is typed
            return opened.read().decode()
    except OSError as error:
        fail(f"{file}: {error.strerror}", Exit.USAGE)
    except UnicodeDecodeError:
        fail(f"{file}: is no text", Exit.USAGE)


def _dump(content: dict[str, object], *, whole: bool) -> str:
    text = yamlwriting.dumps(content, blocks=True)
    return text if whole else "".join(f"# {line}".rstrip() + "\n" for line in text.splitlines())
