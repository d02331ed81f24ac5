"""What a store and each link of a chain have in common: a driver, its block, a prefix, and how it is reached."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from beemflow_secrets.model.aws import AwsSpec, Region
from beemflow_secrets.model.azure import AzureSpec
from beemflow_secrets.model.base import Model
from beemflow_secrets.model.block import Block
from beemflow_secrets.model.cel import Matches, Rule
from beemflow_secrets.model.duration import Between, Duration
from beemflow_secrets.model.file import FileSpec
from beemflow_secrets.model.gcp import GcpSpec
from beemflow_secrets.model.keys import CONTROL
from beemflow_secrets.model.kubernetes import KubernetesSpec
from beemflow_secrets.model.onepassword import OnePasswordSpec
from beemflow_secrets.model.vault import VaultSpec

Timeout = Annotated[float, Between(shortest="1ms")]

# Drivers whose blocks are called otherwise, and those that can do without one.
_BLOCKS = {"1password": "onepassword", "aws-sm": "aws", "azure-kv": "azure", "gcp-sm": "gcp"}
_LEFT_OUT = {"aws-sm": AwsSpec(), "gcp-sm": GcpSpec()}


class Retry(Model):
    """When a failed attempt is made again: only where the backend was away or asked for patience."""

    attempts: int = Field(default=4, ge=1, le=20, description="All attempts; 1 means none after the first. Default 4.")
    base_delay: Duration = Field(
        default=0.2,
        description="The first pause takes up to this long, and each further one up to twice as long. Default 200ms.",
    )
    max_delay: Duration = Field(
        default=10.0, description="No pause takes longer, unless the backend asks for it. Default 10s."
    )


class RequestBudget(Model):
    """How many calls a backend is sent: a bucket that fills with time, and from which each call takes."""

    per_second: float = Field(
        le=10000, description="Calls a second on the average, more than 0; 0.1 is one call in 10 seconds."
    )
    burst: int | None = Field(
        default=None,
        ge=1,
        le=10000,
        description="The most calls at once, after a pause. Default: those of one second, but at least 1.",
    )

    rules: ClassVar[tuple["Rule[RequestBudget]", ...]] = (
        Rule(
            "self.perSecond > 0.0",
            lambda budget: budget.per_second > 0,
            "perSecond must be more than 0: without requestBudget there is no limit",
            path=("perSecond",),
        ),
    )

    @property
    def most_at_once(self) -> int:
        """The burst, given or not."""
        return self.burst or max(1, int(self.per_second))


def block_of(driver: str) -> tuple[Rule[Any], Rule[Any]]:
    """Tie a block to the driver that it belongs to, and that cannot do without it."""
    block = _BLOCKS.get(driver, driver)
    return (
        Rule(
            f"!(has(self.driver) && self.driver == '{driver}') || has(self.{block})",
            lambda backend: backend.driver != driver or getattr(backend, block) is not None,
            f"driver {driver} needs the block {block}",
        ),
        _belongs(driver),
    )


def _belongs(driver: str) -> Rule[Any]:
    block = _BLOCKS.get(driver, driver)
    return Rule(
        f"!has(self.{block}) || (has(self.driver) && self.driver == '{driver}')",
        lambda backend: getattr(backend, block) is None or backend.driver == driver,
        f"the block {block} belongs to driver {driver}",
        path=(block,),
    )


class BackendSpec(Model):
    """One backend: its driver, the driver's block, and what stands before its keys."""

    driver: str
    prefix: Annotated[
        str,
        Field(max_length=1024),
        Matches(CONTROL, "must hold no control character", never=True),
        Matches("^/", "must not begin with '/'", never=True),
        Matches(r"(^|/)\.\.?(/|$)", "must have no segment '.' or '..'", never=True),
    ] = Field(default="", description="Put before every key that is read. Default: nothing.")
    batch_size: int = Field(
        default=50,
        ge=1,
        le=1000,
        description="The most keys that one call to the backend carries; fewer where the backend takes no more. "
        "Default 50.",
    )
    region: Region | None = Field(
        default=None, description="For driver aws-sm: the region, as eu-west-1. Default: none, and aws.region has it."
    )
    aws: AwsSpec | None = Field(
        default=None, description="For driver aws-sm: how the service is reached, and how to log in there."
    )
    gcp: GcpSpec | None = Field(
        default=None,
        description="For driver gcp-sm: which project, how the service is reached, and how to log in there.",
    )
    request_budget: RequestBudget | None = Field(
        default=None,
        description="Limits the calls to the backend, reads and listings; those that somebody waits for go before "
        "refreshes. Of a chain: all its links together. Default: no limit.",
    )
    vault: VaultSpec | None = Field(
        default=None, description="For driver vault: how the server is reached, and how to log in there."
    )
    azure: AzureSpec | None = Field(
        default=None, description="For driver azure-kv: how the vault is reached, and how to log in for it."
    )
    file: FileSpec | None = Field(default=None, description="For driver file: where the secrets stand.")
    kubernetes: KubernetesSpec | None = Field(
        default=None, description="For driver kubernetes: where the Secrets are, and who reads them."
    )
    onepassword: OnePasswordSpec | None = Field(
        default=None, description="For driver 1password: how the Connect server is reached, and which vault is read."
    )

    rules: ClassVar[tuple[Rule[Any], ...]] = (
        _belongs("aws-sm"),
        *block_of("azure-kv"),
        _belongs("gcp-sm"),
        *block_of("vault"),
        *block_of("file"),
        *block_of("kubernetes"),
        *block_of("1password"),
    )

    @property
    def block(self) -> Block | None:
        """The driver's block, where it may hold credentials; one without any field where it is left out."""
        found = getattr(self, self.block_name, None) or _LEFT_OUT.get(self.driver)
        return found if isinstance(found, Block) else None

    @property
    def block_name(self) -> str:
        """What the driver's block is called."""
        return _BLOCKS.get(self.driver, self.driver)
