"""What comes with a message besides its text: images for the model, voice notes as words, the rest refused politely."""

from __future__ import annotations

import asyncio
import base64
import logging
from dataclasses import dataclass, field, replace

from core.delivery import Delivery
from core.errors import BadArgument, MemoryChatError, ModelError
from core.messages import Attachment, Media, Turn
from core.ports import PlatformAdapter, SupportsFetch, Transcriber

log = logging.getLogger(__name__)

MAX_BYTES = 20_000_000
"""Of one file: what Telegram hands to bots (Bot API, getFile), and what OpenAI takes as an image."""
MAX_IMAGES = 4
FETCH_SECONDS = 60.0
IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
"""What models take (https://platform.openai.com/docs/guides/images-vision)."""

FILES_ONLY = "[file]"
"""The text of a message that has none of its own; nothing is learned from it."""

NO_IMAGES = "My language model cannot see images."
NOT_THIS_IMAGE = "I can look at JPEG, PNG, GIF and WebP images only."
TOO_MANY = f"I look at up to {MAX_IMAGES} images at once."
NO_VOICE = "I cannot listen to voice notes here. Please write it to me."
NOTHING_HEARD = "I heard no words in that voice note."
NO_VIDEO = "I cannot watch videos."
NO_FILES = "I cannot read files of that kind. Please paste the text that matters."
TOO_LARGE = f"That file is too large for me: I can take up to {MAX_BYTES // 1_000_000} MB."
NOT_FETCHED = "I could not get that file. Please send it again."
NOT_HEARD = "I could not make out that voice note just now. /retry tries again."


@dataclass(slots=True)
class _Found:
    """`words` stand for the voice notes, `refusals` say what was left aside, each once."""

    images: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    refusals: dict[str, None] = field(default_factory=dict)


class MediaReader:
    """`transcriber` None: voice notes are refused. `takes_images`: whether the model sees images."""

    def __init__(self, delivery: Delivery, transcriber: Transcriber | None, *, takes_images: bool) -> None:
        self._delivery = delivery
        self._transcriber = transcriber
        self._takes_images = takes_images

    async def read(self, turn: Turn) -> Turn:
        """The turn with its files in it: what was said joins the text, images and refusals its `media`.

        Raises BadArgument, with all that has to be said, when nothing of the turn is left to answer.
        """
        if not turn.content.attachments:
            return turn
        found = _Found()
        adapter = self._delivery.adapter(turn.address)
        for attachment in turn.content.attachments:
            try:
                await self._take(adapter, attachment, found)
            except MemoryChatError as error:
                log.info("a file was left aside: %s", type(error).__name__)
                found.refusals[error.user_message] = None
        own = "" if turn.content.text == FILES_ONLY else turn.content.text
        text = "\n".join(filter(None, (own, *found.words)))
        notice = " ".join(found.refusals)
        if not text and not found.images:
            raise BadArgument(user_message=notice)
        content = replace(turn.content, text=text or FILES_ONLY, attachments=())
        return replace(turn, content=content, media=Media(tuple(found.images), notice))

    async def _take(self, adapter: PlatformAdapter, attachment: Attachment, found: _Found) -> None:
        media_type = attachment.media_type.partition(";")[0].strip().lower()
        if refusal := self._refusal(attachment.kind, media_type, found):
            raise BadArgument(user_message=refusal)
        content = await _fetched(adapter, attachment)
        if attachment.kind == "image":
            found.images.append(f"data:{media_type};base64,{await asyncio.to_thread(_base64, content)}")
        else:
            found.words.append(await self._heard(content, media_type))

    def _refusal(self, kind: str, media_type: str, found: _Found) -> str:
        """Why a file is not even fetched, `''` when it is."""
        if kind == "image":
            if not self._takes_images:
                return NO_IMAGES
            if media_type not in IMAGE_TYPES:
                return NOT_THIS_IMAGE
            return TOO_MANY if len(found.images) >= MAX_IMAGES else ""
        if kind == "audio":
            return "" if self._transcriber is not None else NO_VOICE
        return NO_VIDEO if kind == "video" else NO_FILES

    async def _heard(self, content: bytes, media_type: str) -> str:
        assert self._transcriber is not None
        try:
            words = await self._transcriber.transcribe(content, media_type)
        except ModelError as error:
            log.warning("no transcription: %s", type(error).__name__)
            raise BadArgument(user_message=NOT_HEARD) from None
        if not words:
            raise BadArgument(user_message=NOTHING_HEARD)
        return words


async def _fetched(adapter: PlatformAdapter, attachment: Attachment) -> bytes:
    if not isinstance(adapter, SupportsFetch):
        raise BadArgument(user_message=NO_FILES)
    if attachment.size > MAX_BYTES:
        raise BadArgument(user_message=TOO_LARGE)
    try:
        async with asyncio.timeout(FETCH_SECONDS):
            return await adapter.fetch(attachment, max_bytes=MAX_BYTES)
    except BadArgument:
        raise BadArgument(user_message=TOO_LARGE) from None
    except (TimeoutError, MemoryChatError):
        raise BadArgument(user_message=NOT_FETCHED) from None


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
