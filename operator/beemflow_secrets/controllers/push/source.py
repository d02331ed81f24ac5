"""What is pushed: what the Secret holds, or what templates make of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.controllers.named import Named
from beemflow_secrets.model.reasons import Reason
from beemflow_secrets.providers import jsontext
from beemflow_secrets.providers.errors import Invalid
from beemflow_secrets.providers.fields import text_of
from beemflow_secrets.rendering.compose import Composed, Entry
from beemflow_secrets.rendering.shape import named

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from beemflow_secrets.controllers.objects import Key, Observed
    from beemflow_secrets.controllers.printing import Printer
    from beemflow_secrets.kube.client import KubeClient
    from beemflow_secrets.model.push import Match, PushSpec
    from beemflow_secrets.providers.value import Content


class Source:
    """Reads it, and calls `tell` with each resource whose Secret, or whose template, has changed since."""

    def __init__(self, client: KubeClient, tell: Callable[[Key], None], printer: Printer) -> None:
        self._named = Named(client, tell)
        self._printer = printer
        self.references = self._named.references

    async def read(self, seen: Observed, spec: PushSpec) -> list[Content]:
        """Return what each entry of `data` pushes. Raises Failed: all of them are there, or nothing is pushed."""
        template = spec.template.whole
        name = spec.selector.secret.name
        documents = await self._named.read(seen.key, {("Secret", name), *named(template)})
        held = dict(documents[("Secret", name)])
        composed = Composed(held, [Entry(key, name, key, None, None, None) for key in held])
        data = (await self._printer.shape(template, documents, composed)).data
        return [_content(entry.match, data, name) for entry in spec.data]


def _content(match: Match, data: Mapping[str, bytes], name: str) -> Content:
    if match.secret_key is None:
        if not data:
            raise Failed(Reason.INVALID_SPEC, f"Secret {name} holds nothing to push")
        return data if match.remote_ref.parts().property is None else _as_text(data, name)
    if match.secret_key not in data:
        told = f"Secret {name}, or what the template makes of it, has no key {match.secret_key}"
        raise Failed(Reason.INVALID_SPEC, told)
    return data[match.secret_key]


def _as_text(data: Mapping[str, bytes], name: str) -> str:
    try:
        return jsontext.compact({key: text_of(raw) for key, raw in data.items()})
    except Invalid:
        raise Failed(Reason.INVALID_SPEC, f"Secret {name} holds what is no text, and one field holds text") from None
