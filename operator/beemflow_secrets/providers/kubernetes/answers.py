"""Reading what the API server answers: Secrets, listings, refusals; and how keys are mapped to names. Pure."""

from __future__ import annotations

import re
from base64 import b64decode
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from beemflow_secrets.providers.errors import Denied, Invalid, NotFound, SecretsError, Throttled, Unavailable
from beemflow_secrets.providers.kubernetes.writing import Standing
from beemflow_secrets.providers.times import EXPIRES_AT, rfc3339
from beemflow_secrets.providers.value import SecretValue

if TYPE_CHECKING:
    from beemflow_secrets.providers.wire import Answer

# RFC 1123, as the API server has it for Secrets (apimachinery, IsDNS1123Subdomain).
_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_LONGEST_NAME = 253
_MAPPED = str.maketrans("_/", "--")


def secret_name(key: str) -> str:
    """Return the name of the Secret that holds `key`; a legal name stays as it is, and so does what cannot be one."""
    mapped = spelled(key)
    return mapped if is_name(mapped) else key


def spelled(key: str) -> str:
    """Return how names of Secrets spell a key, or a beginning of one."""
    return key.lower().translate(_MAPPED)


def is_name(text: str) -> bool:
    """Whether a Secret can have this name."""
    return len(text) <= _LONGEST_NAME and _NAME.fullmatch(text) is not None


def secret(answer: Answer) -> SecretValue:
    """Read a Secret: a map of fields whose values are bytes, with its resourceVersion and when it was made.

    `metadata` holds its labels, and no annotation: kubectl keeps the values themselves in one of those.
    """
    match _document(answer):
        case {
            "kind": "Secret",
            "metadata": {"name": str(name), "resourceVersion": str(version), **metadata},
            **rest,
        }:
            labels, annotations = _texts(metadata.get("labels")), _texts(metadata.get("annotations"))
            value = SecretValue(
                _decoded(rest.get("data")),
                version=version,
                created_at=rfc3339(metadata.get("creationTimestamp")),
                expires_at=rfc3339(annotations.get(EXPIRES_AT)) or rfc3339(labels.get(EXPIRES_AT)),
                metadata=labels,
            )
            value.backend_name = name
            return value
    raise _misshapen()


def standing(answer: Answer) -> Standing:
    """Read a Secret, with what it takes to change just this one."""
    match _document(answer):
        case {"metadata": {"uid": str(uid)}, "type": str(kind)}:
            return Standing(secret(answer), uid, kind)
    raise _misshapen()


def page(answer: Answer) -> tuple[list[tuple[str, dict[str, str]]], str]:
    """Read a page of a listing of metadata: names and labels, and the token of the next page, empty after the last."""
    match _document(answer):
        case {"kind": "PartialObjectMetadataList", "metadata": dict(metadata), "items": items}:
            try:
                # `items` is null, not [], where there are none.
                listed = [(str(one["metadata"]["name"]), _texts(one["metadata"].get("labels"))) for one in items or ()]
                return listed, str(metadata.get("continue") or "")
            except (KeyError, TypeError, AttributeError):
                pass
    raise _misshapen()


def failure(answer: Answer, *, key: str | None = None) -> SecretsError:
    """Return the error that an answer other than 200 stands for; what a 401 means, the login knows.

    NotFound can remove a Secret, so only the API server's own word is taken for it: a Status that names a Secret.
    """
    status = _status(answer)
    error: SecretsError
    match answer.status:
        case HTTPStatus.FORBIDDEN if status:
            error = Denied("the API server does not allow this (403): a Role has to", key=key)
        case HTTPStatus.NOT_FOUND if status.get("reason") == "NotFound" and _kind(status) == "secrets":
            error = NotFound("no such Secret", key=key)
        case HTTPStatus.NOT_FOUND if status.get("reason") == "NotFound" and _kind(status) == "namespaces":
            error = Invalid("the cluster has no such namespace", key=key)
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            error = Invalid("the value is larger than the API server takes (413)", key=key)
        case HTTPStatus.TOO_MANY_REQUESTS:
            error = Throttled("the API server asks for fewer requests (429)", key=key, retry_after=answer.patience)
        case code if HTTPStatus.BAD_REQUEST <= code < HTTPStatus.INTERNAL_SERVER_ERROR and not status:
            # An ingress or a firewall on the way: believing it could remove Secrets, or blame a Role.
            error = Unavailable(f"the answer ({code}) is not one of the API server: something stands before it")
        case code if HTTPStatus.MULTIPLE_CHOICES <= code < HTTPStatus.BAD_REQUEST:
            error = Unavailable(f"the server answers with a redirect ({code}), and redirects are not followed")
        case HTTPStatus.BAD_REQUEST | HTTPStatus.UNPROCESSABLE_ENTITY:
            error = Invalid(f"the API server refuses the request as malformed ({answer.status})", key=key)
        case code:
            error = Unavailable(f"the API server answers with status {code}")
    return error


def _document(answer: Answer) -> dict[str, Any]:
    found = answer.document()
    if found is None:
        raise Unavailable(f"the server's answer ({answer.status}) is not the JSON that an API server sends")
    return found


def _status(answer: Answer) -> dict[str, Any]:
    found = answer.document() or {}
    return found if found.get("kind") == "Status" else {}


def _kind(status: dict[str, Any]) -> object:
    details = status.get("details")
    return details.get("kind") if isinstance(details, dict) else None


def _texts(found: object) -> dict[str, str]:
    return {str(name): str(text) for name, text in found.items()} if isinstance(found, dict) else {}


def _decoded(data: object) -> dict[str, bytes]:
    if data is None:  # a Secret may hold nothing
        return {}
    if isinstance(data, dict) and all(isinstance(text, str) for text in data.values()):
        try:
            return {name: b64decode(text, validate=True) for name, text in data.items()}
        except ValueError:
            pass
    raise _misshapen()


def _misshapen() -> Unavailable:
    return Unavailable("the server's answer has not the form that an API server's has")
