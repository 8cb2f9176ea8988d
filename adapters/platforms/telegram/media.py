"""What a message carries besides words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from adapters.platforms.payload import number_of, part_of, parts_of, text_of
from core.messages import Attachment

_FILES = {
    # field: (kind, media type when the payload names none, name when it names none)
    "voice": ("audio", "audio/ogg", "voice.ogg"),
    "audio": ("audio", "audio/mpeg", "audio.mp3"),
    "video": ("video", "video/mp4", "video.mp4"),
    "video_note": ("video", "video/mp4", "video.mp4"),
    "animation": ("video", "video/mp4", "animation.mp4"),
    "document": ("file", "application/octet-stream", "file"),
}
_WITHOUT_FILE = ("location", "venue", "contact", "poll", "dice", "game", "story", "checklist", "paid_media")


def attachments_of(message: Mapping[str, object]) -> tuple[Attachment, ...]:
    """At most one: albums arrive as several messages. Things that have no file get an empty reference, so that the
    person hears that the bot cannot use them. A sticker is its emoji, hence text."""
    if sizes := parts_of(message, "photo"):
        return (_photo(sizes),)
    for field in _FILES:  # an animation has a document beside it, the more telling field comes first
        if file := part_of(message, field):
            return (_file(field, file),)
    return tuple(
        Attachment(kind="other", name=field, media_type="", size=0, reference="")
        for field in _WITHOUT_FILE
        if part_of(message, field)
    )[:1]


def _photo(sizes: Sequence[Mapping[str, object]]) -> Attachment:
    largest = max(sizes, key=lambda size: number_of(size, "width") * number_of(size, "height"))
    return Attachment(
        kind="image",
        name="photo.jpg",
        media_type="image/jpeg",
        size=number_of(largest, "file_size"),
        reference=text_of(largest, "file_id"),
    )


def _file(field: str, file: Mapping[str, object]) -> Attachment:
    kind, media_type, name = _FILES[field]
    media_type = text_of(file, "mime_type") or media_type
    if field == "document" and media_type.startswith("image/"):
        kind = "image"
    return Attachment(
        kind=kind,
        name=text_of(file, "file_name") or name,
        media_type=media_type,
        size=number_of(file, "file_size"),
        reference=text_of(file, "file_id"),
    )
