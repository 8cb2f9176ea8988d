"""What the console adapter needs of a terminal or a pipe."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from core.capabilities import PlatformCapabilities
from core.messages import OutboundFile, Reply
from core.types import PrivacyMode

SaveFiles = Callable[[Sequence[OutboundFile]], Awaitable[list[str]]]


@dataclass(frozen=True, slots=True)
class PromptStatus:
    """What the prompt shows and completes: asked for before every prompt, so that it is never stale."""

    profile: str = ""
    mode: PrivacyMode = PrivacyMode.NORMAL
    badge: str = ""
    profiles: tuple[str, ...] = ()


StatusProvider = Callable[[], Awaitable[PromptStatus]]


class Face(Protocol):
    """Reads what is typed and shows what is answered."""

    @property
    def capabilities(self) -> PlatformCapabilities: ...

    def lines(self) -> AsyncIterator[str]:
        """What the person sends, one message at a time, until they leave."""
        ...

    def waiting(self, interrupt: Callable[[], None]) -> AbstractAsyncContextManager[None]:
        """While a reply is being made; Ctrl-C calls `interrupt` meanwhile."""
        ...

    async def grow(self, text: str) -> None:
        """Show the text so far of the reply that is being made."""
        ...

    async def show(self, reply: Reply, saved: Sequence[str], *, late: bool) -> None:
        """Show a whole reply, ending a growing one; `saved` says where its files are.

        `late`: it answers an earlier message than the one that is waited for, perhaps of a run that was killed.
        Raises BrokenPipeError.
        """
        ...

    async def problem(self, text: str) -> None:
        """Tell the person what went wrong without a reply of the engine."""
        ...

    async def close(self) -> None: ...
