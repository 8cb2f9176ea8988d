"""`memorychat chat`: the terminal, everything embedded in one process."""

from __future__ import annotations

import asyncio
import getpass
import sys
from typing import TYPE_CHECKING

import typer

from bot.cli.common import load_settings, note, run_async

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapters.platforms.console import ConsoleAdapter, Face, PromptStatus
    from bot.bootstrap import App
    from bot.settings import Settings
    from core.commands.model import Command

OFFLINE = "Offline: no language model is configured. I keep what you tell me and quote it; I do not reason."


def chat() -> None:
    """Talk to the bot in this terminal; or pipe lines in and replies out."""
    run_async(_chat(load_settings(quiet=True)))


async def _chat(settings: Settings) -> None:
    from bot.bootstrap import build
    from bot.thinking import warm

    terminal = Terminal(settings, interactive=sys.stdin.isatty() and sys.stdout.isatty())
    adapter = terminal.adapter()
    async with build(settings, platforms=[adapter]) as app:
        terminal.app = app
        # Loading the embedder takes longer than typing a greeting; the first turn waits for what is left of it.
        warming = asyncio.create_task(warm(app.settings, app.memory))
        try:
            await adapter.start(app.engine.handle)
            await adapter.finished()
            await app.queue.drain()
        finally:
            await adapter.stop()
            await asyncio.gather(warming, return_exceptions=True)
    if adapter.refused or adapter.unanswered:
        raise typer.Exit(1)


class Terminal:
    """Ties the console adapter to the application, which is built after it."""

    def __init__(self, settings: Settings, *, interactive: bool) -> None:
        self.app: App | None = None
        self._settings = settings
        self._interactive = interactive

    def adapter(self) -> ConsoleAdapter:
        from adapters.clock import SystemClock
        from adapters.platforms.console import ConsoleAdapter

        return ConsoleAdapter(
            self._face(),
            now=SystemClock().now,
            idle=self.idle,
            cancel=self.cancel,
            export_folder=self._settings.home.export_folder,
            display_name=_person(),
        )

    async def idle(self) -> None:
        if self.app is not None:
            await self.app.queue.drain()

    async def cancel(self) -> bool:
        """Stop the running turn, as /stop would."""
        from adapters.platforms.console.translate import PLACE

        assert self.app is not None
        conversation = await self.app.store.find_conversation(PLACE)
        return conversation is not None and await self.app.engine.stop(conversation.id)

    async def status(self) -> PromptStatus:
        """Read afresh for every prompt, so that the badge is the mode that the next message is under."""
        from adapters.platforms.console import PromptStatus
        from adapters.platforms.console.translate import PERSON, PLACE
        from core.privacy import badge, stricter
        from core.profiles import DEFAULT_PROFILE

        assert self.app is not None
        store = self.app.store
        identity = await store.find_identity(PLACE.platform, PLACE.workspace_id, PERSON)
        conversation = await store.find_conversation(PLACE)
        if identity is None or conversation is None:
            return PromptStatus(DEFAULT_PROFILE)
        member = await store.get_member(conversation.id, identity.user_id)
        profiles = await store.get_memory_profiles(identity.user_id)
        own = next((item for item in profiles if item.id == member.profile_id), None)
        own = own or next(item for item in profiles if item.is_default)
        mode = stricter(member.mode, conversation.mode_floor)
        return PromptStatus(own.name, mode, badge(mode), tuple(item.name for item in profiles))

    def commands(self) -> Sequence[Command]:
        return self.app.registry.commands if self.app is not None else ()

    def _face(self) -> Face:
        offline = not self._settings.openai.configured
        if not self._interactive:
            from adapters.platforms.console.piped import PipedFace

            if offline:
                note(OFFLINE)
            return PipedFace(sys.stdin.fileno(), sys.stdout.buffer, sys.stderr.buffer)
        from adapters.platforms.console.terminal import TerminalFace

        home = self._settings.home
        about = OFFLINE if offline else f"Model: {self._settings.openai.model}"
        return TerminalFace(
            status=self.status,
            commands=self.commands,
            history_file=home.history_file if home.history else None,
            greeting=(self._settings.persona.bot_name, about, "/help shows what I can do · Ctrl-D leaves"),
        )


def _person() -> str:
    """The login name; a container may have none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""
