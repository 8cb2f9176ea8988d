"""A reply as Slack messages: Block Kit with the text as Markdown, buttons and a small last line.

Limits: https://docs.slack.dev/reference/block-kit/blocks/markdown-block and …/block-elements/button-element
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from adapters.markdown.slack import split
from core.messages import Button, Reply

BUTTON_VALUE = 2_000
BUTTON_LABEL = 75
BUTTONS_A_ROW = 25
FALLBACK = 3_000
"""Characters of the plain `text` beside the blocks: what notifications and screen readers use."""

ACTION = "memorychat"
_CUT_MENTION = re.compile(r"(?:<[@!]?|@)\w*$")
DUPLICATE = "(may be a duplicate)"

Block = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rendered:
    """One Slack message. `extras` are the blocks after its text."""

    markdown: str
    extras: tuple[Block, ...] = ()
    footer: str = ""

    @property
    def blocks(self) -> list[Block]:
        text: list[Block] = [{"type": "markdown", "text": self.markdown}] if self.markdown else []
        return [*text, *self.extras]

    @property
    def fallback(self) -> str:
        shown = self.markdown if len(self.markdown) <= FALLBACK else self.markdown[: FALLBACK - 1] + "…"
        return "\n".join(part for part in (shown, self.footer) if part) or " "

    @property
    def content(self) -> dict[str, Any]:
        """The arguments that every posting method takes."""
        return {"text": self.fallback, "blocks": self.blocks}


def render_reply(reply: Reply) -> list[Rendered]:
    """The messages of a reply, in order: at least one. Buttons and the small last line are under the last one."""
    parts = split(reply.text) or [""]
    footer = " ".join(part for part in (reply.badge, DUPLICATE if reply.maybe_duplicate else "") if part)
    last = Rendered(parts[-1], (*_rows(reply.buttons), *_context(footer)), footer)
    return [*(Rendered(part) for part in parts[:-1]), last]


def render_preview(text: str) -> str:
    """What the first message of a reply shows while the text is still growing; `''` for nothing yet.

    A mention cut in the middle is left out: it looks harmless until the rest of it is appended.
    """
    parts = split(text)
    return _CUT_MENTION.sub("", parts[0]) if parts else ""


def _rows(buttons: tuple[Button, ...]) -> list[Block]:
    elements = [_button(index, button) for index, button in enumerate(buttons)]
    starts = range(0, len(elements), BUTTONS_A_ROW)
    return [{"type": "actions", "elements": elements[at : at + BUTTONS_A_ROW]} for at in starts]


def _button(index: int, button: Button) -> Block:
    element: Block = {
        "type": "button",
        "action_id": f"{ACTION}:{index}",
        "text": {"type": "plain_text", "text": _cut(button.label, BUTTON_LABEL), "emoji": True},
        "value": button.command[:BUTTON_VALUE],
    }
    return {**element, "style": "danger"} if button.danger else element


def _cut(text: str, size: int) -> str:
    return text if len(text) <= size else text[: size - 1] + "…"


def _context(footer: str) -> list[Block]:
    return [{"type": "context", "elements": [{"type": "mrkdwn", "text": footer}]}] if footer else []
