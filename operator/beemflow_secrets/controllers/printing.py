"""What templates make of values, and rewrites of names: the way of all resources that have some."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TYPE_CHECKING

from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.model.reasons import Reason
from beemflow_secrets.rendering.rewrite import Rewriting, steps_of
from beemflow_secrets.rendering.shape import NoSuchKey, names, parts, shaped
from beemflow_secrets.rendering.template.aside import Aside
from beemflow_secrets.rendering.template.faults import TemplateError
from beemflow_secrets.rendering.template.job import Job

if TYPE_CHECKING:
    from beemflow_secrets.model.sources import DataFrom
    from beemflow_secrets.model.template import Template
    from beemflow_secrets.rendering.compose import Composed
    from beemflow_secrets.rendering.shape import Documents

Rename = Callable[["DataFrom", Collection[str]], Awaitable[Mapping[str, str]]]
"""Says what a source's `rewrite` makes of names. Raises Invalid, TemplateError for what a template does."""

LARGE = 64 * 1024
"""Bytes of printed maps that are read in a thread."""


class Printer:
    """Renders templates. What costs much to render is done in processes that all resources share."""

    def __init__(self) -> None:
        self._aside = Aside()

    async def shape(self, template: Template, documents: Documents, composed: Composed) -> Composed:
        """Return what is made of what was read. Raises Failed with InvalidTemplate or InvalidSpec."""
        if template.says_nothing:
            return composed
        try:
            wanted = parts(template, documents)
            texts = [(part.place, part.text) for part in wanted]
            printed = await self._aside.render(Job(texts, names(composed), {}))
            made = list(zip(wanted, printed, strict=True))
            if sum(len(raw) for part, raw in made if part.name is None) < LARGE:
                return shaped(template, composed, made)
            return await asyncio.to_thread(shaped, template, composed, made)
        except NoSuchKey as error:
            raise Failed(Reason.INVALID_SPEC, str(error)) from None
        except TemplateError as error:
            raise Failed(Reason.INVALID_TEMPLATE, error.message) from None

    async def rename(self, source: DataFrom, names: Collection[str]) -> Mapping[str, str]:
        """Return what a source's `rewrite` makes of names. Raises Invalid, TemplateError for what a template does."""
        if not source.rewrite:
            return dict(zip(names, names, strict=True))
        made = await self._aside.render(Rewriting(steps_of(source.rewrite), list(names)))
        return {name: raw.decode() for name, raw in zip(names, made, strict=True)}
