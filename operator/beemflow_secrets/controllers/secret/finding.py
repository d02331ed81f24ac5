"""Looks for what a BeemFlowSecret is to find, before all that has been named is read."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from beemflow_secrets.controllers.failure import from_read
from beemflow_secrets.controllers.secret.provenance import Provenance, earliest, is_unlisted
from beemflow_secrets.controllers.secret.tracked import store_key
from beemflow_secrets.controllers.store.using import find_open, tell_standing
from beemflow_secrets.model.keys import split_key
from beemflow_secrets.model.sources import searches
from beemflow_secrets.providers.errors import SecretsError
from beemflow_secrets.providers.value import Search
from beemflow_secrets.rendering.finding import entries_of, nothing_found
from beemflow_secrets.rendering.naming import keys_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from beemflow_secrets.controllers.conditions import Status
    from beemflow_secrets.controllers.objects import Key
    from beemflow_secrets.controllers.printing import Rename
    from beemflow_secrets.controllers.secret.demand import Wish
    from beemflow_secrets.controllers.store.using import Stores
    from beemflow_secrets.model.finding import Find
    from beemflow_secrets.model.secret import SecretSpec
    from beemflow_secrets.model.sources import DataFrom, NamedByFind


class Finding:
    """Searches of one resource. `told` is its status, `former` where its values came from, as far as is known."""

    def __init__(
        self,
        stores: Stores,
        namespace: str,
        rename: Rename,
        *,
        wish: Wish,
        told: Status,
        former: Provenance | None = None,
    ) -> None:
        self._stores = stores
        self._namespace = namespace
        self._rename = rename
        self._wish = wish
        self._told = told
        self._former = former

    async def fill(self, spec: SecretSpec) -> SecretSpec:
        """Return the spec with what was found in the place of each search; one that found nothing stays. Raises Failed.

        With a deletionPolicy that takes away, what was found once is named instead: it is gone only if the backend says
        so of each key. A listing may lack one for other reasons, as the store's policies or the backend's haste.
        """
        if not any(map(searches, spec.data_from)):
            return spec
        asked = [self._named(source, spec) for source in spec.data_from]
        named = await asyncio.gather(*asked, return_exceptions=True)
        sources: list[DataFrom | NamedByFind] = []
        for found in named:  # the first failure, in the order of the spec, is what is told
            if isinstance(found, BaseException):
                raise found
            sources += found
        return spec.with_sources(sources)

    async def _named(self, source: DataFrom, spec: SecretSpec) -> Sequence[DataFrom | NamedByFind]:
        if source.find is None:
            return [source]
        store = store_key(source, spec, self._namespace)
        try:
            names = await self._search(source, store)
            entries = entries_of(source, keys_of(names, await self._rename(source, names))) if names else []
            if spec.target.deletion_policy != "Retain":
                if not names and is_unlisted(self._former, self._told):
                    raise nothing_found(source)  # some may be of this search, and nobody can ask for them
                known = self._former or Provenance()
                before = await asyncio.to_thread(found_once, source.find, store, known, self._told)
                # With what is listed too: a listing may name what is deleted, and that alone.
                for name in names:
                    before.pop(name, None)
                entries += entries_of(source, before, former=True)
        except SecretsError as error:
            raise from_read(error, store.name) from error
        return entries or [source]

    async def _search(self, source: DataFrom, store: Key) -> list[str]:
        find, read = source.find, self._wish("", None)
        assert find is not None  # noqa: S101 - the caller has looked
        opened = await find_open(self._stores, store, self._namespace)
        served_by = earliest(self._former, self._told, store, opened.links)
        search = Search(find.prefix, bool(find.tags), since=read.since, patient=read.patient, served_by=served_by)
        try:
            with opened.use() as chain:
                found = await chain.find(search)
        except SecretsError as error:
            tell_standing(self._stores, store, [error])
            raise
        # In a thread: with an expression that is meant to, each name could take milliseconds.
        return await asyncio.to_thread(lambda: find.among(found.items()))


def found_once(find: Find, store: Key, known: Provenance, told: Status) -> dict[str, str]:
    """Return what the process knows, else what a status tells, of keys that could be of a search, by name.

    Names are those of a backend, in a chain of one of several, and each maps what it cannot hold in its own way.
    """
    beginning = _alike(find.prefix)
    entries = {name: key for (of, name), key in known.found.items() if of == store} or {
        split_key(entry["remoteKey"]).key: entry["secretKey"] for entry in told.get("entries", ())
    }
    return {name: key for name, key in entries.items() if _alike(name).startswith(beginning) and find.fits(name)}


def _alike(name: str) -> str:
    """Return what the spellings of a name have in common: slack/bot is slack--bot, slack-bot or SLACK_BOT too."""
    return re.sub("[^a-z0-9]+", "-", name.lower())
