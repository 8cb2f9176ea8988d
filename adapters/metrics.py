"""What the Observer hears, as Prometheus metrics. Labels are steps, outcomes and platforms: no content, nobody's id."""

from __future__ import annotations

from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from core.batches import QueueState
from core.ports.language_model import ModelUsage
from core.ports.observer import DeliveryOutcome, Purpose, Step
from core.types import PlatformName, TurnState

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Seconds: from a row's write to a slow model's answer."""
STATES = ("closed", "half_open", "open")


class PrometheusObserver:
    """`prices` are what a million prompt and completion tokens cost, in the operator's currency; 0: not counted."""

    def __init__(self, prices: tuple[float, float] = (0.0, 0.0)) -> None:
        self.registry = registry = CollectorRegistry()
        self._prices = prices

        def counter(name: str, help_: str, *labels: str) -> Counter:
            return Counter(f"memorychat_{name}", help_, labels, registry=registry)

        def gauge(name: str, help_: str, *labels: str) -> Gauge:
            return Gauge(f"memorychat_{name}", help_, labels, registry=registry)

        self._steps = Histogram(
            "memorychat_step_seconds",
            "Time in each step of a message's way",
            ("step",),
            buckets=BUCKETS,
            registry=registry,
        )
        self._messages = counter("messages", "Messages that came in, by what became of them", "platform", "outcome")
        self._turns = counter("turns", "Turns that ended", "outcome")
        self._retries = counter("turn_retries", "Turns that were run again")
        self._dead = counter("dead_letters", "Turns given up after too many tries")
        self._tokens = counter("model_tokens", "Tokens of the language model", "purpose", "kind")
        self._cost = counter("model_cost", "What they cost, by the prices in the settings", "purpose")
        self._failures = counter("model_failures", "Calls of the language model without an answer", "purpose", "error")
        self._recalls = counter("recalls", "Searches of the memory for a reply", "outcome")
        self._hits = counter("memory_hits", "Memories that they found")
        self._deliveries = counter("deliveries", "Tries to bring a reply to its platform", "platform", "outcome")
        self._circuits = gauge("circuit", "1 for the state that a circuit breaker is in", "name", "state")
        self._rows = gauge("queue_turns", "Turns in the inbox", "state")
        self._age = gauge("queue_oldest_seconds", "How long the turn that waits longest has waited")

    def took(self, step: Step, seconds: float) -> None:
        self._steps.labels(step).observe(seconds)

    def accepted(self, platform: PlatformName, outcome: str) -> None:
        self._messages.labels(platform, outcome).inc()

    def turn_ended(self, outcome: TurnState) -> None:
        self._turns.labels(outcome).inc()

    def turn_retried(self) -> None:
        self._retries.inc()

    def turn_given_up(self) -> None:
        self._dead.inc()

    def model_used(self, purpose: Purpose, usage: ModelUsage) -> None:
        counts = (usage.prompt_tokens, usage.completion_tokens)
        for kind, count in zip(("prompt", "completion"), counts, strict=True):
            self._tokens.labels(purpose, kind).inc(count)
        cost = sum(count * price / 1e6 for count, price in zip(counts, self._prices, strict=True))
        self._cost.labels(purpose).inc(cost)

    def model_failed(self, purpose: Purpose, error: str) -> None:
        self._failures.labels(purpose, error).inc()

    def recalled(self, hits: int) -> None:
        self._recalls.labels("found" if hits else "nothing").inc()
        self._hits.inc(hits)

    def recall_missed(self) -> None:
        self._recalls.labels("missed").inc()

    def delivered(self, platform: PlatformName, outcome: DeliveryOutcome) -> None:
        self._deliveries.labels(platform, outcome).inc()

    def circuit(self, name: str, state: str) -> None:
        for each in STATES:
            self._circuits.labels(name, each).set(each == state)

    def queue(self, state: QueueState, now: datetime) -> None:
        """What is asked for at each look, because no single process counts it."""
        for name, count in (("waiting", state.waiting), ("running", state.running), ("failed", state.failed)):
            self._rows.labels(name).set(count)
        self._age.set((now - state.oldest).total_seconds() if state.oldest else 0)
