"""What a person is told of a fake that runs: a store that reads from it, and the login that the store refers to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from beemflow_secrets.testing.fakes.azure import FakeAzure
from beemflow_secrets.testing.fakes.google import PROJECT, GoogleCloud
from beemflow_secrets.testing.fakes.onepassword import OnePassword

if TYPE_CHECKING:
    from collections.abc import Callable

    from beemflow_secrets.testing.fakes.server import FakeServer


class Offer(Protocol):
    """A fake with something to read in it. Its server has to be started."""

    @property
    def server(self) -> FakeServer:
        """The fake."""

    def store(self) -> dict[str, Any]:
        """Return the spec of a store that reads from it, but for `tls`."""

    def login(self) -> dict[str, str]:
        """Return what the Secret `login` holds, to which the store refers."""

    def put(self, name: str, text: str) -> None:
        """Write a secret, as its owner would."""


class OnePasswordOffer:
    """A vault `flows`, and a token for it."""

    def __init__(self, port: int) -> None:
        self.server = OnePassword(port=port)
        self._vault = self.server.add_vault("flows")
        self._token = self.server.token(self._vault)

    def store(self) -> dict[str, Any]:
        """Return the spec of a store."""
        block = {"connectHost": self.server.address, "connectToken": secret_ref("token"), "vault": "flows"}
        return {"driver": "1password", "onepassword": block}

    def login(self) -> dict[str, str]:
        """Return the token."""
        return {"token": self._token}

    def put(self, name: str, text: str) -> None:
        """Write an item: the fields of a JSON object, else a password."""
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        fields = found if isinstance(found, dict) else {"password": text}
        self.server.put(self._vault, name, {label: str(value) for label, value in fields.items()})


class GoogleOffer:
    """A project, and the key of a service account that may do all there."""

    def __init__(self, port: int) -> None:
        self.server = GoogleCloud(port=port)
        self._who = f"reader@{PROJECT}.iam.gserviceaccount.com"
        self._key: str | None = None
        self.server.allow(self._who)

    def store(self) -> dict[str, Any]:
        """Return the spec of a store."""
        block = {"projectId": PROJECT, "endpoint": self.server.address, "serviceAccountKey": secret_ref("key.json")}
        return {"driver": "gcp-sm", "gcp": block}

    def login(self) -> dict[str, str]:
        """Return the key file."""
        # Made once: it names the address, which is known once the server runs.
        self._key = self._key or self.server.logins.key_file(self._who, token_uri=f"{self.server.address}/token")
        return {"key.json": self._key}

    def put(self, name: str, text: str) -> None:
        """Add a version."""
        self.server.put(name, text.encode())


class AzureOffer:
    """A vault, and an application that may do all there."""

    def __init__(self, port: int) -> None:
        self.server = FakeAzure(port=port)

    def store(self) -> dict[str, Any]:
        """Return the spec of a store."""
        azure = self.server
        who = {"tenantId": azure.tenant, "clientId": azure.client, "clientSecret": secret_ref("secret")}
        return {"driver": "azure-kv", "azure": {"vaultUrl": azure.address, "authority": azure.address, **who}}

    def login(self) -> dict[str, str]:
        """Return the client secret."""
        return {"secret": self.server.secret}

    def put(self, name: str, text: str) -> None:
        """Add a version."""
        self.server.put(name, text)


OFFERS: dict[str, Callable[[int], Offer]] = {
    "1password": OnePasswordOffer,
    "azure": AzureOffer,
    "gcp": GoogleOffer,
}


def told(offer: Offer) -> dict[str, Any]:
    """Return how a fake is to be reached: its address, its authority, a store, and the Secret `login` of it."""
    server = offer.server
    store = {**offer.store(), "tls": {"caBundle": server.ca}}
    return {"address": server.address, "ca": server.ca, "store": store, "login": offer.login()}


def secret_ref(key: str) -> dict[str, Any]:
    """Refer to a key of the Secret `login`."""
    return {"secretKeyRef": {"name": "login", "key": key}}
