"""Fields that go by more than one name, alone, kept in a cache, and joined with those of others."""

from __future__ import annotations

import pytest

from beemflow_secrets.chain.merge import join
from beemflow_secrets.providers.aliases import Aliased
from beemflow_secrets.providers.errors import Invalid, NotFound
from beemflow_secrets.providers.seal import Seal
from beemflow_secrets.providers.value import SecretValue
from beemflow_secrets.rendering.property import pick

FIELDS = Aliased({"host": "h", "a.token": "1", "b.token": "2"}, {"db.host": "host", "token": None})


def value(fields: Aliased = FIELDS) -> SecretValue:
    return SecretValue(fields)


def test_a_further_name_leads_to_the_field() -> None:
    found = value()
    assert pick(found, "host") == pick(found, "db.host") == b"h"
    with pytest.raises(NotFound):
        pick(found, "db.user")


def test_a_name_of_several_is_refused() -> None:
    with pytest.raises(Invalid, match="several fields"):
        pick(value(), "token")
    assert pick(value(), "a.token") == b"1"


def test_only_fields_are_listed_and_counted() -> None:
    assert list(FIELDS) == ["host", "a.token", "b.token"]
    assert len(FIELDS) == 3
    assert FIELDS == {"host": "h", "a.token": "1", "b.token": "2"}
    assert repr(FIELDS) == "***"


def test_a_lone_field_may_be_the_value() -> None:
    assert SecretValue(Aliased({"password": "x"}, {"value": "password"})).value == "x"
    assert SecretValue(Aliased({"password": "x"}, {})).value == '{"password":"x"}'


def test_a_cache_keeps_the_names() -> None:
    seal = Seal()
    again = seal.open(seal.close(value()))
    assert again == value()
    assert pick(again, "db.host") == b"h"
    with pytest.raises(Invalid):
        pick(again, "token")


def test_joined_with_others_the_names_of_fields_that_were_taken_stay() -> None:
    other = SecretValue({"user": "u", "host": "of the other"})
    joined = join([value(), other], "First")
    assert (pick(joined, "user"), pick(joined, "host"), pick(joined, "db.host")) == (b"u", b"h", b"h")
    with pytest.raises(Invalid):
        pick(joined, "token")
    reversed_ = join([other, value()], "First")
    assert pick(reversed_, "host") == b"of the other"
    with pytest.raises(NotFound):
        pick(reversed_, "db.host")
    assert pick(join([SecretValue({"token": "own", "x": "y"}), value()], "First"), "token") == b"own"
