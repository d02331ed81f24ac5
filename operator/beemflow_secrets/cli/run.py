"""`run`: the operator."""

from __future__ import annotations

import asyncio
import gc
import re
from contextlib import suppress
from enum import StrEnum
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated
from urllib.parse import urlsplit

import typer
from pydantic import ValidationError

from beemflow_secrets.cli.console import Exit, fail
from beemflow_secrets.controllers.signing import key_in
from beemflow_secrets.model.address import Origin, origin_of
from beemflow_secrets.model.audit import Audit, sink_of
from beemflow_secrets.model.explain import explain
from beemflow_secrets.model.notify import Notify
from beemflow_secrets.model.policy import roles_in
from beemflow_secrets.model.settings import Settings

PREFIX = "BEEMFLOW_SECRETS_"
HIGHEST_PORT = 65535

_DEFAULTS = Settings()


class LogLevel(StrEnum):
    """From what weight on events are logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a line of the log looks."""

    JSON = "json"
    TEXT = "text"


def _address(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) <= HIGHEST_PORT) or (":" in host and host[0] != "["):
        raise typer.BadParameter("must be HOST:PORT, as in 127.0.0.1:8080 or [::1]:8080")
    return value


def _endpoint(value: str) -> Origin:
    try:
        origin = origin_of(value)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--allowed-endpoint") from None
    if urlsplit(value).path not in {"", "/"}:
        raise typer.BadParameter("must have no path: a server is allowed, or not", param_hint="--allowed-endpoint")
    return origin


def _prefixes(values: list[str] | None) -> list[str] | None:
    if values and "" in values:  # every name begins so: a value that somebody's template left out would open all
        raise typer.BadParameter("must not be empty: give the flag for each prefix, or leave it out to allow none")
    return values


def _roots(values: list[Path] | None) -> list[Path] | None:
    for value in values or ():
        if not value.is_absolute():  # "" is the folder that the process happens to stand in
            raise typer.BadParameter(f"'{value}' must be an absolute path; leave the flag out to allow none")
    return values


def _namespaces(values: list[str] | None) -> list[str]:
    named = [name.strip() for value in values or () for name in value.split(",")]
    for name in named:
        if re.fullmatch("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name) is None:
            raise typer.BadParameter(f"{name!r} is no name of a namespace; several are divided by ','")
    return list(dict.fromkeys(named))


def _namespace_roles(written: list[str] | None, namespaces: list[str]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for one in written or ():
        namespace, divided, roles = one.partition("=")
        if not divided or namespace not in namespaces:
            raise typer.BadParameter(
                f"{one!r} must be NAMESPACE=ROLE,ROLE for one of --namespaces (without these the annotation says it)",
                param_hint="--namespace-roles",
            )
        found[namespace] = found.get(namespace, frozenset()) | roles_in(roles)
    return found


def _audit(sinks: list[str], *, required: bool) -> Audit:
    hint = "--audit-sink"
    if "none" in sinks and len(sinks) > 1:
        raise typer.BadParameter("none stands alone", param_hint=hint)
    if "none" in sinks and required:
        raise typer.BadParameter("needs a sink that is not none", param_hint="--audit-required")
    try:
        return Audit(sinks=[sink_of(sink) for sink in dict.fromkeys(sinks) if sink != "none"], required=required)
    except ValidationError as error:
        raise typer.BadParameter(explain(error, "audit"), param_hint=hint) from None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=hint) from None


def _notify(webhook: str | None, key_file: Path | None) -> Notify | None:
    if webhook is None and key_file is None:
        return None
    if webhook is None or key_file is None:
        raise typer.BadParameter("--notify-webhook and --notify-key-file need each other")
    try:
        key_in(key_file.read_bytes())
    except OSError as error:
        raise typer.BadParameter(f"cannot be read: {error.strerror}", param_hint="--notify-key-file") from None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--notify-key-file") from None
    try:
        return Notify(webhook=webhook, key_file=str(key_file))
    except ValidationError as error:
        raise typer.BadParameter(explain(error), param_hint="--notify-webhook") from None


def run(  # noqa: PLR0913 - each is a flag
    *,
    http_address: Annotated[
        str,
        typer.Option(
            envvar=f"{PREFIX}HTTP_ADDRESS",
            callback=_address,
            help="Serve /healthz, /readyz, /metrics and /health here.",
        ),
    ] = _DEFAULTS.http_address,
    leader_elect: Annotated[
        bool,
        typer.Option(
            envvar=f"{PREFIX}LEADER_ELECT",
            help="Write only while holding the Lease beemflow-secrets in POD_NAMESPACE (else the context's namespace): "
            "for several replicas, of which one works and the others stand by.",
        ),
    ] = _DEFAULTS.leader_elect,
    concurrency: Annotated[
        int, typer.Option(envvar=f"{PREFIX}CONCURRENCY", min=1, help="Syncs under way at once, for each store.")
    ] = _DEFAULTS.concurrency,
    namespaces: Annotated[
        list[str] | None,
        typer.Option(
            envvar=f"{PREFIX}NAMESPACES",
            callback=_namespaces,
            help="Serve these namespaces alone, divided by ','. There are no cluster stores then, and rights in these "
            "namespaces are all that is needed. None given: all.",
        ),
    ] = None,
    namespace_roles: Annotated[
        list[str] | None,
        typer.Option(
            envvar=f"{PREFIX}NAMESPACE_ROLES",
            metavar="NAMESPACE=ROLE,ROLE",
            help="With --namespaces: the roles that a namespace holds for access policies, in the place of its "
            "annotation. Repeatable (in the variable divided by blanks).",
        ),
    ] = None,
    env_allowed_prefix: Annotated[
        list[str] | None,
        typer.Option(
            envvar=f"{PREFIX}ENV_ALLOWED_PREFIX",
            callback=_prefixes,
            help="Cluster stores with driver env may read the operator's variables that begin so. "
            "Repeatable; none given: none may be read.",
        ),
    ] = None,
    file_allowed_root: Annotated[
        list[Path] | None,
        typer.Option(
            envvar=f"{PREFIX}FILE_ALLOWED_ROOT",
            callback=_roots,
            help="Cluster stores with driver file may read below this folder; links are followed first. "
            "Repeatable (in the variable divided by ':'); none given: nothing may be read.",
        ),
    ] = None,
    allowed_endpoint: Annotated[
        list[str] | None,
        typer.Option(
            envvar=f"{PREFIX}ALLOWED_ENDPOINT",
            metavar="URL",
            help="Stores may connect to this server: scheme, host and port must be equal. "
            "Repeatable (in the variable divided by blanks); none given: to any.",
        ),
    ] = None,
    store_ambient_credentials: Annotated[
        bool,
        typer.Option(
            envvar=f"{PREFIX}STORE_AMBIENT_CREDENTIALS",
            help="Lend the operator's own identity, environment and files to namespaced stores.",
        ),
    ] = _DEFAULTS.store_ambient_credentials,
    cluster_store_ambient_credentials: Annotated[
        bool,
        typer.Option(
            envvar=f"{PREFIX}CLUSTER_STORE_AMBIENT_CREDENTIALS",
            help="Lend the operator's own identity, environment and files to cluster stores.",
        ),
    ] = _DEFAULTS.cluster_store_ambient_credentials,
    audit_sink: Annotated[
        list[str] | None,
        typer.Option(
            envvar=f"{PREFIX}AUDIT_SINK",
            metavar="SINK",
            help="Where each access to a secret is written to, as a line of JSON: stdout, file:PATH, https://… "
            "(on localhost http:// too), or none. Repeatable (in the variable divided by blanks); none given: stdout.",
        ),
    ] = None,
    audit_required: Annotated[
        bool,
        typer.Option(
            envvar=f"{PREFIX}AUDIT_REQUIRED",
            help="Fail a read whose record cannot be written to every sink.",
        ),
    ] = _DEFAULTS.audit.required,
    notify_webhook: Annotated[
        str | None,
        typer.Option(
            envvar=f"{PREFIX}NOTIFY_WEBHOOK",
            metavar="URL",
            help="Tell this server (https://, on localhost http:// too) which Secret has new content: keys and "
            "versions, never a value.",
        ),
    ] = None,
    notify_key_file: Annotated[
        Path | None,
        typer.Option(
            envvar=f"{PREFIX}NOTIFY_KEY_FILE",
            help="The file of the key that notifications are signed with, as Standard Webhooks has it.",
        ),
    ] = None,
    log_level: Annotated[LogLevel, typer.Option(envvar=f"{PREFIX}LOG_LEVEL")] = LogLevel.INFO,
    log_format: Annotated[LogFormat, typer.Option(envvar=f"{PREFIX}LOG_FORMAT")] = LogFormat.JSON,
) -> None:
    """Run the operator: in a pod, or against the cluster of KUBECONFIG."""
    gc.disable()  # until the process has been imported, and sets it up
    try:
        import uvloop  # noqa: PLC0415 - what only this verb needs is loaded only here

        from beemflow_secrets import process  # noqa: PLC0415
    except ModuleNotFoundError as error:
        fail(f"{error.name} is not installed: pip install 'beemflow-secrets[operator]'")
    from beemflow_secrets.kube.connection import NoCluster, connect  # noqa: PLC0415
    from beemflow_secrets.telemetry import logs  # noqa: PLC0415

    settings = Settings(
        http_address=http_address,
        leader_elect=leader_elect,
        concurrency=concurrency,
        namespaces=tuple(namespaces or ()),
        namespace_roles=_namespace_roles(namespace_roles, namespaces or []),
        env_allowed_prefixes=tuple(env_allowed_prefix or ()),
        file_allowed_roots=tuple(file_allowed_root or ()),
        allowed_endpoints=frozenset(map(_endpoint, allowed_endpoint or ())),
        store_ambient_credentials=store_ambient_credentials,
        cluster_store_ambient_credentials=cluster_store_ambient_credentials,
        notify=_notify(notify_webhook, notify_key_file),
        audit=_audit(audit_sink or ["stdout"], required=audit_required),
    )
    process.leave_no_dump()
    logs.configure(level=log_level, form=log_format)
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    try:
        runner.run(process.run(settings, connect()))
    except NoCluster as error:
        fail(str(error), Exit.USAGE)
    except process.Broken as error:
        fail(str(error))
    finally:
        # A connection that another library left open must not turn a good end into a failure.
        with suppress(OSError):
            runner.close()
