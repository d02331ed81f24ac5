from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from beemflow_secrets.model.backend import RequestBudget
from beemflow_secrets.model.clustersecret import ClusterSecretSpec
from beemflow_secrets.model.explain import LONGEST, explain
from beemflow_secrets.model.push import PushSpec
from beemflow_secrets.model.secret import SecretSpec
from beemflow_secrets.model.store import Retry, StoreSpec, check_scope
from tests.unit.model.cases import (
    CANARY,
    CLUSTER,
    PUSH,
    RIGHT,
    SECRET,
    STAMP,
    STORE,
    WRONG,
    WRONG_SCOPE,
    Spec,
    Wrong,
    approle,
    azure_by,
    chain,
    entry,
    kubernetes_login,
    match,
    push,
    secret,
    vault,
)

if TYPE_CHECKING:
    from beemflow_secrets.model.base import Model

MODELS: dict[str, type[Model]] = {
    STORE: StoreSpec,
    CLUSTER: StoreSpec,
    SECRET: SecretSpec,
    STAMP: ClusterSecretSpec,
    PUSH: PushSpec,
}


def answer(model: type[Model], spec: object) -> str:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(spec)
    assert CANARY not in str(caught.value)
    return explain(caught.value)


@pytest.mark.parametrize(("kind", "spec"), RIGHT)
def test_what_is_right_is_taken(kind: str, spec: Spec) -> None:
    MODELS[kind].model_validate(spec)


@pytest.mark.parametrize("case", WRONG, ids=str)
def test_a_mistake_is_answered_with_its_place_and_never_with_a_value(case: Wrong) -> None:
    text = answer(MODELS[case.kind], case.spec)
    assert case.model in text
    assert CANARY not in text
    assert len(text) <= LONGEST
    assert "\n" not in text


@pytest.mark.parametrize("case", WRONG_SCOPE, ids=str)
def test_what_a_kind_of_store_may_not_do(case: Wrong) -> None:
    cluster = case.kind == CLUSTER
    assert case.model in str(check_scope(StoreSpec.model_validate(case.spec), cluster=cluster, ambient=cluster))


@pytest.mark.parametrize(
    ("kind", "spec"), [(kind, spec) for kind, spec in RIGHT if kind == CLUSTER or (kind == STORE and "vault" in spec)]
)
def test_what_a_kind_of_store_may_do(kind: str, spec: Spec) -> None:
    cluster = kind == CLUSTER
    assert check_scope(StoreSpec.model_validate(spec), cluster=cluster, ambient=cluster) is None


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"driver": "file", "file": {"path": "/a"}},
        {"driver": "aws-sm"},
        {"driver": "aws-sm", "aws": {"roleArn": "arn:aws:iam::123456789012:role/x", "externalId": "ab"}},
        {"driver": "aws-sm", "aws": {"profile": "prod"}},
        azure_by("msi"),
        azure_by("cli"),
        azure_by("workload_identity", tenantId="t-1", clientId="c-1"),
        {"driver": "gcp-sm"},
        {"driver": "gcp-sm", "gcp": {"projectId": "p", "serviceAccountKeyFile": "/key"}},
        {"driver": "kubernetes", "kubernetes": {}},
        {"driver": "vault", "vault": {"address": "https://v", "path": "secret", "authMethod": "kubernetes"}},
        {"driver": "vault", "vault": {"address": "https://v", "path": "secret", "authMethod": "aws"}},
        {"driver": "vault", "vault": {"address": "https://v", "path": "secret", "authMethod": "azure"}},
    ],
    ids=str,
)
def test_the_operators_identity_is_lent_as_the_administrator_says(spec: Spec) -> None:
    store = StoreSpec.model_validate(spec)
    refusal = {cluster: check_scope(store, cluster=cluster, ambient=False) or "" for cluster in (False, True)}
    assert "--store-ambient-credentials" in refusal[False]
    assert "--no-cluster-store-ambient-credentials" in refusal[True]
    assert [check_scope(store, cluster=cluster, ambient=True) for cluster in (False, True)] == [None, None]


def test_defaults_are_the_contracts() -> None:
    store = StoreSpec()
    assert (store.driver, store.prefix, store.timeout, store.health_check.interval) == ("env", "", 30.0, 60.0)
    assert store.retry == Retry(attempts=4, base_delay=0.2, max_delay=10.0)
    assert (store.tls.min_version, store.tls.ca_bundle, store.tls.allow_plaintext) == ("1.3", None, False)
    spec = SecretSpec.model_validate(secret())
    assert (spec.secret_store_ref.kind, spec.refresh_interval, spec.suspend) == (STORE, 3600.0, False)
    assert (spec.target.name, spec.target.creation_policy, spec.target.template.type) == (None, "Owner", "Opaque")
    remote = spec.data[0].remote_ref
    assert (remote.property, remote.version, remote.decoding_strategy, remote.optional) == (None, None, "None", False)


def test_defaults_of_a_push_are_the_contracts() -> None:
    spec = PushSpec.model_validate(push())
    assert (spec.refresh_interval, spec.update_policy, spec.deletion_policy) == (3600.0, "Replace", "None")
    assert (spec.secret_store_refs[0].kind, spec.data[0].match.remote_ref.property) == (STORE, None)
    parts = [
        entry.match.remote_ref.parts()
        for entry in PushSpec.model_validate(push(match("a#b"), match("a", property="c"))).data
    ]
    assert parts == [("a", "b"), ("a", "c")]


def test_the_property_is_found_wherever_it_was_written() -> None:
    spec = SecretSpec.model_validate(secret(entry("a#b", "one"), entry("a", "two", property="b"), entry("a", "three")))
    assert [item.remote_ref.parts() for item in spec.data] == [("a", "b"), ("a", "b"), ("a", None)]


def test_the_budget_of_a_chain_is_not_that_of_each_link() -> None:
    links = [vault() | {"requestBudget": {"perSecond": 2}}, vault() | {"name": "spare"}]
    store = StoreSpec.model_validate(chain(*links) | {"requestBudget": {"perSecond": 1}})
    assert [backend.spec.request_budget for backend in store.backends] == [RequestBudget(per_second=2.0), None]


def test_credentials_are_found_by_their_field() -> None:
    spec = StoreSpec.model_validate(approle(roleId=None, roleIdRef={"secretKeyRef": {"name": "a", "key": "b"}}))
    assert spec.vault is not None
    assert list(spec.vault.credentials) == ["roleIdRef", "secretId"]


def test_a_chain_is_its_links_each_as_a_store_of_its_own() -> None:
    written = chain(
        vault() | {"prefix": "a/", "timeout": "1s"}, {"name": "spare", **approle(), "tls": {"minVersion": "1.2"}}
    )
    store = StoreSpec.model_validate(written | {"prefix": "p/", "timeout": "2s", "retry": {"attempts": 2}})
    (first_path, first_name, first), (path, name, second) = store.backends
    assert (first_path, first_name, path, name) == ("multi.providers[0].", "vault", "multi.providers[1].", "spare")
    assert (first.driver, first.prefix, first.timeout, first.retry.attempts) == ("vault", "a/", 1.0, 2)
    assert (second.prefix, second.timeout, second.tls.min_version, first.tls.min_version) == ("", 2.0, "1.2", "1.3")
    assert (first.multi, first.vault) == (None, store.multi and store.multi.providers[0].vault)
    assert list(store.credentials) == ["multi.providers[0].vault.token", "multi.providers[1].vault.secretId"]


def test_a_plain_store_is_its_only_backend() -> None:
    store = StoreSpec.model_validate(kubernetes_login(serviceAccountRef={"name": "a"}))
    assert store.backends == [("", "vault", store)]
    assert list(store.service_accounts) == ["vault.serviceAccountRef"]


def test_a_nested_misspelling_names_the_nearest_field() -> None:
    assert answer(StoreSpec, {"retry": {"basedelay": "1s"}}) == (
        "spec.retry.basedelay: is not a known field (it holds a string); did you mean baseDelay?"
    )
    assert answer(SecretSpec, secret(entry("a"), entry("b", "x", propertie=CANARY))) == (
        "spec.data[1].remoteRef.propertie: is not a known field (it holds a string); did you mean property?"
    )
    assert answer(StoreSpec, {"zzz": None}) == "spec.zzz: is not a known field (it holds null)"


def test_all_broken_rules_are_told_at_once() -> None:
    text = answer(StoreSpec, vault(authMethod="approle"))
    assert text == (
        "spec.vault: authMethod approle needs one of roleId and roleIdRef; "
        "spec.vault: authMethod approle needs secretId; spec.vault: token belongs to authMethod token"
    )


def test_many_mistakes_are_counted() -> None:
    text = answer(SecretSpec, secret(*[entry("", f"k{number}") for number in range(500)]))
    assert text.startswith("spec.data[0].remoteRef.key: ")
    told = text.count("spec.data")
    assert text.endswith(f"; and {500 - told} more")
    assert LONGEST - 200 < len(text) <= LONGEST


def test_one_endless_mistake_is_cut() -> None:
    assert len(answer(StoreSpec, {"x" * 5000: 1})) == LONGEST


def test_the_root_of_the_paths_can_be_named() -> None:
    with pytest.raises(ValidationError) as caught:
        StoreSpec.model_validate({"driver": 1})
    assert explain(caught.value, root="secrets").startswith(
        "secrets.driver: must be '1password', 'aws-sm', 'azure-kv', 'env', 'file', 'gcp-sm', 'kubernetes', 'multi' or "
        "'vault' (got a number)"
    )


def test_a_spec_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        StoreSpec().driver = "vault"
