from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self
from unicodedata import normalize
from zoneinfo import available_timezones

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, Field, SecretStr, model_validator

from adapters.http.schemas.common import EXAMPLE_ID, EXAMPLE_USER, MOMENT, Metadata, Request, Response, Text, example
from core.types import User

MAX_METADATA = 4_000


def _address(text: str) -> str:
    try:
        return validate_email(normalize("NFKC", text).strip(), check_deliverability=False).normalized
    except EmailNotValidError:
        raise ValueError("is no e-mail address") from None


def _zone(text: str) -> str:
    if text not in available_timezones():
        raise ValueError("is no IANA time zone, such as Europe/Berlin")
    return text


def _small(metadata: Metadata) -> Metadata:
    if len(str(metadata)) > MAX_METADATA:
        raise ValueError(f"has up to {MAX_METADATA} characters")
    return metadata


def _scalar(value: SecretStr) -> SecretStr:
    if "\0" in value.get_secret_value():
        raise ValueError("must not hold a NUL")
    return value


EmailAddress = Annotated[
    str, AfterValidator(_address), Field(max_length=254, json_schema_extra={"format": "email", "minLength": 3})
]
NewPassword = Annotated[SecretStr, AfterValidator(_scalar), Field(min_length=8, max_length=200)]
Password = Annotated[SecretStr, Field(min_length=1, max_length=200)]
Zone = Annotated[str, AfterValidator(_zone), Field(max_length=64)]

USER_EXAMPLE: dict[str, object] = {
    "id": EXAMPLE_USER,
    "email": "ana@example.org",
    "display_name": "Ana",
    "language": "en",
    "timezone": "Europe/Berlin",
    "created_at": MOMENT,
    "updated_at": MOMENT,
    "metadata": {},
}
ACCOUNT_EXAMPLE: dict[str, object] = {
    "id": EXAMPLE_ID,
    "platform": "slack",
    "display_name": "Ana",
    "created_at": MOMENT,
}


class UserCreate(Request):
    """A new account. The password has 8 to 200 characters; anything goes in it."""

    model_config = example(email="ana@example.org", password="correct horse battery")  # noqa: S106 # an example

    email: EmailAddress
    password: NewPassword


class UserLogin(Request):
    model_config = example(email="ana@example.org", password="correct horse battery")  # noqa: S106 # an example

    email: EmailAddress
    password: Password


class RefreshRequest(Request):
    model_config = example(refresh_token="eyJhbGciOiJIUzI1NiIs…")  # noqa: S106 # an example

    refresh_token: str = Field(min_length=1, max_length=4_000)


class UserUpdate(Request):
    """Only the given fields change. `timezone` is an IANA name, `language` an ISO 639-1 code."""

    model_config = example(display_name="Ana", timezone="Europe/Berlin")

    display_name: Annotated[Text, Field(max_length=80)] | None = None
    timezone: Zone | None = None
    language: Annotated[str, Field(pattern="^[a-z]{2}$")] | None = None
    metadata: Annotated[Metadata, AfterValidator(_small)] | None = None


class PasswordChange(Request):
    """Every other client of this account is signed out."""

    model_config = example(current_password="correct horse battery", new_password="another horse battery")  # noqa: S106 # an example

    current_password: Password
    new_password: NewPassword


class AccountDeletion(Request):
    """Either the password or the words `DELETE EVERYTHING`."""

    model_config = example(confirmation="DELETE EVERYTHING")

    password: Password | None = None
    confirmation: Literal["DELETE EVERYTHING"] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.password is None) == (self.confirmation is None):
            raise ValueError("give either the password or the confirmation")
        return self


class UserResponse(Response):
    model_config = example(**USER_EXAMPLE)

    id: str
    email: str | None
    display_name: str
    language: str | None
    timezone: str
    created_at: datetime
    updated_at: datetime
    metadata: Metadata

    @classmethod
    def of(cls, user: User) -> UserResponse:
        return cls.model_validate(user)


class TokenResponse(Response):
    """`expires_in` is the access token's life in seconds. A refresh token works once; the answer has the next one."""

    model_config = example(
        access_token="eyJhbGciOiJIUzI1NiIs…",  # noqa: S106 # an example
        token_type="bearer",  # noqa: S106 # an example
        expires_in=900,
        refresh_token="eyJhbGciOiJIUzI1NiIs…",  # noqa: S106 # an example
        user=USER_EXAMPLE,
    )

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 # the kind of token that RFC 6750 names, not a secret
    expires_in: int
    refresh_token: str
    user: UserResponse


class ErasureReceiptResponse(Response):
    """What was removed and when, never what it said. `verified`: a second search found nothing."""

    model_config = example(
        id=EXAMPLE_ID, scope="user", removed={"memories": 12}, verified=True, created_at="2026-11-22T12:00:00Z"
    )

    id: str
    scope: str
    removed: dict[str, int]
    verified: bool
    created_at: datetime


class LinkCodeResponse(Response):
    """To be typed as `/link CODE` in a direct chat with the bot; works once, for ten minutes."""

    model_config = example(code="ABCDE-FGHJK", expires_at=MOMENT)

    code: str
    expires_at: datetime


class LinkCodeRedeem(Request):
    model_config = example(code="ABCDE-FGHJK")

    code: Annotated[Text, Field(min_length=1, max_length=40)]


class LinkedAccountResponse(Response):
    model_config = example(**ACCOUNT_EXAMPLE)

    id: str
    platform: str
    display_name: str
    created_at: datetime


class LinkOfferResponse(Response):
    """Whose the code is. Nothing is joined before `confirm` is called with the token."""

    model_config = example(token=EXAMPLE_ID, accounts=[ACCOUNT_EXAMPLE])

    token: str
    accounts: list[LinkedAccountResponse]


class LinkConfirm(Request):
    model_config = example(token=EXAMPLE_ID)

    token: Annotated[str, Field(pattern="^[0-9a-f-]{36}$")]


class JoinResponse(Response):
    """How much came along; `renamed` are profiles that had to take another name."""

    model_config = example(memories=12, profiles=1, renamed=[["work", "work 2"]])

    memories: int
    profiles: int
    renamed: list[tuple[str, str]]


class UsageResponse(Response):
    """Today's (UTC), all platforms together. A limit of 0 is none."""

    model_config = example(messages=14, prompt_tokens=5210, completion_tokens=880, daily_messages=200, daily_tokens=0)

    messages: int
    prompt_tokens: int
    completion_tokens: int
    daily_messages: int
    daily_tokens: int
