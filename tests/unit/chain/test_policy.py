"""Policy: what no policy allows never reaches what is below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.chain.asking import Asking, access
from beemflow_secrets.chain.factory import chain
from beemflow_secrets.chain.policy import NotAllowed, Policies, Policy
from beemflow_secrets.model.policy import AccessPolicy
from beemflow_secrets.model.store import StoreSpec
from beemflow_secrets.providers.errors import Denied, Invalid
from beemflow_secrets.providers.value import Ref, SecretValue
from tests.unit.chain.scripted import Backend

if TYPE_CHECKING:
    from beemflow_secrets.model.policy import Action

FINANCE = AccessPolicy(
    flow_patterns=["finance/*"], secret_patterns=["stripe/*"], allowed_actions=["read"], required_roles=["admin", "eu"]
)


def allowed(policies: list[AccessPolicy], flow: str, secret: str, action: Action, *roles: str) -> bool:
    granted = Policies(policies).granted(action, Asking(flow, frozenset(roles)))
    return any(patterns.match(secret) for patterns in granted)


@pytest.mark.parametrize(
    ("flow", "secret", "action", "roles", "is_allowed"),
    [
        ("finance/pay", "stripe/key", "read", ["admin", "eu"], True),
        ("finance/pay", "stripe/key", "read", ["admin", "eu", "more"], True),
        ("other/pay", "stripe/key", "read", ["admin", "eu"], False),
        ("finance/pay", "github/key", "read", ["admin", "eu"], False),
        ("finance/pay", "stripe/key", "list", ["admin", "eu"], False),
        ("finance/pay", "stripe/key", "read", ["admin"], False),
        ("finance/pay", "stripe/key", "read", [], False),
    ],
)
def test_a_policy_must_allow_flow_secret_action_and_roles(
    flow: str, secret: str, action: Action, roles: list[str], *, is_allowed: bool
) -> None:
    assert allowed([FINANCE], flow, secret, action, *roles) is is_allowed


def test_one_policy_must_allow_all_four() -> None:
    halves = [
        AccessPolicy(flow_patterns=["a/*"], secret_patterns=["one"]),
        AccessPolicy(flow_patterns=["b/*"], secret_patterns=["two"]),
    ]
    assert allowed(halves, "a/x", "one", "read")
    assert allowed(halves, "b/x", "two", "read")
    assert not allowed(halves, "a/x", "two", "read")
    assert not allowed(halves, "b/x", "one", "read")


@pytest.mark.parametrize("action", ["read", "list", "write", "delete"])
def test_what_is_left_out_is_allowed_for_all(action: Action) -> None:
    assert allowed([AccessPolicy()], "any/flow", "any/secret", action)
    assert not allowed([], "any/flow", "any/secret", action)


async def names_of(provider: Policy, *keys: str, version: str | None = None) -> dict[str, Any]:
    answers = await provider.fetch([Ref(key, version) for key in keys])
    return {ref.key: answer for ref, answer in answers.items()}


async def test_a_refused_key_never_reaches_what_is_below_and_the_others_are_read() -> None:
    backend = Backend({"stripe/key": SecretValue("x"), "github": SecretValue("y")})
    provider = Policy(backend, [AccessPolicy(flow_patterns=["f/*"], secret_patterns=["stripe/*", "absent"])])
    with access(flow="f/a"):
        answers = await names_of(provider, "github", "stripe/key", version="3")
    assert isinstance(answers["stripe/key"], SecretValue)
    assert isinstance(answers["github"], NotAllowed)
    assert str(answers["github"]) == "github: no access policy of the store lets flow 'f/a' read it"
    with access(flow="g/a"):
        assert isinstance((await names_of(provider, "stripe/key"))["stripe/key"], Denied)
    assert backend.reads == ["stripe/key"]


async def test_where_nobody_is_named_all_is_denied() -> None:
    backend = Backend({"a": SecretValue("x")})
    provider = Policy(backend, [AccessPolicy()])
    said = "the store has access policies, and nobody is named: say which flow asks"
    with pytest.raises(Denied, match=said):
        await provider.get_secret("a")
    with pytest.raises(Denied, match=said):
        await provider.list_secrets()
    with access(flow="f"), access(), pytest.raises(Denied, match=said):
        await provider.get_secret("a")
    assert backend.reads == []
    with access(roles=["r"]):
        assert await provider.get_secret("a") == "x"


async def test_a_role_that_nobody_holds_is_a_denial_that_does_not_name_it() -> None:
    provider = Policy(Backend(), [AccessPolicy(required_roles=["typo-admin"])])
    with access(roles=["typo"]), pytest.raises(Denied) as caught:
        await provider.get_secret("a")
    assert str(caught.value) == "a: no access policy of the store lets a caller without a flow read it"


async def test_policies_that_allow_nobody_say_so() -> None:
    provider = Policy(Backend(), [AccessPolicy(allowed_actions=["write"]), AccessPolicy(allowed_actions=["delete"])])
    with access(flow="f"):
        with pytest.raises(Denied, match="a: no access policy of the store lets anybody read it"):
            await provider.get_secret("a")
        with pytest.raises(Denied, match="no access policy of the store lets anybody list its keys"):
            await provider.list_secrets()


async def test_list_needs_list_and_shows_only_what_may_be_read() -> None:
    backend = Backend(dict.fromkeys(("a/1", "a/2", "b/1", "c/1"), SecretValue("x")))
    listing = [
        AccessPolicy(flow_patterns=["f"], secret_patterns=["a/*", "b/*"], allowed_actions=["list"]),
        AccessPolicy(flow_patterns=["f"], secret_patterns=["a/1", "c/*"], allowed_actions=["read"]),
        AccessPolicy(flow_patterns=["blind"], secret_patterns=["*"], allowed_actions=["list"]),
        AccessPolicy(flow_patterns=["reader"], secret_patterns=["*"], allowed_actions=["read"]),
    ]
    provider = Policy(backend, listing)
    with access(flow="f"):
        assert await provider.list_secrets() == ["a/1"]
        assert await provider.list_secrets("c/") == []
    with access(flow="blind"):
        assert await provider.list_secrets() == []
    with access(flow="reader"), pytest.raises(NotAllowed, match="no access policy of the store lets flow 'reader' li"):
        await provider.list_secrets()


async def test_keys_are_judged_as_they_are_written_and_critical_ones_not_at_all() -> None:
    backend = Backend({"team/stripe": SecretValue("x"), "team/vital": SecretValue("y")})
    spec = StoreSpec.model_validate(
        {
            "prefix": "team/",
            "accessPolicies": [{"secretPatterns": ["stripe"]}],
            "healthCheck": {"criticalKeys": ["vital"]},
        }
    )
    provider = chain(backend, spec)
    with access(flow="f"):
        assert await provider.get_secret("stripe") == "x"
        assert await provider.list_secrets() == ["stripe"]
        for key in ("team/stripe", "vital", "Stripe"):
            with pytest.raises(Denied):
                await provider.get_secret(key)
    await provider.health_check()
    assert backend.reads == ["team/stripe", "team/vital"]
    backend.secrets.clear()
    with pytest.raises(Exception, match="critical keys cannot be read: vital"):
        await provider.health_check()


async def test_the_cache_is_no_way_around() -> None:
    backend = Backend({"a": SecretValue("x")})
    spec = {"cache": {"enabled": True}, "accessPolicies": [{"flowPatterns": ["good"]}]}
    provider = chain(backend, StoreSpec.model_validate(spec))
    with access(flow="good"):
        assert [await provider.get_secret("a") for _ in range(2)] == ["x", "x"]
    with access(flow="bad"), pytest.raises(NotAllowed):
        await provider.get_secret("a")
    assert backend.reads == ["a"]


async def test_policies_may_be_exchanged_while_the_store_is_open() -> None:
    provider = Policy(Backend({"a": SecretValue("x")}), [])
    assert await provider.get_secret("a") == "x"
    provider.judge_by([AccessPolicy(flow_patterns=["good"])])
    with access(flow="bad"), pytest.raises(NotAllowed):
        await provider.get_secret("a")
    provider.judge_by([])
    assert await provider.get_secret("a") == "x"


async def test_a_malformed_key_stays_invalid_where_all_is_allowed() -> None:
    provider = chain(Backend(), StoreSpec(access_policies=[AccessPolicy(secret_patterns=["a/*"])]))
    with access(flow="f"), pytest.raises(Invalid):
        await provider.get_secret("a/../b")


def test_roles_are_a_list() -> None:
    with pytest.raises(TypeError, match="roles must be a list of names"), access(roles="admin"):
        pass


async def test_a_read_for_a_write_is_judged_as_the_write() -> None:
    backend = Backend({"a": SecretValue("1"), "b": SecretValue("2")})
    writers = AccessPolicy(flow_patterns=["f"], secret_patterns=["a"], allowed_actions=["write"])
    readers = AccessPolicy(flow_patterns=["f"], secret_patterns=["b"], allowed_actions=["read"])
    layer = Policy(backend, [writers, readers])
    with access(flow="f"):
        answers = await layer.fetch([Ref(key, to_write=key in "ac") for key in "abc"])
        assert isinstance((await layer.fetch([Ref("a")]))[Ref("a")], NotAllowed)
        assert isinstance((await layer.fetch([Ref("b", to_write=True)]))[Ref("b")], NotAllowed)
    assert [isinstance(answers[Ref(key)], SecretValue) for key in "abc"] == [True, True, False]
    assert "write" in str(answers[Ref("c")])
