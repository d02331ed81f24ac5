"""How the Secret looks: its type, labels and annotations, and data that is made by templates."""

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from beemflow_secrets.model.base import Model
from beemflow_secrets.model.cel import KeysMatch, Matches, Rule
from beemflow_secrets.model.meta import DATA_KEY, NO_DATA_KEY, Annotations, DataKey, ObjectName, TemplatedLabels

# The API server fills or reads Secrets of these types by itself, and hands out rights for them.
_TYPES_REFUSED = ("kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token")

MOST_TEMPLATES = 250
MOST_FROM = 20

LONGEST = 256 * 1024
"""Characters of one template in a resource, which etcd holds up to 1.5 MiB of."""


_FROM = "Templates from ConfigMaps, Secrets and literals. What stands later wins, and data over all."


class TemplateMetadata(Model):
    """Labels and annotations of the Secret, beside those of the operator."""

    labels: TemplatedLabels = Field(default={}, description="Labels of the Secret. Values may be templates.")
    annotations: Annotations = Field(default={}, description="Annotations of the Secret. Values may be templates.")


class TemplateItem(Model):
    """A key whose text is a template."""

    key: DataKey = Field(description="Key of the ConfigMap or Secret.")
    template_as: Literal["Values", "KeysAndValues"] = Field(
        default="Values",
        description="Values: the text becomes one value, under the same key. KeysAndValues: it becomes a YAML map, of "
        "which each key is one. Default Values.",
    )


class TemplateSource(Model):
    """An object of the same namespace that holds templates. It is followed when it changes."""

    name: ObjectName = Field(description="Its name.")
    items: list[TemplateItem] = Field(min_length=1, max_length=100, description="The keys to take.")


def _count(*given: object) -> int:
    return sum(one is not None for one in given)


class TemplateOrigin(Model):
    """Templates that stand elsewhere, or keys and values in one text."""

    config_map: TemplateSource | None = Field(default=None, description="A ConfigMap of the same namespace.")
    secret: TemplateSource | None = Field(default=None, description="A Secret of the same namespace.")
    literal: Annotated[str, Field(min_length=1, max_length=LONGEST)] | None = Field(
        default=None, description="A template that becomes a YAML map, of which each key is one."
    )

    rules: ClassVar[tuple["Rule[TemplateOrigin]", ...]] = (
        Rule(
            "[has(self.configMap), has(self.secret), has(self.literal)].filter(given, given).size() == 1",
            lambda origin: _count(origin.config_map, origin.secret, origin.literal) == 1,
            "takes exactly one of configMap, secret and literal",
        ),
    )


class TemplateFrom(TemplateOrigin):
    """Templates that stand elsewhere, or keys and values in one text."""

    target: Literal["Data", "Labels", "Annotations"] = Field(
        default="Data", description="What is made: Data, Labels or Annotations. Default Data."
    )


class DataTemplate(Model):
    """What templates make of values."""

    merge_policy: Literal["Replace", "Merge"] = Field(
        default="Replace",
        description="Replace: where there are templates of data, what they make stands alone. "
        "Merge: it stands over all that was read. Default Replace.",
    )
    data: Annotated[
        dict[str, Annotated[str, Field(max_length=LONGEST)]],
        Field(max_length=MOST_TEMPLATES),
        KeysMatch(DATA_KEY, "must have keys of letters, digits, '-', '_' and '.'"),
        KeysMatch(NO_DATA_KEY, "must have no key '.', and none that begins with '..'", never=True),
        KeysMatch("^.{254}", "must have keys of up to 253 characters", never=True),
    ] = Field(
        default={},
        description="Templates of values, by key: Jinja2's language, as token={{ secrets.token }}. "
        "What is undefined is an error.",
    )


class Template(DataTemplate):
    """How the Secret looks. In templates `secrets.NAME` is a key of this resource's own data."""

    type: Annotated[
        str,
        Field(min_length=1, max_length=253),
        Matches(
            f"^({'|'.join(map(re.escape, _TYPES_REFUSED))})$",
            f"must be none of {' and '.join(_TYPES_REFUSED)}: they give rights to whoever fills them",
            never=True,
        ),
    ] = Field(default="Opaque", description="Type of the Secret. Default Opaque.")
    metadata: TemplateMetadata = Field(default=TemplateMetadata(), description="Labels and annotations of the Secret.")
    template_from: list[TemplateFrom] = Field(default=[], max_length=MOST_FROM, description=_FROM)

    @property
    def says_nothing(self) -> bool:
        """Whether there is no template in it: the Secret then holds what was read."""
        return not (self.data or self.template_from or self.metadata.labels or self.metadata.annotations)


class PushTemplate(DataTemplate):
    """What is pushed, where it is not what the Secret holds. In templates `secrets.NAME` is a key of the Secret."""

    template_from: list[TemplateOrigin] = Field(default=[], max_length=MOST_FROM, description=_FROM)

    @property
    def whole(self) -> Template:
        """The same as a template of a Secret."""
        origins = [
            TemplateFrom(config_map=origin.config_map, secret=origin.secret, literal=origin.literal)
            for origin in self.template_from
        ]
        return Template(merge_policy=self.merge_policy, data=self.data, template_from=origins)
