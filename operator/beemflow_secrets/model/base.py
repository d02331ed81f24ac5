"""What all models share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import InitErrorDetails, PydanticCustomError

from beemflow_secrets.model.cel import Schema, with_rule

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic_core.core_schema import CoreSchema

    from beemflow_secrets.model.cel import Rule


class Model(BaseModel):
    """Something that users write: camelCase in resources, unknown fields refused, never changed once read.

    Strict: a schema refuses "4" for a number, and so does this. Python code uses the fields' own names. No error shows
    a value: one in the wrong place may be a password.

    `rules` hold between the fields. They are checked once every field is right, and stand in the CRDs.
    """

    model_config = ConfigDict(
        # Most models are only ever parts of another one, whose validator holds theirs: at each start that saves 80 ms
        # of CPU and 2 MiB.
        defer_build=True,
        alias_generator=to_camel,
        validate_by_name=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        strict=True,
    )

    rules: ClassVar[tuple[Rule[Any], ...]] = ()
    by_name: ClassVar[dict[str, type[Model]]] = {}

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:  # noqa: ANN401  # pydantic's signature
        """Remember the class by the name that pydantic's errors give it."""
        super().__pydantic_init_subclass__(**kwargs)
        cls.by_name[cls.__name__] = cls

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> Schema:
        """Write the rules into the schema."""
        schema: Schema = handler.resolve_ref_schema(handler(core))
        for rule in cls.rules:
            schema.update(with_rule(schema, rule.cel, rule.message, rule.path))
        return schema

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Return the model itself, which never changes. pydantic copies a default for each model that has it."""
        return self

    def has(self, field: str) -> bool:
        """Whether a field, by the name that users write, is given."""
        return any(
            getattr(self, name) is not None for name, info in type(self).model_fields.items() if info.alias == field
        )

    @model_validator(mode="after")
    def _check_rules(self) -> Self:
        broken = [
            InitErrorDetails(
                type=PydanticCustomError("rule", "{text}", {"text": rule.message}), loc=rule.path, input=self
            )
            for rule in self.rules
            if not rule.holds(self)
        ]
        if broken:
            raise ValidationError.from_exception_data(type(self).__name__, broken, hide_input=True)
        return self
