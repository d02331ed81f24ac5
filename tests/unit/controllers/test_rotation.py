"""controllers/secret/rotation.py: which keys changed, from which versions to which."""

from __future__ import annotations

from typing import Any

from beemflow_secrets.controllers.secret.rotation import Rotation, rotation


def told(content: str | None, **versions: str | None) -> dict[str, Any]:
    """A status of a Secret whose keys are read from keys of their own names."""
    entries = [{"secretKey": key, "remoteKey": key, "provider": "prod"} for key in versions]
    entries = [
        entry | ({"version": version} if version is not None else {})
        for entry, version in zip(entries, versions.values(), strict=True)
    ]
    status: dict[str, Any] = {"entries": entries}
    return status | {"contentVersion": content, "secretRef": {"name": "slack"}} if content is not None else status


def test_what_the_write_saw_change_is_told_with_both_versions() -> None:
    old, new = told("one", token="3", user="1"), told("two", token="4", user="1")
    assert rotation(old, new, {"token", "config.ini"}) == Rotation(
        "slack", {"config.ini": (None, None), "token": ("3", "4")}
    )


def test_where_the_write_saw_nothing_versions_tell() -> None:
    old, new = told("one", token="3", user="1", gone="7"), told("two", token="4", user="1", new="1")
    expected = {"gone": ("7", None), "new": (None, "1"), "token": ("3", "4")}
    assert rotation(old, new, ()) == Rotation("slack", expected)


def test_where_no_version_tells_each_key_may_be_another() -> None:
    old, new = told("one", token=None, user=None), told("two", token=None, user=None)
    assert rotation(old, new, ()) == Rotation("slack", {"token": (None, None), "user": (None, None)})


def test_a_new_secret_is_none_and_one_that_stood_with_other_content_is_one() -> None:
    new = told("one", token="3")
    assert rotation({}, new, ()) is None
    assert rotation({"contentVersion": "before"}, new, {"token"}) == Rotation("slack", {"token": (None, "3")})


def test_the_same_content_and_a_secret_that_is_gone_are_none() -> None:
    assert rotation(told("one", token="3"), told("one", token="4"), {"token"}) is None
    assert rotation(told("one", token="3"), told(None), {"token"}) is None


def test_a_secret_that_returns_is_one_where_it_holds_something_else_than_it_did() -> None:
    gone = {"contentVersion": "one", "entries": []}
    assert rotation(told("one", token="3"), gone, {"token"}) is None
    assert rotation(gone, told("one", token="4"), ()) is None
    assert rotation(gone, told("two", token="4"), ()) == Rotation("slack", {"token": (None, "4")})


def test_its_message_names_keys_and_versions_and_is_bounded() -> None:
    versions = {"config.ini": (None, None), "new": (None, "1"), "token": ("3", "4")}
    said = "Secret slack has new content: config.ini, new (version unknown to 1), token (version 3 to 4)"
    assert Rotation("slack", versions).message() == said
    many = Rotation("slack", {f"key-{number}": (None, None) for number in range(50)})
    assert many.message().endswith("key-19 and 30 more")
    long = Rotation("slack", {f"{number}{'k' * 250}": (None, None) for number in range(9)})
    assert len(long.message()) == 1024
