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


class Request(BaseModel):
    """Unknown fields are refused, so that a misspelt one does not pass for done."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Response(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


def example(**values: Any) -> ConfigDict:
    """The model's example in the OpenAPI document."""
    return ConfigDict(json_schema_extra={"examples": [values]})
