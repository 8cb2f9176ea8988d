"""The prompt of one turn: what is recalled, what was said before, who asks and when (design §3.4)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.batches import TalkScene
from core.delivery import Delivery
from core.errors import MemoryChatError
from core.messages import HistoryMessage, Turn
from core.pacing import Pacing
from core.policy import EnginePolicy
from core.ports import Clock, LanguageModel, MemoryPort, ModelMessage, PromptContext, Store, SupportsThreadHistory
from core.privacy import policy_of
from core.prompts import fit_memories
from core.speech import is_trivial
from core.statements import tells_something
from core.summaries import fit_history, since_summary
from core.types import (
    Audience,
    ChatSession,
    ConversationKind,
    MemoryNamespace,
    PrivacyMode,
    RecalledMemory,
    Role,
)
from core.vault import Vault

log = logging.getLogger(__name__)

THREAD_MESSAGES = 30
TALK_EXPIRED = "talk_expired"
"""The note of a turn before which an incognito talk ended by itself."""
TALK_GONE = (
    "_Our earlier incognito talk is gone: it was idle for too long, or I was restarted. You are still incognito._"
)


@dataclass(frozen=True, slots=True)
class Prompt:
    """`private`: the provider is asked not to store the call. `notice` goes before the answer. `erase_generation` is
    that of the learning namespace when the turn began. `is_long`: the session's older part is due to be summarised."""

    messages: tuple[ModelMessage, ...]
    context: PromptContext
    memories: tuple[RecalledMemory, ...]
    recall_missed: bool
    private: bool
    erase_generation: int
    notice: str = ""
    seen_elsewhere: bool = False
    is_long: bool = False


class Composer:
    """`recall_misses` counts the turns since the start that were answered without the memory they should have had."""

    def __init__(
        self,
        store: Store,
        vault: Vault,
        memory: MemoryPort,
        model: LanguageModel,
        delivery: Delivery,
        clock: Clock,
        policy: EnginePolicy,
        pacing: Pacing,
    ) -> None:
        self._store = store
        self._vault = vault
        self._memory = memory
        self._model = model
        self._delivery = delivery
        self._clock = clock
        self._policy = policy
        self._pacing = pacing
        self.recall_misses = 0

    async def compose(self, turn: Turn, note: str = "") -> Prompt:
        """`note` is the turn's row's. Raises NotFound when the person, the session or the profile is gone."""
        scopes = await self._opened(turn)
        async with self._pacing.recalling():
            (recalled, missed), (scene, history) = await asyncio.gather(self._recall(turn, scopes), self._before(turn))
        memories = fit_memories(recalled, self._policy.memory_tokens, self._model.count_tokens)
        kept, is_long = fit_history(history or [], self._model, self._policy)
        return Prompt(
            messages=self._messages(turn, kept),
            context=await self._context(turn, scene, memories),
            memories=memories,
            recall_missed=missed,
            private=not policy_of(turn.stamp.mode).persist,
            erase_generation=scene.erase_generation,
            notice="\n\n".join(filter(None, (_notice(turn, scene, history, note), _aside(turn)))),
            seen_elsewhere=any(message.metadata.get("recalled_elsewhere") for message in scene.messages),
            is_long=is_long,
        )

    async def _before(self, turn: Turn) -> tuple[TalkScene, list[HistoryMessage] | None]:
        """Who asks, and what was said before; None: an incognito talk that is gone."""
        scene = await self._store.read_talk(turn.stamp, self._policy.history_messages)
        told = since_summary(scene.messages, scene.session)
        return scene, await self._vault.history(turn.stamp, told, self._policy.history_messages)

    async def _opened(self, turn: Turn) -> tuple[MemoryNamespace, ...] | None:
        """The namespaces to search, ready for it; None when they could not be had in time."""
        memory, policy = self._memory, self._policy
        try:
            scopes = await self.still_open(turn)
            if scopes and not memory.is_ready:
                async with asyncio.timeout(policy.warm_deadline):
                    await memory.warm()
            if scopes and not is_trivial(turn.content.text):
                async with asyncio.timeout(policy.open_deadline):
                    await memory.open(scopes)
        except (TimeoutError, MemoryChatError) as error:
            self._missed(error)
            return None
        return scopes

    async def _recall(
        self, turn: Turn, scopes: tuple[MemoryNamespace, ...] | None
    ) -> tuple[list[RecalledMemory], bool]:
        """The memories for a turn, and whether they could not be had in time."""
        policy = self._policy
        if not scopes:
            return [], scopes is None
        try:
            async with asyncio.timeout(policy.recall_deadline):
                found = await self._memory.search_memories(scopes, turn.content.text, limit=policy.recall_limit)
        except (TimeoutError, MemoryChatError) as error:
            self._missed(error)
            return [], True
        return found, False

    def _missed(self, error: Exception) -> None:
        self.recall_misses += 1
        log.warning("answered without memory: %s", type(error).__name__)

    async def still_open(self, turn: Turn) -> tuple[MemoryNamespace, ...]:
        """The namespaces that this turn may recall, without those whose share was taken back since it was accepted."""
        stamp = turn.stamp
        lent = {namespace for namespace in stamp.recall if namespace.user_id not in (stamp.owner_id, stamp.author_id)}
        if stamp.audience is Audience.ROOM and turn.address.kind is ConversationKind.SHARED:
            lent = {namespace for namespace in stamp.recall if namespace.user_id != stamp.owner_id}
        if not lent:
            return stamp.recall
        room = await self._store.get_conversation(stamp.conversation_id)
        shares = await self._store.get_shares(room.parent_id or room.id)
        shared = {share.namespace for share in shares}
        return tuple(namespace for namespace in stamp.recall if namespace not in lent or namespace in shared)

    async def _context(self, turn: Turn, scene: TalkScene, memories: tuple[RecalledMemory, ...]) -> PromptContext:
        stamp, session = turn.stamp, scene.session
        in_room = turn.address.kind is ConversationKind.SHARED and stamp.audience is Audience.ROOM
        summary = await self._vault.open_text(session.id, session.summary) if session.summary else ""
        return PromptContext(
            now=self._clock.now().astimezone(_zone(scene.user.timezone)),
            persona=self._policy.persona,
            instructions=scene.profile.instructions,
            memories=memories,
            speaker=turn.content.sender_name if in_room else "",
            in_room=in_room,
            thread=await self._thread(turn, session),
            summary=summary,
            may_learn=stamp.learn is not None and tells_something(turn.content.text),
            incognito=stamp.mode is PrivacyMode.INCOGNITO,
        )

    async def _thread(self, turn: Turn, session: ChatSession) -> tuple[str, ...]:
        """What was said in a thread before the bot was called into it: for this turn only, never stored."""
        adapter = self._delivery.adapter(turn.address)
        first = turn.address.place.thread_id and session.message_count == 0
        if not first or not isinstance(adapter, SupportsThreadHistory):
            return ()
        try:
            earlier = await adapter.thread_history(turn.address, limit=THREAD_MESSAGES)
        except MemoryChatError as error:
            log.warning("thread not readable: %s", type(error).__name__)
            return ()
        return tuple(f"{speaker}: {text}" for speaker, text in earlier)

    def _messages(self, turn: Turn, kept: Sequence[HistoryMessage]) -> tuple[ModelMessage, ...]:
        in_room = turn.address.kind is ConversationKind.SHARED
        earlier = (ModelMessage(Role(item.role), item.text, name=item.speaker if in_room else "") for item in kept)
        name = turn.content.sender_name if in_room else ""
        return (*earlier, ModelMessage(Role.USER, turn.content.text, name=name, images=turn.media.images))


def _notice(turn: Turn, scene: TalkScene, history: list[HistoryMessage] | None, note: str) -> str:
    """An incognito talk that ended by itself or with the process is told, not hidden."""
    if turn.stamp.mode is not PrivacyMode.INCOGNITO:
        return ""
    # What is stored was said in another mode: there was no incognito talk yet that could be gone.
    gone = history is None and scene.session.message_count > len(scene.messages)
    return TALK_GONE if gone or note == TALK_EXPIRED else ""


def _aside(turn: Turn) -> str:
    return f"_{turn.media.notice}_" if turn.media.notice else ""


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
