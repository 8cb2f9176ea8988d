"""Slack's `markdown_text` and markdown blocks: Markdown as it is, without the power to ping.

Source of the limits: https://docs.slack.dev/reference/block-kit/blocks/markdown-block (12,000 characters a block; about
13,200 in one message fail).
"""

from __future__ import annotations

import re

from core.text import split_text

LIMIT = 11_000

_ZERO_WIDTH = "\u200b"
_MENTION = re.compile(r"<(?=@|![chegs])|(?<!\w)@(?=[che])", re.IGNORECASE)
"""`<@U…>`, `<!channel>`, `<!here>`, `<!everyone>`, `<!subteam^…>`, also within code, where Slack reads them too, and
`@channel`, `@here`, `@everyone` in words. By their first letters, so that a growing text keeps its beginning."""


def render(markdown: str) -> str:
    """A text that grows keeps its beginning (unless it stopped at `<!`), so that a stream can be continued."""
    return _MENTION.sub(lambda match: match[0] + _ZERO_WIDTH, markdown)


def split(markdown: str, limit: int = LIMIT) -> list[str]:
    """`limit` in characters. `[]` for a blank text."""
    return split_text(render(markdown), limit)
