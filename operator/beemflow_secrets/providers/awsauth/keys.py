"""Access keys."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from beemflow_secrets.providers.errors import AuthFailed


@dataclass(frozen=True, slots=True)
class Keys:
    """What a request is signed with; `token` is that of a temporary key. Named as botocore's signer has them."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)

    def checked(self) -> Keys:
        """Return the keys. Raises AuthFailed where they hold what no header can."""
        for name, text in (("access key id", self.access_key), ("secret access key", self.secret_key)):
            if re.fullmatch("[!-~]+", text) is None:
                raise AuthFailed(f"the {name} is empty, or holds what none can hold")
        if self.token is not None and re.fullmatch("[!-~]+", self.token) is None:
            raise AuthFailed("the session token is empty, or holds what none can hold")
        return self
