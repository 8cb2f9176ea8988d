"""What Discord can do, and what the operator may set about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from adapters.markdown.discord import LIMIT
from core.capabilities import PlatformCapabilities, PrivateReplies, StreamingStyle
from core.types import PlatformName

PLATFORM = PlatformName("discord")

CAPABILITIES = PlatformCapabilities(
    max_characters=LIMIT,
    streaming=StreamingStyle.NATIVE,
    preview_after=0.2,
    edit_interval=1.2,  # five edits in five seconds in a channel, with some to spare for its other replies
    threads=True,
    private_replies=PrivateReplies.EPHEMERAL,
    reports_edits=True,
    reports_deletes=True,
    reads_history=True,
    buttons=True,
    files=True,
    edit_makes_resend_safe=True,
    nonce_makes_resend_safe=True,
    handles_take_nonces=False,
    catches_up=True,
)

API_URL = "https://discord.com/api/v10"
GATEWAY_URL = "wss://gateway.discord.gg/"


class Engagement(StrEnum):
    """Which messages of a server are meant for the bot: those that mention it and its threads, every one, or none.

    Slash commands, buttons and direct messages always are.
    """

    MENTION = "mention"
    ALL = "all"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class DiscordConfig:
    """`api_url` and `gateway_url` hold for the whole process, because the SDK keeps them in its classes.

    Times in seconds: one request, the SDK's own retries included, may take `request_timeout`; pauses after failures
    begin with `retry_pause` and double. What was written longer than `read_back` ago is not read back.
    `answers_here`: this process also sends the answers; another one cannot answer an interaction that came here.
    """

    token: str = field(repr=False)
    api_url: str = API_URL
    gateway_url: str = GATEWAY_URL
    engagement: Engagement = Engagement.MENTION
    request_timeout: float = 60.0
    retry_pause: float = 1.0
    read_back: timedelta = timedelta(days=1)
    answers_here: bool = True
