"""The draft of a reply to talk: prompt, model, and what is told when one of them fails (design §3.4)."""

from __future__ import annotations

import logging
from contextlib import aclosing

from core.compose import Composer
from core.delivery import LiveReply
from core.errors import ModelError, ModelInterrupted
from core.messages import ReplyKind, Turn
from core.pacing import Pacing
from core.ports import ModelDelta
from core.recorder import Draft
from core.services import Services
from core.types import TurnState

log = logging.getLogger(__name__)

SHARE_GONE = (
    "While I answered, somebody took back a profile that they had shared with this room, and my answer had used it. "
    "Please ask again."
)


class Drafting:
    def __init__(self, services: Services, pacing: Pacing) -> None:
        self._s = services
        self.composer = Composer(
            services.store,
            services.vault,
            services.memory,
            services.model,
            services.delivery,
            services.clock,
            services.policy,
            pacing,
        )

    async def write(self, turn: Turn, note: str, live: LiveReply, draft: Draft) -> None:
        """`note` is the turn's row's. Raises MemoryChatError; what was written by then is in the draft."""
        services = self._s
        await services.quotas.check(turn.stamp.author_id, services.clock.now())
        prompt = await self.composer.compose(turn, note)
        draft.memories, draft.recall_missed, draft.notice = prompt.memories, prompt.recall_missed, prompt.notice
        draft.seen_elsewhere, draft.is_long = prompt.seen_elsewhere, prompt.is_long
        draft.erase_generation = prompt.erase_generation
        prefix = f"{prompt.notice}\n\n" if prompt.notice else ""
        stream = services.model.stream_response(prompt.messages, prompt.context, private=prompt.private)
        async with aclosing(stream) as events:
            async for event in events:
                if isinstance(event, ModelDelta):
                    draft.text += event.text
                    live.push(prefix + draft.text)
                else:
                    draft.usage = event.usage

    async def recheck_shares(self, turn: Turn, draft: Draft) -> None:
        """What was lent to the room must still be lent when the reply goes out (design §5)."""
        if not draft.memories:
            return
        still_open = await self.composer.still_open(turn)
        if any(item.memory.namespace not in still_open for item in draft.memories):
            draft.text, draft.kind, draft.state = SHARE_GONE, ReplyKind.NOTICE, TurnState.FAILED
            draft.memories = ()


def broke_off(draft: Draft, error: ModelError) -> None:
    """Tell of an answer that did not come, or not to its end."""
    log.warning("no answer of the model: %s", type(error).__name__)
    partial = draft.text or error.partial
    marked = f"{partial}\n\n_{error.user_message}_" if partial else error.user_message
    draft.text = marked if partial and isinstance(error, ModelInterrupted) else error.user_message
    draft.kind, draft.state = ReplyKind.ERROR, TurnState.FAILED
    draft.reason = draft.reason or error.code
