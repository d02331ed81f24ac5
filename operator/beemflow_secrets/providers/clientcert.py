"""The certificate that a client shows, and what can be wrong with it. No text of it stands in an error."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from beemflow_secrets.kube.clientcert import load_client
from beemflow_secrets.model import pem
from beemflow_secrets.providers.certificate import read
from beemflow_secrets.providers.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable

_FIELD = "tls.clientCertificate"
_END = "-----END CERTIFICATE-----"


def show(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Let a context show a certificate to servers that ask for one. Raises Invalid that names the field."""
    shown = _checked(pem.certificates, certificate, "certificate")
    ends = read(ssl.PEM_cert_to_DER_cert(shown[: shown.index(_END) + len(_END)])).expires
    if ends <= datetime.now(UTC):
        raise Invalid(f"{_FIELD}.certificate: has expired, on {ends:%Y-%m-%d at %H:%M:%S} UTC")
    try:
        load_client(context, shown.encode(), _checked(pem.private_key, key, "key").encode())
    except (ssl.SSLError, ValueError) as error:
        fault = _fault(getattr(error, "reason", None))
    else:
        return
    raise Invalid(f"{_FIELD}{fault}")


def _checked(check: Callable[[str], str], text: str, field: str) -> str:
    try:
        return check(text)
    except ValueError as error:
        raise Invalid(f"{_FIELD}.{field}: {error}") from None


def _fault(reason: str | None) -> str:
    match reason:
        case "KEY_VALUES_MISMATCH" | "NO_CERTIFICATE_ASSIGNED":
            return ".key: is not that of the certificate, which must come first where there are several"
        case str() if reason.startswith(("EE_", "CA_")):
            return f".certificate: is too weak for OpenSSL ({reason})"
        case _:
            return ".key: is damaged, or of a kind that OpenSSL does not know"
