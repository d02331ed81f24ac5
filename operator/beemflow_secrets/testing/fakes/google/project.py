"""What Secret Manager holds for one project and location: secrets, versions, aliases, states.

Facts, where nothing else is said, are those of the REST reference
(https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets) and of
https://cloud.google.com/secret-manager/quotas.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from beemflow_secrets.testing.fakes.google.errors import GoogleError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LARGEST = 65536
_ID = re.compile("[A-Za-z0-9_-]{1,255}")
# "\p{Ll}\p{Lo}{0,62}" and "[\p{Ll}\p{Lo}\p{N}_-]{0,63}": of Latin letters only small ones, and no colon.
_LABEL = re.compile("[a-z0-9_-]{0,63}")
_ANNOTATION = re.compile("[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_ALIAS = re.compile("[A-Za-z][A-Za-z0-9_-]{0,62}")
_MOST_ALIASES = 50
_ANNOTATIONS_SIZE = 16 * 1024


@dataclass
class Version:
    """One version. `data` is empty once it is destroyed."""

    number: int
    created: float
    data: bytes = field(repr=False)
    checksum: int
    state: str = "ENABLED"
    destroyed: float | None = None


@dataclass
class Secret:
    """A secret; its versions are numbered from 1."""

    id: str
    created: float
    labels: dict[str, str]
    annotations: dict[str, str]
    expires: float | None
    aliases: dict[str, int]
    versions: list[Version] = field(default_factory=list)
    changes: int = 0

    @property
    def etag(self) -> str:
        """What a writer may show to write only what it has seen."""
        return f'"{self.changes:x}"'


class Project:
    """Holds secrets. `name` is the beginning of all their names, with the project's number."""

    def __init__(self, name: str, now: Callable[[], float]) -> None:
        self.name = name
        self.now = now
        self.secrets: dict[str, Secret] = {}

    def create(self, secret_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make a secret without a version."""
        if _ID.fullmatch(secret_id) is None:
            raise GoogleError("INVALID_ARGUMENT", f"Secret IDs must match {_ID.pattern}.")
        regional = "/locations/" in self.name
        if ("replication" in body) is regional:
            raise GoogleError("INVALID_ARGUMENT", "Field [secret.replication] is for global secrets, and needed there.")
        if self.alive(secret_id) is not None:
            raise GoogleError("ALREADY_EXISTS", f"Secret [{self.name}/secrets/{secret_id}] already exists.")
        made = Secret(secret_id, self.now(), {}, {}, None, {})
        self._fill(made, body)
        self.secrets[secret_id] = made
        return self.shown(made)

    def update(self, secret_id: str, body: Mapping[str, Any], mask: str) -> dict[str, Any]:
        """Change what the mask names."""
        found = self.find(secret_id)
        self._check_etag(found, body.get("etag"))
        names = {re.sub("_([a-z])", lambda letter: letter[1].upper(), name) for name in mask.split(",")}
        if unknown := names - {"labels", "annotations", "expireTime", "ttl", "versionAliases"}:
            raise GoogleError("INVALID_ARGUMENT", f"Field mask holds {sorted(unknown)}, which cannot be changed.")
        self._fill(found, {name: body.get(name) for name in names})
        found.changes += 1
        return self.shown(found)

    def delete(self, secret_id: str, etag: str | None) -> None:
        """Delete a secret with all its versions."""
        self._check_etag(self.find(secret_id), etag)
        del self.secrets[secret_id]

    def add(self, secret_id: str, payload: object) -> dict[str, Any]:
        """Add a version."""
        found = self.find(secret_id)
        # So is an empty one refused: hashicorp/terraform-provider-google#10475, firebase/firebase-tools#3863.
        if not isinstance(payload, dict) or not payload.get("data"):
            raise GoogleError("INVALID_ARGUMENT", "Field [payload] is required.")
        try:
            data = b64decode(payload["data"], validate=True)
        except ValueError:
            raise GoogleError("INVALID_ARGUMENT", "Invalid value at 'payload.data' (TYPE_BYTES).") from None
        if len(data) > LARGEST:
            raise GoogleError("INVALID_ARGUMENT", f"The payload must be at most {LARGEST} bytes.")
        guard = checksum(data)
        if str(payload.get("dataCrc32c", guard)) != str(guard):
            raise GoogleError("INVALID_ARGUMENT", "The provided checksum does not match the payload.")
        found.versions.append(Version(len(found.versions) + 1, self.now(), data, guard))
        return self.shown_version(found, found.versions[-1])

    def access(self, secret_id: str, name: str) -> dict[str, Any]:
        """Return a version with its payload.

        `latest` is the newest, whatever its state; the texts are those of external-secrets/external-secrets#4042.
        """
        _, version = self.version(secret_id, name)
        shown = f"{self.name}/secrets/{secret_id}/versions/{version.number}"
        if version.state != "ENABLED":
            raise GoogleError("FAILED_PRECONDITION", f"Secret Version [{shown}] is in {version.state} state.")
        payload = {"data": b64encode(version.data).decode(), "dataCrc32c": str(version.checksum)}
        return {"name": shown, "payload": payload}

    def turn(self, secret_id: str, name: str, state: str) -> dict[str, Any]:
        """Enable, disable or destroy a version."""
        found, version = self.version(secret_id, name)
        if version.state == "DESTROYED":
            raise GoogleError("FAILED_PRECONDITION", "Secret Version is in DESTROYED state.")
        version.state = state
        if state == "DESTROYED":
            version.destroyed, version.data = self.now(), b""
        return self.shown_version(found, version)

    def find(self, secret_id: str) -> Secret:
        """Return a secret that is there still."""
        found = self.alive(secret_id)
        if found is None:
            raise GoogleError("NOT_FOUND", f"Secret [{self.name}/secrets/{secret_id}] not found.")
        return found

    def version(self, secret_id: str, name: str) -> tuple[Secret, Version]:
        """Return a version, by its number, an alias, or `latest`."""
        found = self.alive(secret_id)
        # The text is that of gcloud's users, for a secret that is not there and for one without versions alike.
        if found is None or not found.versions:
            raise GoogleError("NOT_FOUND", f"Secret [{self.name}/secrets/{secret_id}] not found or has no versions.")
        number = (
            len(found.versions) if name == "latest" else found.aliases.get(name, int(name) if name.isdigit() else 0)
        )
        if not 0 < number <= len(found.versions):
            shown = f"{self.name}/secrets/{secret_id}/versions/{name}"
            raise GoogleError("NOT_FOUND", f"Secret Version [{shown}] not found.")
        return found, found.versions[number - 1]

    def shown(self, secret: Secret) -> dict[str, Any]:
        """Return a secret as JSON, which leaves out what is empty (the JSON mapping of protocol buffers)."""
        told: dict[str, Any] = {
            "name": f"{self.name}/secrets/{secret.id}",
            "replication": {} if "/locations/" in self.name else {"automatic": {}},
            "createTime": written(secret.created),
            "labels": secret.labels,
            "annotations": secret.annotations,
            "expireTime": written(secret.expires) if secret.expires is not None else None,
            "versionAliases": {name: str(number) for name, number in secret.aliases.items()},
            "etag": secret.etag,
        }
        return {name: item for name, item in told.items() if item}

    def shown_version(self, secret: Secret, version: Version) -> dict[str, Any]:
        """Return a version as JSON, without its payload."""
        told: dict[str, Any] = {
            "name": f"{self.name}/secrets/{secret.id}/versions/{version.number}",
            "createTime": written(version.created),
            "destroyTime": written(version.destroyed) if version.destroyed is not None else None,
            "state": version.state,
            "etag": f'"{secret.id}-{version.number}-{version.state}"',
        }
        return {name: item for name, item in told.items() if item}

    def alive(self, secret_id: str) -> Secret | None:
        """Return a secret; one whose expire_time has come is deleted."""
        found = self.secrets.get(secret_id)
        if found is not None and found.expires is not None and found.expires <= self.now():
            del self.secrets[secret_id]
            return None
        return found

    def _fill(self, secret: Secret, body: Mapping[str, Any]) -> None:
        for key, text in (body.get("labels") or {}).items():
            if not key or _LABEL.fullmatch(key) is None or _LABEL.fullmatch(text) is None:
                raise GoogleError("INVALID_ARGUMENT", f"Label {key!r} holds what no label can.")
        annotations = body.get("annotations") or {}
        if not all(map(_ANNOTATION.fullmatch, annotations)):
            raise GoogleError("INVALID_ARGUMENT", "An annotation's key holds what none can.")
        if sum(len(key) + len(text) for key, text in annotations.items()) > _ANNOTATIONS_SIZE:
            raise GoogleError("INVALID_ARGUMENT", "The annotations are larger than 16 KiB.")
        aliases = {name: int(number) for name, number in (body.get("versionAliases") or {}).items()}
        if len(aliases) > _MOST_ALIASES or "latest" in aliases or not all(map(_ALIAS.fullmatch, aliases)):
            raise GoogleError("INVALID_ARGUMENT", "The aliases are more than 50, or one is no alias.")
        if any(number > len(secret.versions) for number in aliases.values()):
            raise GoogleError("FAILED_PRECONDITION", "An alias must name a version that is there.")
        secret.labels = dict(body["labels"] or {}) if "labels" in body else secret.labels
        secret.annotations = dict(annotations) if "annotations" in body else secret.annotations
        secret.aliases = aliases if "versionAliases" in body else secret.aliases
        if body.get("ttl"):
            secret.expires = self.now() + float(str(body["ttl"]).removesuffix("s"))
        elif "expireTime" in body:
            text = body["expireTime"]
            secret.expires = datetime.fromisoformat(text).timestamp() if text else None

    @staticmethod
    def _check_etag(secret: Secret, etag: str | None) -> None:
        if etag and etag != secret.etag:
            raise GoogleError("FAILED_PRECONDITION", "The etag provided does not match that of the secret.")


def checksum(data: bytes) -> int:
    """Return the CRC-32C, bit by bit: another way than the driver's."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def written(seconds: float) -> str:
    """Return a time as the API writes it: RFC 3339, in UTC, with 0 or 6 digits of a second here."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
