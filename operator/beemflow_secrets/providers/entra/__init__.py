"""Logins at Microsoft Entra ID: tokens for a service of Azure, or for whoever else knows its users.

    login      the ways to log in, each of which brings a token
    authority  the token endpoint, for who has a secret or another issuer's token
    ambient    the identity of this machine, or of who has logged in with the Azure CLI
    refusals   what the token endpoint's errors mean (pure)

Each knows only those below it. A secret or a token of a ServiceAccount is one form sent to one address: that goes over
our own wire, so that bounds, deadlines and TLS hold, and nothing of the process takes part (azure-identity looks for
regions and authorities in its environment). How machines and the CLI lend tokens, azure-identity knows.
"""

from beemflow_secrets.providers.entra.login import EntraLogin, Identity

__all__ = ["EntraLogin", "Identity"]
