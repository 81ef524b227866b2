"""What every section of the schema is made of, and how it names a secret."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from typing_extensions import Self

from distctl.config.values import Text, Variable, refuse

SECRET_HINT = "write {env: NAME}, {file: PATH} or {command: [PROGRAM, ARGUMENT]}"  # noqa: S105 - not one


class Section(BaseModel):
    """What every section has in common."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class SecretSection(Section):
    """Where to read a secret when it is needed; its value never stands in the file."""

    env: Variable | None = Field(default=None, description="the environment variable that holds it")
    file: Text | None = Field(default=None, description="the file that holds it, relative to the inventory")
    command: Annotated[list[Text], Field(min_length=1)] | None = Field(
        default=None, description="the command that prints it, with its arguments"
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(place is not None for place in (self.env, self.file, self.command)) != 1:
            refuse("a secret has exactly one place", SECRET_HINT)
        return self


def _no_plain_secret(value: Any) -> Any:
    if isinstance(value, (dict, SecretSection)):
        return value
    return refuse("a secret must not stand in the inventory", SECRET_HINT)


SECRET_SCHEMA = {
    "description": "where to read a secret: {env: NAME}, {file: PATH} or {command: [PROGRAM, ARGUMENT]}",
    "type": "object",
    "additionalProperties": False,
    "minProperties": 1,
    "maxProperties": 1,
    "properties": {
        "env": {"type": "string"},
        "file": {"type": "string"},
        "command": {"type": "array", "items": {"type": "string"}, "minItems": 1},
    },
}

Secret = Annotated[SecretSection, BeforeValidator(_no_plain_secret), WithJsonSchema(SECRET_SCHEMA)]
