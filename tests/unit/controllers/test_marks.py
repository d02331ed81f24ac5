"""By what a source is known again."""

from __future__ import annotations

from typing import Any

import pytest

from beemflow_secrets.controllers.marks import backends_of, homes_of, identity, mark_of, place_of
from beemflow_secrets.controllers.objects import Key
from beemflow_secrets.model.sources import DataEntry
from beemflow_secrets.model.store import StoreSpec
from beemflow_secrets.providers.value import Ref

STORE = Key("BeemFlowSecretStore", "flows", "prod")
SLACK = Ref("slack")


def store(address: str = "https://vault", path: str = "secret", **fields: Any) -> StoreSpec:
    token = {"secretKeyRef": {"name": "login", "key": "token"}}
    return StoreSpec.model_validate(
        {"driver": "vault", "vault": {"address": address, "path": path, "token": token}, **fields}
    )


def mark(spec: StoreSpec, ref: Ref = SLACK, key: Key = STORE) -> str:
    return mark_of(key, place_of(spec), ref)


@pytest.mark.parametrize(
    "other",
    [
        mark(store(address="https://other")),
        mark(store(path="secrets")),
        mark(store(prefix="a/")),
        mark(store(), Ref("slcak")),
        mark(store(), Ref("slack", "3")),
        mark(store(), key=STORE._replace(name="other")),
        mark(store(), key=STORE._replace(namespace="")),
    ],
)
def test_another_place_is_another_mark(other: str) -> None:
    assert other != mark(store())


def test_what_an_entry_reads_tells_it_from_others_and_so_does_the_property_that_may_be_missing() -> None:
    def known_by(key: str, **ref: Any) -> Ref:
        return identity(DataEntry.model_validate({"secretKey": "a", "remoteRef": {"key": key, **ref}}))

    assert known_by("slack#token") == known_by("slack#other") == known_by("slack", optional=True) == SLACK
    optional = known_by("slack#token", optional=True)
    assert optional == known_by("slack", property="token", optional=True)
    assert len({optional, known_by("slack#tokn", optional=True), known_by(r"slack\#token", optional=True), SLACK}) == 4
    assert known_by("slack#token", version="3", optional=True).version == "3"


@pytest.mark.parametrize(
    "how",
    [
        {"timeout": "3s"},
        {"retry": {"attempts": 1}},
        {"healthCheck": {"interval": "5s"}},
        {"requestBudget": {"perSecond": 5}},
        {"batchSize": 5},
        {"cache": {"enabled": True}},
        {"accessPolicies": [{"allowedActions": ["read"]}]},
    ],
)
def test_how_it_is_read_makes_no_difference(how: dict[str, Any]) -> None:
    assert mark(store(**how)) == mark(store())
    assert mark(store(), Ref("slack", since=3.0)) == mark(store())


def test_it_is_short_and_the_same_for_every_process() -> None:
    assert mark_of(STORE, "{}", Ref("slack")) == "XP-lMI4_"


def alike(one: StoreSpec, other: StoreSpec) -> bool:
    return not backends_of(one).isdisjoint(backends_of(other))


def test_a_backend_is_known_again_whoever_logs_in_there() -> None:
    other = {"secretKeyRef": {"name": "another", "key": "token"}}
    written = {"driver": "vault", "vault": {"address": "https://vault", "path": "secret", "token": other}}
    assert alike(store(), StoreSpec.model_validate({**written, "timeout": "3s"}))
    assert not alike(store(), StoreSpec.model_validate({**written, "prefix": "a/"}))
    assert not alike(store(), store(path="secrets"))


def test_a_chain_is_known_by_its_links() -> None:
    links = [store().model_dump(mode="json", by_alias=True, include={"driver", "vault"}, exclude_defaults=True)]
    multi = {"strategy": "merge", "providers": links}
    chain = StoreSpec.model_validate({"driver": "multi", "prefix": "a/", "multi": multi})
    assert alike(chain, store(prefix="a/"))
    assert not alike(chain, store())


def test_where_the_login_tells_the_account_it_counts() -> None:
    def aws(key: str) -> StoreSpec:
        login = {"secretKeyRef": {"name": key, "key": "id"}}
        block = {"accessKeyId": login, "secretAccessKey": login}
        return StoreSpec.model_validate({"driver": "aws-sm", "region": "eu-west-1", "aws": block})

    assert alike(aws("a"), aws("a"))
    assert not alike(aws("a"), aws("b"))


def test_a_backend_has_one_home_whatever_the_prefixes() -> None:
    assert homes_of(store(prefix="a/")) == [(homes_of(store())[0][0], "a/")]
    links = [store(prefix="b/").model_dump(mode="json", by_alias=True, exclude_defaults=True)]
    multi = {"strategy": "merge", "providers": links}
    chain = StoreSpec.model_validate({"driver": "multi", "prefix": "a/", "multi": multi})
    assert homes_of(chain) == [(homes_of(store())[0][0], "a/b/")]
    aws = StoreSpec.model_validate({"driver": "aws-sm", "region": "eu-west-1", "aws": {}})
    assert homes_of(aws.model_copy(update={"prefix": "a/"})) == [(homes_of(aws)[0][0], "a/")]
