"""The schema of `healing`: how far the controller goes by itself."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from distctl.cluster.healing import HealingSpec
from distctl.config import units
from distctl.config.sections import Section
from distctl.config.values import Duration, refuse

NEVER = "never"


def _after(value: Any) -> Any:
    return None if value == NEVER else value


After = Annotated[
    Duration | None,
    BeforeValidator(_after),
    WithJsonSchema({"anyOf": [{"const": NEVER}, {"type": "string", "pattern": units.DURATION}]}),
]


def _share(value: Any) -> float:
    hint = "write a percentage in quotes, such as 33%"
    if not isinstance(value, str) or not value.endswith("%") or not value[:-1].isdecimal():
        refuse("a share needs its unit", hint)
    share = int(value[:-1])
    if not 1 <= share <= 100:  # noqa: PLR2004 - per cent
        refuse(f"`{value}` is out of bounds", "from 1% to 100%")
    return share / 100


Share = Annotated[
    float, BeforeValidator(_share), WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,3}%$"})
]


class HealingSection(Section):
    """When the controller believes that something is not well, and what it does about it."""

    rise: Annotated[int, Field(ge=1, le=100)] = Field(
        default=2, description="looks in a row, one a second, until a server counts as ready again"
    )
    fall: Annotated[int, Field(ge=2, le=100)] = Field(
        default=2, description="looks in a row without it being ready, until it counts as not ready"
    )
    reschedule_after: After = Field(
        default=HealingSpec().reschedule_after,
        description="how long nobody reaches a server until its replicas are placed elsewhere (5m); or never",
    )
    share: Share = Field(
        default=HealingSpec().share,
        description="where more of the servers turn bad within a minute, nothing is healed (a third)",
    )


def healing_spec(said: HealingSection | None) -> HealingSpec:
    """The bounds as the spec keeps them."""
    return HealingSpec(**said.model_dump()) if said else HealingSpec()
