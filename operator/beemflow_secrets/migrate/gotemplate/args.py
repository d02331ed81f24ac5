"""Arguments of a function of Go's templates. Raises ValueError for what a function is not turned with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.migrate.gotemplate.faults import NotTurned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from beemflow_secrets.migrate.gotemplate.write import Expr

    Args = Sequence[Expr]

WIDEST = 1000


def text(name: str, arg: Expr) -> Expr:
    """Return an argument that is text. Raises NotTurned, which names the function, for another."""
    if arg.kind not in {"text", "json"}:
        raise NotTurned(f"the function {name} is not turned with what is no text")
    return arg


def known(arg: Expr) -> str:
    """Return a text that stands in the template itself, and is not empty."""
    if not isinstance(arg.literal, str) or not arg.literal:
        raise ValueError
    return arg.literal


def width(arg: Expr) -> int:
    """Return a number of signs that stands in the template itself."""
    if not isinstance(arg.literal, int) or not 0 <= arg.literal <= WIDEST:
        raise ValueError
    return arg.literal


def pair(args: Args) -> tuple[Expr, Expr]:
    """Return two arguments."""
    first, second = args
    return first, second


def same_kind(*args: Expr) -> None:
    """Raise ValueError for arguments of which one is of another kind than the first."""
    if any(arg.kind not in {args[0].kind, "json"} for arg in args):
        raise ValueError
