"""The terminal as a platform: interactive with a prompt, or lines through a pipe."""

from adapters.platforms.console.adapter import ConsoleAdapter
from adapters.platforms.console.face import Face, PromptStatus

__all__ = ["ConsoleAdapter", "Face", "PromptStatus"]
