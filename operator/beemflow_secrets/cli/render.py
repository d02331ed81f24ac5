"""`render`: the native Secrets that BeemFlowSecrets in files come to, without a cluster."""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from beemflow_secrets.cli.console import Exit, fail, tell
from beemflow_secrets.cli.manifests import FilesArgument, read_manifests
from beemflow_secrets.cli.masking import masked
from beemflow_secrets.cli.previewing import code_of, each
from beemflow_secrets.cli.secrets import FlowFlag, RoleFlag, ShowFlag, configured, done
from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.controllers.preview.given import Given
from beemflow_secrets.controllers.preview.plan import Planner
from beemflow_secrets.controllers.preview.rendered import rendered
from beemflow_secrets.controllers.preview.stores import Instead, Looked, Opening
from beemflow_secrets.controllers.store.opening import Opener
from beemflow_secrets.library.config import VARIABLE, SecretsConfig
from beemflow_secrets.library.opening import chained, log_through_the_application
from beemflow_secrets.model.reasons import Reason
from beemflow_secrets.model.settings import Settings
from beemflow_secrets.providers import datafile, yamlwriting
from beemflow_secrets.providers.errors import SecretsError

if TYPE_CHECKING:
    from beemflow_secrets.cli.manifests import Manifests
    from beemflow_secrets.controllers.preview.plan import Plan

    Object = dict[str, Any]

ValuesFlag = Annotated[
    Path | None,
    typer.Option(
        "--values",
        metavar="FILE",
        help="Read nothing from stores, but from this map of keys to values or to maps of fields: JSON, YAML, dotenv.",
    ),
]

StoreFlag = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar=VARIABLE,
        help="The configuration whose section `secrets` is the store of those that do not stand in the files.",
    ),
]
OwnNamespaceFlag = Annotated[
    str | None, typer.Option("--namespace", "-n", help="The namespace of what names none; by default `default`.")
]

_OWN = Settings(env_allowed_prefixes=("",), file_allowed_roots=(Path("/"),))
"""This process is its user's own: a cluster store reads of the environment and of files what he may read."""

_ADVICE = (
    "render knows what stands in the files; --config FILE is for stores that do not, --values FILE for all of them"
)


def render(
    files: FilesArgument,
    *,
    reveal: ShowFlag = False,
    values: ValuesFlag = None,
    config: StoreFlag = None,
    namespace: OwnNamespaceFlag = None,
    flow: FlowFlag = None,
    role: RoleFlag = None,
) -> None:
    """Print the native Secrets that BeemFlowSecrets in files come to, as YAML: masked, or with --show whole.

    Stores, and the Secrets and ConfigMaps that they and the BeemFlowSecrets name, are taken from the files too. Nothing
    is printed where one of them cannot be rendered.
    """
    manifests = read_manifests(files, namespace or "default")
    stand_in = _values(values) if values is not None else configured(config) if config is not None else None
    made = done(_plans(manifests, stand_in, flow, role, for_all=values is not None))
    failures = [one for one in made if isinstance(one, Failed)]
    if failures:
        for (file, body), one in zip(manifests.secrets, made, strict=True):
            if isinstance(one, Failed):
                tell(f"{file}: {_title(body)}: {_told(one)}")
        raise typer.Exit(code_of(failures, not_ready=Exit.USAGE))
    for one in made:
        if not isinstance(one, Failed) and (secret := rendered(one)) is not None:
            shown = secret if reveal else masked(secret, one)
            sys.stdout.write("---\n" + yamlwriting.dumps(shown))


async def _plans(
    manifests: Manifests, stand_in: SecretsConfig | None, flow: str | None, roles: list[str] | None, *, for_all: bool
) -> list[Plan | Failed]:
    """Work out all plans. Raises a SecretsError where the store that stands in cannot be opened."""
    log_through_the_application()
    given = Given(manifests.objects)
    namespaces = Looked(given)
    bodies = [body for _, body in manifests.secrets]
    async with AsyncExitStack() as stack:
        instead = None
        if stand_in is not None:
            # What goes to stdout is the answer alone.
            opened = await chained(stand_in, stack, stdout=sys.stderr.fileno())
            instead = Instead(opened, stand_in, namespaces)
        if instead is not None and for_all:
            stores: Instead | Opening = instead
            bodies = [_unpinned(body) for body in bodies]
        else:
            opener = Opener(given, None, _OWN, trail=None, in_pod=False)
            stores = Opening(given, opener, namespaces, otherwise=instead)
        stack.push_async_callback(stores.close)
        planner = Planner(given, stores, namespaces, flow=flow, roles=roles)
        return await each("rendering", bodies, planner.plan)


def _values(file: Path) -> SecretsConfig:
    """Return a store that is a file of values. Ends the process for one that cannot be read."""
    try:
        datafile.parse(file.name, file.read_bytes())
        return SecretsConfig(driver="file", file={"path": str(file)}, retry={"attempts": 1})
    except OSError as error:
        fail(f"{file}: {error.strerror}", Exit.USAGE)
    except SecretsError as error:
        fail(f"{file}: {error.message}", Exit.USAGE)


def _unpinned(body: Object) -> Object:
    """Return a resource that pins no version: a file of values has none."""
    spec = dict(body.get("spec") or {})
    for field, remote in (("data", "remoteRef"), ("dataFrom", "extract")):
        if isinstance(sources := spec.get(field), list):
            spec[field] = [_without_version(source, remote) for source in sources]
    return {**body, "spec": spec}


def _without_version(source: object, remote: str) -> object:
    if not isinstance(source, dict) or not isinstance(found := source.get(remote), dict):
        return source
    return {**source, remote: {name: item for name, item in found.items() if name != "version"}}


def _title(body: Object) -> str:
    return f"{body['kind']} {body['metadata']['namespace']}/{body['metadata']['name']}"


def _told(failure: Failed) -> str:
    advised = failure.reason in {Reason.STORE_NOT_FOUND, Reason.STORE_NOT_READY}
    return f"{failure.message}; {_ADVICE}" if advised else failure.message
