"""What shows the server who asks, for the auth methods of clouds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beemflow_secrets.model.store import StoreSpec
    from beemflow_secrets.providers.errors import SecretsError
    from beemflow_secrets.providers.surroundings import Surroundings
    from beemflow_secrets.providers.wire import Answer


class Proof(Protocol):
    """Shows the server who asks, for an auth method of a cloud. `keeps`: what it shows may be old."""

    keeps: bool

    async def make(self, *, anew: bool) -> Mapping[str, str]:
        """Return what the login takes beside the role. `anew`: the former was refused. Raises a SecretsError."""

    def refusal(self, answer: Answer) -> SecretsError | None:
        """Return what it means that the server refuses it; None where that is what it means of any login."""

    async def close(self) -> None:
        """Close all connections."""


def proof_of(spec: StoreSpec, surroundings: Surroundings) -> Proof | None:
    """Return what the store's method shows, None for methods of the server's own. Raises as they do."""
    # Imported where it is needed: the SDKs of clouds are extras of their own. The registry has done so in a thread.
    match spec.vault.auth_method if spec.vault else None:
        case "aws":
            from beemflow_secrets.providers.vault.awslogin import SignedRequest  # noqa: PLC0415

            return SignedRequest(spec, surroundings)
        case "azure":
            from beemflow_secrets.providers.vault.azurelogin import EntraToken  # noqa: PLC0415

            return EntraToken(spec, surroundings)
    return None
