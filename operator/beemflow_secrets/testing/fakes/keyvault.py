"""The secrets of one Azure key vault, and what it answers. Who asks, and whether he may, is not looked at here.

Sources. Operations, forms and limits: Microsoft, "Azure Key Vault REST API reference", operation group Secrets
(rest/api/keyvault/secrets), and "About Azure Key Vault secrets" (azure/key-vault/secrets/about-secrets): names of 1 to
127 letters, digits and dashes, which are the same in upper and lower case; values of up to 25 KB; 15 tags of up to 256
letters; `exp` and `nbf` keep nobody from reading. Refusals: Azure/azure-sdk-for-js#24756 (disabled),
Azure/azure-sdk-for-net#31581 (deleted, being recovered), Azure/azure-sdk-for-python's recordings of its tests
(deleted, not found). An empty value is one: james-gould/azure-keyvault-emulator#386. Links to the next page:
the sample answer of GetSecrets, with the port and a `$skiptoken`.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PAGE = 25
"""The most names of a page, and as many as there are where nobody says how many."""
LARGEST = 25 * 1024
"""Bytes of a value."""
RETENTION = 90
"""Days for which a deleted secret can be recovered, where the vault says nothing else."""

_NAME = re.compile("[0-9a-zA-Z-]{1,127}")
_MOST_TAGS = 15
_LONGEST_TAG = 256
_LONGEST_TYPE = 255

Document = dict[str, Any]


class Refused(Exception):
    """An answer that is an error: its status, its code, its text, and perhaps a code within."""

    def __init__(self, status: int, code: str, text: str, inner: str | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.text = text
        self.inner = inner

    @property
    def document(self) -> Document:
        """The body."""
        within = {} if self.inner is None else {"innererror": {"code": self.inner}}
        return {"error": {"code": self.code, "message": self.text, **within}}


@dataclass
class Version:
    """One version of a secret. Times are whole seconds since 1970."""

    value: str
    created: int
    enabled: bool = True
    nbf: int | None = None
    exp: int | None = None
    tags: dict[str, str] | None = None
    content_type: str | None = None
    updated: int = 0
    id: str = field(default_factory=lambda: uuid4().hex)

    def attributes(self) -> Document:
        """Return what a vault says of it beside the value."""
        times = {"nbf": self.nbf, "exp": self.exp}
        return {
            "enabled": self.enabled,
            **{name: time for name, time in times.items() if time is not None},
            "created": self.created,
            "updated": self.updated or self.created,
            "recoveryLevel": "Recoverable+Purgeable",
            "recoverableDays": RETENTION,
        }


@dataclass
class Secret:
    """A secret, its versions from the oldest to the newest. `ready` is when what was last begun is done."""

    name: str
    versions: list[Version]
    deleted: float | None = None
    ready: float = 0.0


class KeyVault:
    """The vault at `address`. `now` is its clock; deletions and recoveries take `settling` seconds."""

    def __init__(self, now: Callable[[], float], address: Callable[[], str]) -> None:
        self.settling = 0.1
        self._now = now
        self._address = address
        self._secrets: dict[str, Secret] = {}

    def clear(self) -> None:
        """Forget all."""
        self._secrets.clear()

    def put(self, name: str, body: Mapping[str, Any]) -> Document:
        """SetSecret: a new version."""
        _check_name(name)
        value = body.get("value")
        if not isinstance(value, str):
            raise _bad("Required parameter 'value' is missing.")
        if len(value.encode()) > LARGEST:
            raise _bad(f"The secret's value is longer than {LARGEST} bytes.")
        now = int(self._now())
        made = Version(value, now)
        _write(made, body)
        held = self._secrets.get(name.lower())
        if held is None:
            self._secrets[name.lower()] = held = Secret(name, [])
        self._check_writable(held)
        held.versions.append(made)
        return self._bundle(held, made)

    def get(self, name: str, version: str = "") -> Document:
        """GetSecret: the newest version, or one."""
        _check_name(name)
        held = self._secrets.get(name.lower())
        if held is None or held.deleted is not None or self._now() < held.ready:
            raise _missing(name)
        found = _version(held, version)
        if not found.enabled:
            raise Refused(403, "Forbidden", "Operation get is not allowed on a disabled secret.", "SecretDisabled")
        return self._bundle(held, found)

    def update(self, name: str, version: str, body: Mapping[str, Any]) -> Document:
        """UpdateSecret: all but the value of the newest version, or of one."""
        held = self._there(name)
        found = _version(held, version)
        _write(found, body)
        found.updated = int(self._now())
        return {key: part for key, part in self._bundle(held, found).items() if key != "value"}

    def delete(self, name: str) -> Document:
        """DeleteSecret: it can be recovered, and its name is taken."""
        held = self._there(name)
        held.deleted = self._now()
        held.ready = held.deleted + self.settling
        return self._deleted(held)

    def recover(self, name: str) -> Document:
        """RecoverDeletedSecret."""
        held = self._gone(name)
        if self._now() < held.ready:
            raise Refused(409, "Conflict", f"Secret {held.name} is currently being deleted.", "ObjectIsBeingDeleted")
        held.deleted = None
        held.ready = self._now() + self.settling
        return {key: part for key, part in self._bundle(held, held.versions[-1]).items() if key != "value"}

    def purge(self, name: str) -> None:
        """PurgeDeletedSecret."""
        del self._secrets[self._gone(name).name.lower()]

    def get_deleted(self, name: str) -> Document:
        """GetDeletedSecret."""
        held = self._gone(name)
        if self._now() < held.ready:
            raise _missing(name)
        return self._deleted(held)

    def page(self, query: Mapping[str, str], *, deleted: bool = False) -> Document:
        """GetSecrets, GetDeletedSecrets: names and attributes of the newest versions, in pages."""
        names = sorted(name for name, one in self._secrets.items() if (one.deleted is not None) is deleted)
        held = [self._secrets[name] for name in names]
        items = [self._item(one, one.versions[-1]) for one in held]
        return self._paged("deletedsecrets" if deleted else "secrets", items, query)

    def versions(self, name: str, query: Mapping[str, str]) -> Document:
        """GetSecretVersions, in pages."""
        held = self._there(name)
        items = [{**self._item(held, one), "id": self._id(held, one)} for one in held.versions]
        return self._paged(f"secrets/{name}/versions", items, query)

    def _paged(self, path: str, items: list[Document], query: Mapping[str, str]) -> Document:
        try:
            most = int(query.get("maxresults", PAGE))
            token = query.get("$skiptoken")
            begin = int(json.loads(urlsafe_b64decode(token))["NextMarker"]) if token is not None else 0
        except (ValueError, KeyError, TypeError):
            raise _bad("The request URI contains an invalid query parameter.") from None
        if not 0 < most <= PAGE:
            raise _bad(f"Invalid maxresults. It must be 1 to {PAGE}.")
        more = None
        if begin + most < len(items):
            marker = urlsafe_b64encode(json.dumps({"NextMarker": str(begin + most)}).encode()).decode()
            version = query.get("api-version", "")
            more = f"{self._address()}/{path}?api-version={version}&$skiptoken={marker}&maxresults={most}"
        return {"value": items[begin : begin + most], "nextLink": more}

    def _check_writable(self, held: Secret) -> None:
        if self._now() < held.ready:
            doing = "deleted" if held.deleted is not None else "recovered"
            text = f"Secret {held.name} is currently being {doing} and cannot be re-created; retry later."
            raise Refused(409, "Conflict", text, f"ObjectIsBeing{doing.title()}")
        if held.deleted is not None:
            text = (
                f"Secret {held.name} is currently in a deleted but recoverable state, and its name cannot be reused; "
                "in this state, the secret can only be recovered or purged."
            )
            raise Refused(409, "Conflict", text, "ObjectIsDeletedButRecoverable")

    def _there(self, name: str) -> Secret:
        _check_name(name)
        held = self._secrets.get(name.lower())
        if held is None or held.deleted is not None:
            raise _missing(name)
        return held

    def _gone(self, name: str) -> Secret:
        _check_name(name)
        held = self._secrets.get(name.lower())
        if held is None or held.deleted is None:
            raise Refused(404, "SecretNotFound", f"Deleted Secret not found: {name}")
        return held

    def _id(self, held: Secret, version: Version | None = None) -> str:
        return f"{self._address()}/secrets/{held.name}" + (f"/{version.id}" if version else "")

    def _item(self, held: Secret, version: Version) -> Document:
        """Return a line of a listing: without a value, and without the version."""
        told = {"contentType": version.content_type, "tags": version.tags}
        return {
            "id": self._id(held),
            "attributes": version.attributes(),
            **{name: part for name, part in told.items() if part is not None},
        }

    def _bundle(self, held: Secret, version: Version) -> Document:
        return {"value": version.value, **self._item(held, version), "id": self._id(held, version)}

    def _deleted(self, held: Secret) -> Document:
        assert held.deleted is not None
        found = {key: part for key, part in self._bundle(held, held.versions[-1]).items() if key != "value"}
        return {
            "recoveryId": f"{self._address()}/deletedsecrets/{held.name}",
            "deletedDate": int(held.deleted),
            "scheduledPurgeDate": int(held.deleted) + RETENTION * 86400,
            **found,
        }


def _version(held: Secret, version: str) -> Version:
    found = next((one for one in reversed(held.versions) if version in {"", one.id}), None)
    if found is None:
        raise _missing(f"{held.name}/{version}")
    return found


def _write(version: Version, body: Mapping[str, Any]) -> None:
    attributes, tags, kind = body.get("attributes") or {}, body.get("tags"), body.get("contentType")
    if tags is not None:
        if len(tags) > _MOST_TAGS or any(len(text) > _LONGEST_TAG for item in tags.items() for text in item):
            raise _bad(f"A secret has up to {_MOST_TAGS} tags of up to {_LONGEST_TAG} letters.")
        version.tags = dict(tags)
    if kind is not None:
        if len(kind) > _LONGEST_TYPE:
            raise _bad(f"contentType has up to {_LONGEST_TYPE} letters.")
        version.content_type = kind
    version.enabled = attributes.get("enabled", version.enabled)
    version.nbf = attributes.get("nbf", version.nbf)
    version.exp = attributes.get("exp", version.exp)


def _check_name(name: str) -> None:
    if _NAME.fullmatch(name) is None:
        raise _bad(f"The request URI contains an invalid name: {name}")


def _bad(text: str) -> Refused:
    return Refused(400, "BadParameter", text)


def _missing(what: str) -> Refused:
    text = (
        f"A secret with (name/id) {what} was not found in this key vault. If you recently deleted this secret you may "
        "be able to recover it using the correct recovery command."
    )
    return Refused(404, "SecretNotFound", text)
