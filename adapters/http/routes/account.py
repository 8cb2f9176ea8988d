"""Linked accounts, rooms, usage, export."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Query, status
from starlette.responses import Response

from adapters.http.dependencies import Config, Exporter, Reader, Services, SignedIn
from adapters.http.errors import responses
from adapters.http.routes import API
from adapters.http.schemas.common import Id
from adapters.http.schemas.memory import RoomResponse
from adapters.http.schemas.user import (
    JoinResponse,
    LinkCodeRedeem,
    LinkCodeResponse,
    LinkConfirm,
    LinkedAccountResponse,
    LinkOfferResponse,
    UsageResponse,
)
from adapters.http.security import SUPABASE
from core.direct import DIRECT
from core.errors import NotFound
from core.export import ExportDocument, export_person, to_json, to_markdown
from core.types import ChannelIdentity, IdentityId

router = APIRouter(prefix=API, tags=["account"])
HIDDEN = frozenset({DIRECT, SUPABASE})
"""Accounts of the page itself; they cannot be parted from it."""


@router.get("/linked-accounts", responses=responses(401, 403))
async def linked_accounts(caller: Reader, services: Services) -> list[LinkedAccountResponse]:
    """The chat accounts that are this person."""
    return _shown(await services.store.get_identities(caller.user.id))


@router.delete(
    "/linked-accounts/{account_id}", status_code=status.HTTP_204_NO_CONTENT, responses=responses(401, 403, 404, 409)
)
async def unlink(account_id: Id, caller: SignedIn, services: Services) -> None:
    """The account becomes a new person without memories; everything stays here."""
    identity = IdentityId(str(account_id))
    if identity not in {item.id for item in _linked(await services.store.get_identities(caller.user.id))}:
        raise NotFound
    await services.own.linking.unlink(caller.user.id, identity)


@router.post("/link-codes", status_code=status.HTTP_201_CREATED, responses=responses(401, 403))
async def make_link_code(caller: SignedIn, services: Services) -> LinkCodeResponse:
    code = await services.own.link_code(caller.user.id)
    return LinkCodeResponse(code=code.code, expires_at=code.expires_at)


@router.post("/link-codes/redeem", responses=responses(401, 403, 404, 409))
async def redeem_link_code(body: LinkCodeRedeem, caller: SignedIn, services: Services) -> LinkOfferResponse:
    """Whose a code is that `/link` showed in a chat. 429 after five wrong ones within an hour."""
    token, other = await services.own.redeem_code(caller.user, body.code)
    return LinkOfferResponse(token=token, accounts=_shown(other.accounts))


@router.post("/link-codes/confirm", responses=responses(401, 403, 404, 409))
async def confirm_link(body: LinkConfirm, caller: SignedIn, services: Services) -> JoinResponse:
    """Become one person with that account. The sign-in goes on, as the joined person."""
    outcome = await services.own.join(caller.user.id, body.token)
    return JoinResponse(memories=outcome.memories, profiles=outcome.profiles, renamed=list(outcome.renamed))


@router.get("/rooms", responses=responses(401, 403))
async def rooms(caller: Reader, services: Services) -> list[RoomResponse]:
    """Where this person talks with the bot in front of others: what a profile can be shared with. Oldest first."""
    return [
        RoomResponse(conversation_id=room.id, platform=room.place.platform, chat_id=room.place.chat_id)
        for room in await services.store.get_user_rooms(caller.user.id)
    ]


@router.get("/usage", responses=responses(401, 403))
async def usage(caller: Reader, services: Services, config: Config) -> UsageResponse:
    used = await services.store.get_usage(caller.user.id, services.clock.now().date())
    return UsageResponse(
        messages=used.messages,
        prompt_tokens=used.prompt_tokens,
        completion_tokens=used.completion_tokens,
        daily_messages=config.daily_messages,
        daily_tokens=config.daily_tokens,
    )


@router.get(
    "/export",
    response_model=ExportDocument,
    responses={**responses(401, 403), 200: {"content": {"text/markdown": {"schema": {"type": "string"}}}}},
)
async def export(
    caller: Exporter, services: Services, form: Annotated[Literal["json", "markdown"], Query(alias="format")] = "json"
) -> Response:
    """Everything that is held about the caller, to keep or to read."""
    now = services.clock.now()
    document = await export_person(services.store, services.memory, services.sealer, caller.user, now)
    markdown = form == "markdown"
    name = f"memorychat-export-{now:%Y-%m-%d}.{'md' if markdown else 'json'}"
    return Response(
        to_markdown(document) if markdown else to_json(document),
        media_type="text/markdown; charset=utf-8" if markdown else "application/json",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _linked(identities: Sequence[ChannelIdentity]) -> list[ChannelIdentity]:
    return [item for item in identities if item.platform not in HIDDEN]


def _shown(identities: Sequence[ChannelIdentity]) -> list[LinkedAccountResponse]:
    return [LinkedAccountResponse.model_validate(item) for item in _linked(identities)]
