"""HashiCorp Vault and OpenBao: the KV engines, versions 1 and 2.

driver    the operations; what to do when a login is refused
logins    the token that all share: made once, renewed in time, made anew when it is dead
mounts    which mount the store's path lies in, and of which KV version
answers   what the server's answers mean (pure)
api       the calls: hvac's paths, quoting and bodies
wire      the connections: TLS, bounds, no redirects
"""

from beemflow_secrets.providers.vault.driver import VaultDriver

__all__ = ["VaultDriver"]
