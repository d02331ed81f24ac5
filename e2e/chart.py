"""The chart as Helm renders it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from helm_python import Chart

CHART = Path(__file__).parents[1] / "charts" / "beemflow-secrets"
NAMESPACE, NAME = "beemflow-system", "beemflow-secrets"


def render(values: dict[str, Any] | None = None, *, name: str = NAME, namespace: str = NAMESPACE) -> dict[str, str]:
    """Return the text of each template below templates/ that gives any, by its name: `rbac.yaml`.

    Raises helm_python.HelmError for values that the chart refuses.
    """
    rendered = _chart().render(values, name=name, namespace=namespace)
    texts = {path.partition("/templates/")[2]: text.strip() for path, text in rendered.items()}
    return {path: text.removeprefix("---\n") for path, text in texts.items() if text}


@cache
def _chart() -> Chart:
    return Chart.load(CHART)


def objects(rendered: dict[str, str]) -> str:
    """Return what `kubectl apply` takes of a rendered chart: neither its notes nor its tests."""
    parts = [text for path, text in rendered.items() if path.endswith(".yaml") and not path.startswith("tests/")]
    return "\n---\n".join(parts) + "\n"
