"""HashiCorp Vault and OpenBao: the KV engines, versions 1 and 2, and engines that lease what they make.

    driver    the operations
    writing   a read, the change, and a write that is refused where another came between
    mounts    which mount the store's path lies in, and of which KV version
    leases    dynamic secrets, kept while their leases live
    session   what is done with the login, and what follows when the server refuses
    login     the token that all calls share, and that renews itself
    methods   the ways to log in
    proofs    what shows who asks, for the auth methods of clouds
    awslogin, azurelogin  a request to AWS that is signed, a token of Entra ID
    failures  what an answer that is no success means (pure)
    answers   reading what the server answers (pure)
    api       the calls: hvac's paths, quoting and bodies
    wire      the connections, with Vault's headers

Each knows only those below it.
"""

from beemflow_secrets.providers.vault.driver import VaultDriver

__all__ = ["VaultDriver"]
