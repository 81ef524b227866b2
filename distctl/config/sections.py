"""What every section of the schema is made of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """What every section has in common."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
