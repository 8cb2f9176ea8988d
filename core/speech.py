"""Kinds of sentences by their form: greetings, thanks, orders, tags, talk of oneself. Pure.

Cheap tests in English, German, Spanish, French, Russian and Chinese; tests/unit/memory/data/statements.txt says by
example what they tell apart.
"""

from __future__ import annotations

import re
import unicodedata

from core.languages import detect_language

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
HAN = re.compile("[\u3400-\u9fff]")

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
    отлично ок zusammen allerseits todos todas tous toutes всем"""
TRIVIAL = frozenset(_TRIVIAL_WORDS.split())
_SMALL_TALK = """
    just a test|this is a test|only a test|nur ein test|solo una prueba|c'est un test|это тест|let me know
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
_FAVOUR_WORDS = """
    tell me|give me|show me|help me|sing me|send me|teach me|write me|miss me|let me|erzähl mir|erzähle mir|sag mir
    gib mir|zeig mir|hilf mir|schreib mir|dis-moi|donne-moi|montre-moi|raconte-moi|aide-moi|explique-moi|écris-moi
    скажи мне|дай мне|покажи мне|помоги мне|расскажи мне|напиши мне|объясни мне"""
_FAVOURS = [favour for line in _FAVOUR_WORDS.strip().splitlines() for favour in line.strip().split("|")]
_PERSONAL = re.compile(
    r"\b(?:i|i'[a-z]+|my|mine|myself|we|we'[a-z]+|us|our|ours|ich|mich|mir|mein\w*|wir|uns|unser\w*|yo|mis?|me|conmigo"
    r"|soy|estoy|tengo|vivo"
    r"|nosotr[oa]s|nuestr[oa]s?|mí[oa]s?|je|moi|mon|ma|mes|nous|notre|nos|eu|meus?|minhas?|nosso|nossa|io|mi[oa]|miei|mie"
    r"|я|меня|мне|мной|мой|моя|моё|мое|мои|моего|моей|мою|моих|моим|моём|мы|нас|нам|наш\w*)\b"
    + "".join(rf"(?<!\b{favour})" for favour in _FAVOURS)
    + r"|\b[jm]'\w|(?<!给)(?<!跟)(?<!帮)(?<!告诉)我|咱"
)
_HAN_TRIVIAL = re.compile(
    r"[你您]好|大家|谢谢|謝謝|再见|再見|早上好|晚上好|晚安|好的|哈哈|没事|不客气|嗯|哦|啊|吧|了|是的|不是|好"
)


def is_trivial(text: str) -> bool:
    """Whether a message says nothing to remember or to look up: greetings, thanks, yes and no, laughter, signs."""
    if HAN.search(text):
        rest = _HAN_TRIVIAL.sub("", "".join(filter(str.isalnum, text)))
        return len(rest) < 2
    words = words_of(text)
    if " ".join(words) in _PHRASES:
        return True
    return all(word in TRIVIAL or (len(word) < 2 and not word.isdigit()) for word in words)


def is_personal(text: str) -> bool:
    """Whether a message speaks of its author, by pronouns: what could be answered from what they told before.

    "Tell me", "give me" and the like ask a favour and do not count, in none of the six languages.
    """
    return bool(_PERSONAL.search(unicodedata.normalize("NFKC", text).casefold().replace("’", "'")))


# --- orders ----------------------------------------------------------------------------------------------------------

_ORDERS = {
    "en": """tell show give write explain list find search summarize summarise translate help make create please draft
        suggest recommend describe compare calculate generate define rewrite fix check look read open send set remind
        repeat continue stop try convert play let's lets imagine pretend act answer
        forget""",
    "es": """dime muéstrame dame escribe explica explícame lista busca resume traduce ayúdame ayuda haz crea
        recomiéndame describe compara calcula genera define corrige continúa repite""",
    "de": """sag zeig gib schreib schreibe erkläre erklär liste such fasse übersetze übersetz hilf mach
    erstelle bitte
        empfiehl beschreibe vergleiche berechne nenne korrigiere wiederhole erzähl erzähle""",
    "fr": """dis dis-moi montre montre-moi donne donne-moi écris explique explique-moi liste cherche résume traduis aide
        aide-moi fais fais-moi crée recommande décris compare calcule génère corrige continue répète raconte
        raconte-moi""",
    "ru": """скажи покажи дай напиши объясни найди переведи помоги сделай создай пожалуйста посоветуй опиши сравни
        посчитай исправь повтори продолжи расскажи перечисли назови""",
}
_IMPERATIVES = {language: frozenset(words.split()) for language, words in _ORDERS.items()}
_IMPERATIVES["?"] = frozenset().union(*_IMPERATIVES.values())
_HAN_ORDER = re.compile("(?:请|帮我|帮忙|告诉我|给我|翻译|解释|写一|列出|推荐|总结)(?!是)")
_TELLING = re.compile(
    r"(?:please|bitte|por favor|s'il (?:te|vous) pla[iî]t|пожалуйста)?[\s,]*"
    r"(?:(?:remember|note|keep in mind|don't forget|do not forget)(?: that\b|\s*:| (?=(?:i|i'm|my|we|our)\b))"
    r"|let(?:'s|s| us)(?: just)? say\b|请?(?:记住|记得|别忘了)|merke? dir|vergiss nicht|notiere?\b"
    r"|(?:recuerda|anota)(?: que\b|\s*:)|souviens-toi|запомни)"
)
"""An order that is a telling: "please remember that …", "bitte merk dir …", "let's say …"."""
_FINITE_WORDS = """
    is are was were has have had isn't aren't wasn't ist sind war waren hat haben wird es son era eran está están est
    sont était étaient"""
_FINITE = frozenset(_FINITE_WORDS.split())
_OBJECT_WORDS = """
    me us my our your his her their the a an this that these those it some any all every what who whom how why where
    when which whether if about for in on at of to with more less up out down like mir uns mich mein meine meinen den
    die das ein eine einen nach von was wie warum wo wer ob nos mi mis tu el la los las un una lo qué cómo por de que
    moi nous mon ma mes le les des du une ce cette pourquoi comment où quoi qui"""
_OBJECTS = frozenset(_OBJECT_WORDS.split())
_GIVES = re.compile(r"\w+ \w+ \w+s (?:me|my|us|our|i)\b")
_PAUSE = re.compile(r"\s*[,:;，：；–—]\s*|\s-\s")
_OWN = re.compile(
    r"(?:i|i'[a-z]+|my|we|we'[a-z]+|our|ich|wir|mein\w*|unser\w*|yo|mi|mis|soy|somos|estoy|tengo|vivo|je|j'\w+|nous|mon"
    r"|ma|mes|notre|я|мы|мой|моя|моё|мои|у меня|мне)\b|我"
)


def is_order(sentence: str) -> bool:
    """Whether a sentence asks for something to be done; no order: "Help desk is where I work", "please remember that
    …", "make no mistake, I hate coriander"."""
    plain = _plain(sentence)
    if _TELLING.match(plain):
        return False
    if HAN.search(sentence):
        return bool(_HAN_ORDER.match(sentence))
    words = words_of(plain.removeprefix("por favor"))
    orders = _IMPERATIVES["en"] | _IMPERATIVES.get(detect_language(sentence) or "?", frozenset())
    if not words or words[0] not in orders or _names_a_thing(words):
        return False
    return not any(_OWN.match(clause) and not is_trivial(clause) for clause in _PAUSE.split(plain)[1:])


def _names_a_thing(words: list[str]) -> bool:
    """Whether the opening is a noun: a verb of its own follows before anything that an order would act upon."""
    if len(words) < 3 or (words[1] in _OBJECTS and words[1] not in _FINITE):
        return False
    for word in words[1:6]:
        if word in _FINITE:
            return True
        if word in {"that", "which", "who", "if", "when", "as", "wie", "dass", "que", "qui", "what"}:
            return False
    return bool(_GIVES.match(" ".join(words)))


# --- courtesy --------------------------------------------------------------------------------------------------------

_THANKS = re.compile(
    r"(?:many )?(?:thanks|thank you|thx)(?: so much| a lot| again)? for\b"
    r"|(?:vielen |herzlichen )?dank\w*(?: schön)? für\b"
    r"|(?:muchas |mil )?gracias por\b|merci (?:beaucoup )?(?:pour|de)\b|(?:большое )?спасибо(?: большое)? за\b"
    r"|谢谢|謝謝|感谢"
)
_PRAISE = re.compile(r"(?:you(?:'re| are| were)|du (?:bist|warst)|eres|tu es|vous êtes|ты|вы) |[你您][真很太是]")


def is_courtesy(sentence: str) -> bool:
    """Thanks for something, and praise or blame of the bot, in one clause."""
    plain = _plain(sentence)
    if _PAUSE.search(plain):
        return False
    return bool(_THANKS.match(plain)) or bool(_PRAISE.match(plain) and not is_personal(plain))


# --- tags ------------------------------------------------------------------------------------------------------------

_IDLE = (
    "ok|okay|k|alright|you know|you see|remember|got it|mind you|gell|weißt du|verstehst du|vale|sabes|entiendes"
    "|d'accord|tu sais|tu vois|ладно|хорошо|понимаешь|знаешь|好吗|好嗎|好吧|知道吗"
)
_NODDING = (
    "right|correct|yes|yeah|no|eh|huh|innit|true|am i right"
    "|(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should|wo|ca|am|ai)(?:n't| not)?"
    " (?:i|you|he|she|it|we|they|there)(?: not)?"
    "|oder|nicht wahr|nicht|ne|nein|ja|stimmt's|stimmt das|richtig|verdad|cierto|no es así|no es cierto|non"
    "|n'est-ce pas|hein|pas vrai|да|нет|верно|правда|так|не так ли|правильно"
    "|对吧|对吗|是吧|是吗|对不对|是不是|對吧|對嗎"
)
_TAG = re.compile(
    rf"\s*[,;，；–—-]\s*¿?\s*(?:(?P<idle>{_IDLE})|{_NODDING})\s*[?？]+\s*$".replace("'", "['’]"), re.IGNORECASE
)


def without_tag(sentence: str) -> str:
    """A statement without what asks for a nod: "I live in Rome, right?".

    "The meeting is on Friday, right?" stays: it asks, like all that is not about its author, unless its tag asks for
    nothing ("ok?", "you know?").
    """
    tag = _TAG.search(sentence)
    if tag is None:
        return sentence
    rest = sentence[: tag.start()]
    return rest if tag["idle"] or is_personal(rest) else sentence


def words_of(text: str) -> list[str]:
    return _WORD.findall(_plain(text))


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().replace("’", "'").strip(" .!…。！")
