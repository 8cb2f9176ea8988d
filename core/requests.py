"""What a message asks for, read before it is acknowledged (design §3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from core.batches import Scene
from core.capabilities import PlatformCapabilities, PrivateReplies
from core.commands.model import AcceptState, CommandReply, Transition
from core.commands.parse import ParsedCommand, pending_word
from core.commands.registry import Registry
from core.errors import Conflict, EmptyMessage, MemoryChatError, MessageTooLong
from core.messages import InboundMessage, ReplyKind
from core.policy import EnginePolicy
from core.ports import Clock, Store
from core.types import Audience, ConversationKind, PlatformName
from core.vault import Vault

EXPLICIT = "Here every talk has its own mode and profile: change them at the talk itself, or begin a new one."


@dataclass(frozen=True, slots=True)
class Request:
    """What a message asks for: plain talk, a command to run in its turn, or a reply that is known already."""

    text: str
    audience: Audience
    command: ParsedCommand | None = None
    transition: Transition | None = None
    answer: CommandReply | None = None
    answer_kind: ReplyKind = ReplyKind.COMMAND

    @property
    def is_talk(self) -> bool:
        return self.command is None and self.answer is None


FORWARDED = "(Forwarded: somebody else's words.)"
"""Before the text of a forwarded message: for the model, and so that it is no command when it is read again."""


class Requests:
    def __init__(
        self,
        store: Store,
        vault: Vault,
        registry: Registry,
        clock: Clock,
        policy: EnginePolicy,
        capabilities: Mapping[PlatformName, PlatformCapabilities],
    ) -> None:
        self._store = store
        self._vault = vault
        self._registry = registry
        self._clock = clock
        self._policy = policy
        self._capabilities = capabilities

    async def read(self, message: InboundMessage, scene: Scene) -> Request:
        """What the message asks for; what cannot be used becomes a helpful answer, so that nothing is dropped."""
        try:
            return await self._understand(message, scene)
        except MemoryChatError as error:
            answer = CommandReply(text=error.user_message)
            return Request(message.text, message.audience, answer=answer, answer_kind=ReplyKind.ERROR)

    async def _understand(self, message: InboundMessage, scene: Scene) -> Request:
        if len(message.text) > self._policy.max_message_characters:
            raise MessageTooLong(
                user_message=f"That message has {len(message.text):,} characters; I can read up to "
                f"{self._policy.max_message_characters:,} at once. Please send it in pieces."
            )
        if not message.text and not message.attachments:
            raise EmptyMessage(user_message="I am here. Write me something after my name, or /help.")
        if message.forwarded:
            return Request(f"{FORWARDED}\n{message.text}" if message.text else "", message.audience)
        message = replace(message, text=await self._confirmed(message, scene))
        parsed = self._registry.parse(message.text)
        if parsed is None:
            text = message.text.removeprefix("/") if message.text.startswith("//") else message.text
            return Request(text, message.audience)
        return await self._command(message, scene, parsed)

    async def _confirmed(self, message: InboundMessage, scene: Scene) -> str:
        """The message's text; a bare "yes" or "no" is a command while a question of ours is open, and talk else."""
        word = pending_word(message.text)
        if word is None:
            return message.text
        pending = await self._store.peek_pending(scene.user.id, scene.conversation.id, "latest", self._clock.now())
        return f"/{word}" if pending is not None else message.text

    async def _command(self, message: InboundMessage, scene: Scene, parsed: ParsedCommand) -> Request:
        command = parsed.command
        in_room = message.kind is ConversationKind.SHARED
        private = command.private and in_room
        if private and self._private_replies(message) is PrivateReplies.NONE:
            answer = CommandReply(text="I answer that only where you alone can read it. Please write to me directly.")
            return Request(message.text, Audience.ROOM, answer=answer)
        audience = Audience.ASKER if private else message.audience
        if command.name == "ask":
            text = parsed.arguments.get("text", "").strip()
            if not text:
                raise EmptyMessage(user_message="Write your question after /ask.")
            return Request(text, Audience.ASKER if in_room else audience)
        if command.transition is None:
            return Request(message.text, audience, command=parsed)
        state = AcceptState(
            user=scene.user,
            member=scene.member,
            conversation=replace(scene.conversation, mode_floor=scene.floor),
            profiles=scene.profiles,
            role=message.sender.role,
            incognito_unavailable=await self._vault.unavailable(),
            running=await self._store.is_busy(scene.conversation.id),
            now=self._clock.now(),
        )
        transition = command.transition(state, parsed.arguments)
        if self.is_explicit(message) and not transition.cancel_running:
            # The session holds its own mode and profile; "you are incognito now" would not be true of it.
            raise Conflict(user_message=EXPLICIT)
        return Request(message.text, audience, transition=transition, answer=transition.reply)

    def _private_replies(self, message: InboundMessage) -> PrivateReplies:
        capabilities = self._capabilities.get(message.place.platform)
        return capabilities.private_replies if capabilities else PrivateReplies.NONE

    def is_explicit(self, message: InboundMessage) -> bool:
        """A place made by a person who read on a page what this is needs no welcome."""
        capabilities = self._capabilities.get(message.place.platform)
        return capabilities is not None and capabilities.explicit_sessions
