"""The section `secrets` of a configuration file: a store, and what a file alone may hold."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, get_args

from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import core_schema

from beemflow_secrets.model.audit import NO_RESOURCE, Audit
from beemflow_secrets.model.cel import Rule
from beemflow_secrets.model.credentials import HIDDEN
from beemflow_secrets.model.multi import MOST_LINKS, Link, Multi
from beemflow_secrets.model.store import OwnDriver, StoreSpec

OWN_DRIVERS = frozenset(get_args(OwnDriver))


class Options(Mapping[str, object]):
    """What a driver of an entry point is given. Which of it is secret only the driver knows: none of it prints."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, object] | None = None) -> None:
        self._items = dict(items or {})

    def __getitem__(self, name: str) -> object:
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return HIDDEN

    def __reduce__(self) -> tuple[type["Options"], tuple[dict[str, str]]]:
        return (Options, (dict.fromkeys(self._items, HIDDEN),))

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: type[Any], _handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Take an object with any fields; write it masked."""
        return core_schema.no_info_after_validator_function(
            cls,
            core_schema.dict_schema(core_schema.str_schema(strict=True), strict=True),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda _: HIDDEN),
        )


_OPTIONS = Field(default=Options(), description="For a driver that an installed package adds: what it asks for.")

_OPTIONS_OF_OTHERS: Rule[Any] = Rule(
    NO_RESOURCE,
    lambda backend: not backend.options or backend.driver not in OWN_DRIVERS,
    "options belong to a driver that an installed package adds",
    path=("options",),
)


class SectionLink(Link):
    """One backend of a chain, and what a file alone may hold."""

    options: Options = _OPTIONS

    rules: ClassVar[tuple["Rule[Any]", ...]] = (*Link.rules, _OPTIONS_OF_OTHERS)


class SectionMulti(Multi):
    """A chain in a file."""

    providers: list[SectionLink] = Field(  # type: ignore[assignment]  # a list of links, which nobody writes to
        min_length=1, max_length=MOST_LINKS, description="The links, from 1 to 8, the most wanted first."
    )


class Section(StoreSpec):
    """One backend or a chain, how to reach it, and what a file alone may hold."""

    multi: SectionMulti | None = Field(
        default=None, description="For driver multi: the backends of the chain, and how they are asked."
    )
    audit: Audit = Field(default=Audit(), description="Which accesses are written down. Default: none.")
    options: Options = _OPTIONS

    rules: ClassVar[tuple["Rule[Any]", ...]] = (*StoreSpec.rules, _OPTIONS_OF_OTHERS)
