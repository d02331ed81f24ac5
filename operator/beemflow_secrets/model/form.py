"""The two forms in which one model is written: a resource (camelCase), and the configuration file (snake_case).

A model is read as a file where a `FileForm` is pydantic's validation context; without a context it is a resource.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from pydantic_core import PydanticKnownError, core_schema

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, JsonValue


@dataclass(frozen=True, slots=True)
class FileForm:
    """That a configuration file is read. `drivers` are those that entry points add to the ones of this package."""

    drivers: frozenset[str] = frozenset()


class OrAdded:
    """An annotation of a driver's name: in a file it may be one that an entry point adds."""

    def __get_pydantic_core_schema__(self, source: type[Any], handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Check against the names that are added first, then against those of `source`, a Literal."""
        own = handler(source)
        names = [repr(name) for name in get_args(source)]

        def check(
            written: object, inner: core_schema.ValidatorFunctionWrapHandler, info: core_schema.ValidationInfo
        ) -> Any:  # noqa: ANN401 - a validator's own signature
            added = info.context.drivers if isinstance(info.context, FileForm) else frozenset()
            if not added:
                return inner(written)
            if written in (*get_args(source), *added):
                return written
            known = [*names, *map(repr, sorted(added))]
            raise PydanticKnownError("literal_error", {"expected": f"{', '.join(known[:-1])} or {known[-1]}"})

        return core_schema.with_info_wrap_validator_function(check, own)


IN_FILE = "x-in-file"
"""What a field is in a file, in its schema, where that is not what its description says of a resource."""


def in_file(description: str) -> dict[str, JsonValue]:
    """Return what a field's schema holds beside its description, for the schema of the file to take instead of it."""
    return {IN_FILE: description}


# What cannot stand in a file, by the name it would have there, and what does instead.
RESOURCES_ONLY = {
    "ca_ref": "it refers to an object of a cluster; in a file the certificates stand in ca_bundle",
    "namespaces": "it says which namespaces of a cluster may use a store; a file has no namespaces",
    "role_id_ref": "it refers to a Secret of a cluster; in a file the id itself stands in role_id",
    "service_account_ref": "it refers to a ServiceAccount of a cluster; a file has none",
    "workload_identity": "it refers to a ServiceAccount of a cluster; a file has none",
}
