"""What `decodingStrategy` asks for, as users of External Secrets Operator know it."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Literal

from beemflow_secrets.providers.errors import Invalid

if TYPE_CHECKING:
    Strategy = Literal["None", "Base64", "Base64URL", "Auto"]

_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
# To base64's letters; its own two become one that neither alphabet has.
_FROM_URL = bytes.maketrans(b"-_+/", b"+/!!")


def decode(value: bytes, strategy: Strategy) -> bytes:
    """Decode a value. Auto takes base64, else base64url, else the value as it is. Raises Invalid, which shows no value.

    Padding is asked for and line breaks are passed over, both as Go has it.
    """
    text = value.translate(None, b"\r\n")
    if strategy in {"Base64", "Auto"} and _BASE64.fullmatch(text):
        return base64.b64decode(text)
    if strategy in {"Base64URL", "Auto"} and _BASE64.fullmatch(text.translate(_FROM_URL)):
        return base64.urlsafe_b64decode(text)
    if strategy in {"Base64", "Base64URL"}:
        raise Invalid(f"the value is not {strategy}, as decodingStrategy has it")
    return value
