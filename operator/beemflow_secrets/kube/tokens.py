"""Tokens of ServiceAccounts, made by the API server for whom they are meant (TokenRequest)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from beemflow_secrets.kube import paths
from beemflow_secrets.kube.errors import ApiUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from beemflow_secrets.kube.reader import Reader

LIFE = 600
"""Seconds that are asked for: the least that the API server grants (MinTokenAgeSec)."""


@dataclass(frozen=True, slots=True)
class AccountToken:
    """A token, the seconds that it lives from when it was asked for, and those whom it is meant for."""

    token: str = field(repr=False)
    seconds: float
    audiences: tuple[str, ...]


async def request_token(client: Reader, namespace: str, name: str, audiences: Sequence[str] = ()) -> AccountToken:
    """Ask for a token of a ServiceAccount; without `audiences` it is the API server's own. Raises an ApiError.

    Each call makes another. It is good until it ends, or the ServiceAccount is deleted.
    """
    answer = await client.create(
        paths.service_account_token(namespace, name),
        {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": list(audiences), "expirationSeconds": LIFE},
        },
    )
    match answer:
        # The answer's spec says what was granted. Its status holds a time too, by the API server's clock.
        case {
            "spec": {"audiences": [*granted], "expirationSeconds": int(seconds)},
            "status": {"token": str(token)},
        }:
            return AccountToken(token, float(seconds), tuple(map(str, granted)))
    raise ApiUnavailable("the API server's answer to a TokenRequest has not the form of one")
