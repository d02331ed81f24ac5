"""The logins of HashiCorp Vault that OpenBao does not have, before a real OpenBao: all else is the server's own.

    server   who hands on what is no such login, and has tokens made for those that are good
    aws      auth/aws/login: a signed request, of which AWS's Security Token Service is asked whose it is
    azure    auth/azure/login: a token of Microsoft Entra ID
    method   what auth methods have in common

A login that is good is answered by a real token, of the policies that its role has: so what it may do, how it is
renewed, and how it ends is real. What a login takes, what is checked, and in what words it is refused is Vault's; each
fact has its source beside it.
"""

from beemflow_secrets.testing.fakes.vaultlogins.aws import AwsMethod
from beemflow_secrets.testing.fakes.vaultlogins.azure import AzureMethod
from beemflow_secrets.testing.fakes.vaultlogins.method import Role
from beemflow_secrets.testing.fakes.vaultlogins.server import VaultLogins

__all__ = ["AwsMethod", "AzureMethod", "Role", "VaultLogins"]
