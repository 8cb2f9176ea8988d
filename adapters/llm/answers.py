"""Reading what a server answers. The SDK does not validate answers, so everything may be missing or of another type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import MalformedAnswer, ModelError, ModelInterrupted, ModelRejected
from core.ports.language_model import ModelUsage

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletion, ChatCompletionChunk
    from openai.types.completion_usage import CompletionUsage


class Reading:
    """What has arrived of a stream."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self.is_empty = True
        self.finish_reason = ""
        self.usage: ModelUsage | None = None

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    def take(self, chunk: ChatCompletionChunk) -> str:
        """The chunk's text. The SDK does not validate, so everything may be missing or of another type."""
        self.is_empty = False
        self.usage = usage_of(chunk.usage) or self.usage
        choice = next(iter(chunk.choices or ()), None)
        if choice is None:
            return ""
        self.finish_reason = choice.finish_reason or self.finish_reason
        delta = choice.delta
        text = (delta.content or delta.refusal or "") if delta else ""
        if isinstance(text, str) and text:
            self._pieces.append(text)
            return text
        return ""


def broken_off(failure: ModelError | None, partial: str) -> ModelError:
    """A stream that ended without a finish reason. With nothing shown yet, the cause says more than "broke off"."""
    if failure is not None and not partial:
        return failure
    return ModelInterrupted(*(failure.args if failure else ("no finish_reason",)), partial=partial)


def empty_answer(finish_reason: str) -> ModelError:
    if finish_reason == "content_filter":
        return ModelRejected(finish_reason, user_message="My language model declined to answer that.")
    return MalformedAnswer("empty answer", finish_reason)


def text_of(completion: ChatCompletion) -> tuple[str, str]:
    """Text and finish reason. Raises MalformedAnswer for an answer that is none, ModelInterrupted without a reason."""
    choice = next(iter(completion.choices or ()), None)
    if choice is None or choice.message is None:
        raise MalformedAnswer("no choice")
    text = choice.message.content or choice.message.refusal or ""
    if not choice.finish_reason:
        raise ModelInterrupted("no finish_reason", partial=text)
    return text, choice.finish_reason


def usage_of(usage: CompletionUsage | None) -> ModelUsage | None:
    if usage is None or not isinstance(usage.prompt_tokens, int) or not usage.prompt_tokens:
        return None
    completion = usage.completion_tokens
    return ModelUsage(usage.prompt_tokens, completion if isinstance(completion, int) else 0)


def bare_json(text: str) -> str:
    """The JSON of an answer that models without a schema mode wrap in prose or a code fence."""
    start, end = min((text.find(ch) for ch in "{[" if ch in text), default=-1), max(text.rfind("}"), text.rfind("]"))
    return text[start : end + 1] if 0 <= start < end else text
