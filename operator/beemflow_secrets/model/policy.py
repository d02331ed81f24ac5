"""Who may do what with which secrets of a store: the policies as they are written."""

from typing import Annotated, Literal, get_args

from pydantic import Field

from beemflow_secrets.model.base import Model
from beemflow_secrets.model.cel import Matches
from beemflow_secrets.model.form import in_file

Action = Literal["read", "list", "write", "delete"]

ACTIONS: tuple[Action, ...] = get_args(Action)

MOST_POLICIES = 50
_MOST_PATTERNS = 50

Role = Annotated[
    str,
    Field(max_length=253),
    Matches("^[^, ]([^,]*[^, ])?$", "must be one role, without ',' and without blanks around it"),
]

_Pattern = Annotated[str, Field(min_length=1, max_length=512)]


def roles_in(text: str) -> frozenset[str]:
    """Return the roles that a text as `a, b` names."""
    return frozenset(role for part in text.split(",") if (role := part.strip()))


class AccessPolicy(Model):
    """One permission. Whatever it leaves out, it allows for all."""

    # A list that is empty is refused: who reads "an absent list matches all" may take it for that, and who wrote it may
    # have meant the opposite. Only of roles both say the same.

    flow_patterns: list[_Pattern] | None = Field(
        default=None,
        min_length=1,
        max_length=_MOST_PATTERNS,
        description="The flows that may, as finance/*: of a BeemFlowSecret <namespace>/<name>. * stands for any text, "
        "/ too, and a pattern matches the whole name. Default: every flow.",
        json_schema_extra=in_file(
            "The flows that may, as finance/*. * stands for any text, / too, and a pattern matches the whole name. "
            "Default: every flow."
        ),
    )
    secret_patterns: list[_Pattern] | None = Field(
        default=None,
        min_length=1,
        max_length=_MOST_PATTERNS,
        description="The secrets that they may, as stripe/*: keys as they are written below the store's prefix, "
        "without a property. Default: every secret.",
    )
    allowed_actions: list[Action] | None = Field(
        default=None,
        min_length=1,
        max_length=len(ACTIONS),
        description="What they may: read, list, write, delete. Default: all of it.",
    )
    required_roles: list[Role] | None = Field(
        default=None,
        max_length=20,
        description="Roles that must all be held: by a namespace, in its annotation secrets.beemflow.io/roles, as a,b. "
        "Default: none.",
        json_schema_extra=in_file("Roles that whoever asks must all hold. Default: none."),
    )
