"""Fetching what a person sent."""

from __future__ import annotations

from telegram.error import TelegramError

from adapters.platforms.telegram.client import TelegramBot
from adapters.platforms.telegram.config import MAX_DOWNLOAD
from core.errors import BadArgument, NotFound
from core.messages import Attachment


async def download(bot: TelegramBot, attachment: Attachment, max_bytes: int) -> bytes:
    """Telegram keeps a file for bots to fetch up to 20 MB. Raises BadArgument (too large) or NotFound."""
    limit = min(max_bytes, MAX_DOWNLOAD)
    if not attachment.reference:
        raise NotFound("no file", user_message="There is no file in that message that I could read.")
    _check_size(attachment.size, limit)
    try:
        file = await bot.get_file(attachment.reference)
        _check_size(file.file_size or 0, limit)
        content = bytes(await file.download_as_bytearray())
    except TelegramError as error:
        raise NotFound(
            type(error).__name__, user_message="I could not get that file from Telegram. Please send it again."
        ) from None
    _check_size(len(content), limit)
    return content


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise BadArgument(
            f"{size} bytes",
            user_message=f"That file is too large for me: I can take up to {limit / 1_000_000:.0f} MB.",
        )
