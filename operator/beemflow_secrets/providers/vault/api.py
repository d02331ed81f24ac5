"""The calls that the driver makes: hvac's paths, quoting and bodies, over our own wire.

hvac knows Vault's API, but waits in threads, follows redirects, reads answers of any size, and its Client takes
tokens from the process's environment and home folder. Its API classes do none of that: they form a request and give
it to an adapter. So they get one whose requests are coroutines. Only calls whose result hvac hands through
untouched may go this way; that is so (hvac 2.4) for all that are used here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from hvac.adapters import Adapter
from hvac.api.auth_methods import JWT, AppRole, Kubernetes, Token, Userpass
from hvac.api.secrets_engines import KvV1, KvV2
from hvac.api.system_backend.lease import Lease
from hvac.utils import format_url

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from beemflow_secrets.providers.vault.wire import Wire
    from beemflow_secrets.providers.wire import Answer

    _Base = Adapter[Awaitable[Answer]]
else:
    _Base = Adapter  # generic in its type stubs alone


class _Adapter(_Base):
    def __init__(self, wire: Wire, token: str | None) -> None:
        # Not the base's: it makes a requests.Session.
        self._wire = wire
        self._token = token

    def request(
        self,
        method: str,
        url: str,
        headers: object = None,  # noqa: ARG002 - hvac's signature, also below; none of our calls uses these two
        raise_exception: object = None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ANN401
    ) -> Awaitable[Answer]:
        """Start a request. No answer raises by its status."""
        if method == "list":
            # As hvac's strict_http: proxies refuse verbs that are not HTTP's.
            method, kwargs["params"] = "get", {"list": "true"}
        return self._wire.send(
            method, url, token=self._token, params=kwargs.get("params") or None, json=kwargs.get("json")
        )

    def get_login_token(self, response: object) -> str:
        """Not asked: logins keep their answer."""
        raise NotImplementedError


class Api:
    """The API as one token sees it; None is nobody."""

    def __init__(self, wire: Wire, token: str | None) -> None:
        adapter = _Adapter(wire, token)
        self._adapter = adapter
        self._kv1 = KvV1(adapter)
        self._kv2 = KvV2(adapter)
        self._token = Token(adapter)
        self._approle = AppRole(adapter)
        self._kubernetes = Kubernetes(adapter)
        self._jwt = JWT(adapter)
        self._userpass = Userpass(adapter)
        self._lease = Lease(adapter)

    async def read_plain(self, mount: str, path: str) -> Answer:
        """Read a secret of KV1, or of an engine that is no KV at all: there it may be made by this."""
        return await _coroutine(self._kv1.read_secret(path, mount_point=mount))

    async def read_kv2(self, mount: str, path: str, version: int | None) -> Answer:
        """Read a version of a secret, the current one where None."""
        return await _coroutine(
            self._kv2.read_secret_version(path, version, mount_point=mount, raise_on_deleted_version=False)
        )

    async def list_plain(self, mount: str, path: str) -> Answer:
        """List one folder."""
        return await _coroutine(self._kv1.list_secrets(path, mount_point=mount))

    async def list_kv2(self, mount: str, path: str) -> Answer:
        """List one folder."""
        return await _coroutine(self._kv2.list_secrets(path, mount_point=mount))

    async def metadata_kv2(self, mount: str, path: str) -> Answer:
        """Read what there is of a secret beside its values."""
        return await _coroutine(self._kv2.read_secret_metadata(path, mount_point=mount))

    async def write_plain(self, mount: str, path: str, fields: Mapping[str, object]) -> Answer:
        """Write a secret of KV1, whole. hvac would first ask whether it is there, to choose among two verbs."""
        return await self._adapter.request(
            "post", format_url("/v1/{mount}/{path}", mount=mount, path=path), json=fields
        )

    async def write_kv2(self, mount: str, path: str, fields: Mapping[str, object], *, over: int) -> Answer:
        """Write a version of a secret, if the newest is `over` still; 0 where there is none."""
        return await _coroutine(self._kv2.create_or_update_secret(path, dict(fields), cas=over, mount_point=mount))

    async def delete_plain(self, mount: str, path: str) -> Answer:
        """Delete a secret of KV1, for good."""
        return await _coroutine(self._kv1.delete_secret(path, mount_point=mount))

    async def delete_kv2(self, mount: str, path: str) -> Answer:
        """Delete the newest version of a secret; it can be undeleted."""
        return await _coroutine(self._kv2.delete_latest_version_of_secret(path, mount_point=mount))

    async def mount_of(self, path: str) -> Answer:
        """Ask in which mount a path lies. Allowed to any token that has some right below the mount; hvac lacks it."""
        return await self._adapter.request("get", format_url("/v1/sys/internal/ui/mounts/{path}", path=path))

    async def log_in_approle(self, role_id: str, secret_id: str, mount: str) -> Answer:
        """Log in by AppRole."""
        return await _coroutine(self._approle.login(role_id, secret_id, use_token=False, mount_point=mount))

    async def log_in_kubernetes(self, role: str, jwt: str, mount: str) -> Answer:
        """Log in by a ServiceAccount's token."""
        return await _coroutine(self._kubernetes.login(role, jwt, use_token=False, mount_point=mount))

    async def log_in_jwt(self, role: str, jwt: str, mount: str) -> Answer:
        """Log in by a JWT that the server can verify by itself."""
        return await _coroutine(self._jwt.jwt_login(role, jwt, use_token=False, path=mount))

    async def log_in_userpass(self, username: str, password: str, mount: str) -> Answer:
        """Log in by a password."""
        user, mount = quote(username), quote(mount)  # hvac does not quote them here
        return await _coroutine(self._userpass.login(user, password, use_token=False, mount_point=mount))

    async def log_in_cert(self, role: str, mount: str) -> Answer:
        """Log in by the certificate that the connection shows. hvac's own takes it from files."""
        return await self._adapter.request(
            "post", format_url("/v1/auth/{mount}/login", mount=mount), json={"name": role}
        )

    async def log_in_by(self, role: str, proof: Mapping[str, str], mount: str) -> Answer:
        """Log in by what a cloud says of who asks. hvac's own signs requests for one place of AWS alone."""
        return await self._adapter.request(
            "post", format_url("/v1/auth/{mount}/login", mount=mount), json={"role": role, **proof}
        )

    async def renew_lease(self, lease: str, seconds: int) -> Answer:
        """Ask for so many seconds more of a lease. Allowed by the policy `default`."""
        return await _coroutine(self._lease.renew_lease(lease, increment=seconds))  # type: ignore[no-untyped-call]

    async def renew(self) -> Answer:
        """Renew the token. Allowed by the policy `default`."""
        return await _coroutine(self._token.renew_self())  # type: ignore[no-untyped-call]  # so in the stubs

    async def look_up(self) -> Answer:
        """Ask about the token. Allowed by the policy `default`."""
        return await _coroutine(self._token.lookup_self())  # type: ignore[no-untyped-call]  # so in the stubs


def _coroutine(result: object) -> Awaitable[Answer]:
    return cast("Awaitable[Answer]", result)
