"""Reading long lists from the ports, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")

PAGE = 500


async def pages(read: Callable[[int, int], Awaitable[Sequence[Item]]]) -> AsyncIterator[Item]:
    """Every item of `read(limit, offset)`. Nothing may be added or removed meanwhile by the one who iterates."""
    offset = 0
    while True:
        page = await read(PAGE, offset)
        for item in page:
            yield item
        if len(page) < PAGE:
            return
        offset += PAGE
