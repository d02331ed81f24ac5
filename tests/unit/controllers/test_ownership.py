"""Whose a Secret is, by every mix of marks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.controllers.target.ownership import NotOurs, Owner, goes_with, take
from beemflow_secrets.model.names import ADOPT_ANNOTATION, FIELD_MANAGER, OWNER_LABEL, OWNER_NAME_ANNOTATION

if TYPE_CHECKING:
    from beemflow_secrets.kube.client import Object

OURS = Owner("slack", "uid-1")
GONE, LIVING = "uid-gone", "uid-living"


def lives(uid: str) -> bool:
    return uid in {OURS.uid, LIVING}


def secret(
    *owners: Object, label: str | None = None, name: str | None = None, adopt: str | None = None, manager: str = ""
) -> Object:
    labels = {OWNER_LABEL: label}
    annotations = {OWNER_NAME_ANNOTATION: name, ADOPT_ANNOTATION: adopt}
    return {
        "metadata": {
            "name": "slack",
            "labels": {key: value for key, value in labels.items() if value},
            "annotations": {key: value for key, value in annotations.items() if value},
            "ownerReferences": list(owners),
            "managedFields": [{"manager": manager, "operation": "Update", "fieldsV1": {"f:data": {}}}],
        }
    }


def owner(name: str = "slack", uid: str = OURS.uid, **fields: Any) -> Object:
    return {**Owner(name, uid).reference(), **fields}


CERTIFICATE = owner("slack", "uid-2", apiVersion="cert-manager.io/v1", kind="Certificate")


@pytest.mark.parametrize(
    "found",
    [
        secret(owner()),
        secret(owner(), label=LIVING),
        secret(owner(uid=GONE)),
        secret(owner(uid=GONE), label=GONE, name="slack"),
        secret(label=OURS.uid),
        secret(label=OURS.uid, name="other"),
        secret(label=GONE, name="slack"),
        secret({**CERTIFICATE, "controller": False}, label=OURS.uid),
        secret(owner(), adopt="other"),
    ],
)
def test_ours(found: Object) -> None:
    assert take(found, OURS, lives) is None


@pytest.mark.parametrize(
    ("found", "whose"),
    [
        (secret(), "was not made by this resource"),
        (secret(label=GONE), "was not made by this resource"),
        (secret(name="other"), "was not made by this resource"),
        (secret(name="slack"), "was not made by this resource"),  # the rest was taken off, by hand
        (secret(label=GONE, name="other"), "belongs to BeemFlowSecret other"),
        (secret(label=LIVING, name="other"), "belongs to BeemFlowSecret other"),
        # A copy from another namespace, where the one of our name lives.
        (secret(label=LIVING, name="slack"), "belongs to BeemFlowSecret slack"),
        (secret(owner(uid=LIVING)), "belongs to BeemFlowSecret slack"),
        (secret(owner("other", GONE)), "belongs to BeemFlowSecret other"),
        (secret(CERTIFICATE, label=OURS.uid, name="slack"), "belongs to Certificate slack"),
        (secret(adopt="other"), f"(its annotation {ADOPT_ANNOTATION} names other)"),
    ],
)
def test_not_ours(found: Object, whose: str) -> None:
    with pytest.raises(NotOurs) as caught:
        take(found, OURS, lives)
    assert whose in str(caught.value)
    assert f"{ADOPT_ANNOTATION}=slack" in str(caught.value)


@pytest.mark.parametrize(
    ("found", "whose"),
    [
        (secret(adopt="slack"), "nobody"),
        (secret(CERTIFICATE, adopt="slack"), "Certificate slack"),
        (secret(owner("other", LIVING), adopt="slack"), "BeemFlowSecret other"),
        (secret(label=LIVING, name="other", adopt="slack"), "BeemFlowSecret other"),
    ],
)
def test_ours_from_now_on(found: Object, whose: str) -> None:
    assert take(found, OURS, lives) == whose


@pytest.mark.parametrize(
    ("found", "goes"),
    [
        (secret(owner(), manager=FIELD_MANAGER), True),
        (secret(owner(), manager=OURS.manager), True),
        (secret(owner(), manager="kubectl-create"), False),  # a person's copy
        (secret(owner(uid=GONE), manager=FIELD_MANAGER), False),
        (secret(label=OURS.uid, name="slack", manager=FIELD_MANAGER), False),  # an orphan
        (secret(CERTIFICATE, manager=FIELD_MANAGER), False),
    ],
)
def test_what_goes_with_the_resource(found: Object, *, goes: bool) -> None:
    assert goes_with(found, OURS) is goes
