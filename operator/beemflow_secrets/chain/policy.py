"""Access policies: what nobody allows never reaches the cache or the backend.

An access is (flow, secret, action, roles). Where a store has policies all is denied, but for what one of them allows by
itself: flow, secret, action and roles together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.chain.asking import NOBODY, Asking, current
from beemflow_secrets.chain.layer import Layer
from beemflow_secrets.model.patterns import Patterns
from beemflow_secrets.model.policy import ACTIONS
from beemflow_secrets.providers.errors import Denied, SecretsError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from beemflow_secrets.model.policy import AccessPolicy, Action
    from beemflow_secrets.providers.base import SecretsProvider
    from beemflow_secrets.providers.value import Content, Found, Ref, Search, SecretValue


_OF_A_READ: tuple[Action, Action] = ("read", "write")
"""What a read is judged as, by `Ref.to_write`."""


class NotAllowed(Denied):
    """No access policy allows it. The backend was not asked, so it says nothing of how that is."""


class Policies:
    """The decision, made without asking anybody."""

    def __init__(self, policies: Iterable[AccessPolicy]) -> None:
        self._permissions = [_Permission(policy) for policy in policies]

    def allow(self, action: Action) -> bool:
        """Tell whether anybody may do it with anything."""
        return any(action in permission.actions for permission in self._permissions)

    def granted(self, action: Action, asking: Asking) -> list[Patterns]:
        """Return the secrets of which one may be used so by who asks, one entry a policy. Empty: none."""
        return [
            permission.secrets
            for permission in self._permissions
            if action in permission.actions and permission.roles <= asking.roles and permission.flows.match(asking.flow)
        ]


class _Permission:
    """A policy, ready to be held against many accesses."""

    __slots__ = ("actions", "flows", "roles", "secrets")

    def __init__(self, policy: AccessPolicy) -> None:
        self.flows = Patterns(policy.flow_patterns)
        self.secrets = Patterns(policy.secret_patterns)
        self.actions = frozenset(ACTIONS if policy.allowed_actions is None else policy.allowed_actions)
        self.roles = frozenset(policy.required_roles or ())


class Policy(Layer):
    """Lets through what the policies allow who asks (`asking.current`). Where nobody is named, that is nothing.

    Health checks pass: they read for nobody.
    """

    def __init__(self, inner: SecretsProvider, policies: Collection[AccessPolicy]) -> None:
        super().__init__(inner)
        self.judge_by(policies)

    def judge_by(self, policies: Collection[AccessPolicy]) -> None:
        """Let these policies stand from now on. With none all is allowed."""
        self._policies = Policies(policies) if policies else None

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        """Read those that may be read; the others are NotAllowed."""
        if self._policies is None:
            return await self._inner.fetch(refs)
        granted = {action: _granted(action, self._policies) for action in _OF_A_READ}
        answers: dict[Ref, SecretValue | SecretsError] = {}
        allowed = []
        for ref in refs:
            action = _OF_A_READ[ref.to_write]
            if _any(granted[action], ref.key):
                allowed.append(ref)
            else:
                answers[ref] = _refusal(action, self._policies, ref.key)
        if allowed:
            answers.update(await self._inner.fetch(allowed))
        return answers

    async def find(self, search: Search) -> Found:
        """List what may be listed and read. Raises NotAllowed where no policy allows to list anything."""
        if self._policies is None:
            return await self._inner.find(search)
        may_be_listed, may_be_read = (_granted(action, self._policies) for action in ("list", "read"))
        if not may_be_listed:
            raise _refusal("list", self._policies)
        found = await self._inner.find(search)
        return {name: tags for name, tags in found.items() if _any(may_be_listed, name) and _any(may_be_read, name)}

    async def set_secret(self, key: str, value: Content, *, property: str | None = None) -> SecretValue:
        """Write what may be written."""
        self._demand("write", key)
        return await self._inner.set_secret(key, value, property=property)

    async def delete_secret(self, key: str, *, property: str | None = None) -> None:
        """Delete what may be deleted."""
        self._demand("delete", key)
        await self._inner.delete_secret(key, property=property)

    def _demand(self, action: Action, key: str) -> None:
        if self._policies is not None and not _any(_granted(action, self._policies), key):
            raise _refusal(action, self._policies, key)


def _granted(action: Action, policies: Policies) -> list[Patterns]:
    asking = current()
    return [] if asking == NOBODY else policies.granted(action, asking)


def _any(granted: list[Patterns], key: str) -> bool:
    return any(patterns.match(key) for patterns in granted)


def _refusal(action: Action, policies: Policies, key: str | None = None) -> NotAllowed:
    """Name who asked and for what, never what the policies hold: it is others' business too."""
    asking = current()
    if asking == NOBODY:
        return NotAllowed("the store has access policies, and nobody is named: say which flow asks", key=key)
    who = f"flow {asking.flow!r}" if asking.flow else "a caller without a flow"
    if not policies.allow(action):
        who = "anybody"  # not this flow's fault
    return NotAllowed(f"no access policy of the store lets {who} {action} {'it' if key else 'its keys'}", key=key)
