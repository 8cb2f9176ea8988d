"""What answering a turn stands on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from core.commands.model import CommandContext, CommandReply
from core.commands.registry import Registry
from core.delivery import Delivery
from core.errors import MemoryChatError
from core.forgetting import EraseFiles, no_files
from core.linking import Linking
from core.messages import Turn
from core.policy import EnginePolicy
from core.ports import Clock, EphemeralStore, LanguageModel, MemoryPort, Store, Transcriber
from core.ports.observer import UNOBSERVED, Observer
from core.quotas import Quotas
from core.sealing import Sealer
from core.vault import Vault


@dataclass(frozen=True, slots=True)
class Services:
    """What answering needs. `owner` names this process in leases; `conditions` are lines for `/status` about what is
    wrong at the moment."""

    store: Store
    vault: Vault
    sealer: Sealer
    ephemeral: EphemeralStore
    memory: MemoryPort
    model: LanguageModel
    registry: Registry
    delivery: Delivery
    quotas: Quotas
    clock: Clock
    policy: EnginePolicy
    owner: str
    linking: Linking
    erase_files: EraseFiles = no_files
    transcriber: Transcriber | None = None
    observer: Observer = UNOBSERVED
    conditions: Callable[[], dict[str, str]] = dict


async def command_reply(services: Services, turn: Turn, status: dict[str, str]) -> CommandReply:
    """Run the command that a turn is. Raises MemoryChatError, whose message is for the person."""
    parsed = services.registry.parse(turn.content.text)
    if parsed is None or parsed.command.handler is None:
        raise MemoryChatError
    context = CommandContext(
        turn=turn,
        user=await services.store.get_user_by_id(turn.stamp.author_id),
        conversation=await services.store.get_conversation(turn.stamp.conversation_id),
        role=turn.content.role,
        store=services.store,
        memory=services.memory,
        model=services.model,
        clock=services.clock,
        ephemeral=services.ephemeral,
        sealer=services.sealer,
        status=status,
        linking=services.linking,
        erase_files=services.erase_files,
    )
    return await parsed.command.handler(context, parsed.arguments)
