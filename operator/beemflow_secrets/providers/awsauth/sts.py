"""The Security Token Service: it lends keys of a role."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from beemflow_secrets.providers.awsauth.failures import code_of, error_of
from beemflow_secrets.providers.awsauth.keys import Keys
from beemflow_secrets.providers.errors import AuthFailed, Denied, Unavailable
from beemflow_secrets.providers.logins import Grant
from beemflow_secrets.providers.times import rfc3339
from beemflow_secrets.providers.unanswered import stranger

if TYPE_CHECKING:
    from collections.abc import Callable

    from beemflow_secrets.providers.awsauth.api import Api
    from beemflow_secrets.providers.wire import Answer

_VERSION = "2011-06-15"
_SESSION = "beemflow-secrets"
_HOUR = "3600"  # as long as a role that was assumed by a role can be, and shorter than any role's own bound


class Sts:
    """Assumes a role. `now` is the time of day, in UTC."""

    def __init__(self, api: Api, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._api = api
        self._now = now

    async def assume(self, role: str, keys: Keys, external_id: str | None) -> Grant[Keys]:
        """Assume a role as who has `keys`. Raises AuthFailed where that is refused."""
        fields = {} if external_id is None else {"ExternalId": external_id}
        return self._granted(await self._api.form(self._asked("AssumeRole", role) | fields, keys))

    async def assume_by_token(self, role: str, token: str) -> Grant[Keys]:
        """Assume a role as whom a token of a ServiceAccount names. Raises AuthFailed where that is refused."""
        fields = self._asked("AssumeRoleWithWebIdentity", role) | {"WebIdentityToken": token}
        return self._granted(await self._api.form(fields, None))

    async def close(self) -> None:
        """Close all connections."""
        await self._api.close()

    @staticmethod
    def _asked(action: str, role: str) -> dict[str, str]:
        return {
            "Action": action,
            "Version": _VERSION,
            "RoleArn": role,
            "RoleSessionName": _SESSION,
            "DurationSeconds": _HOUR,
        }

    def _granted(self, answer: Answer) -> Grant[Keys]:
        document = _document(answer)
        if answer.status != HTTPStatus.OK:
            code = code_of(document.get("Code"))
            if not code:
                raise stranger(answer, "AWS")
            match error_of(code, document.get("Message"), answer=answer):
                case Denied():
                    raise AuthFailed("AWS refuses the login: the role may not be assumed by who asks, or there is none")
                case error:
                    raise error
        ends = rfc3339(document.get("Expiration"))
        try:
            keys = Keys(document["AccessKeyId"], document["SecretAccessKey"], document["SessionToken"])
        except KeyError:
            ends = None
        if ends is None:
            raise Unavailable("the answer of the Security Token Service has not the form that AWS's has")
        seconds = max(0.0, (ends - self._now()).total_seconds())
        return Grant.lasting(keys.checked(), seconds)


def _document(answer: Answer) -> dict[str, str]:
    """Return the texts of the answer's XML by the names of their elements; none where it is no XML."""
    try:
        root = ET.fromstring(answer.body)  # noqa: S314 - expat bounds how entities grow, the wire the size
    except (ET.ParseError, ValueError):
        return {}
    return {element.tag.rpartition("}")[2]: element.text or "" for element in root.iter()}
