"""The control without a memory: python-telegram-bot and openai as their documentation shows them, nothing else.

`python -m bench.bare_bot TELEGRAM MODEL` runs until it is ended; both are base URLs.
"""

from __future__ import annotations

import sys

from openai import AsyncOpenAI
from telegram import Update
from telegram.ext import Application, ContextTypes, MessageHandler, filters


def main(telegram: str, model: str) -> None:
    client = AsyncOpenAI(api_key="unused", base_url=model)

    async def answer(update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
        if update.message is None or update.message.text is None:
            return
        completion = await client.chat.completions.create(
            model="stub", messages=[{"role": "user", "content": update.message.text}]
        )
        await update.message.reply_text(completion.choices[0].message.content or "")

    app = Application.builder().token("123456:TEST-TOKEN").base_url(f"{telegram}/bot").build()
    app.add_handler(MessageHandler(filters.TEXT, answer))
    app.run_polling()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
