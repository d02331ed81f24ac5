"""One template, rendered: from its text and the names that it may use to bytes."""

from __future__ import annotations

from collections import OrderedDict
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

PARSING = 8
"""What it costs to parse a character: a long text is parsed in a process of its own."""

_kept: OrderedDict[str, nodes.Template] = OrderedDict()


def render(text: str, names: Mapping[str, object], budget: Budget) -> bytes:
    """Return what a template prints. A text without syntax prints itself, last newline and all.

    Raises TemplateError, which names the line of a text that has several; TooMuch for what costs more than the budget;
    Unread for a secret that nobody has read yet; and what reading a secret ended with.
    """
    if not has_syntax(text):
        return bytes_of(text)
    run = Statements(budget)
    try:
        return run.render(_checked(text, budget), names)
    except TooMuch:
        raise
    except RecursionError:
        raise TemplateError("it is nested too deep, or a macro calls itself without end") from None
    except TemplateError as error:
        if "\n" not in text:
            raise
        kind = Missing if isinstance(error, Missing) else TemplateError
        raise kind(f"line {error.line or run.line}: {error.message}") from None


def _checked(text: str, budget: Budget) -> nodes.Template:
    tree = _kept.get(text)
    if tree is not None:
        _kept.move_to_end(text)
        return tree
    budget.take(PARSING * len(text))
    tree = syntax.parse(text)
    check(tree)
    if len(text) <= LONGEST_KEPT:
        _kept[text] = tree
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return tree
