"""Embeddings from any OpenAI-compatible endpoint."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from adapters.memory.embedder import CachedEmbedder, ends_of
from core.errors import MemoryUnavailable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from openai import AsyncOpenAI

    Vectors = NDArray[np.float32]

AT_ONCE = 64
KNOWN_DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}


class OpenAIEmbedder(CachedEmbedder):
    """`dimension` 0 takes the known one of OpenAI's models. The texts leave this machine.

    Raises:
        ValueError: no dimension is given for a model that is not known here.
    """

    def __init__(
        self, model: str, *, api_key: str, base_url: str | None = None, dimension: int = 0, timeout: float = 10.0
    ) -> None:
        dimension = dimension or KNOWN_DIMENSIONS.get(model, 0)
        if not dimension:
            raise ValueError("the embedding model's dimension has to be set")
        super().__init__(model, dimension)
        self._model = model
        self._api_key = api_key
        self._base_url = base_url
        self._timeout = timeout
        self._client: AsyncOpenAI | None = None

    @property
    def is_ready(self) -> bool:
        return self._client is not None

    async def warm(self) -> None:
        """Make the client; the endpoint is not asked, so that the start needs no network."""
        self._opened()

    async def _compute(self, texts: list[str]) -> Vectors:
        import numpy as np
        from openai import OpenAIError

        rows: list[list[float]] = []
        try:
            for start in range(0, len(texts), AT_ONCE):
                page = [ends_of(text) or " " for text in texts[start : start + AT_ONCE]]
                answer = await self._opened().embeddings.create(model=self._model, input=page, encoding_format="float")
                rows += [item.embedding for item in sorted(answer.data, key=lambda item: item.index)]
        except OpenAIError as error:
            # The SDK's errors quote the answer's body, which may quote the text.
            raise MemoryUnavailable("embedder", type(error).__name__) from None
        matrix = np.asarray(rows, np.float32)
        if matrix.shape != (len(texts), self._dimension):
            raise MemoryUnavailable("embedder", "dimension", *matrix.shape)
        lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
        unit: Vectors = (matrix / np.where(lengths == 0, 1, lengths)).astype(np.float32)
        return unit

    def _opened(self) -> AsyncOpenAI:
        if self._client is None:
            from openai import AsyncOpenAI

            logging.getLogger("openai").setLevel(logging.WARNING)  # its DEBUG lines hold what is sent
            self._client = AsyncOpenAI(
                api_key=self._api_key, base_url=self._base_url, timeout=self._timeout, max_retries=1
            )
        return self._client

    async def close(self) -> None:
        await super().close()
        if self._client is not None:
            await self._client.close()
