"""Google Cloud on loopback: Secret Manager (REST, v1) and the endpoints that lend access tokens, at one address.

Sources are those of project.py and logins.py, and https://cloud.google.com/secret-manager/docs/access-control for
what each method takes.
"""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from typing import TYPE_CHECKING, Any, TypeVar

from aiohttp import web

from beemflow_secrets.testing.fakes.google.endpoints import TokenEndpoints
from beemflow_secrets.testing.fakes.google.errors import GoogleError, answer, of_status
from beemflow_secrets.testing.fakes.google.filters import chosen, keeps
from beemflow_secrets.testing.fakes.google.logins import Logins
from beemflow_secrets.testing.fakes.google.project import Project
from beemflow_secrets.testing.fakes.server import FakeServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    Handler = Callable[[web.Request], Awaitable[web.Response]]

T = TypeVar("T")

PROJECT, NUMBER = "my-project-123", 123456789012

# Quotas, by what a method does (https://cloud.google.com/secret-manager/quotas).
ACCESS, READ, WRITE = "access", "read", "write"

_READS = frozenset({"secrets.get", "secrets.list", "versions.get", "versions.list"})
_WRITES = frozenset(
    {"secrets.create", "secrets.update", "secrets.delete", "versions.add"}
    | {f"versions.{verb}" for verb in ("enable", "disable", "destroy")}
)
_WINDOW = 60.0  # seconds

_TURNS = {"enable": "ENABLED", "disable": "DISABLED", "destroy": "DESTROYED"}
_LARGEST_PAGE = 25000
_ROOT = "/v1/projects/{project}"
_PLACES = (_ROOT, f"{_ROOT}/locations/{{location}}")


class GoogleCloud(FakeServer):
    """One project, whose id and number name the same.

    `roles` says what somebody may do (permissions without `secretmanager.`); who is not in it may do nothing. `denied`
    holds (permission, id of a secret) that nobody may. `quotas` are calls a minute, and who makes more is told to wait
    for `delay` seconds. A page has `page` entries at most; with `endless` the last one leads to the first.
    """

    def __init__(self, *, port: int = 0, tls: bool = True, hosts: Sequence[str] = ()) -> None:
        super().__init__(port=port, tls=tls, hosts=hosts)
        self.logins = Logins(self.now)
        self.roles: dict[str, frozenset[str]] = {}
        self.denied: set[tuple[str, str]] = set()
        self.quotas = {ACCESS: 90_000, READ: 600, WRITE: 600}
        self.enabled = True
        self.page = 100
        self.endless = False
        self.delay: float | None = None
        self._projects: dict[str, Project] = {}
        self._counted: Counter[tuple[str, int]] = Counter()

    def project(self, location: str | None = None) -> Project:
        """Return what is held globally, or in a location."""
        place = f"projects/{NUMBER}" + (f"/locations/{location}" if location else "")
        return self._projects.setdefault(place, Project(place, self.now))

    def allow(self, who: str, *permissions: str) -> None:
        """Give somebody permissions, such as versions.access; all of them where none is named."""
        self.roles[who] = frozenset(permissions or (*_READS, "versions.access", *_WRITES))

    def put(self, secret_id: str, data: bytes, *, location: str | None = None, **fields: Any) -> int:  # noqa: ANN401 - as JSON has them
        """Add a version, of a secret that is made of `fields` if need be; return its number.

        Nothing makes a secret without a version: no payload may be empty.
        """
        held = self.project(location)
        if held.alive(secret_id) is None:
            held.create(secret_id, ({} if location else {"replication": {"automatic": {}}}) | fields)
        if data:
            held.add(secret_id, {"data": b64encode(data).decode()})
        return len(held.find(secret_id).versions)

    def refusal(self, status: int, headers: dict[str, str]) -> web.Response:
        """Return an error of Google's APIs."""
        return of_status(status, headers)

    def routes(self) -> Iterable[web.RouteDef]:
        """Return what is answered."""
        yield from TokenEndpoints(self.logins, self.roles, lambda: self.address).routes()
        for place in _PLACES:
            yield web.get(f"{place}/secrets", self._api("secrets.list", READ, self._list))
            yield web.post(f"{place}/secrets", self._api("secrets.create", WRITE, self._create))
            one = f"{place}/secrets/{{secret:[^/:]+}}"
            yield web.get(one, self._api("secrets.get", READ, self._get))
            yield web.patch(one, self._api("secrets.update", WRITE, self._update))
            yield web.delete(one, self._api("secrets.delete", WRITE, self._delete))
            yield web.post(f"{one}:addVersion", self._api("versions.add", WRITE, self._add))
            yield web.get(f"{one}/versions", self._api("versions.list", READ, self._versions))
            version = f"{one}/versions/{{version:[^/:]+}}"
            yield web.get(version, self._api("versions.get", READ, self._version))
            yield web.get(f"{version}:access", self._api("versions.access", ACCESS, self._access))
            for verb in _TURNS:
                yield web.post(f"{version}:{{verb:{verb}}}", self._api(f"versions.{verb}", WRITE, self._turn))

    # --- who asks, and whether he may

    def _api(self, permission: str, quota: str, handler: Handler) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            try:
                self._judge(request, permission, quota)
                return await handler(request)
            except GoogleError as error:
                return error.answer()

        return handle

    def _judge(self, request: web.Request, permission: str, quota: str) -> None:
        """Raise what Google answers before it looks at anything; the texts are those of its APIs."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        expected = "Expected OAuth 2 access token, login cookie or other valid authentication credential."
        if not scheme:
            message = f"Request is missing required authentication credential. {expected}"
            raise GoogleError("UNAUTHENTICATED", message, reason="CREDENTIALS_MISSING")
        who = self.logins.who(token) if scheme == "Bearer" else None
        if who is None:
            message = f"Request had invalid authentication credentials. {expected}"
            raise GoogleError("UNAUTHENTICATED", message, reason="ACCESS_TOKEN_EXPIRED")
        project, secret = request.match_info["project"], request.match_info.get("secret", "")
        if project not in {PROJECT, str(NUMBER)}:
            message = f"Permission denied on resource project {project}."
            raise GoogleError("PERMISSION_DENIED", message, reason="CONSUMER_INVALID")
        if _is_person(who) and "X-Goog-User-Project" not in request.headers:
            # https://cloud.google.com/docs/authentication/troubleshoot-adc#user-creds-client-based
            message = "The secretmanager.googleapis.com API requires a quota project, which is not set by default."
            raise GoogleError("PERMISSION_DENIED", message, reason="SERVICE_DISABLED")
        if not self.enabled:
            message = f"Secret Manager API has not been used in project {NUMBER} before or it is disabled."
            raise GoogleError("PERMISSION_DENIED", message, reason="SERVICE_DISABLED")
        self._count(quota)
        if permission not in self.roles.get(who, frozenset()) or (permission, secret) in self.denied:
            named = f"Permission 'secretmanager.{permission}' denied for resource '{request.path[4:]}'"
            raise GoogleError("PERMISSION_DENIED", f"{named} (or it may not exist).", reason="IAM_PERMISSION_DENIED")

    def _count(self, quota: str) -> None:
        minute = int(self.now() // _WINDOW)
        self._counted[quota, minute] += 1
        if self._counted[quota, minute] > self.quotas[quota]:
            told = (
                f"Quota exceeded for quota metric '{quota.title()} requests' of service 'secretmanager.googleapis.com'"
            )
            raise GoogleError(
                "RESOURCE_EXHAUSTED",
                f"{told} for consumer 'project_number:{NUMBER}'.",
                reason="RATE_LIMIT_EXCEEDED",
                delay=self.delay,
            )

    # --- the methods

    def _held(self, request: web.Request) -> Project:
        return self.project(request.match_info.get("location"))

    async def _list(self, request: web.Request) -> web.Response:
        held, text = self._held(request), request.query.get("filter", "")
        alive = [secret for name in sorted(held.secrets) if (secret := held.alive(name)) is not None]
        kept = [secret for secret in alive if keeps(text, held.shown(secret))] if text else alive
        return self._paged(request, "secrets", kept, held.shown)

    async def _versions(self, request: web.Request) -> web.Response:
        held, secret = self._held(request), self._held(request).find(request.match_info["secret"])
        newest_first = secret.versions[::-1]
        return self._paged(request, "versions", newest_first, lambda version: held.shown_version(secret, version))

    def _paged(
        self, request: web.Request, name: str, found: Sequence[T], shown: Callable[[T], dict[str, Any]]
    ) -> web.Response:
        """Return a page. A token is for the same question (AIP-158)."""
        asked = {key: text for key, text in request.query.items() if key in {"filter", "pageSize"}}
        start = 0
        if token := request.query.get("pageToken"):
            try:
                start, for_what = json.loads(urlsafe_b64decode(token))
            except ValueError:
                for_what = None
            if for_what != asked:
                raise GoogleError("INVALID_ARGUMENT", "The page token is invalid.")
        size = min(int(request.query.get("pageSize") or 0) or self.page, self.page, _LARGEST_PAGE)
        document: dict[str, Any] = {name: list(map(shown, found[start : start + size])), "totalSize": len(found)}
        if start + size < len(found) or self.endless:
            after = start + size if start + size < len(found) else 0
            document["nextPageToken"] = urlsafe_b64encode(json.dumps([after, asked]).encode()).decode()
        return answer(chosen(request.query.get("fields"), {key: item for key, item in document.items() if item}))

    async def _create(self, request: web.Request) -> web.Response:
        return answer(self._held(request).create(request.query.get("secretId", ""), await _body(request)))

    async def _get(self, request: web.Request) -> web.Response:
        held = self._held(request)
        return answer(held.shown(held.find(request.match_info["secret"])))

    async def _update(self, request: web.Request) -> web.Response:
        mask = request.query.get("updateMask", "")
        return answer(self._held(request).update(request.match_info["secret"], await _body(request), mask))

    async def _delete(self, request: web.Request) -> web.Response:
        self._held(request).delete(request.match_info["secret"], request.query.get("etag"))
        return answer({})

    async def _add(self, request: web.Request) -> web.Response:
        payload = (await _body(request)).get("payload")
        return answer(self._held(request).add(request.match_info["secret"], payload))

    async def _version(self, request: web.Request) -> web.Response:
        held = self._held(request)
        return answer(held.shown_version(*held.version(request.match_info["secret"], request.match_info["version"])))

    async def _access(self, request: web.Request) -> web.Response:
        found = self._held(request).access(request.match_info["secret"], request.match_info["version"])
        return answer(found)

    async def _turn(self, request: web.Request) -> web.Response:
        state = _TURNS[request.match_info["verb"]]
        match = request.match_info
        return answer(self._held(request).turn(match["secret"], match["version"], state))


def _is_person(who: str) -> bool:
    return not who.startswith("principal:") and not who.endswith(".gserviceaccount.com")


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        found = await request.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise GoogleError("INVALID_ARGUMENT", "Invalid JSON payload received.")
    return found
