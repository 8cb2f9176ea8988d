from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from time import perf_counter
from typing import Protocol

from core.ports.language_model import ModelUsage
from core.types import PlatformName, TurnState


class Step(StrEnum):
    """The steps of a message's way (design §3) that are timed."""

    ACCEPT = "accept"
    WAIT = "wait"
    RECALL = "recall"
    FIRST_WORDS = "first_words"
    MODEL = "model"
    RECORD = "record"
    DELIVER = "deliver"
    TURN = "turn"
    LEARN = "learn"


class Purpose(StrEnum):
    """What a model was asked for."""

    REPLY = "reply"
    BACKGROUND = "background"


class DeliveryOutcome(StrEnum):
    SENT = "sent"
    LABELLED = "labelled"
    PUT_OFF = "put_off"
    REFUSED = "refused"


class Observer(Protocol):
    """Hears what happens, to count it. Never blocks, never raises; learns no content and no id of anybody."""

    def took(self, step: Step, seconds: float) -> None: ...

    def accepted(self, platform: PlatformName, outcome: str) -> None:
        """`outcome` is an `Acceptance`, or `failed`: it could not be made durable."""
        ...

    def turn_ended(self, outcome: TurnState) -> None: ...

    def turn_retried(self) -> None:
        """A turn that was begun before is run again."""
        ...

    def turn_given_up(self) -> None:
        """Tried too often: it waits for the operator as a dead letter."""
        ...

    def model_used(self, purpose: Purpose, usage: ModelUsage) -> None: ...

    def model_failed(self, purpose: Purpose, error: str) -> None:
        """`error` is the error's `code`."""
        ...

    def recalled(self, hits: int) -> None:
        """How many memories a search found."""
        ...

    def recall_missed(self) -> None:
        """A search that failed, or that nobody waited for any longer."""
        ...

    def delivered(self, platform: PlatformName, outcome: DeliveryOutcome) -> None: ...

    def circuit(self, name: str, state: str) -> None:
        """A circuit breaker is `closed`, `open` or `half_open` from now on."""
        ...


class Unobserved:
    """Hears nothing."""

    def took(self, step: Step, seconds: float) -> None: ...

    def accepted(self, platform: PlatformName, outcome: str) -> None: ...

    def turn_ended(self, outcome: TurnState) -> None: ...

    def turn_retried(self) -> None: ...

    def turn_given_up(self) -> None: ...

    def model_used(self, purpose: Purpose, usage: ModelUsage) -> None: ...

    def model_failed(self, purpose: Purpose, error: str) -> None: ...

    def recalled(self, hits: int) -> None: ...

    def recall_missed(self) -> None: ...

    def delivered(self, platform: PlatformName, outcome: DeliveryOutcome) -> None: ...

    def circuit(self, name: str, state: str) -> None: ...


UNOBSERVED = Unobserved()


@contextmanager
def timing(observer: Observer, step: Step) -> Iterator[None]:
    """Times what stands in the block, also when it fails."""
    began = perf_counter()
    try:
        yield
    finally:
        observer.took(step, perf_counter() - began)
