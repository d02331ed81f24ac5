"""Azure Key Vault.

    driver    the operations
    writing   what a write or a deletion takes
    client    what is asked with the login, and what follows when it is refused
    answers   reading what a vault answers (pure)
    failures  what an error code means (pure)
    clouds    where a vault's users log in, and for what (pure)
    names     what a vault calls a key (pure)

Each knows only those below it; the login itself is `providers.entra`. Vaults are asked over our own wire, not by
azure-keyvault-secrets: its client asks for a challenge first and logs in for what that names, and its pipeline costs
several times the CPU of all the rest of a read.
"""

from beemflow_secrets.providers.azure.driver import AzureDriver

__all__ = ["AzureDriver"]
