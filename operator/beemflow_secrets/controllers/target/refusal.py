"""What the API server refuses, told without values.

The API server itself writes none into its answers, but whoever answers in its place may: a webhook, an admission
policy. So what could be a value, of what was to be written or of what is there, is taken out.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from contextlib import suppress
from typing import TYPE_CHECKING

from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.kube import paths
from beemflow_secrets.kube.errors import ApiError, ApiUnavailable
from beemflow_secrets.model.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from beemflow_secrets.kube.client import KubeClient

SHORTEST_VEILED = 4
"""Characters. Shorter values stand in every text by chance."""


async def refusal(
    client: KubeClient, namespace: str, name: str, error: ApiError, values: Iterable[bytes] = ()
) -> Failed:
    """Return the failure that a refused write of a Secret is. `values` are those that were to be written."""
    present: list[bytes] = []
    # Who does not answer has said nothing.
    with suppress(ApiError):
        if not isinstance(error, ApiUnavailable):
            found = await client.get(paths.secrets(namespace, name))
            present = [b64decode(value) for value in (found.get("data") or {}).values()]
    message = f"Secret {name}: {veiled(error.message, [*values, *present])}"
    return Failed(Reason.WRITE_REFUSED, message, retry_after=error.retry_after)


def veiled(message: str, values: Iterable[bytes]) -> str:
    """Take values out of a message, in each form. The longest first: one may be a part of another."""
    forms = {form for value in values for form in _forms(value)}
    for form in sorted(forms, key=len, reverse=True):
        if len(form) >= SHORTEST_VEILED:
            message = message.replace(form, "***")
    return message


def _forms(value: bytes) -> tuple[str, ...]:
    """Return what a value may look like in a message: as it is, as base64, quoted as JSON and Go do it."""
    text = value.decode(errors="replace")
    return text, b64encode(value).decode(), json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]
