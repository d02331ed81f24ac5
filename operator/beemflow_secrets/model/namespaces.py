"""Which namespaces a cluster store serves, and those that get a BeemFlowSecret from a BeemFlowClusterSecret."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from beemflow_secrets.model.base import Model
from beemflow_secrets.model.cel import Rule
from beemflow_secrets.model.expressions import compiled
from beemflow_secrets.model.meta import Expression, Labels, NamespaceName

MOST_NAMES = 100
MOST_REGEXES = 20
MOST_EXPRESSIONS = 20


class Requirement(Model):
    """One requirement of a selector, as Kubernetes has it."""

    key: str = Field(min_length=1, max_length=317, description="The label.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(description="How it is compared with values.")
    values: list[Annotated[str, Field(max_length=63)]] = Field(
        default=[], max_length=MOST_NAMES, description="For In and NotIn."
    )

    rules: ClassVar[tuple["Rule[Requirement]", ...]] = (
        Rule(
            "(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)",
            lambda one: (one.operator in {"In", "NotIn"}) == bool(one.values),
            "In and NotIn need values, Exists and DoesNotExist take none",
        ),
    )

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Tell whether labels meet it. A label that is not there is NotIn any values, as in Kubernetes."""
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case _:
                return self.key not in labels


class Selector(Model):
    """A label selector, as Kubernetes has it. An empty one selects everything."""

    match_labels: Labels = Field(default={}, description="Labels that must be there with these values.")
    match_expressions: list[Requirement] = Field(
        default=[], max_length=MOST_EXPRESSIONS, description="Requirements that must all hold."
    )

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Tell whether labels meet all requirements."""
        return self.match_labels.items() <= labels.items() and all(one.holds(labels) for one in self.match_expressions)


class Namespaces(Model):
    """Some of the namespaces: those that any of the three names."""

    names: list[NamespaceName] = Field(default=[], max_length=MOST_NAMES, description="Namespaces by name.")
    regexes: list[Expression] = Field(
        default=[],
        max_length=MOST_REGEXES,
        description="Namespaces by an RE2 expression that must match the whole name.",
    )
    selector: Selector | None = Field(default=None, description="Namespaces by their labels.")

    rules: ClassVar[tuple["Rule[Namespaces]", ...]] = (
        Rule(
            "(has(self.names) && self.names.size() > 0) || (has(self.regexes) && self.regexes.size() > 0) "
            "|| has(self.selector)",
            lambda those: bool(those.names or those.regexes or those.selector is not None),
            "names, regexes or selector must name something; selector: {} selects all namespaces",
        ),
    )

    def serve(self, name: str, labels: Mapping[str, str] | None) -> bool:
        """Tell whether a namespace is one of them. `labels` None: not known yet, so that no selector selects it."""
        return (
            name in self.names
            or any(compiled(regex).fullmatch(name) for regex in self.regexes)
            or (self.selector is not None and labels is not None and self.selector.selects(labels))
        )
