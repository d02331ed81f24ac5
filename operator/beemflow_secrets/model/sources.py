"""What a BeemFlowSecret reads, and from which store."""

from typing import Annotated, ClassVar, Literal, TypeGuard

from pydantic import AfterValidator, Field

from beemflow_secrets.model.base import Model
from beemflow_secrets.model.cel import Matches, Rule, quoted
from beemflow_secrets.model.finding import Find
from beemflow_secrets.model.keys import CONTROL, DIVIDED, KeyParts, key_fault, split_key
from beemflow_secrets.model.meta import DataKey, Expression, ObjectName

MOST_REWRITES = 20
"""Steps of one rewrite."""

HAD_BY_ITSELF = ("HOME", "PATH", "USER")
"""What every process has: flows ask for it, and no store need have it."""


class StoreRef(Model):
    """The store to read from."""

    name: ObjectName = Field(description="Name of the store.")
    kind: Literal["BeemFlowSecretStore", "BeemFlowClusterSecretStore"] = Field(
        default="BeemFlowSecretStore",
        description="BeemFlowSecretStore, of the same namespace, or BeemFlowClusterSecretStore. "
        "Default BeemFlowSecretStore.",
    )


def _check_key(text: str) -> str:
    fault = key_fault(split_key(text).key)
    if fault is not None:
        raise ValueError(fault)
    return text


_Key = Annotated[
    str,
    Field(min_length=1, max_length=2048),
    Matches(CONTROL, "must hold no control character", never=True),
    Matches("^/|/$", "must neither begin nor end with '/'", never=True),
    Matches(r"^([^#]*/)?\.\.?(/|#|$)", "must have no segment '.' or '..'", never=True),
]
_EMPTY_PROPERTY = r"must name a property behind its '#'; a '#' of the name is written '\#'"

SecretKey = Annotated[
    _Key,
    Matches(DIVIDED, r"must name a secret without a property; a '#' of the name is written '\#'", never=True),
    AfterValidator(_check_key),
]
"""A secret as a whole."""


RemoteKey = Annotated[_Key, Matches(f"{DIVIDED}$", _EMPTY_PROPERTY, never=True), AfterValidator(_check_key)]
"""A secret, or with `#property` one field of it."""

Property = Annotated[
    str, Field(min_length=1, max_length=1024), Matches(CONTROL, "must hold no control character", never=True)
]


class Extract(Model):
    """A secret of the backend, or one property of it."""

    key: RemoteKey = Field(
        description="Name of the secret below the store's prefix, as slack/bot; or name and property, "
        r"as slack/bot#token. A # that belongs to the name is written \#."
    )
    property: Property | None = Field(
        default=None,
        description="Field of the secret, or a path into it, as a.b.0. A dot that belongs to a name is written \\. . "
        "Default: the whole secret.",
    )
    version: (
        Annotated[
            str, Field(min_length=1, max_length=256), Matches(CONTROL, "must hold no control character", never=True)
        ]
        | None
    ) = Field(default=None, description='Version of the secret, in quotes: "3". Default: the current one.')
    decoding_strategy: Literal["None", "Base64", "Base64URL", "Auto"] = Field(
        default="None",
        description="How the value is decoded before it is written: None, Base64, Base64URL, or Auto "
        "(whichever fits, else as it is). Default None.",
    )

    rules: ClassVar[tuple["Rule[Extract]", ...]] = (
        Rule(
            f"!has(self.property) || !self.key.matches({quoted(DIVIDED)})",
            lambda ref: ref.property is None or split_key(ref.key).property is None,
            "the property is named twice: in property, and behind the '#' of key",
        ),
    )

    def parts(self) -> KeyParts:
        """Return the key as the backend knows it, and the property, wherever it was written."""
        key, behind = split_key(self.key)
        return KeyParts(key, self.property or behind)


class RemoteRef(Extract):
    """What to read for one key."""

    optional: bool = Field(
        default=False,
        description="Write the Secret without this key when the secret, or its property, is missing. Default false.",
    )


class SourceRef(Model):
    """A store other than the resource's own."""

    store_ref: StoreRef = Field(description="The store to read from.")


class DataEntry(Model):
    """One key of the Secret, and where its value comes from."""

    secret_key: DataKey = Field(description="Key in the Secret's data.")
    remote_ref: RemoteRef = Field(description="What to read.")
    source_ref: SourceRef | None = Field(default=None, description="Read from another store than secretStoreRef's.")

    @property
    def remote(self) -> Extract:
        """What to read."""
        return self.remote_ref

    @property
    def pace_key(self) -> str:
        """What places the resource on its store's grid: equal keys fall due together."""
        return self.remote.parts().key


class ConfigMapRef(Model):
    """A ConfigMap of the same namespace."""

    name: ObjectName = Field(description="Its name.")


class Flows(Model):
    """Files of flows, in which the keys to read stand."""

    config_map_ref: ConfigMapRef = Field(
        description="The ConfigMap that holds them, each under a key of its own. It is followed when it changes."
    )
    exclude: list[Annotated[str, Field(min_length=1, max_length=512)]] = Field(
        default=list(HAD_BY_ITSELF),
        max_length=100,
        description="Keys that are not read, as AWS_*: what a process has by itself. * stands for any text. "
        f"Default {', '.join(HAD_BY_ITSELF)}.",
    )


class RegexpRewrite(Model):
    """Replaces in a name."""

    source: Expression = Field(
        description="An RE2 expression. Each match in the name is replaced, and a name without a match stays as it is."
    )
    target: str = Field(
        max_length=1024,
        description="What stands there then. $1, ${1} and ${name} are what the groups of source matched, $$ is a $. "
        "A group that is not there is nothing; in $1x the group is called 1x, so write ${1}x.",
    )


class TransformRewrite(Model):
    """Makes a name by a template."""

    template: str = Field(
        min_length=1,
        max_length=4096,
        description="A template in which value is the name, as {{ value | upper }}. It knows nothing else.",
    )


class Rewrite(Model):
    """One step from the names of a source to keys of the Secret."""

    regexp: RegexpRewrite | None = Field(default=None, description="Replace by a regular expression.")
    transform: TransformRewrite | None = Field(default=None, description="Make the name by a template.")

    rules: ClassVar[tuple["Rule[Rewrite]", ...]] = (
        Rule(
            "has(self.regexp) != has(self.transform)",
            lambda step: (step.regexp is None) is not (step.transform is None),
            "takes exactly one of regexp and transform",
        ),
    )


class DataFrom(Model):
    """Something that tells by itself which keys the Secret has."""

    extract: Extract | None = Field(
        default=None, description="A secret whose fields become keys. With a property, the fields below that property."
    )
    find: Find | None = Field(
        default=None,
        description="Secrets to look for, each of which becomes a key as a whole: its name, with '_' for what a key "
        "cannot hold. Each refresh looks anew: a key that a listing lacks goes, whatever deletionPolicy says, unless "
        "nothing at all is found.",
    )
    flows: Flows | None = Field(
        default=None,
        description="Flows of BeemFlow: each key that {{ secrets.X }} or $env:X asks for becomes a key of the Secret, "
        "as X where that is a variable's name, else in upper case with '_'.",
    )
    rewrite: list[Rewrite] = Field(
        default=[],
        max_length=MOST_REWRITES,
        description="Other names for the keys, step by step. Then what a key cannot hold becomes '_'. Two names that "
        "have become one are refused.",
    )
    source_ref: SourceRef | None = Field(default=None, description="Read from another store than secretStoreRef's.")

    rules: ClassVar[tuple["Rule[DataFrom]", ...]] = (
        Rule(
            "[has(self.extract), has(self.find), has(self.flows)].filter(one, one).size() == 1",
            lambda source: [source.extract, source.find, source.flows].count(None) == 2,  # noqa: PLR2004 - one is left
            "takes exactly one of extract, find and flows",
        ),
    )

    @property
    def remote(self) -> Extract:
        """What to read. Of flows, and of what is looked for, that is known later: `Named` stands for each key then."""
        if self.extract is None:
            raise AssertionError  # pragma: no cover - a defect: they were not replaced
        return self.extract

    @property
    def pace_key(self) -> str:
        """What places the resource on its store's grid."""
        if self.find is not None:
            return f"find/{self.find.prefix}"  # who looks in one place shares a listing
        return self.remote.parts().key if self.flows is None else f"flows/{self.flows.config_map_ref.name}"


class Named(DataEntry):
    """A key that a source of dataFrom names. Unlike an entry of `data` it wins over no other."""


class NamedByFlow(Named):
    """A key that a flow asks for."""


class NamedByFind(Named):
    """A secret that was found, by what. `former`: it was found once, and is not now."""

    source: DataFrom
    former: bool = False


def searches(source: DataFrom | DataEntry) -> TypeGuard[DataFrom]:
    """Whether it is something to look for: what was found stands in its place later."""
    return isinstance(source, DataFrom) and source.find is not None
