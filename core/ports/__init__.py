"""What the core needs from the outside, one protocol a file. Adapters implement them; tests run each contract suite
over
every implementation."""

from core.ports.access import AccessGrant, AccessState, AccessStore
from core.ports.accounts import AccountStore, ApiKey, SignIn
from core.ports.clock import Clock
from core.ports.ephemeral import EphemeralStore
from core.ports.keyring import DataKey, Keyring
from core.ports.language_model import (
    Answer,
    LanguageModel,
    ModelDelta,
    ModelEvent,
    ModelFinished,
    ModelMessage,
    ModelUsage,
    PromptContext,
)
from core.ports.memory import LearnableTurn, LearningOutcome, MemoryOrigin, MemoryPort
from core.ports.platform import (
    Acceptor,
    PlatformAdapter,
    ReplyStream,
    SupportsBacklog,
    SupportsEdit,
    SupportsFetch,
    SupportsGaps,
    SupportsMembership,
    SupportsParts,
    SupportsStreaming,
    SupportsThreadHistory,
    SupportsTyping,
)
from core.ports.queue import TurnHandler, TurnQueue
from core.ports.store import Store
from core.ports.transcriber import Transcriber

__all__ = [
    "Acceptor",
    "AccessGrant",
    "AccessState",
    "AccessStore",
    "AccountStore",
    "Answer",
    "ApiKey",
    "Clock",
    "DataKey",
    "EphemeralStore",
    "Keyring",
    "LanguageModel",
    "LearnableTurn",
    "LearningOutcome",
    "MemoryOrigin",
    "MemoryPort",
    "ModelDelta",
    "ModelEvent",
    "ModelFinished",
    "ModelMessage",
    "ModelUsage",
    "PlatformAdapter",
    "PromptContext",
    "ReplyStream",
    "SignIn",
    "Store",
    "SupportsBacklog",
    "SupportsEdit",
    "SupportsFetch",
    "SupportsGaps",
    "SupportsMembership",
    "SupportsParts",
    "SupportsStreaming",
    "SupportsThreadHistory",
    "SupportsTyping",
    "Transcriber",
    "TurnHandler",
    "TurnQueue",
]
