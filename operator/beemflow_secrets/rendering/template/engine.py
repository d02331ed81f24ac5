"""One template, rendered: from its text and the names that it may use to bytes."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from beemflow_secrets.rendering.template import filters, syntax, tests  # noqa: F401 - importing offers them
from beemflow_secrets.rendering.template.checks import check
from beemflow_secrets.rendering.template.faults import Missing, TemplateError, TooMuch
from beemflow_secrets.rendering.template.statements import Statements
from beemflow_secrets.rendering.template.values import bytes_of, has_syntax

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import nodes

    from beemflow_secrets.rendering.template.budget import Budget

KEPT, LONGEST_KEPT = 512, 4096
"""Syntax trees that are kept, and the characters of those texts: what is rendered again and again is parsed once."""

LONGEST_HERE = 16 * 1024
"""Characters of a template that are parsed where others wait. A longer one is parsed in a process of its own."""


def render(text: str, names: Mapping[str, object], budget: Budget) -> bytes:
    """Return what a template prints. A text without syntax prints itself, last newline and all.

    Raises TemplateError, which names the line of a text that has several; TooMuch for what costs more than the budget;
    Unread for a secret that nobody has read yet; and what reading a secret ended with.
    """
    if not has_syntax(text):
        return bytes_of(text)
    run = Statements(budget)
    try:
        return run.render(_checked(text), names)
    except TooMuch:
        raise
    except RecursionError:
        raise TemplateError("it is nested too deep, or a macro calls itself without end") from None
    except TemplateError as error:
        if "\n" not in text:
            raise
        kind = Missing if isinstance(error, Missing) else TemplateError
        raise kind(f"line {error.line or run.line}: {error.message}") from None


def _check(text: str) -> nodes.Template:
    tree = syntax.parse(text)
    try:
        check(tree)
    except RecursionError:
        raise TemplateError("it is nested too deep") from None
    return tree


_check_kept = lru_cache(maxsize=KEPT)(_check)


def _checked(text: str) -> nodes.Template:
    return _check_kept(text) if len(text) <= LONGEST_KEPT else _check(text)
