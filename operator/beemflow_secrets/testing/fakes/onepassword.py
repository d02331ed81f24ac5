"""1Password Connect, as far as it concerns who reads items: vaults, items, tokens, and numbers that move.

Facts are of its OpenAPI file, version 1.7.1 (1Password/connect, docs/openapi/spec.yaml; here [API]), of its change log
[CHANGES], and of its issues [#n]. What is known of neither is marked [guess].
"""

from __future__ import annotations

import copy
import json
import re
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aiohttp import web

from beemflow_secrets.testing.fakes.server import Answer, FakeServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from aiohttp.typedefs import Handler

Item = dict[str, Any]

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_UUID = re.compile("[0-9a-z]{26}")  # [API]: ^[\da-z]{26}$
_EQ = re.compile(r'(name|title|tag) eq ("(?:[^"\\]|\\.)*")')
_FILTER = re.compile(f"{_EQ.pattern}( or {_EQ.pattern})*")
_FULL = ("fields", "sections", "files")
_GRANTS = web.RequestKey("grants", set[str])


@dataclass
class VaultState:
    """A vault. `version` is its contentVersion."""

    name: str
    version: int = 1
    items: dict[str, Item] = field(default_factory=dict)


class OnePassword(FakeServer):
    """A Connect server. `vaults` is what 1Password holds, and so what is served, unless something else is shown."""

    def __init__(self, *, port: int = 0, tls: bool = True) -> None:
        super().__init__(port=port, tls=tls, hosts=("vault.test",))
        self.vaults: dict[str, VaultState] = {}
        self._tokens: dict[str, set[str]] = {}
        self._shown: dict[str, VaultState] | None = None

    # --- what its owner does

    def add_vault(self, name: str) -> str:
        """Make a vault; return its UUID."""
        made = _uuid()
        self.vaults[made] = VaultState(name)
        return made

    def token(self, *vaults: str) -> str:
        """Make a token that may read and write these vaults."""
        made = f"eyJ{secrets.token_urlsafe(48)}"
        self._tokens[made] = set(vaults)
        return made

    def revoke(self, token: str) -> None:
        """Make a token one that is not accepted."""
        self._tokens.pop(token, None)

    def withdraw(self, token: str, vault: str) -> None:
        """Take a vault from a token."""
        self._tokens[token].discard(vault)

    def put(
        self,
        vault: str,
        title: str,
        fields: Mapping[str, str],
        *,
        sections: Mapping[str, Mapping[str, str]] | None = None,
        tags: Sequence[str] = (),
    ) -> str:
        """Write a password item, over the one of this title if there is one; return its UUID. Fields are by label."""
        found = next((item["id"] for item in self.vaults[vault].items.values() if item["title"] == title), None)
        parts = {_uuid(): (label, held) for label, held in (sections or {}).items()}
        content = {
            "title": title,
            "category": "PASSWORD",
            "tags": list(tags),
            "sections": [{"id": part, "label": label} for part, (label, _) in parts.items()],
            "fields": [
                *(_field(label, text) for label, text in fields.items()),
                *(_field(label, text, part) for part, (_, held) in parts.items() for label, text in held.items()),
                # As 1Password's apps make each item: a note, perhaps with nothing in it.
                {"id": "notesPlain", "type": "STRING", "purpose": "NOTES", "label": "notesPlain"},
            ],
        }
        return str(self.write(vault, content, over=found)["id"])

    def write(self, vault: str, content: Item, *, over: str | None = None) -> Item:
        """Write an item as the API has it, over that of a UUID or as a new one."""
        state, now = self.vaults[vault], _time(self.now())
        former = state.items.get(over or "", {})
        item = {
            **copy.deepcopy(content),
            "id": over or _uuid(),
            "vault": {"id": vault},
            "version": former.get("version", 0) + 1,
            "createdAt": former.get("createdAt", now),
            "updatedAt": now,
            "lastEditedBy": "LVEHJQTKVRGZVLSHGGOXCSJWXI",
        }
        state.items[item["id"]] = item
        state.version += 1
        return item

    def archive(self, vault: str, item: str) -> None:
        """Archive an item."""
        self.write(vault, {**self.vaults[vault].items[item], "state": "ARCHIVED"}, over=item)

    def remove(self, vault: str, item: str) -> None:
        """Delete an item."""
        del self.vaults[vault].items[item]
        self.vaults[vault].version += 1

    def id_of(self, vault: str, title: str) -> str:
        """Return the UUID of the item of a title."""
        return next(str(item["id"]) for item in self.vaults[vault].items.values() if item["title"] == title)

    # --- what Connect's copy of it may be

    def view(self) -> dict[str, VaultState]:
        """Return what is held now, to be shown later."""
        return copy.deepcopy(self.vaults)

    def show(self, view: dict[str, VaultState] | None) -> None:
        """Serve what is in `view`, as a copy that has not followed; None: it has."""
        self._shown = view

    # --- the API

    def routes(self) -> Iterable[web.RouteDef]:
        """Return the endpoints."""
        vault, item = "/v1/vaults/{vault}", "/v1/vaults/{vault}/items/{item}"
        return [
            web.get("/heartbeat", _heartbeat),
            web.get("/health", _health),
            web.get("/v1/vaults", self._known(self._list_vaults)),
            web.get(vault, self._known(self._get_vault)),
            web.get(f"{vault}/items", self._known(self._list_items)),
            web.post(f"{vault}/items", self._known(self._create)),
            web.get(item, self._known(self._get_item)),
            web.put(item, self._known(self._update)),
            web.delete(item, self._known(self._delete)),
        ]

    def refusal(self, status: int, headers: dict[str, str]) -> Answer:
        """Return an error as Connect has it. That it ever says 429 is not documented: a gateway before it does."""
        return _refused(status, HTTPStatus(status).phrase, headers)

    @property
    def _served(self) -> dict[str, VaultState]:
        return self.vaults if self._shown is None else self._shown

    def _known(self, answer: Handler) -> Handler:
        """Refuse who has no token, or none for the vault."""

        async def handle(request: web.Request) -> web.StreamResponse:
            kind, _, token = request.headers.get("Authorization", "").partition(" ")
            grants = self._tokens.get(token) if kind == "Bearer" else None
            if grants is None:
                return _refused(401, "Invalid token signature")  # [API]
            request[_GRANTS] = grants
            refusal = self._refused(grants, **request.match_info)
            return await answer(request) if refusal is None else refusal

        return handle

    def _refused(self, grants: set[str], vault: str | None = None, item: str | None = None) -> web.Response | None:
        """Return why a token may not have what it asks for, or why nobody may."""
        if vault is None:
            return None
        checks: list[tuple[bool, int, str]] = [
            (not _UUID.fullmatch(vault), 400, "Invalid Vault UUID"),  # [guess], by its like for items
            (item is not None and not _UUID.fullmatch(item), 400, "Invalid Item UUID"),  # onepassword-operator [#132]
            (vault not in self._served, 404, f"vault {vault} not found"),  # [API]
            (vault not in grants, 403, f"vault {vault} is not in scope"),  # [API]; of listings [#82]
        ]
        for refused, status, message in checks:
            if refused:
                return _refused(status, message)
        if item is not None and item not in self._served[vault].items:
            return _refused(404, f"item {item} not found")  # [API]
        return None

    async def _list_vaults(self, request: web.Request) -> web.Response:
        """Only those that the token may read: [API], "Get all Vaults"."""
        found = [_vault(one, state) for one, state in self._served.items() if one in request[_GRANTS]]
        return _filtered(request, found, {"name": lambda vault: [vault["name"]]})

    async def _get_vault(self, request: web.Request) -> web.Response:
        vault = request.match_info["vault"]
        return _json(_vault(vault, self._served[vault]))

    async def _list_items(self, request: web.Request) -> web.Response:
        """Without fields ([API], Item against FullItem), archived ones too ([API], state)."""
        items = self._served[request.match_info["vault"]].items.values()
        found = [{name: part for name, part in item.items() if name not in _FULL} for item in items]
        return _filtered(
            request, found, {"title": lambda item: [item["title"]], "tag": lambda item: item.get("tags", [])}
        )

    async def _get_item(self, request: web.Request) -> web.Response:
        item = copy.deepcopy(self._served[request.match_info["vault"]].items[request.match_info["item"]])
        for one in item.get("fields", []):
            if not one.get("value"):  # an empty one is left out: 1Password's reference, example of an item
                one.pop("value", None)
        return _json(item)

    async def _create(self, request: web.Request) -> web.Response:
        return _json(self.write(request.match_info["vault"], await request.json()))

    async def _update(self, request: web.Request) -> web.Response:
        return _json(self.write(request.match_info["vault"], await request.json(), over=request.match_info["item"]))

    async def _delete(self, request: web.Request) -> web.Response:
        self.remove(request.match_info["vault"], request.match_info["item"])
        return web.Response(status=204)  # [API]


async def _heartbeat(_: web.Request) -> web.Response:
    return web.Response(text=".")  # [API]


async def _health(_: web.Request) -> web.Response:
    dependencies = [{"service": "sync", "status": "ACTIVE"}, {"service": "sqlite", "status": "ACTIVE"}]
    return _json({"name": "1Password Connect API", "version": "1.7.1", "dependencies": dependencies})


def _filtered(
    request: web.Request, found: list[Item], attributes: Mapping[str, Callable[[Item], list[str]]]
) -> web.Response:
    """Answer with those that a SCIM filter picks: `eq` of an attribute, several joined by `or` ([API]).

    Letters are compared without regard to case, which RFC 7643, 2.2 has for attributes that say nothing of it [guess].
    A filter that is none is answered with 400 ([CHANGES], 1.5.2).
    """
    query = request.query.get("filter", "")
    wanted = [(name, json.loads(text).casefold()) for name, text in _EQ.findall(query)]
    if query and not (_FILTER.fullmatch(query) and all(name in attributes for name, _ in wanted)):
        return _refused(400, "Invalid filter")
    return _json(
        [
            one
            for one in found
            if not wanted or any(text in map(str.casefold, attributes[name](one)) for name, text in wanted)
        ]
    )


def _vault(id: str, state: VaultState) -> Item:
    return {
        "id": id,
        "name": state.name,
        "attributeVersion": 1,
        "contentVersion": state.version,
        "items": sum("state" not in item for item in state.items.values()),
        "type": "USER_CREATED",
        "createdAt": "2021-03-19T10:20:10Z",
        "updatedAt": "2021-03-19T10:20:10Z",
    }


def _field(label: str, text: str, section: str | None = None) -> Item:
    made: Item = {"id": _uuid(), "type": "CONCEALED", "label": label, "value": text}
    if section is not None:
        return {**made, "section": {"id": section}}
    return {**made, "id": "password", "purpose": "PASSWORD"} if label == "password" else made


def _json(found: object) -> web.Response:
    return web.json_response(found, headers={"1Password-Connect-Version": "1.7.1"})  # [CHANGES], 1.3.0


def _refused(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"status": status, "message": message}, status=status, headers=headers)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _uuid() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(26))
