"""Which secrets of a store a BeemFlowSecret looks for: by path, by name, by tags."""

from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from beemflow_secrets.model.base import Model
from beemflow_secrets.model.cel import Matches, Rule
from beemflow_secrets.model.expressions import compiled
from beemflow_secrets.model.keys import CONTROL
from beemflow_secrets.model.meta import Expression

MOST_TAGS = 50

_Path = Annotated[
    str,
    Field(min_length=1, max_length=2048),
    Matches(CONTROL, "must hold no control character", never=True),
    Matches("^/|//", "must neither begin with '/' nor hold '//'", never=True),
    Matches(r"^([^/]+/)*\.\.?(/|$)", "must have no segment '.' or '..'", never=True),
]
_Tag = Annotated[str, Field(max_length=512)]


class FindName(Model):
    """What the names of secrets are like."""

    regexp: Expression = Field(
        description="An RE2 expression that is searched in the whole name below the store's path and prefix: "
        "^ and $ stand for its ends."
    )


class Find(Model):
    """Secrets to look for. All that is said must hold of each."""

    path: _Path | None = Field(
        default=None,
        description="The folder in which they lie, at any depth, as slack/. Default: all of the store.",
    )
    name: FindName | None = Field(default=None, description="What their names are like. Default: any.")
    tags: dict[Annotated[str, Field(min_length=1)], _Tag] = Field(
        default={},
        max_length=MOST_TAGS,
        description="Tags that they have with these values: tags of AWS and Azure, labels of Google and Kubernetes, "
        "custom metadata of Vault (KV version 2), tags name:value of 1Password. Other stores have none. Default: any.",
    )

    rules: ClassVar[tuple["Rule[Find]", ...]] = (
        Rule(
            "has(self.path) || has(self.name) || (has(self.tags) && self.tags.size() > 0)",
            lambda find: find.path is not None or find.name is not None or bool(find.tags),
            "path, name or tags must say what to look for; name: {regexp: .*} is all",
        ),
    )

    @property
    def prefix(self) -> str:
        """With what the names begin."""
        return "" if self.path is None else f"{self.path.rstrip('/')}/"

    def fits(self, name: str) -> bool:
        """Tell whether a name below the path is like those that are looked for."""
        return self.name is None or compiled(self.name.regexp).search(name) is not None

    def among(self, found: Iterable[tuple[str, Mapping[str, str]]]) -> list[str]:
        """Return the names, of those below the path and their tags, for which all holds."""
        tags = self.tags.items()
        return [name for name, told in found if tags <= dict(told).items() and self.fits(name)]

    def __str__(self) -> str:
        said = [f"path {self.path}"] if self.path is not None else []
        said += [f"name {self.name.regexp}"] if self.name is not None else []
        said += [f"tags {', '.join(f'{key}={text}' for key, text in sorted(self.tags.items()))}"] if self.tags else []
        return ", ".join(said)
