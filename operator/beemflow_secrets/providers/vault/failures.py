"""What an answer that is no success means, as an error of ours.

No text of the server goes into an error: it can hold paths, and values.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from beemflow_secrets.providers import jsontext
from beemflow_secrets.providers.errors import Denied, Gone, Invalid, NotFound, SecretsError, Throttled, Unavailable
from beemflow_secrets.providers.vault.answers import parsed

if TYPE_CHECKING:
    from beemflow_secrets.providers.wire import Answer

_UNAVAILABLE = {
    412: "the server has not caught up with a write",
    472: "the server is a standby for disaster recovery",
    473: "the server is a standby",
    501: "the server is not initialised",
}


def failure(answer: Answer, *, key: str | None = None) -> SecretsError:
    """Return the error that an answer other than 200 stands for. What a 404 to a read means, `absent` says."""
    status, errors = answer.status, told(answer)
    error: SecretsError
    match status:
        case 400 | 403 | 404 | 405 if errors is None:
            # An ingress or a firewall on the way: believing it could remove Secrets, or blame a policy.
            error = Unavailable(f"the answer ({status}) is not one of Vault: something stands before the server")
        case 400 | 405:
            error = Invalid(f"the server refuses the request as malformed ({status})", key=key)
        case 403:
            error = Denied("the policy of the login does not allow this (403)", key=key)
        case 404:
            error = Invalid("the server has no such namespace or mount (404)", key=key)
        case 413:
            error = Invalid("the value is larger than the server takes (413)", key=key)
        case 429:
            error = Throttled("the server asks for fewer requests (429)", retry_after=answer.patience)
        case 503 if any("sealed" in text for text in errors or ()):
            error = Unavailable("the server is sealed (503)")
        case _ if status in _UNAVAILABLE:
            error = Unavailable(f"{_UNAVAILABLE[status]} ({status})")
        case _ if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            error = Unavailable(f"the server answers with a redirect ({status}), and redirects are not followed")
        case _:
            error = Unavailable(f"the server answers with status {status}")
    return error


def name_fault(name: str) -> str | None:
    """Say what is wrong with the name of a secret that no path of Vault can hold; None when nothing is.

    The server answers it with a redirect, or with a 400 that names no error: as one does that stands before the server,
    and whose word would take a whole link of a chain for down.
    """
    if "//" in name:
        return "has an empty segment ('//')"
    if not name.isprintable():
        return "holds a character that Vault takes in no path"
    return None


def absent(answer: Answer, *, key: str) -> SecretsError:
    """Return what a 404 to a read means. NotFound can remove a Secret, so only Vault's own word is taken for it."""
    match parsed(answer):
        case {"data": {"metadata": {"version": jsontext.Number() as version, "destroyed": bool(destroyed)}}}:
            return Gone(f"version {version} is {'destroyed' if destroyed else 'deleted'}", key=key)
        case {"errors": []}:
            return NotFound("no such key, or no such version of it", key=key)
        case _:
            return failure(answer, key=key)


def deleted(answer: Answer) -> int | None:
    """Return the number of the version that a 404 to a read says is deleted, None where it says something else."""
    match parsed(answer):
        case {"data": {"metadata": {"version": jsontext.Number() as version, "destroyed": bool()}}}:
            return int(version)
    return None


def overtaken(answer: Answer) -> bool:
    """Tell whether a write was refused because another one came before it."""
    return answer.status == HTTPStatus.BAD_REQUEST and any("check-and-set" in text for text in told(answer) or ())


def nothing_there(answer: Answer) -> bool:
    """Tell whether a 404 says that a folder is empty, or that a secret has no metadata any more."""
    return told(answer) == []


def told(answer: Answer) -> list[str] | None:
    """Return what Vault says is wrong; None where it was not Vault that spoke. It is shown to nobody."""
    errors = (parsed(answer) or {}).get("errors")
    return [str(error) for error in errors] if isinstance(errors, list) else None
