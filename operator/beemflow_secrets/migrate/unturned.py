"""What stands in for a template that cannot be turned, and what is told of one that can, with a difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from beemflow_secrets.migrate.fields import Fields

UNTURNED = "{{ write_this_template_anew }}"
"""A template that is an error until a person writes it: so the Secret stays as it is, and loses no key."""


def tell_cautions(holder: Fields, name: str, cautions: Iterable[str]) -> None:
    """Tell in what a turned template may print otherwise."""
    for caution in dict.fromkeys(cautions):
        holder.lose(name, caution)
