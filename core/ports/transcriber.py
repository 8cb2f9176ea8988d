from __future__ import annotations

from typing import Protocol


class Transcriber(Protocol):
    """Speech to text, for voice notes."""

    async def transcribe(self, audio: bytes, media_type: str) -> str:
        """What is said, `''` for silence. Raises the ModelError tree."""
        ...

    async def close(self) -> None: ...
