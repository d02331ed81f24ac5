"""What a Secret holds: fields, paths, versions, decoded and binary values, and all keys together or none."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode, urlsafe_b64encode
from typing import TYPE_CHECKING

import pytest

from tests.controlplane.conftest import entry, spec, until
from tests.support.api import condition, decoded

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.api import Namespace, Object
    from tests.support.openbao import OpenBao

pytestmark = pytest.mark.usefixtures("operator", "store")

BINARY = bytes(range(256))
# As OpenBao spells them; Python's own float would write 1e+17 and 1.5e-07.
LONG_NUMBER, SHORT_NUMBER = 10**17, 1.5e-7


def raw(secret: Object | None) -> dict[str, bytes]:
    """Return a Secret's content as bytes."""
    assert secret is not None
    return {key: b64decode(value) for key, value in secret["data"].items()}


def message(ns: Namespace, name: str, reason: str) -> str:
    """Return what Ready=False says, once it has this reason."""
    return str(condition(ns.ready(name, "False", reason=reason))["message"])


def test_each_way_to_name_a_field(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put(
        "slack/bot",
        **{
            "token": canary,
            "dotted.name": "exact",
            "nested": {"a.b": ["zero", {"deep": canary}], "dotted": {"name": "by path"}},
            "json": json.dumps({"inner": {"list": ["x", canary]}}),
            "#hash": "sharp",
        },
    )
    wanted = {
        "property": ({"key": "slack/bot", "property": "token"}, canary),
        "behind-hash": ({"key": "slack/bot#token"}, canary),
        "exact-before-path": ({"key": "slack/bot#dotted.name"}, "exact"),
        "path": ({"key": "slack/bot", "property": "nested.dotted.name"}, "by path"),
        "escaped-dot": ({"key": r"slack/bot#nested.a\.b.1.deep"}, canary),
        "list": ({"key": r"slack/bot#nested.a\.b.0"}, "zero"),
        "json-in-text": ({"key": "slack/bot#json.inner.list.1"}, canary),
        "property-with-hash": ({"key": "slack/bot", "property": "#hash"}, "sharp"),
    }
    ns.add("slack", spec(*({"secretKey": key, "remoteRef": ref} for key, (ref, _) in wanted.items())))
    ns.ready("slack")
    assert ns.data("slack") == {key: value for key, (_, value) in wanted.items()}


def test_a_key_may_hold_what_its_backend_can(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put("a b+ü/c", value=canary)
    put("a#b", value=canary)
    put("a'b\"}}{c", value=canary)
    entries = (entry("letters", "a b+ü/c"), entry("hash", r"a\#b"), entry("both", r"a\#b#value"))
    ns.add("odd", spec(*entries, entry("quotes", "a'b\"}}{c")))
    ns.ready("odd")
    assert ns.data("odd") == {"letters": canary, "hash": canary, "both": canary, "quotes": canary}


def test_without_a_property_the_field_value_or_the_whole_map(
    ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("single", value=canary)
    put("other", token=canary)
    put("map", value=canary, number=LONG_NUMBER, flag=True, letters="ü")
    ns.add("whole", spec(entry("single", "single"), entry("other", "other"), entry("map", "map")))
    ns.ready("whole")
    data = ns.data("whole")
    assert data is not None
    assert data["single"] == canary
    assert data["other"] == f'{{"token":"{canary}"}}'
    assert json.loads(data["map"]) == {"value": canary, "number": LONG_NUMBER, "flag": True, "letters": "ü"}
    assert " " not in data["map"]
    assert "ü" in data["map"]


def test_what_is_no_text_is_written_as_json_spells_it(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put(
        "numbers",
        long=LONG_NUMBER,
        short=SHORT_NUMBER,
        flag=True,
        empty="",
        list=[1, "b"],
        map={"a": {"b": canary}},
        text='{"n": 1.10, "e": 1E5}',
        null=None,
    )
    fields = ("long", "short", "flag", "empty", "list", "map", "text.n", "text.e")
    ns.add(
        "numbers",
        spec(*(entry(field, f"numbers#{field}") for field in fields), entry("null", "numbers#null", optional=True)),
    )
    ns.ready("numbers")
    assert ns.data("numbers") == {
        "long": "100000000000000000",
        "short": "1.5e-7",
        "flag": "true",
        "empty": "",
        "list": '[1,"b"]',
        "map": f'{{"a":{{"b":"{canary}"}}}}',
        "text.n": "1.10",
        "text.e": "1E5",
    }


def test_values_are_decoded_as_asked_and_arrive_byte_for_byte(
    ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    plain, url = b64encode(BINARY).decode(), urlsafe_b64encode(BINARY).decode()
    put("binary", plain=plain, url=url, text="no base64!", token=canary)
    entries = {
        "as-it-is": ("plain", "None", plain.encode()),
        "base64": ("plain", "Base64", BINARY),
        "base64url": ("url", "Base64URL", BINARY),
        "auto-base64": ("plain", "Auto", BINARY),
        "auto-base64url": ("url", "Auto", BINARY),
        "auto-text": ("text", "Auto", b"no base64!"),
        "token": ("token", "None", canary.encode()),
    }
    ns.add(
        "binary",
        spec(
            *(entry(key, f"binary#{field}", decodingStrategy=strategy) for key, (field, strategy, _) in entries.items())
        ),
    )
    ns.ready("binary")
    assert raw(ns.api.get(ns.secret_path("binary"))) == {key: value for key, (_, _, value) in entries.items()}


@pytest.mark.parametrize("strategy", ["Base64", "Base64URL"])
def test_a_value_that_cannot_be_decoded_says_so_and_not_what_it_is(
    ns: Namespace, put: Callable[..., int], canary: str, strategy: str
) -> None:
    put("slack", token=f"{canary}!")
    ns.add("slack", spec(entry("token", "slack#token", decodingStrategy=strategy)))
    told = message(ns, "slack", "InvalidSpec")
    assert strategy in told
    assert "key slack" in told
    assert ns.data("slack") is None


def test_a_pinned_version_is_served_beside_the_current_one(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    first, second = put("slack", token=f"{canary}-1"), put("slack", token=f"{canary}-2")
    ns.add(
        "slack",
        spec(entry("old", "slack#token", version=str(first)), entry("new", "slack#token"), refreshInterval="1s"),
    )
    found = ns.ready("slack")
    assert ns.data("slack") == {"old": f"{canary}-1", "new": f"{canary}-2"}
    assert [told["version"] for told in found["status"]["entries"]] == [str(first), str(second)]
    put("slack", token=f"{canary}-3")
    ns.wait_data("slack", {"old": f"{canary}-1", "new": f"{canary}-3"})


def test_a_version_that_is_not_there_is_a_key_that_is_not_found(
    ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(entry("token", "slack#token", version="7")))
    assert "key slack" in message(ns, "slack", "KeyNotFound")


def test_a_deleted_version_is_a_key_that_is_not_found_and_keeps_the_secret(
    ns: Namespace, put: Callable[..., int], bao: OpenBao, folder: str, canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(entry("token", "slack#token"), refreshInterval="1s"))
    ns.ready("slack")
    bao.delete_kv2("secret", f"{folder}/slack")
    message(ns, "slack", "KeyNotFound")
    assert ns.data("slack") == {"token": canary}


def test_what_is_optional_may_be_missing(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put("slack", token=canary)
    ns.add(
        "slack",
        spec(
            entry("token", "slack#token"),
            entry("no-key", "missing#token", optional=True),
            entry("no-property", "slack#missing", optional=True),
            refreshInterval="1s",
        ),
    )
    found = ns.ready("slack")
    assert ns.data("slack") == {"token": canary}
    assert [told["secretKey"] for told in found["status"]["entries"]] == ["token"]
    # Whoever mistypes an optional key sees it here.
    assert condition(found)["message"] == "1 key synced; optional and not found: no-key, no-property"
    put("missing", token=canary)
    ns.wait_data("slack", {"token": canary, "no-key": canary})


def test_a_typing_error_empties_no_secret_all_of_whose_keys_are_optional(
    ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    right = spec(entry("token", "slack#token", optional=True), refreshInterval="1s")
    for name, mistyped in (("by-key", "slakc#token"), ("by-property", "slack#tokne")):
        ns.add(name, right)
        ns.ready(name)
        ns.api.patch(ns.path(name), {"spec": {"data": [entry("token", mistyped, optional=True)]}})
    ns.ready("by-key", "False", reason="KeyNotFound")
    told = condition(ns.ready("by-property", "False", reason="PropertyNotFound"))["message"]
    assert told == "store prod: key slack: no property 'tokne' (for token)"
    assert ns.data("by-key") == ns.data("by-property") == {"token": canary}
    # What was read once may be missing: that is what optional says.
    ns.api.patch(ns.path("by-property"), {"spec": right})
    ns.ready("by-property")
    put("slack", other=canary)
    ns.wait_data("by-property", {})


def test_optional_does_not_cover_what_is_denied(
    ns: Namespace, put: Callable[..., int], bao: OpenBao, folder: str, canary: str
) -> None:
    put("slack", token=canary)
    put("closed/slack", token=canary)
    rules = {f"secret/data/{folder}/*": ["read"], f"secret/data/{folder}/closed/*": ["deny"]}
    bao.policy(folder, rules)
    ns.add("slack", spec(entry("token", "slack#token"), entry("closed", "closed/slack#token", optional=True)))
    told = message(ns, "slack", "AccessDenied")
    assert "prod" in told
    assert "closed/slack" in told
    assert ns.data("slack") is None


@pytest.mark.parametrize(
    ("missing", "reason"), [("missing#token", "KeyNotFound"), ("slack#missing", "PropertyNotFound")]
)
def test_all_keys_are_written_together_or_none(
    ns: Namespace, put: Callable[..., int], reads: Callable[[str], int], canary: str, missing: str, reason: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(entry("token", "slack#token"), refreshInterval="1s"))
    ns.ready("slack")
    both = spec(entry("new", "slack#token"), entry("gone", missing), refreshInterval="1s")
    ns.add("fresh", both)
    ns.api.patch(ns.path("slack"), {"spec": both})
    for name in ("slack", "fresh"):
        told = message(ns, name, reason)
        assert "store prod" in told
        assert f"key {missing.partition('#')[0]}" in told
        assert "gone" in told
    asked = reads("slack")
    until(lambda: reads("slack") >= asked + 3)
    assert ns.data("slack") == {"token": canary}
    assert ns.data("fresh") is None


def test_kv1_has_values_and_no_versions(
    ns: Namespace, bao: OpenBao, folder: str, store_spec: Object, login: str, canary: str
) -> None:
    del login
    bao.write_kv1("kv1", f"{folder}/slack/bot", {"token": canary, "n": LONG_NUMBER})
    for name, fields in {"found-out": {}, "told": {"kvVersion": 1}}.items():
        ns.add_store(name, {**store_spec, "vault": {**store_spec["vault"], "path": f"kv1/{folder}", **fields}})
        ns.add(name, spec(entry("token", "slack/bot#token"), entry("all", "slack/bot"), store=name))
        found = ns.ready(name)
        data = ns.data(name)
        assert data is not None
        assert data["token"] == canary
        assert json.loads(data["all"]) == {"token": canary, "n": LONG_NUMBER}
        assert found["status"]["entries"][0] == {"secretKey": "token", "provider": name, "remoteKey": "slack/bot#token"}


def test_text_that_is_no_unicode_is_the_values_fault(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    # JSON can spell half of a surrogate pair; no encoding can.
    put("slack", json='{"half": "\\ud800"}', token=canary)
    ns.add("slack", spec(entry("half", "slack#json.half"), entry("token", "slack#token")))
    assert "key slack" in message(ns, "slack", "InvalidSpec")


def test_the_largest_secret_is_written_and_a_larger_one_refused(
    ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    # OpenBao takes 1 MiB a secret, the API server 1 MiB a Secret.
    put("half", value=canary + "x" * 500_000)
    put("other", value=canary + "y" * 500_000)
    ns.add("large", spec(entry("a", "half"), entry("b", "other")))
    found = ns.ready("large", patience=5)
    assert decoded(ns.api.get(ns.secret_path("large")) or {})["b"].endswith("y")
    assert found["status"]["conditions"][0]["message"] == "2 keys synced"
    ns.add("larger", spec(entry("a", "half"), entry("b", "other"), entry("c", "half")))
    assert "Secret larger" in message(ns, "larger", "WriteRefused")
    assert ns.data("larger") is None
