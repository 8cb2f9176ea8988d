"""The numbers that the engine works by, taken from the settings by bot/policies.py."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

DEFAULT_PERSONA = (
    "You are {name}, a helpful assistant who remembers people across their chats. Be warm, clear and brief. "
    "Say so when you do not know something."
)


@dataclass(frozen=True, slots=True)
class EnginePolicy:
    """Times as `timedelta`, deadlines in seconds, sizes in characters or tokens as their names say.

    `learning_default` False: a new member starts paused. `recall_deadline` counts once the memory is warm and the
    profile open; until then a turn waits up to `warm_deadline` and `open_deadline` for them. `backlog_max_age`: older
    messages are skipped, not answered.
    `turns_at_once` recall or record at a time; `yields_to_arrivals`: one after the other while messages come in.
    `takes_images`: whether the configured model sees images; the offline one never does.
    """

    persona: str = DEFAULT_PERSONA.format(name="MemoryChat")
    bot_name: str = "MemoryChat"
    session_idle: timedelta = timedelta(hours=12)
    incognito_idle: timedelta = timedelta(hours=2)
    backlog_max_age: timedelta = timedelta(hours=1)
    learning_default: bool = True
    max_message_characters: int = 100_000
    recall_limit: int = 12
    recall_deadline: float = 0.3
    open_deadline: float = 5.0
    warm_deadline: float = 30.0
    memory_tokens: int = 1_000
    history_messages: int = 60
    history_tokens: int = 6_000
    learn_after_turns: int = 8
    learn_batch: int = 24
    learn_quiet: timedelta = timedelta(minutes=2)
    learn_tokens_per_day: int = 200_000
    summary_retry: timedelta = timedelta(minutes=5)
    daily_messages: int = 0
    daily_tokens: int = 0
    instance_daily_messages: int = 0
    instance_daily_tokens: int = 0
    max_attempts: int = 5
    turns_at_once: int = 4
    yields_to_arrivals: bool = True
    delivery_wait: float = 10.0
    undo_line: bool = False
    takes_images: bool = True
