"""What Telegram can do, and what the operator may set about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from core.capabilities import PlatformCapabilities, PrivateReplies, StreamingStyle
from core.types import PlatformName

PLATFORM = PlatformName("telegram")

CAPABILITIES = PlatformCapabilities(
    max_characters=4096,  # UTF-16 units
    streaming=StreamingStyle.NATIVE,
    preview_after=0.2,
    edit_interval=1.0,  # groups are slower: the stream itself leaves updates out there
    threads=True,
    private_replies=PrivateReplies.DIRECT,
    reports_edits=True,
    buttons=True,
    files=True,
    edit_makes_resend_safe=True,
)

MAX_DOWNLOAD = 20_000_000
"""Bytes that a bot may download (Bot API, getFile)."""

GROUP_EDIT_INTERVAL = 3.0
"""Seconds between two edits in a group."""


class Engagement(StrEnum):
    """Which messages of a group are meant for the bot: those that mention it, every one, or none."""

    MENTION = "mention"
    ALL = "all"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Pace:
    """How many messages may leave in how many seconds, as `(count, seconds)`.

    Telegram's FAQ: about one a second in a chat (short bursts pass), 20 a minute in a group, 30 a second in all; edits
    and drafts count. `patience`: how many seconds a reply waits here for its place before the core is told to come back
    later.
    """

    chat: tuple[int, float] = (3, 3.0)
    group: tuple[int, float] = (20, 60.0)
    overall: tuple[int, float] = (30, 1.0)
    patience: float = 10.0

    @classmethod
    def of(cls, *, per_second: int, chat_per_second: int, group_per_minute: int) -> Pace:
        """From what an operator sets; a chat may take three seconds' worth at once."""
        return cls(chat=(3 * chat_per_second, 3.0), group=(group_per_minute, 60.0), overall=(per_second, 1.0))


@dataclass(frozen=True, slots=True)
class TelegramConfig:
    """`base_url` and `base_file_url` as the SDK wants them: the token is appended. With `webhook_url` Telegram pushes
    there (and `webhook_secret` must be set), without it the adapter polls. Times in seconds; pauses
    after failures begin with `retry_pause` and double."""

    token: str = field(repr=False)
    base_url: str = "https://api.telegram.org/bot"
    base_file_url: str = "https://api.telegram.org/file/bot"
    engagement: Engagement = Engagement.MENTION
    webhook_url: str = ""
    webhook_secret: str = field(default="", repr=False)
    pace: Pace = Pace()
    poll_timeout: int = 30
    request_timeout: float = 20.0
    retry_pause: float = 0.5
