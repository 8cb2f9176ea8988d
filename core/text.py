"""Text as people and platforms send it: cleaning, telling questions and languages apart, cutting it to size.

Everything here is pure; languages and the cutting of Markdown have a module each, and are offered here.
"""

from __future__ import annotations

import re
import unicodedata

from core.languages import content_words, detect_language
from core.splitting import safe_cut, split_text

__all__ = ["clean_text", "content_words", "detect_language", "is_blank", "is_question", "shorten", "split_text"]

_LINE_ENDS = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
# C0 and C1 controls but tab and newline; the byte order mark; and the nine invisible signs that turn the direction of
# what follows. Those leak out of a quotation and can disguise it; right-to-left scripts read the same without them
# (the marks U+200E, U+200F and U+061C, which cannot leak, stay).
_UNWANTED = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\u202a-\u202e\u2066-\u2069]")
# Tag characters are invisible and can carry hidden instructions; their one use is in the flags of England and the like.
_TAGS = re.compile("(\U0001f3f4[\U000e0020-\U000e007e]{1,16}\U000e007f)|[\U000e0000-\U000e007f]")
_LOOKS_EMPTY = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f") | frozenset(map(chr, range(0xFE00, 0xFE10)))


def clean_text(text: str) -> str:
    """Text that every store, log and model takes. Idempotent; neither strips nor shortens.

    Line ends become `\\n`; control characters (but newline and tab), direction overrides and hidden tags are removed;
    surrogate pairs are joined and lone surrogates become U+FFFD.
    """
    if text.isprintable():
        return text  # nothing of all that is printable, and most texts are
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return _TAGS.sub(lambda match: match[1] or "", _LINE_ENDS.sub("\n", _UNWANTED.sub("", joined)))


def is_blank(text: str) -> bool:
    """Whether a reader would see nothing: white space, invisible signs, blank-looking letters."""
    return all(ch.isspace() or ch in _LOOKS_EMPTY or unicodedata.category(ch) in {"Cc", "Cf", "Cs"} for ch in text)


def shorten(text: str, n: int) -> str:
    """One line of at most `n` characters; what was cut is marked by `…`, at a word's end where one is near."""
    line = " ".join(text.split())
    if len(line) <= n:
        return line
    if n < 1:
        return ""
    head = line[: safe_cut(line, n - 1)] if n > 1 else ""
    at_word = head.rfind(" ") if not line[len(head)].isspace() else len(head)
    return (head[:at_word] if at_word >= n // 2 else head).rstrip() + "…"


# --- questions -------------------------------------------------------------------------------------------------------

# A question mark ends a sentence; one inside a URL does not.
_QUESTION_MARK = re.compile(r"""[?？؟⁇⁈\u037e\u055e\u1367](?=["'”’»)\]*_.!?…]*(?:\s|$|[^\x00-\x7f]))|^\s*¿""")
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])\s*|\n+")
# Opening words that ask without a question mark. "When I was a child …" must not match, "when is …" must.
_ASKING = re.compile(
    "|".join(
        (
            # English
            r"(?:what|who|where|when|why|how)(?:'s|’s|'re|’re)\b",
            r"(?:when|where|why|what|who|how|which)\s+(?:is|are|am|was|were|do|does|did|can|could|will|would|should|has|had|have|might)\b",
            r"(?:what|which|whose|how)\s+(?!(?:i|you|we|they|he|she|it|a|an|my|the)\b)(?:\w+\s+){1,3}"
            r"(?:is|are|am|was|were|do|does|did|can|could|will|would|should|has|had|have)\b",
            r"who\s+(?!(?:i|you|we|they|he|she|it)\b)\w+\s",
            r"(?:is|are|am|was|were|can|could|will|would|should|has|might)\s+(?:i|you|he|she|it|we|they|my|your|his|her|our|their|"
            r"there|this|that|any\w*)\b",
            r"(?:do|does|did|have|had)\s+(?:i|you|he|she|we|they|my|your|anyone|anybody)\b",
            r"(?:tell me|show me)\s+(?:about|what|who|where|when|why|how|which|if|whether|my|everything|all)\b",
            r"remind me\s+(?:of|about|what|who|where|when|why|which|how\s+(?!to\b))\b",
            r"list\s+(?:my|all|everything)\b",
            # German
            r"(?:wer|wen|wem|wessen|wo|wohin|woher|wann|warum|wieso|weshalb|welche[rsnm]?|wie|was|wie\s?viele?)\s+"
            r"(?!(?:ich|du|er|sie|es|wir|ihr|man|der|die|das|den|mein\w*|dein\w*)\b)\w+\s+\w",
            r"(?:bin|bist|ist|sind|war|hab|habe|hast|hat|haben|kann|kannst|können|weißt|weisst|kennst|magst|mag|wirst|"
            r"soll|sollte|darf|erinnerst)\s+(?:ich|du|er|sie|es|wir|ihr|mein\w*|dein\w*|unser\w*)\b",
            # Spanish, Portuguese, Italian
            r"(?:(?:a|de|con|en|por|para)\s+)?(?:qué|quién(?:es)?|cuál(?:es)?|cuándo|dónde|cómo|cuánt[oa]s?)\b",
            r"(?:que|quien|cual|donde|cuant[oa]s?|quem|qual|onde|quant[oaie]s?|chi|dove|quale?)\s+"
            r"(?:es|son|esta|está|estoy|era|vivo|vive|tengo|tiene|sabes|me|te|é|são|moro|mora|tenho|tem|è|sono|abito|ho)\b",
            r"(?:como|come)\s+(?:se|me|te|es|está|si|mi|ti)\s+\w+",
            r"(?:o que|por que|cosa|che cosa|perché)\s+\w+",
            # French
            r"(?:qui|quel(?:le)?s?|où|comment|pourquoi|combien)\b(?!\s+que\s+ce\s+soit)",
            r"(?:qu['’]\s?)?est-ce\b|.{0,24}\w-(?:t-)?(?:je|tu|il|elle|on|nous|vous|ils|elles|ce)\b",
            # Russian, Ukrainian
            r"(?:кто|кого|кому|кем|чей|чья|чьё|чье|где|куда|откуда|почему|зачем|сколько|как(?:ой|ая|ое|ие|ого|ую)|"
            r"що|хто|де|коли|чому|скільки)\s+\w",
            r"что\s+(?!касается\b)\w|(?:как|когда)\s+(?!(?:я|ты|он|она|мы|вы|они|бы|раз)\b)\w|\w+\s+ли\b",
            # Arabic
            r"(?:هل|ماذا|أين|متى|لماذا|كيف|كم)\s",
        )
    ),
    re.IGNORECASE,
)
_ASKING_CJK = re.compile(
    r"(?:什么|什麼|谁|誰|哪|怎么|怎麼|怎样|多少|几点|几岁|多大|为什么|為什麼|是不是|有没有|何时)(?!都|也|裡都|里都)"
    r"|[吗嗎呢][。!！.]?$"
    r"|(?:です|ます|でした|ました|でしょう|だろう|の)か[。.]?$|(?:何|誰|どこ|いつ)[。.]?$"
    r"|(?:까|까요|나요|가요)[.。]?$"
)


def is_question(text: str) -> bool:
    """Whether the text asks for something: a question mark at a sentence's end, or a sentence that opens as a question.

    A cheap test in English, German, Spanish, French, Russian, Chinese and, by marks and common words, some others.
    """
    if _QUESTION_MARK.search(text):
        return True
    sentences = (part.strip() for part in _SENTENCE_END.split(text))
    return any(_ASKING.match(part) or _ASKING_CJK.search(part) for part in sentences if part)
