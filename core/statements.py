"""Telling what is said from what is asked, ordered or only polite: what of a message is worth a memory. Pure.

Cheap tests in English, German, Spanish, French, Russian and Chinese; tests/unit/memory/data/statements.txt says by
example what they tell apart.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from core.languages import content_words, detect_language
from core.secrecy import holds_secret
from core.text import is_question, split_text

MAX_MEMORY = 2_000
"""Characters of one memory that a person writes or changes by hand."""
MAX_RECENT = 600
"""Characters of one `recent` memory: as much as an embedder of 256 tokens takes in, and a quotation shows."""

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_HAN = re.compile("[\u3400-\u9fff]")
_SENTENCE = re.compile(r"(?<=[.!?…])[\"'”»)]*\s+|(?<=[。！？])|\n+")

_ORDERS = {
    "en": """tell show give write explain list find search summarize summarise translate help make create please draft
        suggest recommend describe compare calculate generate define rewrite fix check look read open send set remind
        repeat continue stop try convert play let's lets imagine pretend act answer""",
    "es": """dime muéstrame dame escribe explica explícame lista busca resume traduce ayúdame ayuda haz crea por
    recomiéndame
        describe compara calcula genera define corrige continúa repite""",
    "de": """sag zeig gib schreib schreibe erkläre erklär liste suche such fasse übersetze übersetz hilf mach
    erstelle bitte
        empfiehl beschreibe vergleiche berechne nenne korrigiere wiederhole erzähl erzähle""",
    "fr": """dis dis-moi montre montre-moi donne donne-moi écris explique explique-moi liste cherche résume traduis aide
        aide-moi fais crée recommande décris compare calcule génère corrige continue répète raconte""",
    "ru": """скажи покажи дай напиши объясни найди переведи помоги сделай создай пожалуйста посоветуй опиши сравни
    посчитай
        исправь повтори продолжи расскажи перечисли назови""",
}
_IMPERATIVES = {language: frozenset(words.split()) for language, words in _ORDERS.items()}
_HAN_ORDERS = ("请", "帮我", "帮忙", "告诉我", "给我", "翻译", "解释", "写一", "列出", "推荐", "总结")

_TRIVIAL_WORDS = """
    hi hello hey heya hiya yo howdy greetings good morning afternoon evening night day bye goodbye cya later see soon
    thanks thank lot bunch thx ty cheers you u welcome ok okay k kk sure yes yeah yep yup no nope nah maybe great
    nice cool
    awesome
    perfect lol haha hahaha wow oh ah hm hmm right fine alright all got it test ping sorry please so very much again
    well
    today everyone there what's up sup how are is goes going doing everything works that sounds makes sense
    interesting really me too same here that's this the a to i'm am fine good bored tired back
    hola buenos buenas días tardes noches gracias muchas de nada adiós hasta luego sí no vale claro bien muy genial jaja
    hallo guten morgen tag abend gute nacht danke dankeschön schön bitte tschüss servus ja nein klar gut super alles
    bonjour salut bonsoir bonne nuit soirée journée merci beaucoup rien au revoir oui non d'accord bien très ça va super
    привет здравствуй здравствуйте доброе добрый утро день вечер доброй ночи спасибо большое пока да нет ладно хорошо
    отлично ок"""
_TRIVIAL = frozenset(_TRIVIAL_WORDS.split())
_SMALL_TALK = """
    never mind|no worries|no problem|just kidding|take care|my bad|well done|good job|try again|forget it|one moment
    same to you|of course|long time no see|happy new year|merry christmas|happy birthday|have a nice day|brb|wait
    have a nice weekend|have a good one|nice to meet you|of course not|what a pity|excuse me|come on|you are funny
    frohe weihnachten|frohes neues|schönes wochenende|kein problem|mach's gut|bis später|wie geht's|alles gute
    feliz navidad|feliz año nuevo|buen fin de semana|no pasa nada|qué tal|cómo estás|hasta mañana
    joyeux noël|bonne année|bon week-end|pas de problème|à bientôt|comment ça va
    с новым годом|без проблем|до свидания|как дела|хороших выходных"""
_PHRASES = frozenset(
    phrase.strip() for line in _SMALL_TALK.splitlines() for phrase in line.split("|") if phrase.strip()
)
_PERSONAL = re.compile(
    r"\b(?:i|i'[a-z]+|my|mine|myself|we|we'[a-z]+|us|our|ours|ich|mich|mir|mein\w*|wir|uns|unser\w*|yo|mis?|me|conmigo"
    r"|nosotr[oa]s|nuestr[oa]s?|mí[oa]s?|je|moi|mon|ma|mes|nous|notre|nos|eu|meus?|minhas?|nosso|nossa|io|mi[oa]|miei|mie"
    r"|я|меня|мне|мной|мой|моя|моё|мое|мои|моего|моей|мою|моих|моим|моём|мы|нас|нам|наш\w*)\b"
    r"(?<!\btell me)(?<!\bgive me)(?<!\bshow me)(?<!\bhelp me)(?<!\bsing me)(?<!\bsend me)(?<!\bteach me)"
    r"(?<!\bwrite me)(?<!\bmiss me)(?<!\blet me)|\b[jm]'\w|我|我们|咱"
)
_HAN_TRIVIAL = re.compile(
    r"[你您]好|谢谢|謝謝|再见|再見|早上好|晚上好|晚安|好的|哈哈|没事|不客气|嗯|哦|啊|吧|了|是的|不是|好"
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


def is_trivial(text: str) -> bool:
    """Whether a message says nothing to remember or to look up: greetings, thanks, yes and no, laughter, signs."""
    if _HAN.search(text):
        rest = _HAN_TRIVIAL.sub("", "".join(filter(str.isalnum, text)))
        return len(rest) < 2
    words = _words(text)
    if " ".join(words) in _PHRASES:
        return True
    return all(word in _TRIVIAL or (len(word) < 2 and not word.isdigit()) for word in words)


def is_personal(text: str) -> bool:
    """Whether a message speaks of its author, by pronouns: what could be answered from what they told before.

    "Tell me", "give me" and the like ask a favour and do not count.
    """
    return bool(_PERSONAL.search(unicodedata.normalize("NFKC", text).casefold().replace("’", "'")))


def _tells(sentence: str) -> bool:
    if is_trivial(sentence) or is_question(sentence) or holds_secret(sentence):
        return False
    if _is_order(sentence) and not _TELLING.match(sentence):
        return False
    if _HAN.search(sentence):
        return len(_HAN.findall(sentence)) >= 3
    return len(_words(sentence)) >= 2 and any(word not in _TRIVIAL for word in content_words(sentence))


_TELLING = re.compile(
    r"(?:please|bitte|por favor|s'il (?:te|vous) pla[iî]t|пожалуйста)?[\s,]*"
    r"(?:(?:remember|note|keep in mind|don'?t forget|do not forget)(?: that\b|\s*:)|merke? dir|vergiss nicht|notiere?\b"
    r"|(?:recuerda|anota)(?: que\b|\s*:)|souviens-toi|запомни)",
    re.IGNORECASE,
)
"""An order that is a telling: "please remember that …", "bitte merk dir …"."""


def _is_order(sentence: str) -> bool:
    if _HAN.search(sentence):
        return sentence.startswith(_HAN_ORDERS)
    words = _words(sentence)
    return bool(words) and words[0] in _IMPERATIVES.get(detect_language(sentence) or "en", ())


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold().replace("’", "'"))
