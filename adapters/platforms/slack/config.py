"""What Slack can do, and what the operator may set about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from adapters.markdown.slack import LIMIT
from core.capabilities import PlatformCapabilities, PrivateReplies, StreamingStyle
from core.types import PlatformName

PLATFORM = PlatformName("slack")

CAPABILITIES = PlatformCapabilities(
    max_characters=LIMIT,
    streaming=StreamingStyle.NATIVE,
    preview_after=0.2,
    edit_interval=1.0,  # about one message a second in a channel (https://docs.slack.dev/apis/web-api/rate-limits)
    threads=True,
    private_replies=PrivateReplies.EPHEMERAL,
    reports_edits=True,
    reports_deletes=True,
    reads_history=True,
    buttons=True,
    files=True,
    slash_in_threads=False,
    edit_makes_resend_safe=True,
)

UMBRELLA = "memorychat"
"""`/memorychat NAME …` is every command in one, for names that Slack keeps or another app has taken."""


class Engagement(StrEnum):
    """Which messages of a channel are meant for the bot: those that mention it and its threads, every one, or none.

    Slash commands and direct messages always are.
    """

    MENTION = "mention"
    ALL = "all"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Pace:
    """`channel_seconds` lie between the last change in a channel and a preview there, whosever reply it is of;
    `previews_a_minute` are those in all channels together."""

    channel_seconds: float = 1.0
    previews_a_minute: int = 90


@dataclass(frozen=True, slots=True)
class SlackConfig:
    """With `app_token` the adapter receives by Socket Mode, without it by HTTP (then `signing_secret` must be set).

    `base_url` is that of the Web API, `request_timeout` and `ping_interval` (of the socket) are in seconds. After
    `gap` seconds without a socket what was written meanwhile is read back; Slack itself tries again for some minutes.
    """

    bot_token: str = field(repr=False)
    app_token: str = field(default="", repr=False)
    signing_secret: str = field(default="", repr=False)
    base_url: str = "https://slack.com/api/"
    engagement: Engagement = Engagement.MENTION
    request_timeout: float = 20.0
    ping_interval: float = 5.0
    gap: float = 60.0
    pace: Pace = Pace()
