"""What searches of all backends have in common: which prefix can be one, and what of a listing is wanted. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.model.keys import key_fault
from beemflow_secrets.providers.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from beemflow_secrets.providers.value import Found, Search


def check_prefix(prefix: str) -> None:
    """Raise Invalid for what no key can begin with."""
    if fault := key_fault(f"{prefix}x"):  # a letter more, as any name has that the prefix fits
        raise Invalid(f"the prefix {fault}")


def found(
    search: Search, listed: Iterable[tuple[str, Mapping[str, str]]], spelled: Callable[[str], str] = str
) -> Found:
    """Return what a search wants of all that was listed: each by its name, as the backend has it, and its tags.

    `spelled` says how the backend spells the beginning of a key.
    """
    beginning = spelled(search.prefix)
    return {
        name: tags if search.tagged else {}
        for name, tags in sorted(listed, key=lambda one: one[0])
        if name.startswith(beginning)
    }
