"""mem0 2.2.1 with our parts in it. Importing this module imports mem0 (1.3 s, 60 MB): only `load_engine` does so.

What of mem0 as shipped would break a promise is off here: telemetry and notices, the history database (it keeps deleted
texts and the last raw turns), the entity store, the download of language models, log lines that quote texts.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Sequence

from adapters.memory.vector_store import BridgedEmbedder, BridgedModel, StagingVectorStore

os.environ["MEM0_TELEMETRY"] = "False"
# mem0 makes its folder at import: an own one that is gone a moment later, never one in the home folder.
with tempfile.TemporaryDirectory(prefix="mem0-") as _folder:
    os.environ["MEM0_DIR"] = _folder
    import httpx
    from mem0.client.main import AsyncMemoryClient
    from mem0.configs.base import MemoryConfig
    from mem0.exceptions import MemoryError as PlatformError
    from mem0.exceptions import MemoryNotFoundError
    from mem0.memory.main import AsyncMemory
    from mem0.utils import spacy_models

PLATFORM_ERROR = PlatformError
MEMORY_NOT_FOUND = MemoryNotFoundError

logging.getLogger("mem0").setLevel(logging.CRITICAL + 1)
spacy_models._load_failed_full = spacy_models._load_failed_lemma = True


class NoHistory:
    """Stands where mem0 keeps its history: remembers nothing."""

    def add_history(self, *_: object, **__: object) -> None: ...

    def batch_add_history(self, *_: object, **__: object) -> None: ...

    def save_messages(self, *_: object, **__: object) -> None: ...

    def get_last_messages(self, *_: object, **__: object) -> list[object]:
        return []

    def get_history(self, *_: object, **__: object) -> list[object]:
        return []

    def close(self) -> None: ...


class Engine(AsyncMemory):  # type: ignore[misc]  # mem0 ships no types
    """`AsyncMemory` without its constructor, which would open stores and clients of its own. Pinned to 2.2.1: the
    attributes are those that its methods read."""

    def __init__(self, store: StagingVectorStore, embedder: BridgedEmbedder, model: BridgedModel) -> None:
        self.config = MemoryConfig(history_db_path=":memory:")
        self.vector_store = store
        self.embedding_model = embedder
        self.llm = model
        self.db = NoHistory()
        self.reranker = None
        self.custom_instructions = None
        self.collection_name = "memorychat"
        self.api_version = self.config.version
        self._entity_store = None

    async def _link_entities_for_memory(self, *_: object) -> None:
        """No entity store."""

    async def _remove_memory_from_entity_store(self, *_: object) -> None:
        """No entity store."""

    async def add_texts(self, user_id: str, texts: Sequence[str]) -> None:
        """Store texts as they stand."""
        await self.add([{"role": "user", "content": text} for text in texts], user_id=user_id, infer=False)


def hosted_client(api_key: str, host: str | None, timeout: float) -> AsyncMemoryClient:
    """A client of mem0's platform. Blocks: its constructor asks the platform about the key."""
    return AsyncMemoryClient(api_key=api_key, host=host, client=httpx.AsyncClient(timeout=timeout))
