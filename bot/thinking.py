"""What understands: the language model, the transcriber, the memory and its embedder."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING

from bot.settings import Settings
from core.ports import Clock, LanguageModel, MemoryPort, Store, Transcriber
from core.sealing import Sealer

if TYPE_CHECKING:
    from adapters.memory.embedder import Embedder


def make_model(settings: Settings) -> LanguageModel:
    """The configured model, or the one that needs none."""
    if not settings.openai.configured:
        from adapters.llm.offline import OfflineLanguageModel

        return OfflineLanguageModel()
    from adapters.llm.openai import OpenAILanguageModel

    openai = settings.openai
    return OpenAILanguageModel(
        api_key=openai.api_key.get_secret_value() if openai.api_key else "",
        model=openai.model,
        base_url=openai.base_url or "",
        temperature=openai.temperature,
        max_tokens=openai.max_tokens,
        max_tokens_field=openai.max_tokens_field,
        retries=openai.retries,
        timeout=openai.timeout.total_seconds(),
        supports_images=openai.images,
    )


def make_transcriber(settings: Settings) -> Transcriber | None:
    """None: voice notes are refused."""
    openai = settings.openai
    if not (openai.configured and openai.transcription_model):
        return None
    from adapters.llm.transcription import OpenAITranscriber

    return OpenAITranscriber(
        openai.api_key.get_secret_value() if openai.api_key else "",
        openai.transcription_model,
        base_url=openai.base_url or "",
        timeout=openai.timeout.total_seconds(),
    )


def make_memory(settings: Settings, store: Store, sealer: Sealer, model: LanguageModel, clock: Clock) -> MemoryPort:
    """mem0 over our store and index, or mem0's hosted platform where its key is set."""
    if settings.mem0.api_key is not None:
        from adapters.memory.hosted import HostedMemory

        return HostedMemory(settings.mem0.api_key.get_secret_value(), clock, host=settings.mem0.base_url)
    from adapters.memory.index import QdrantIndex
    from adapters.memory.mem0_memory import Mem0Memory

    embedder = make_embedder(settings)
    qdrant = settings.qdrant
    index = QdrantIndex(
        embedder.dimension,
        url=qdrant.url or "",
        api_key=qdrant.api_key.get_secret_value() if qdrant.api_key else "",
        collection=qdrant.collection,
    )
    return Mem0Memory(store, sealer, embedder, model, clock, index=index, extraction=settings.learning.extraction)


async def warm(settings: Settings, memory: MemoryPort) -> None:
    """Load what the first answer needs, while nobody waits for it."""
    await memory.warm()
    if settings.openai.configured:
        await asyncio.to_thread(import_module, "adapters.llm.client")


def make_embedder(settings: Settings) -> Embedder:
    from adapters.memory.embedder import MultilingualEmbedder, OnnxEmbedder

    if settings.embeddings.kind == "multilingual":
        return MultilingualEmbedder()
    if settings.embeddings.kind == "english":
        return OnnxEmbedder()
    from adapters.memory.openai_embedder import OpenAIEmbedder

    chosen, openai = settings.embeddings, settings.openai
    key = chosen.api_key or openai.api_key
    return OpenAIEmbedder(
        chosen.model,
        api_key=key.get_secret_value() if key else "",
        base_url=chosen.base_url or openai.base_url,
        dimension=chosen.dimension,
    )
