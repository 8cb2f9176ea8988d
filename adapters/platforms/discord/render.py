"""A reply → the messages that Discord gets. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from adapters.markdown.discord import LIMIT, split
from core.messages import Button, OutboundFile, Reply

MAYBE_DUPLICATE = "(may be a duplicate)"
MAX_BUTTONS = 25
"""Five rows of five."""

MAX_LABEL = 80
NONCE_LENGTH = 24
"""Discord takes 25 characters (https://discord.com/developers/docs/resources/message#create-message)."""


@dataclass(frozen=True, slots=True)
class Part:
    """One message: its text in Discord's Markdown and the buttons under it, or a file."""

    content: str
    buttons: tuple[Button, ...] = ()
    file: OutboundFile | None = None


def render(reply: Reply) -> list[Part]:
    """The messages of a reply in order, none for an empty one: badge and label as a small last line, buttons under the
    last text, then the files."""
    parts = render_text(reply.text)
    footer = " ".join(line for line in (MAYBE_DUPLICATE if reply.maybe_duplicate else "", reply.badge) if line)
    if footer and parts:
        parts = _with_footer(parts, f"-# {footer}")
    if reply.buttons and parts:
        parts[-1] = replace(parts[-1], buttons=tuple(map(_fitting, reply.buttons[:MAX_BUTTONS])))
    return [*parts, *(Part("", file=file) for file in reply.files)]


def render_text(markdown: str) -> list[Part]:
    return [Part(piece) for piece in split(_encodable(markdown))]


def nonce_of(nonce: str, position: int, attempt: str = "") -> str:
    """The same for every try to send one message of one reply."""
    key = f"{nonce}:{position}:{attempt}".encode()
    return hashlib.blake2b(key, digest_size=NONCE_LENGTH // 2).hexdigest()


def _with_footer(parts: list[Part], line: str) -> list[Part]:
    last = parts[-1]
    content = f"{last.content}\n{line}"
    if len(content.encode("utf-16-le")) // 2 > LIMIT:
        return [*parts, Part(line)]
    return [*parts[:-1], replace(last, content=content)]


def _fitting(button: Button) -> Button:
    label = button.label if len(button.label) <= MAX_LABEL else button.label[: MAX_LABEL - 1] + "…"
    return replace(button, label=label or "…")


def _encodable(text: str) -> str:
    """Lone surrogates, which no encoder takes, replaced."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
