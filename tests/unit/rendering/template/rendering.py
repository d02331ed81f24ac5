"""What the tests of templates share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from beemflow_secrets.rendering.template.budget import Budget, here
from beemflow_secrets.rendering.template.engine import render
from beemflow_secrets.rendering.template.faults import TemplateError
from beemflow_secrets.rendering.template.values import Secret, Secrets, secret

CANARY = "canary-71f0"

AT = datetime(2026, 11, 25, 3, 4, 5, 678, tzinfo=UTC)

HELD: dict[str, Secret] = {
    "token": secret(CANARY.encode(), "3", AT, None),
    "slack/bot": Secret("of the bot"),
    "ca.crt": Secret("-----BEGIN CERTIFICATE-----\n"),
    "braces": Secret("{{ secrets.token }}{% for x in y %}"),
    "empty": Secret(""),
    "json": Secret('{"user": "bot", "ports": [80, 443], "ratio": 1.10, "nothing": null}'),
    "binary": secret(b"\x00\xff\xfe", None, None, None),
}


def rendered(text: str, *, budget: Budget | None = None, held: dict[str, Secret] | None = None, **names: object) -> str:
    """Render a template, as text."""
    secrets = Secrets(HELD if held is None else held, whole=True)
    return render(text, {"secrets": secrets, **names}, budget or here()).decode()


def refusal(text: str, **names: Any) -> str:
    """Return why a template is refused: by an error of its own, which holds no value."""
    with pytest.raises(TemplateError) as caught:
        rendered(text, **names)
    assert CANARY not in str(caught.value)
    assert CANARY not in repr(caught.value.__cause__)
    return caught.value.message
