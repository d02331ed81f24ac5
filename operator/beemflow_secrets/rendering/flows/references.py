"""Which secrets a flow asks for, found statically: behind filters, in conditions, loops and nested structures."""

from __future__ import annotations

import re
from typing import NamedTuple

from beemflow_secrets.rendering.flows.places import texts
from beemflow_secrets.rendering.template.faults import TemplateError

_ENVIRONMENT = re.compile(r"\$env:([A-Za-z_][A-Za-z0-9_]*)")
_NO_TEXT = re.compile(r"\{#.*?#\}|\{%[-+]?\s*raw\s*[-+]?%\}.*?\{%[-+]?\s*endraw\s*[-+]?%\}", re.DOTALL)


class Use(NamedTuple):
    """One use. `key` is None where it is computed; `text` is how it is written."""

    key: str | None
    optional: bool
    text: str


class Reference(NamedTuple):
    """A secret, and where a flow asks for it. `path` leads to the text, as steps[0].with.text.

    `optional`: each use of the key in the flow has a default, a fallback, or a test that it is there. Of a computed
    reference `key` is how it is written: secrets[vars.name].
    """

    key: str
    optional: bool
    flow: str | None
    step: str | None
    path: str


class References(list[Reference]):
    """What a flow asks for, each key once a place. `computed` are the uses whose keys only a run can tell."""

    def __init__(self) -> None:
        super().__init__()
        self.computed: list[Reference] = []


def references(flow: object) -> References:
    """Return all secrets that a parsed flow (or manifest, or configuration) asks for, in its order.

    Raises Invalid for a text that is no template, naming flow, step and path.
    """
    found: dict[tuple[object, str], Reference] = {}
    computed: dict[tuple[object, str], Reference] = {}
    required: set[str] = set()
    for place, text in texts(flow):
        try:
            uses = uses_of(text)
        except TemplateError as error:
            raise TemplateError(f"{place}: {error.message}") from None
        for use in uses:
            if use.key is None:
                computed.setdefault((place, use.text), Reference(use.text, use.optional, *place))
            else:
                found.setdefault((place, use.key), Reference(use.key, True, *place))
                required |= set() if use.optional else {use.key}
    all_of_them = References()
    all_of_them += [reference._replace(optional=reference.key not in required) for reference in found.values()]
    all_of_them.computed += computed.values()
    return all_of_them


def uses_of(text: str) -> list[Use]:
    """Return what one text asks for. Raises TemplateError for one that is no template."""
    uses: list[Use] = []
    if "secrets" in text and "{" in text:
        # Only here: whoever asks for no secret need not load a parser.
        from beemflow_secrets.rendering.flows.uses import Uses  # noqa: PLC0415 - as above
        from beemflow_secrets.rendering.template.syntax import parse  # noqa: PLC0415 - as above

        try:
            uses = Uses().of(parse(text))
        except RecursionError:
            raise TemplateError("it is nested too deep") from None
    if "$env:" in text:
        uses += [Use(name, False, f"$env:{name}") for name in _ENVIRONMENT.findall(_NO_TEXT.sub("", text))]
    return uses
