"""The rules that the core goes by, as the settings say them."""

from __future__ import annotations

from bot.settings import Settings
from core.access import AccessMode, AccessRule
from core.policy import DEFAULT_PERSONA, EnginePolicy
from core.types import PlatformName


def make_policy(settings: Settings) -> EnginePolicy:
    name = settings.persona.bot_name
    return EnginePolicy(
        persona=settings.persona.system_prompt or DEFAULT_PERSONA.format(name=name),
        bot_name=name,
        session_idle=settings.privacy.session_idle,
        incognito_idle=settings.privacy.incognito_idle,
        backlog_max_age=settings.privacy.backlog_max_age,
        learning_default=settings.privacy.learning_default,
        learn_after_turns=settings.learning.after_turns,
        learn_batch=settings.learning.batch,
        learn_quiet=settings.learning.quiet,
        learn_tokens_per_day=settings.learning.tokens_per_day,
        daily_messages=settings.quotas.messages,
        daily_tokens=settings.quotas.tokens,
        instance_daily_messages=settings.quotas.instance_messages,
        instance_daily_tokens=settings.quotas.instance_tokens,
        undo_line=settings.privacy.undo_line,
        takes_images=settings.openai.images,
        turns_at_once=4 if settings.is_self_contained else 8,
        yields_to_arrivals=settings.is_self_contained,
    )


def make_access(settings: Settings) -> dict[PlatformName, AccessRule]:
    rules = {}
    for name, platform in settings.platforms.items():
        mode, allowed = settings.access_policy_of(platform)
        rules[PlatformName(name)] = AccessRule(AccessMode(mode), allowed)
    return rules
