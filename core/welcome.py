"""What a person is told at first contact: what is remembered, and how to stop it."""

from __future__ import annotations

from core.types import PrivacyMode


def welcome(bot_name: str, mode: PrivacyMode) -> str:
    learning = (
        "I remember what you tell me, so that you need not say it twice."
        if mode is PrivacyMode.NORMAL
        else "I remember nothing new until you say `/resume`."
    )
    return (
        f"Hello, I am **{bot_name}**. {learning} Only you can see it.\n\n"
        "`/memories` shows what I know · `/forget` removes it · `/pause` stops learning · "
        "`/incognito` keeps a talk off the record · `/help` lists the rest."
    )


def room_welcome(bot_name: str) -> str:
    return (
        f"Hello, I am **{bot_name}**. I read only what is addressed to me, and what I learn here belongs to this room: "
        "everybody here can get it quoted. Your private memories stay out of it.\n\n"
        "`/ask` answers you alone · `/pause` and `/incognito` count for you only · `/help` lists the rest."
    )
