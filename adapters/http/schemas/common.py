from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, JsonValue

from core.text import clean_text, is_blank


def _not_blank(text: str) -> str:
    if is_blank(text):
        raise ValueError("must not be blank")
    return text


def _clean(text: str) -> str:
    return clean_text(text).strip()


Text = Annotated[str, AfterValidator(_clean)]
"""Control characters and hidden signs are removed, as everywhere in the product."""
FullText = Annotated[Text, AfterValidator(_not_blank)]
Moment = Annotated[datetime, AwareDatetime]
Metadata = dict[str, JsonValue]
Id = UUID


EXAMPLE_ID = "3d1f6c1e-5a0b-4a57-9f0e-2f8f3a1f7c11"
EXAMPLE_USER = "8c3f2b52-0a4e-4a3c-9a3e-0f2f4ab1d7d2"
EXAMPLE_MEMORY = "5b0e4c1a-7d7e-4f6e-8a59-6f1f0f1c2b3d"
EXAMPLE_TURN = "0f5d7f6e-2c35-4c0e-b3b8-1d2f3a4b5c6d"
MOMENT = "2026-11-22T12:00:00Z"


class Request(BaseModel):
    """Unknown fields are refused, so that a misspelt one does not pass for done."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Response(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


def example(**values: Any) -> ConfigDict:
    """The model's example in the OpenAPI document."""
    return ConfigDict(json_schema_extra={"examples": [values]})
