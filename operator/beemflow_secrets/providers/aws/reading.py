"""Values: twenty at once where that is allowed, else one by one. Reading one takes no right but GetSecretValue."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from beemflow_secrets.model.keys import key_fault
from beemflow_secrets.providers.aws.answers import batch, value
from beemflow_secrets.providers.errors import Denied, Invalid, NotFound, SecretsError
from beemflow_secrets.providers.rights import Right
from beemflow_secrets.providers.spending import turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from beemflow_secrets.providers.aws.client import Client
    from beemflow_secrets.providers.value import Ref, SecretValue

    Answers = dict[Ref, SecretValue | SecretsError]

BATCH = 20
"""The most that one BatchGetSecretValue carries."""

# As Secrets Manager's own complaint has them (CreateSecret); the colon for ARNs, `!` for secrets of other services.
NAME = re.compile("[A-Za-z0-9/_+=.@!:-]{1,512}")
_LONGEST_ARN = 2048

# A ClientRequestToken (PutSecretValue): a UUID, or what Terraform and others take instead.
_VERSION_ID = re.compile("[A-Za-z0-9-]{32,64}")
_BY_ID = "uuid/"
_LONGEST_STAGE = 256


class Reading:
    """Reads secrets. `clock` counts seconds."""

    def __init__(self, client: Client, clock: Callable[[], float]) -> None:
        self._client = client
        self._batches = Right(clock)

    async def read(self, refs: Iterable[Ref]) -> Answers:
        """Read up to 20 secrets; each is answered by its value or by the error that concerns it alone."""
        answers: Answers = {}
        pinned, current = [], []
        for ref in refs:
            if fault := key_fault(ref.key) or name_fault(ref.key):
                answers[ref] = Invalid(f"the key {fault}", key=ref.key)
            elif ref.version is None:
                current.append(ref)
            else:
                pinned.append(ref)  # a batch has current versions alone
        if len(current) == 1 or self._batches.lacking:
            pinned, current = pinned + current, []
        for found in await asyncio.gather(self._together(current), self._apart(pinned)):
            answers |= found
        return answers

    async def _together(self, refs: list[Ref]) -> Answers:
        if not refs:
            return {}
        found: dict[str, SecretValue | SecretsError] = {}
        try:
            asked = await self._client.ask("BatchGetSecretValue", {"SecretIdList": [ref.key for ref in refs]})
            found = batch(asked)
        except Denied:
            self._batches.refused()
        except (Invalid, NotFound):
            pass  # one key may have spoilt it for the others
        except SecretsError as error:
            return dict.fromkeys(refs, error)
        answers: Answers = {ref: found[ref.key] for ref in refs if ref.key in found}
        return answers | await self._apart([ref for ref in refs if ref not in answers])

    async def _apart(self, refs: list[Ref]) -> Answers:
        return dict(zip(refs, await asyncio.gather(*map(self._one, refs)), strict=True))

    async def _one(self, ref: Ref) -> SecretValue | SecretsError:
        try:
            asked = {"SecretId": ref.key, **_version(ref)}
            await turn()
            return value(await self._client.ask("GetSecretValue", asked, key=ref.key))
        except SecretsError as error:
            return error


def name_fault(key: str) -> str | None:
    """Say why no secret of AWS can have this name; None where one can."""
    if NAME.fullmatch(key) or (key.startswith("arn:") and len(key) <= _LONGEST_ARN and NAME.fullmatch(key[:512])):
        return None
    return "is none that a secret of AWS can have: up to 512 letters, digits and /_+=.@-"


def _version(ref: Ref) -> dict[str, str]:
    """Return how a version is asked for: by its id, or by a stage. Raises Invalid for what is neither."""
    version = ref.version
    if version is None:
        return {}
    exact = version.removeprefix(_BY_ID)
    if _VERSION_ID.fullmatch(exact):
        return {"VersionId": exact}
    if version.startswith(_BY_ID) or not version or len(version) > _LONGEST_STAGE:
        raise Invalid("the version is no VersionId, no uuid/VersionId and no stage of AWS", key=ref.key)
    return {"VersionStage": version}
