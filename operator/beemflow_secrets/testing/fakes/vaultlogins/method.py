"""What auth methods have in common: roles, and the words in which they refuse."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass
class Role:
    """A role of an auth method: `bound` are those who may log in by it, the other options as auth/token/create's."""

    policies: Sequence[str]
    bound: Sequence[str]
    options: Mapping[str, object] = field(default_factory=dict)


class Refused(Exception):
    """A login that is refused. `status` is 400 where the method says so itself, 500 where it gives up with an error.

    Source: hashicorp/vault, sdk/logical/response_util.go (RespondErrorCommon).
    """

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


class Method(ABC):
    """An auth method. `roles` are its roles, by name."""

    def __init__(self) -> None:
        self.roles: dict[str, Role] = {}

    @abstractmethod
    async def judge(self, asked: Mapping[str, Any]) -> tuple[Role, dict[str, str]]:
        """Return the role that a login is good for, and what is noted of it. Raises Refused."""
