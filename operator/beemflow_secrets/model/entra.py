"""Who is who at Microsoft Entra ID."""

from typing import Annotated

from pydantic import Field

TenantId = Annotated[str, Field(min_length=1, max_length=256, pattern="^[A-Za-z0-9][A-Za-z0-9._-]*$")]
"""The id of a tenant, or a domain of it."""

ClientId = Annotated[str, Field(min_length=1, max_length=256, pattern="^[A-Za-z0-9-]+$")]
"""The id of an application, or of an identity."""
