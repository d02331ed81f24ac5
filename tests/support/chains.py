"""Chains of OpenBaos, for tests: their links, each with a folder of its own behind a proxy of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.support.api import Namespace, Object
    from tests.support.faultproxy import FaultProxy
    from tests.support.openbao import OpenBao


@dataclass
class Server:
    """A folder of an OpenBao, behind a proxy."""

    bao: OpenBao
    proxy: FaultProxy
    folder: str
    token: str = ""

    def put(self, key: str, **fields: object) -> None:
        """Write a secret."""
        self.bao.write_kv2("secret", f"{self.folder}/{key}", fields)

    def reads(self) -> int:
        """Return how many reads of values came this far."""
        return sum("/data/" in request.path for request in tuple(self.proxy.requests))

    def link(self, ns: Namespace, name: str, **fields: Any) -> Object:
        """Return the link of a chain; its token is put into the Secret `login-<name>`."""
        rules = {f"secret/data/{self.folder}/*": ["read"], f"secret/metadata/{self.folder}/*": ["list"]}
        self.bao.policy(self.folder, rules)
        self.token = self.bao.token([self.folder])
        ns.add_secret(f"login-{name}", {"token": self.token})
        return {
            "name": name,
            "driver": "vault",
            "vault": {
                "address": self.proxy.address,
                "path": f"secret/{self.folder}",
                "token": {"secretKeyRef": {"name": f"login-{name}", "key": "token"}},
            },
            **fields,
        }


def chain(*links: Object, strategy: str = "failover", **fields: Any) -> Object:
    """Return the spec of a chain, whose links give up after a second and try once."""
    multi = {"strategy": strategy, "providers": list(links), **fields}
    return {"driver": "multi", "timeout": "1s", "retry": {"attempts": 1}, "multi": multi}
