"""From a template's text to its syntax tree: Jinja2's own parser, with BeemFlow's blank syntax beside brackets.

`{{ secrets.X | default 'x' }}` is `{{ secrets.X | default('x') }}`: behind a filter's name may stand texts, numbers and
names, with blanks between them. Nothing here runs a template, so that what is never run can be read all the same.
"""

from __future__ import annotations

import re

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.parser import Parser

from beemflow_secrets.providers import jsontext
from beemflow_secrets.rendering.template.faults import TemplateError
from beemflow_secrets.rendering.template.values import LARGEST_WRITTEN

# Names that stand behind an expression and are no argument of a filter.
_NO_ARGUMENTS = frozenset({"if", "else", "and", "or", "not", "in", "is", "recursive", "for", "with", "without"})

# Jinja2 makes each line end a line feed. A carriage return is put by as another blank that the text does not hold.
_OTHER_BLANKS = "\x1c\x1d\x1e\x1f\x85\u2028\u2029\u2000\u2001\u2002\u2003"

# Python reads no more than 4300 digits, but any number of these, and then cannot write the number.
_LONG = re.compile(r"0[xXoObB][0-9a-fA-F_]{3500}")


class _Parser(Parser):
    """Jinja2's parser, and arguments of filters without brackets."""

    def parse_filter(self, node: nodes.Expr | None, start_inline: bool = False) -> nodes.Expr | None:  # noqa: FBT001, FBT002 - the method it overrides
        """Parse filters as Jinja2 does, and give each the arguments that follow it after blanks."""
        while self.stream.current.type == "pipe" or start_inline:
            if not start_inline:
                next(self.stream)
            token = self.stream.expect("name")
            name = token.value
            while self.stream.current.type == "dot":
                next(self.stream)
                name += "." + self.stream.expect("name").value
            args: list[nodes.Expr] = []
            kwargs: list[nodes.Keyword] = []
            dyn_args = dyn_kwargs = None
            if self.stream.current.type == "lparen":
                args, kwargs, dyn_args, dyn_kwargs = self.parse_call_args()
            else:
                while (argument := self._blank_argument()) is not None:
                    args.append(argument)
            node = nodes.Filter(node, name, args, kwargs, dyn_args, dyn_kwargs, lineno=token.lineno)
            start_inline = False
        return node

    def _blank_argument(self) -> nodes.Expr | None:
        token = self.stream.current
        if token.type == "string":  # not parse_primary, which joins texts that follow one another
            next(self.stream)
            return nodes.Const(token.value, lineno=token.lineno)
        if token.type in {"integer", "float"} or (token.type == "name" and token.value not in _NO_ARGUMENTS):
            return self.parse_postfix(self.parse_primary())
        return None


_ENVIRONMENT = Environment(
    keep_trailing_newline=True,
    autoescape=False,  # noqa: S701 - nothing is rendered by it
    extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"],
)


def parse(text: str) -> nodes.Template:
    """Return the syntax tree. Raises TemplateError that names the line."""
    blank = None
    if "\r" in text:
        blank = next((blank for blank in _OTHER_BLANKS if blank not in text), None)
    try:
        tree = _Parser(_ENVIRONMENT, text if blank is None else text.replace("\r", blank)).parse()
    except TemplateSyntaxError as error:
        # What was found there may be a value that somebody wrote into the template: what was expected is told alone.
        told = (error.message or "").partition(", got")[0].rstrip(".")
        raise TemplateError(f"it is no template: {told}").at(error.lineno) from None
    except RecursionError:
        raise TemplateError("it is nested too deep") from None
    except ValueError:
        raise _too_long() from None
    if _LONG.search(text) and any(map(_is_long, tree.find_all(nodes.Const))):
        raise _too_long()
    if blank is not None:
        for node in tree.find_all((nodes.TemplateData, nodes.Const)):
            _put_back(node, blank)
    return tree


def _is_long(node: nodes.Const) -> bool:
    return isinstance(node.value, int) and node.value.bit_length() > LARGEST_WRITTEN


def _too_long() -> TemplateError:
    return TemplateError("it holds a number that is too long")


def _put_back(node: nodes.Node, blank: str) -> None:
    if isinstance(node, nodes.TemplateData):
        node.data = node.data.replace(blank, "\r")
    elif isinstance(node, nodes.Const) and isinstance(node.value, str):
        node.value = node.value.replace(blank, "\r")


def spelled(node: nodes.Node | None) -> str:
    """Return an expression as it is written, as far as it matters to find it: secrets["slack/bot"], vars.name."""
    written = "…"
    match node:
        case nodes.Name():
            written = node.name
        case nodes.Getattr():
            written = f"{spelled(node.node)}.{node.attr}"
        case nodes.Getitem():
            written = f"{spelled(node.node)}[{spelled(node.arg)}]"
        case nodes.Const():
            written = jsontext.compact(node.value)
        case nodes.Concat():
            written = " ~ ".join(map(spelled, node.nodes))
        case nodes.Filter():
            written = f"({spelled(node.node)} | {node.name})"
    return written
