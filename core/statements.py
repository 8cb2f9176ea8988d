"""What of a message is worth a memory: its statements. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from core.languages import content_words
from core.secrecy import holds_secret
from core.speech import HAN, TRIVIAL, is_courtesy, is_order, is_trivial, without_tag, words_of
from core.text import is_question, split_text

MAX_MEMORY = 2_000
"""Characters of one memory that a person writes or changes by hand."""
MAX_RECENT = 600
"""Characters of one `recent` memory: as much as an embedder of 256 tokens takes in, and a quotation shows."""

_SHORT = ("Dr", "Mr", "Ms", "Mrs", "St", "Prof", "Nr", "bzw", "ca", "Sr", "Sra", "Mme", "z.B", "e.g", "i.e")
_SENTENCE = re.compile(
    "".join(rf"(?<!\b{re.escape(short)}\.)" for short in _SHORT) + r"(?<=[.!?…])[\"'”»)]*\s+|(?<=[。！？])|\n+"
)


def statements(text: str) -> tuple[str, ...]:
    """The sentences of a message that tell something: no question, order, greeting, thanks, command, nothing trivial.

    Each is a part of `text`, in order. A sentence that holds a secret is no statement either (`core.secrecy`).
    """
    return tuple(_statements(text))


def tells_something(text: str) -> bool:
    """Whether a message has any statement."""
    return next(_statements(text), None) is not None


def recent_memories(text: str) -> tuple[str, ...]:
    """What of a message becomes `recent` memories: all its statements, in order, a few sentences to a memory.

    A message of ordinary length is one; no memory is longer than MAX_RECENT, and none of the statements is lost.
    """
    pieces: list[str] = []
    for statement in _statements(text):
        for part in split_text(statement, MAX_RECENT) if len(statement) > MAX_RECENT else (statement,):
            if pieces and len(pieces[-1]) + 1 + len(part) <= MAX_RECENT:
                pieces[-1] += f" {part}"
            else:
                pieces.append(part)
    return tuple(pieces)


def _statements(text: str) -> Iterator[str]:
    if text.lstrip().startswith("/"):
        return
    parts = (part.strip() for part in _SENTENCE.split(text))
    yield from (part for part in parts if part and _tells(part))


def asks(text: str) -> bool:
    """Whether any sentence of a message asks."""
    return any(_asks(part) for part in _SENTENCE.split(text))


def questions(text: str) -> str:
    """The asking sentences of a message; all of it where they make sense only together."""
    return " ".join(part.strip() for part in _SENTENCE.split(text) if _asks(part)) or text


def _asks(sentence: str) -> bool:
    return is_question(without_tag(sentence))


def _tells(sentence: str) -> bool:
    if is_trivial(sentence) or _asks(sentence) or holds_secret(sentence):
        return False
    if is_courtesy(sentence) or is_order(sentence):
        return False
    if HAN.search(sentence):
        return len(HAN.findall(sentence)) >= 3
    return len(words_of(sentence)) >= 2 and any(word not in TRIVIAL for word in content_words(sentence))
