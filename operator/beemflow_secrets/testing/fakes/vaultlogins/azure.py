"""auth/azure/login. Source, where nothing else is said: hashicorp/vault-plugin-auth-azure, path_login.go.

A token that is not taken is an error of the plugin, and so a 500 (its issues #9 and #141 show it).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beemflow_secrets.testing.fakes.tokens import BadToken, read, verify
from beemflow_secrets.testing.fakes.vaultlogins.method import Method, Refused, Role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beemflow_secrets.testing.fakes.entra import Entra

_SKEW = 300  # seconds, of a token's beginning (coreos/go-oidc, verify.go)


class AzureMethod(Method):
    """Takes tokens of the tenant `entra` for `resource`, letter by letter, as in auth/azure/config.

    Roles bind service principals by their object ids (bound_service_principal_ids), which tokens call oid; `machines`
    are those that some of them are bound to, {oid: (subscription, group of resources, machine)}. `keys`: whether
    Entra ID can be asked for the keys that it signs with.
    """

    def __init__(self, entra: Entra, resource: str = "https://management.azure.com/") -> None:
        super().__init__()
        self.entra = entra
        self.resource = resource
        self.machines: dict[str, tuple[str, str, str]] = {}
        self.keys = True

    async def judge(self, asked: Mapping[str, Any]) -> tuple[Role, dict[str, str]]:
        """Return the role that a login is good for, and what is noted of it (pathLogin). Raises Refused."""
        for name in ("jwt", "role"):
            if not asked.get(name):
                raise Refused(f"{name} is required")
        role = self.roles.get(asked["role"])
        if role is None:
            raise Refused(f'invalid role name "{asked["role"]}"')
        claims = self._verified(asked["jwt"])
        if claims["oid"] not in role.bound:
            raise Refused(f"service principal not authorized: {claims['oid']}", 500)
        self._check_machine(claims["oid"], asked)
        names = ("subscription_id", "resource_group_name", "vm_name", "vmss_name")
        return role, {"role": asked["role"], **{name: asked[name] for name in names if asked.get(name)}}

    def _verified(self, token: str) -> dict[str, Any]:
        """Return the claims of a token. Source: coreos/go-oidc, verify.go, in its order."""
        try:
            claims = read(token)
        except BadToken as error:
            raise Refused(f"oidc: malformed jwt: {error}", 500) from None
        if claims.get("iss") != self.entra.issuer:
            expected, got = self.entra.issuer, claims.get("iss")
            raise Refused(f'oidc: id token issued by a different provider, expected "{expected}" got "{got}"', 500)
        if claims.get("aud") != self.resource:
            raise Refused(f'oidc: expected audience "{self.resource}" got ["{claims.get("aud")}"]', 500)
        now = self.entra.now()
        if claims["exp"] <= now:
            raise Refused(f"oidc: token is expired (Token Expiry: {claims['exp']})", 500)
        if claims["nbf"] > now + _SKEW:
            raise Refused("oidc: current time is before the nbf (not before) time", 500)
        if not self.keys:
            raise Refused(
                "failed to verify signature: fetching keys oidc: get keys failed: Get: connection refused", 500
            )
        try:
            return verify(token, [self.entra.key])
        except BadToken:
            raise Refused("failed to verify signature: failed to verify id token signature", 500) from None

    def _check_machine(self, oid: str, asked: Mapping[str, Any]) -> None:
        """Raise Refused where a role binds machines, and this is none (verifyResource)."""
        if oid not in self.machines:
            return
        subscription, group, machine = self.machines[oid]
        if not (asked.get("subscription_id") and asked.get("resource_group_name")):
            raise Refused("subscription_id and resource_group_name are required", 500)
        if not (asked.get("vm_name") or asked.get("vmss_name")):
            raise Refused("resource_id is required", 500)
        if (asked.get("vmss_name") or asked["vm_name"]) != machine:
            raise Refused("token object id does not match expected identities", 500)
        if asked["subscription_id"] != subscription:
            raise Refused("subscription not authorized", 500)
        if asked["resource_group_name"] != group:
            raise Refused("resource group not authorized", 500)
