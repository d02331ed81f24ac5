"""Reading what the service answers: secrets, batches, listings. Pure."""

from __future__ import annotations

from base64 import b64decode
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from beemflow_secrets.providers.awsauth.failures import code_of, error_of
from beemflow_secrets.providers.errors import SecretsError, Unavailable
from beemflow_secrets.providers.times import epoch
from beemflow_secrets.providers.unanswered import stranger
from beemflow_secrets.providers.value import SecretValue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from beemflow_secrets.providers.wire import Answer

Document = dict[str, Any]

_SUFFIX = 7  # letters of what AWS puts behind a name in an ARN: a dash, and six of its own


class Listed(NamedTuple):
    """A secret of a listing: its name, all that it can be asked for by, and its tags."""

    name: str
    ids: tuple[str, ...]
    tags: dict[str, str]


def refusal(answer: Answer) -> str:
    """Return the code of an answer that is an error of AWS; empty where it is none."""
    if answer.status == HTTPStatus.OK:
        return ""
    return code_of((answer.document() or {}).get("__type"))


def document(answer: Answer, *, key: str | None = None) -> Document:
    """Return the answer's JSON. Raises the error that it stands for, Unavailable where it is none of AWS."""
    found = answer.document()
    if answer.status != HTTPStatus.OK:
        code = code_of((found or {}).get("__type"))
        if not code:
            raise stranger(answer, "AWS")
        text = (found or {}).get("message") or (found or {}).get("Message")
        raise error_of(code, text, key=key, answer=answer)
    if found is None:
        raise Unavailable("the server's answer is not the JSON that AWS sends")
    return found


def value(found: Document) -> SecretValue:
    """Read a secret: text, or bytes, with its version and when that was made."""
    match found:
        case {"SecretString": str(text), "VersionId": str(version)}:
            return SecretValue(text, version=version, created_at=epoch(found.get("CreatedDate")))
        case {"SecretBinary": str(text), "VersionId": str(version)}:
            try:
                content = b64decode(text, validate=True)
            except ValueError:
                pass
            else:
                return SecretValue(content, version=version, created_at=epoch(found.get("CreatedDate")))
    raise _misshapen()


def batch(found: Document) -> dict[str, SecretValue | SecretsError]:
    """Read a batch: {each name by which a secret can have been asked for: its value, or its own error}."""
    answers: dict[str, SecretValue | SecretsError] = {}
    for failed in _objects(found.get("Errors")):
        key = str(failed.get("SecretId"))
        answers[key] = error_of(code_of(failed.get("ErrorCode")), failed.get("Message"), key=key)
    for one in _objects(found.get("SecretValues")):
        answers |= dict.fromkeys(_ids(one), _each(one))
    return answers


def page(found: Document) -> tuple[list[Listed], str]:
    """Read a page of a listing, and the token of the next one, empty after the last."""
    if not isinstance(found.get("SecretList"), list):
        raise _misshapen()
    listed = [Listed(str(one.get("Name")), _ids(one), _tags(one.get("Tags"))) for one in _objects(found["SecretList"])]
    return listed, str(found.get("NextToken") or "")


def _each(found: Document) -> SecretValue | SecretsError:
    try:
        return value(found)
    except Unavailable as error:
        return error


def _ids(found: Document) -> tuple[str, ...]:
    """Return the name, the ARN, and the ARN as people write it, without what AWS puts behind the name."""
    arn = str(found.get("ARN"))
    return str(found.get("Name")), arn, arn[:-_SUFFIX]


def _objects(found: object) -> Iterable[Document]:
    return (one for one in found if isinstance(one, dict)) if isinstance(found, list) else ()


def _tags(found: object) -> dict[str, str]:
    return {str(tag.get("Key")): str(tag.get("Value")) for tag in _objects(found)}


def _misshapen() -> Unavailable:
    return Unavailable("the server's answer has not the form that AWS's has")
