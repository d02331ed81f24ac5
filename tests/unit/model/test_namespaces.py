"""model/namespaces.py: whom a cluster store serves."""

from __future__ import annotations

from typing import Any

import pytest

from beemflow_secrets.model.namespaces import Namespaces


@pytest.mark.parametrize(
    ("said", "labels", "served"),
    [
        ({"names": ["flows"]}, {}, True),
        ({"names": ["flow"]}, {}, False),
        ({"regexes": ["fl.*"]}, {}, True),
        ({"regexes": ["low"]}, {}, False),
        ({"selector": {}}, {}, True),
        ({"selector": {"matchLabels": {"a": "b"}}}, {"a": "b", "c": "d"}, True),
        ({"selector": {"matchLabels": {"a": "b"}}}, {"a": "x"}, False),
        ({"names": ["other"], "selector": {"matchLabels": {"a": "b"}}}, {"a": "b"}, True),
        ({"selector": {"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}}, {}, True),
    ],
)
def test_any_of_the_three_is_enough(said: Any, labels: dict[str, str], served: bool) -> None:  # noqa: FBT001 - a case
    assert Namespaces.model_validate(said).serve("flows", labels) is served


@pytest.mark.parametrize("operator", ["NotIn", "DoesNotExist"])
def test_a_namespace_whose_labels_are_not_known_yet_is_selected_by_nothing(operator: str) -> None:
    """A resource may be seen before its namespace is; what the labels would forbid must not be given meanwhile."""
    values = {"values": ["b"]} if operator == "NotIn" else {}
    said = Namespaces.model_validate({"selector": {"matchExpressions": [{"key": "a", "operator": operator, **values}]}})
    assert said.serve("flows", {})
    assert not said.serve("flows", None)
