"""What an ExternalSecret reads: `data` and `dataFrom`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from beemflow_secrets.migrate.fields import compact
from beemflow_secrets.migrate.gotemplate.turn import NotTurned, turn
from beemflow_secrets.migrate.keys import StoreName, escaped, turned, unreadable
from beemflow_secrets.migrate.unturned import UNTURNED, tell_cautions
from beemflow_secrets.model.names import CLUSTER_STORE, STORE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beemflow_secrets.migrate.fields import Fields

KINDS = {"SecretStore": STORE.name, "ClusterSecretStore": CLUSTER_STORE.name}

NO_SOURCE = "has no counterpart here: no keys are made of it"
_NOT_IN_A_PATH = re.compile(r"[*?|@!{}\[\]()<>=%]|(^|[^\\])#")
_GROUP = re.compile(r"\$(\$|[A-Za-z_]\w*)")


class Sources:
    """Turns the sources of one resource. `providers` are those of the stores that are known.

    `lacking` is set by what is left out and would have made keys of the Secret.
    """

    def __init__(self, providers: Mapping[StoreName, Mapping[str, object]], namespace: str | None) -> None:
        self._providers = providers
        self._namespace = namespace
        self.asked: set[StoreName] = set()
        self.lacking = False

    def store(self, holder: Fields, name: str) -> tuple[dict[str, object] | None, StoreName | None]:
        """Return a reference to a store, and the store that is meant; None where it is left out."""
        if name not in holder:
            return None, None
        part = holder.part(name)
        kind, called = part.text("kind") or "SecretStore", part.text("name")
        if called is None:
            return None, None
        if kind not in KINDS:
            part.lose("kind", "is no kind of store: SecretStore is taken")
            kind = "SecretStore"
        meant = StoreName(kind, None if kind == "ClusterSecretStore" else self._namespace, called)
        self.asked.add(meant)
        return {"name": called, **({"kind": KINDS[kind]} if kind == "ClusterSecretStore" else {})}, meant

    def key(self, holder: Fields, name: str, store: StoreName | None) -> str:
        """Return a key as the store of ours takes it. Raises Broken where it is left out."""
        key = holder.must(name)
        provider = self._providers.get(store) if store is not None else None
        if provider is None:
            return escaped(key)
        if (why := unreadable(key, provider)) is not None:
            holder.lose(name, why)
            self.lacking = True
        return turned(key, provider)

    def entry(self, written: Fields, store: StoreName | None) -> dict[str, object]:
        """Return one entry of `data`."""
        source, own = self._source(written)
        reference = written.part("remoteRef")
        reference.default("conversionStrategy", "Default", "Unicode")  # of keys that are not named here
        remote = self._remote(reference, own or store)
        return compact(secretKey=written.must("secretKey"), remoteRef=remote, sourceRef=source)

    def whole(self, written: Fields, store: StoreName | None) -> dict[str, object] | None:
        """Return one entry of `dataFrom`, None for one that has no counterpart."""
        source, own = self._source(written)
        if "extract" in written:
            what = {"extract": self._remote(written.part("extract"), own or store)}
        elif "find" in written:
            what = {"find": self._find(written.part("find"))}
        else:
            self.lacking = True
            return None
        rewrites = [made for part in written.parts("rewrite") if (made := self._rewrite(part))]
        return {**what, **compact(rewrite=rewrites, sourceRef=source)}

    def _source(self, written: Fields) -> tuple[dict[str, object] | None, StoreName | None]:
        part = written.part("sourceRef")
        if part.default("generatorRef", why=NO_SOURCE) or part.default("generator", why=NO_SOURCE):
            self.lacking = True
        reference, store = self.store(part, "storeRef")
        return (None if reference is None else {"storeRef": reference}), store

    def _remote(self, written: Fields, store: StoreName | None) -> dict[str, object]:
        wanted = written.text("property")
        if wanted is not None and _NOT_IN_A_PATH.search(wanted):
            written.lose(
                "property",
                "is read as names and numbers with dots between them, as a.b.0: gjson's other signs mean themselves",
            )
        self._strategies(written)
        if written.default("metadataPolicy", "None", why="has no counterpart here: the value would be read instead"):
            self.lacking = True
        return compact(
            key=self.key(written, "key", store),
            property=wanted,
            version=written.text("version"),
            decodingStrategy=_unless(written.text("decodingStrategy"), "None"),
        )

    def _find(self, written: Fields) -> dict[str, object]:
        self._strategies(written)
        if written.default("decodingStrategy", "None"):
            self.lacking = True
        return compact(
            path=written.text("path"),
            name=compact(regexp=written.part("name").text("regexp")) or None,
            tags=written.texts("tags"),
        )

    def _rewrite(self, written: Fields) -> dict[str, object] | None:
        if "regexp" in written:
            part = written.part("regexp")
            target = _GROUP.sub(_braced, part.text("target") or "")
            return {"regexp": {"source": part.must("source"), "target": target}}
        if "transform" in written:
            part = written.part("transform")
            text = part.must("template")
            try:
                made = turn(text, {"value": "value"})
            except NotTurned as error:
                part.lose("template", str(error))
                return {"transform": {"template": UNTURNED}}
            tell_cautions(part, "template", made.cautions)
            return {"transform": {"template": made.text}}
        self.lacking = True
        return None

    def _strategies(self, written: Fields) -> None:
        why = "has no counterpart here: what a key cannot hold becomes _"
        if written.default("conversionStrategy", "Default", why=why):
            self.lacking = True
        written.default("nullBytePolicy", "Ignore")


def _braced(group: re.Match[str]) -> str:
    """Return a group's name in braces, which it has to have here; `$$`, a dollar, as it is."""
    return "$$" if group[1] == "$" else f"${{{group[1]}}}"


def _unless(value: str | None, default: str) -> str | None:
    return None if value == default else value
