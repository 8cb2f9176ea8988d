"""A platform whose behaviour a test writes down: what it can do, and what goes wrong when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from core.capabilities import PlatformCapabilities
from core.errors import DeliveryError
from core.messages import Reply, ReplyAddress
from core.ports.platform import Acceptor
from core.types import PlatformName
from tests.support.stage import TEST

PLAIN = PlatformCapabilities(max_characters=4_000, edit_interval=0.0)


@dataclass
class ScriptedAdapter:
    """`failures` are raised by the next calls, in order; None lets one pass. `shown` maps message ids to texts."""

    capabilities: PlatformCapabilities = PLAIN
    failures: list[DeliveryError | None] = field(default_factory=list)
    name: PlatformName = TEST
    shown: dict[str, str] = field(default_factory=dict)
    finals: list[Reply] = field(default_factory=list)
    edits: int = 0

    async def start(self, accept: Acceptor) -> None:
        self.accept = accept

    async def stop(self) -> None:
        """Nothing to close."""

    async def send(
        self, address: ReplyAddress, reply: Reply, *, nonce: str, known_ids: Sequence[str] = ()
    ) -> tuple[str, ...]:
        self._fail_as_told()
        message_id = known_ids[0] if known_ids else f"m{len(self.shown) + 1}"
        label = " (may be a duplicate)" if reply.maybe_duplicate else ""
        self.shown[message_id] = reply.text + label
        self.finals.append(reply)
        return (message_id,)

    def _fail_as_told(self) -> None:
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure


@dataclass
class EditingAdapter(ScriptedAdapter):
    """As above, and it can edit."""

    async def edit(self, address: ReplyAddress, message_id: str, reply: Reply) -> None:
        self._fail_as_told()
        self.edits += 1
        self.shown[message_id] = reply.text
