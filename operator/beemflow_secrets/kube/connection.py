"""Where the API server is and who we are there: the pod's ServiceAccount, or a kubeconfig."""

from __future__ import annotations

import base64
import os
import ssl
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import yaml

from beemflow_secrets.kube import logins
from beemflow_secrets.kube.clientcert import load_client
from beemflow_secrets.kube.proxies import BadProxy, proxy_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from yarl import URL

    from beemflow_secrets.kube.logins import Token

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class NoCluster(Exception):
    """There is no cluster to speak to; the message says where it was looked for."""


@dataclass(frozen=True, slots=True)
class Connection:
    """`namespace` is the pod's own, or the context's.

    `trust` makes a context that trusts this server and shows nobody's certificate: for who is not us there. `own` makes
    another as `tls` is, with our certificate where we log in by one: for who wants more of the server than we do.
    `in_pod` says that `token` is that of the pod's ServiceAccount. `proxy` may hold a password.
    """

    server: str
    tls: ssl.SSLContext | None
    token: Token
    namespace: str
    trust: Callable[[], ssl.SSLContext | None]
    own: Callable[[], ssl.SSLContext | None]
    in_pod: bool = False
    proxy: URL | None = field(default=None, repr=False)

    def session(self, *middlewares: aiohttp.ClientMiddlewareType, connections: int) -> aiohttp.ClientSession:
        """Make a session that logs in by itself. The caller closes it. `connections` 0 is without a limit."""

        async def log_in(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
            if token := await self.token():
                request.headers["Authorization"] = f"Bearer {token}"
            return await send(request)

        return aiohttp.ClientSession(
            proxy=self.proxy,
            connector=aiohttp.TCPConnector(limit=connections, ssl=self.tls or True),
            middlewares=[log_in, *middlewares],
            cookie_jar=aiohttp.DummyCookieJar(),  # the API server sets none, and looking for some takes time
            headers={"User-Agent": "beemflow-secrets"},
        )


def connect(*, kubeconfig: Path | None = None, context: str | None = None) -> Connection:
    """Return the cluster of `kubeconfig`, else of KUBECONFIG, else this pod's, else of ~/.kube/config.

    `context` chooses within a kubeconfig; without it, its current one does. Raises NoCluster.
    """
    if kubeconfig is not None:
        return from_kubeconfig([kubeconfig], context)
    if paths := os.environ.get("KUBECONFIG"):
        return from_kubeconfig([Path(path) for path in paths.split(os.pathsep) if path], context)
    if context is None and in_pod():
        return from_pod(SERVICE_ACCOUNT)
    default = Path.home() / ".kube" / "config"
    if default.exists():
        return from_kubeconfig([default], context)
    raise NoCluster("no cluster: KUBECONFIG is not set, this is no pod, and there is no ~/.kube/config")


def in_pod() -> bool:
    """Tell whether this process runs in a pod, whichever cluster it speaks to: each is told where its own is."""
    return bool(os.environ.get("KUBERNETES_SERVICE_HOST"))


def from_pod(mount: Path) -> Connection:
    """Return the cluster of this pod, with its ServiceAccount's token, CA and namespace below `mount`."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    trust = partial(_trusting, mount / "ca.crt")
    try:
        tls = trust()
        namespace = (mount / "namespace").read_text().strip()
    except OSError as error:
        raise NoCluster(f"this pod has no ServiceAccount token mounted at {mount}") from error
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    return Connection(
        server, tls, logins.of_file(mount / "token"), namespace, trust, trust, in_pod=True, proxy=_proxy_for(server)
    )


def from_kubeconfig(paths: list[Path], context: str | None = None) -> Connection:
    """Return a context's cluster, by default the current one's.

    Several files count as one, and the first that has a name wins, as in kubectl. Logins by a program or a cloud
    (`exec`, `auth-provider`) are left to the official client, which has them.
    """
    config = _Kubeconfig(paths, context)
    try:
        return _chosen(config)
    except OSError as error:  # of ssl too: what it says names no content
        what = f" {error.filename}" if error.filename else ""
        raise NoCluster(f"cannot use {config.title}:{what} {error.strerror or type(error).__name__}") from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        # The text of such an error may hold a token.
        raise NoCluster(f"cannot use {config.title}: it is no kubeconfig") from None


def _chosen(config: _Kubeconfig) -> Connection:
    context, _ = config.named("contexts", "context", config.current)
    cluster, beside_cluster = config.named("clusters", "cluster", context.get("cluster", ""))
    user, beside_user = config.named("users", "user", context.get("user", ""))
    trust = partial(_context, cluster, beside_cluster)
    own = partial(_with_client, trust, user, beside_user)
    tls = own()
    if user.keys() & {"exec", "auth-provider"}:
        try:
            token = logins.of_program(config.files, config.current)
        except ModuleNotFoundError as error:
            needs = "pip install 'beemflow-secrets[kubernetes]'"
            raise NoCluster(f"this kubeconfig logs in by a program: {needs}") from error
    elif "tokenFile" in user:
        token = logins.of_file(beside_user / user["tokenFile"])
    else:
        token = logins.fixed(user.get("token"))
    server = cluster["server"].rstrip("/")
    return Connection(server, tls, token, context.get("namespace") or "default", trust, own, proxy=_proxy_for(server))


class _Kubeconfig:
    def __init__(self, paths: list[Path], context: str | None) -> None:
        found = [path for path in paths if path.exists()]
        if not found:
            raise NoCluster(f"no cluster: {' and '.join(map(str, paths))} does not exist")
        self.title = " and ".join(map(str, found))
        self.files = os.pathsep.join(map(str, found))
        try:
            self._documents = [(path.parent, yaml.safe_load(path.read_text()) or {}) for path in found]
        except OSError as error:
            raise NoCluster(f"cannot read {error.filename}: {error.strerror}") from None
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            # A YAML error quotes the text around it, and that may be a token.
            raise NoCluster(f"cannot read {self.title}: it is no YAML ({type(error).__name__})") from None
        if not all(isinstance(document, dict) for _, document in self._documents):
            raise NoCluster(f"cannot use {self.title}: it is no kubeconfig")
        self.current = context or next(
            (name for _, item in self._documents if (name := item.get("current-context"))), ""
        )
        if not self.current:
            raise NoCluster(f"no cluster: {self.title} has no current-context")

    def named(self, section: str, kind: str, name: str) -> tuple[dict[str, Any], Path]:
        """Return an entry, and the folder that paths in it begin at: that of its file."""
        for folder, document in self._documents:
            for item in document.get(section) or []:
                if item.get("name") == name:
                    return dict(item.get(kind) or {}), folder
        raise NoCluster(f"no cluster: the kubeconfig has no {kind} {name!r}")


def _context(cluster: dict[str, Any], folder: Path) -> ssl.SSLContext | None:
    if not cluster["server"].startswith("https://"):
        return None
    authority = _material(cluster, "certificate-authority", folder)
    context = _trusting(authority.decode() if authority else None)
    if name := cluster.get("tls-server-name"):
        raise NoCluster(f"the kubeconfig's tls-server-name ({name}) is not supported: use an address of that name")
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _proxy_for(server: str) -> URL | None:
    try:
        return proxy_for(server)
    except BadProxy as error:
        raise NoCluster(str(error)) from None


def _trusting(authority: Path | str | None) -> ssl.SSLContext:
    """Return a context that trusts the authorities of a file or a PEM text, or those of the system where None."""
    # Not create_default_context: that one writes session keys to the file that SSLKEYLOGFILE names.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    match authority:
        case None:
            context.load_default_certs()
        case Path():
            context.load_verify_locations(cafile=authority)
        case _:
            context.load_verify_locations(cadata=authority)
    return context


def _with_client(
    trust: Callable[[], ssl.SSLContext | None], user: dict[str, Any], folder: Path
) -> ssl.SSLContext | None:
    tls = trust()
    if tls is not None and (certificate := _material(user, "client-certificate", folder)):
        load_client(tls, certificate, _material(user, "client-key", folder) or b"")
    return tls


def _material(section: dict[str, Any], name: str, folder: Path) -> bytes | None:
    if data := section.get(f"{name}-data"):
        return base64.b64decode(data)
    return (folder / section[name]).read_bytes() if name in section else None
