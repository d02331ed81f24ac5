"""controllers/target/remaking.py: labels and annotations of others outlive a Secret that is made anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.controllers.target import remaking
from beemflow_secrets.controllers.target.ownership import Owner
from beemflow_secrets.controllers.target.target import Desired
from beemflow_secrets.model.names import ADOPT_ANNOTATION, FIELD_MANAGER, OWNER_LABEL

if TYPE_CHECKING:
    from beemflow_secrets.kube.client import Object

OURS = Owner("slack", "uid-1")
WANTED = Desired("slack", OURS, True, False, "Opaque", {"token": b"v"}, {"team": "new"}, {})


def entry(manager: str, field: str, *names: str) -> Object:
    return {"manager": manager, "fieldsV1": {"f:metadata": {f"f:{field}": {f"f:{name}": {} for name in names}}}}


@pytest.mark.parametrize("adopt", [False, True])
def test_what_is_others_goes_over_and_what_left_the_template_or_asked_for_the_adoption_goes(*, adopt: bool) -> None:
    metadata: dict[str, Any] = {
        "labels": {"app": "x", "team": "old", "left": "y", OWNER_LABEL: "gone"},
        "annotations": {"note": "theirs", ADOPT_ANNOTATION: "slack"},
        "managedFields": [entry(FIELD_MANAGER, "labels", "left", "team"), entry("helm", "labels", "app")],
    }
    made = remaking.remade({"metadata": metadata, "data": {}}, WANTED, None, adopt=adopt)["metadata"]
    assert {name: made["labels"].get(name) for name in metadata["labels"]} == {
        "app": "x",
        "team": "new",
        "left": None,
        OWNER_LABEL: OURS.uid,
    }
    assert made["annotations"]["note"] == "theirs"
    assert (ADOPT_ANNOTATION in made["annotations"]) is not adopt


def test_what_went_over_does_not_count_as_set_by_us() -> None:
    webhook = entry("webhook", "labels", "zone")
    made = {
        "metadata": {"resourceVersion": "7", "managedFields": [entry(FIELD_MANAGER, "labels", "app", "team"), webhook]}
    }
    test, freed = remaking.freed(made, WANTED)
    assert test["value"] == "7"
    ours, others = freed["value"]
    assert (set(ours["fieldsV1"]["f:metadata"]["f:labels"]), others) == ({"f:team"}, webhook)
    made["metadata"]["managedFields"] = [entry(FIELD_MANAGER, "labels", "team"), webhook]
    assert remaking.freed(made, WANTED) == []
