"""What `memorychat setup` asks, and how the answers get into `.env`. Pure but for `write_private`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.settings import fields, settings_from
from core.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Question:
    """`only_after`: asked when that variable was answered; `where` tells where to get the value."""

    variable: str
    text: str
    where: str = ""
    secret: bool = False
    only_after: str = ""

    def refusal(self, answer: str) -> str | None:
        """Why the answer cannot be used, None when it can."""
        if any(character in answer for character in "\r\n\x00"):
            return "That has a line break in it."
        try:
            settings_from({self.variable: answer})
        except ConfigurationError as error:
            own = [problem for problem in error.problems if "given; allowed is" in problem]
            return own[0] if own else None
        return None


QUESTIONS = (
    Question("OPENAI_API_KEY", "OpenAI key", "https://platform.openai.com/api-keys", secret=True),
    Question("OPENAI_BASE_URL", "Address of an OpenAI-compatible server (http://localhost:11434/v1 for Ollama)"),
    Question("OPENAI_MODEL", "Model"),
    Question("EMBEDDINGS", "Language of memories (english or multilingual)"),
    Question(
        "SLACK_BOT_TOKEN",
        "Slack bot token (xoxb-…)",
        "https://api.slack.com/apps, From a manifest; `memorychat slack-manifest --socket` prints it",
        secret=True,
    ),
    Question(
        "SLACK_APP_TOKEN",
        "Slack app token (xapp-…)",
        "Basic Information, App-Level Tokens, with the scope connections:write",
        secret=True,
        only_after="SLACK_BOT_TOKEN",
    ),
    Question("TELEGRAM_BOT_TOKEN", "Telegram bot token", "https://t.me/BotFather", secret=True),
    Question("DISCORD_BOT_TOKEN", "Discord bot token", "https://discord.com/developers/applications", secret=True),
)


def merged(before: str, answers: Mapping[str, str]) -> str:
    """The text of `.env` with the answers in it: in place where the variable stands already, else at the end."""
    known = {name for _, name, _ in fields()}
    left = {name: _quoted(value) for name, value in answers.items() if name in known}
    lines = []
    for line in before.splitlines():
        match = re.match(r"\s*(?:export\s+)?([A-Z0-9_]+)\s*=", line)
        name = match[1] if match else ""
        lines.append(f"{name}={left.pop(name)}" if name in left else line)
    return "\n".join([*lines, *(f"{name}={value}" for name, value in left.items())]) + "\n"


def _quoted(value: str) -> str:
    """As python-dotenv reads it back: plain where nothing in it is special."""
    if re.fullmatch(r"[\w@%+=:,./-]*", value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step, readable by its owner alone."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
