"""Pure translation: a typed line → InboundMessage, a Reply → what the terminal shows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from core.capabilities import PlatformCapabilities, PrivateReplies, StreamingStyle
from core.messages import Button, InboundMessage, Reply, Sender
from core.types import Audience, ConversationKind, Place, PlatformName

CONSOLE = PlatformName("console")
PERSON = "local"
"""The external id of whoever sits at this machine: one person a home folder."""

PLACE = Place(CONSOLE, "", "terminal")

INTERACTIVE = PlatformCapabilities(
    max_characters=1_000_000,
    streaming=StreamingStyle.NATIVE,
    edit_interval=0.08,
    private_replies=PrivateReplies.DIRECT,
    files=True,
    shows_mode=True,
    trusted_local=True,
)
PIPED = PlatformCapabilities(
    max_characters=1_000_000, private_replies=PrivateReplies.DIRECT, files=True, trusted_local=True
)

# Everything that could move the cursor, ring or change the terminal; newline and tab stay.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def decode_line(data: bytes) -> str:
    """A line of bytes as text: invalid UTF-8 becomes U+FFFD, NUL and the line's end are removed."""
    return data.decode("utf-8", "replace").replace("\x00", "").strip("\r\n")


def message_of(line: str, *, event_id: str, sent_at: datetime, display_name: str = "") -> InboundMessage:
    """What a person wrote. Lone surrogates, which a terminal makes of broken UTF-8, become U+FFFD."""
    return InboundMessage(
        place=PLACE,
        kind=ConversationKind.PRIVATE,
        sender=Sender(PERSON, display_name),
        text=_SURROGATE.sub("\ufffd", line).replace("\x00", ""),
        event_id=event_id,
        sent_at=sent_at,
        message_id=event_id,
        audience=Audience.ASKER,
    )


def printable(text: str) -> str:
    """The text without anything that a terminal would obey: replies quote people and models."""
    return _CONTROL.sub("", _SURROGATE.sub("\ufffd", text.replace("\r\n", "\n")))


def markdown_of(reply: Reply) -> str:
    """The reply's canonical Markdown, labelled when an earlier try may have arrived."""
    text = printable(reply.text).strip("\n")
    return f"{text}\n\n_(may be a duplicate)_" if reply.maybe_duplicate else text


def lines_of(buttons: Sequence[Button]) -> list[str]:
    """Buttons as commands to type. An entry of a list (`#` and its id) has a number in the list, which is shorter."""
    typed = [button for button in buttons if " #" not in button.command]
    return [f"{printable(button.command)}  {printable(button.label)}" for button in typed]


def piped_text(reply: Reply) -> str:
    """What stands on stdout for one reply: its text, its buttons as commands, the badge of its mode."""
    parts = [markdown_of(reply), "\n".join(lines_of(reply.buttons)), f"[{reply.badge}]" if reply.badge else ""]
    return "\n\n".join(part for part in parts if part)
