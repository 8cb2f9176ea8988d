"""What forgetting leaves behind: a receipt that says how much went and when, and never what it said."""

from __future__ import annotations

from collections.abc import Mapping

from core.commands.model import CommandContext
from core.forgetting import Removal
from core.types import ErasureReceipt, new_id


async def save_receipt(
    context: CommandContext, scope: str, removed: Mapping[str, int], verified: bool
) -> ErasureReceipt:
    """`verified`: looking again afterwards found nothing of it."""
    receipt = ErasureReceipt(
        id=new_id(),
        user_id=context.user.id,
        scope=scope,
        removed=removed,
        verified=verified,
        created_at=context.clock.now(),
    )
    await context.store.save_receipt(receipt)
    return receipt


async def receipt_of(context: CommandContext, scope: str, removal: Removal) -> ErasureReceipt:
    return await save_receipt(context, scope, removal.removed, removal.verified)


def receipt_line(receipt: ErasureReceipt) -> str:
    checked = "I looked again and found nothing" if receipt.verified else "**looking again still found something**"
    return f"Receipt `{receipt.id[:8]}`, {receipt.created_at:%Y-%m-%d %H:%M} UTC: {checked}."
