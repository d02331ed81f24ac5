"""How a notification is signed: as Standard Webhooks has it, so that a receiver may use any library for that.

Source: https://github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md, "Signature scheme". Pure.
"""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from hashlib import sha256

ENCODED = b"whsec_"
"""Before a key that is written in base64, as those libraries show it."""


def key_in(content: bytes) -> bytes:
    """Return the key that a file holds: what stands there, or behind `whsec_` what that is the base64 of.

    Blanks and line breaks around it are none of it. Raises ValueError where there is no key.
    """
    text = content.strip()
    if text.startswith(ENCODED):
        try:
            text = b64decode(text.removeprefix(ENCODED), validate=True)
        except ValueError:
            raise ValueError("holds no base64 behind whsec_") from None
    if not text:
        raise ValueError("holds no key")
    return text


def signature(key: bytes, identifier: str, body: bytes, *, now: float) -> dict[str, str]:
    """Return the headers that say who sends a body, and when. `now` is in seconds since the epoch."""
    moment = str(int(now))
    made = hmac.digest(key, f"{identifier}.{moment}.".encode() + body, sha256)
    return {
        "webhook-id": identifier,
        "webhook-timestamp": moment,
        "webhook-signature": f"v1,{b64encode(made).decode()}",
    }
