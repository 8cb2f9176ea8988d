"""How platforms differ, as data. The core decides from these, never from a platform's name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class StreamingStyle(StrEnum):
    """NONE: the final text only; EDIT: a message edited as it grows; NATIVE: the adapter's own stream
    (`open_stream`)."""

    NONE = "none"
    EDIT = "edit"
    NATIVE = "native"


class PrivateReplies(StrEnum):
    """How an answer for the asker alone is given in a room: shown to them there, sent as a DM, or not at all."""

    EPHEMERAL = "ephemeral"
    DIRECT = "direct"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class PlatformCapabilities:
    """Limits and habits of one platform.

    `max_characters` is what one message holds, in the platform's own unit; `edit_interval` the least seconds between
    two visible changes in one chat. A reply that is whole within `preview_after` seconds of its first words goes out at
    once, without a preview. `edit_makes_resend_safe`: a known message can be edited into its final form after a crash.
    `nonce_makes_resend_safe`: a second send with the same nonce is recognised, but for answers to an open interaction
    where `handles_take_nonces` is off. `shows_mode`: the platform's own prompt shows profile and mode, so that replies
    need no badge. `trusted_local`: its sender is the operator of this machine, so that no access check is needed.
    `explicit_sessions`: sessions are made and chosen by the person (REST), and end only when they say so. `catches_up`:
    the adapter itself reads back what was written while it was away.
    """

    max_characters: int
    streaming: StreamingStyle = StreamingStyle.NONE
    edit_interval: float = 1.0
    preview_after: float = 0.0
    threads: bool = False
    private_replies: PrivateReplies = PrivateReplies.NONE
    reports_edits: bool = False
    reports_deletes: bool = False
    reads_history: bool = False
    buttons: bool = False
    files: bool = False
    slash_in_threads: bool = True
    edit_makes_resend_safe: bool = False
    nonce_makes_resend_safe: bool = False
    handles_take_nonces: bool = True
    shows_mode: bool = False
    trusted_local: bool = False
    explicit_sessions: bool = False
    catches_up: bool = False
