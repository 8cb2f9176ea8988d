"""Files that people send: Discord gives their address with the message."""

from __future__ import annotations

from adapters.platforms.discord.errors import delivering
from adapters.platforms.discord.post import GetClient
from core.errors import BadArgument, DeliveryError, NotFound
from core.messages import Attachment


async def fetch(client: GetClient, attachment: Attachment, *, max_bytes: int, seconds: float) -> bytes:
    """The content. Raises BadArgument when it is larger than `max_bytes`, NotFound when Discord does not hand it out:
    an address holds for about a day."""
    _check_size(attachment.size, max_bytes)
    try:
        async with delivering(seconds):
            content = await (await client()).http.get_from_cdn(attachment.reference)
    except DeliveryError as error:
        raise NotFound(
            *error.args, user_message="I could not get that file from Discord. Please send it again."
        ) from None
    _check_size(len(content), max_bytes)
    return content


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise BadArgument(
            f"{size} bytes",
            user_message=f"That file is too large for me: I can take up to {limit / 1_000_000:.0f} MB.",
        )
